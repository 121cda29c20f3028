/* SPDX-License-Identifier: Apache-2.0 */
/* Names of run folders (audit_folder.h). */

#include "audit_folder.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"

static void add_text(struct assay__buf *b, const char *name, const char *text)
{
    assay__buf_printf(b, "%s %zu %s\n", name, text != NULL ? strlen(text) : 0,
                      text != NULL ? text : "-");
}

static void add_numbers(struct assay__buf *b, const char *name, int n,
                        const double *value)
{
    int i;

    assay__buf_printf(b, "%s %d", name, n);
    for (i = 0; i < n; i++)
        assay__buf_printf(b, " %.17g", value[i]);
    assay__buf_puts(b, "\n");
}

static void add_predictions(struct assay__buf *b,
                            const struct assay_predictions *p)
{
    add_text(b, "members", p->members);
    add_text(b, "nonmembers", p->nonmembers);
    add_text(b, "population", p->population);
    add_text(b, "shadow members", p->shadow_members);
    add_text(b, "shadow nonmembers", p->shadow_nonmembers);
    add_text(b, "reference members", p->reference_members);
    add_text(b, "reference nonmembers", p->reference_nonmembers);
    add_text(b, "reference population", p->reference_population);
}

static void add_recipe(struct assay__buf *b,
                       const struct assay_audit_options *o)
{
    char *recipe = assay_recipe_text(&o->recipe);

    if (recipe == NULL)
        b->failed = true;
    add_text(b, "recipe", recipe);
    assay__buf_printf(b, "given %u\n", o->recipe_given);
    assay_bytes_free(recipe);
}

/* All of it as text; what two audits differ in gives other text. */
static void add_all(struct assay__buf *b, const struct assay_audit_options *o)
{
    const struct assay_pixel_options *p = &o->pixels;

    add_text(b, "data", o->data);
    add_text(b, "label", o->dataset.label);
    add_text(b, "model", o->model);
    add_text(b, "nonmember data", o->nonmember_data);
    add_text(b, "arch", o->arch);
    add_predictions(b, &o->predictions);
    add_recipe(b, o);
    assay__buf_printf(b, "records %zu of %zu, assumed %d\n", o->n_each,
                      o->dataset.max_records, o->assume_split);
    assay__buf_printf(b, "pixels %d %d %d %.17g\n", p->channels, p->height,
                      p->width, p->scale);
    add_numbers(b, "mean", p->n_mean, p->mean);
    add_numbers(b, "std", p->n_std, p->std);
    add_text(b, "backend", o->compute.backend);
    assay__buf_printf(b, "kernels %d %d\n", (int)o->compute.algorithms,
                      (int)o->compute.dtype);
}

static int hash_options(const struct assay_audit_options *o,
                        char text[ASSAY__SHA256_TEXT])
{
    struct assay__buf b = ASSAY__BUF_INIT;
    struct assay__sha256 hash;
    int done = 0;

    add_all(&b, o);
    if (!b.failed && assay__sha256_begin(&hash) == ASSAY_OK) {
        assay__sha256_add(&hash, b.data, b.size);
        assay__sha256_end(&hash, text);
        done = 1;
    }
    assay__buf_release(&b);
    return done;
}

char *assay__audit_default_folder(const struct assay_audit_options *o,
                                  int64_t seed)
{
    const char *source = o->data != NULL ? o->data : "predictions";
    const char *what = o->model != NULL ? o->model : o->arch;
    char hash[ASSAY__SHA256_TEXT];
    char name[96];
    size_t i;

    if (!hash_options(o, hash))
        return NULL;
    if (o->data == NULL)
        what = o->predictions.members;
    if (strrchr(what, '/') != NULL)
        what = strrchr(what, '/') + 1;
    snprintf(name, sizeof(name), "%.*s-%.*s", (int)strcspn(source, "?"), source,
             (int)strcspn(what, "."), what);
    for (i = 0; name[i] != '\0'; i++) {
        if (name[i] == '/' || name[i] == ':')
            name[i] = '-';
    }
    return assay__format("runs/%s-%lld-%.8s", name, (long long)seed, hash);
}
