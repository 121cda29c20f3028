/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keras's files as tensors (keras.h), two rows of formats.def: HDF5, of
 * whomever, and Keras 3's zip. Archives that disagree with themselves are
 * refused.
 */

#include "formats/keras.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "formats/format.h"

enum { CONFIG_MAX = 1 << 26 };

static const char WEIGHTS[] = "model.weights.h5";

static int read_member(struct assay__keras_file *f, const char *name,
                       bool needed, size_t max_bytes,
                       struct assay__zip_bytes *out, struct assay_error *err)
{
    const struct assay__zip_member *m = assay__zip_find(&f->zip, name);

    if (!m && needed)
        return assay_error_set(err, ASSAY_FORMAT,
                               "byte %zu: the archive has no member '%s'",
                               f->zip.directory_at, name);
    if (!m)
        return ASSAY_OK;
    if (m->size > max_bytes)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: '%s' has %zu bytes, over the limit "
                               "of %zu",
                               m->entry_at, name, m->size, max_bytes);
    return assay__zip_read(&f->zip, m, m->size, false, out, err);
}

static int open_zip(struct assay__keras_file *f, const unsigned char *data,
                    size_t size, struct assay_error *err)
{
    int rc = assay__zip_open(&f->zip, data, size, err);

    for (size_t i = 0; i < f->zip.n_members && !rc; i++) {
        const struct assay__zip_member *m = &f->zip.member[i];

        if (m->faults)
            rc = assay_error_set(
                err, ASSAY_FORMAT, "byte %zu: zip member '%.60s': %s",
                m->entry_at, m->name, assay__zip_fault_text(m->faults));
    }
    if (!rc)
        rc = read_member(f, "config.json", false, CONFIG_MAX, &f->config, err);
    if (!rc)
        rc = read_member(f, "metadata.json", false, CONFIG_MAX, &f->metadata,
                         err);
    if (!rc)
        rc = read_member(f, WEIGHTS, true, ASSAY_FORMAT_MAX_BYTES, &f->weights,
                         err);
    if (rc)
        return rc;
    rc = assay__hdf5_open(&f->h5, f->weights.data, f->weights.size, err);
    return rc ? assay_error_prefix(err, rc, "%s", WEIGHTS) : rc;
}

int assay__keras_open(struct assay__keras_file *f, const unsigned char *data,
                      size_t size, struct assay_error *err)
{
    memset(f, 0, sizeof(*f));
    f->zipped = size >= 2 && data[0] == 'P' && data[1] == 'K';
    return f->zipped ? open_zip(f, data, size, err)
                     : assay__hdf5_open(&f->h5, data, size, err);
}

void assay__keras_close(struct assay__keras_file *f)
{
    assay__hdf5_close(&f->h5);
    assay__free(f->config.owned);
    assay__free(f->metadata.owned);
    assay__free(f->weights.owned);
    if (f->zipped)
        assay__zip_close(&f->zip);
}

/* --- names ---------------------------------------------------------------- */

static bool begins(const char *path, const char *with)
{
    return strncmp(path, with, strlen(with)) == 0;
}

/* Keras 3's names are its attributes': "layers/conv2d/vars/0". */
static void numbered(const char *path, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    while (*path) {
        size_t n = strcspn(path, "/");
        bool inner =
            (n == 6 && begins(path, "layers")) ||
            (n == 4 && begins(path, "vars")) ||
            (n == 30 && begins(path, "_layer_checkpoint_dependencies"));

        if (!inner)
            at += (size_t)snprintf(out + at, size - at, "%s%.*s", at ? "/" : "",
                                   (int)n, path);
        path += n + (path[n] == '/');
    }
}

/* The first and last part of a path, without ":0". */
static void named(const char *path, char *out, size_t size)
{
    const char *last = strrchr(path, '/');
    size_t n;

    last = last ? last + 1 : path;
    n = strlen(last);
    if (n > 2 && strcmp(last + n - 2, ":0") == 0)
        n -= 2;
    if (last == path)
        snprintf(out, size, "%.*s", (int)n, last);
    else
        snprintf(out, size, "%.*s/%.*s", (int)strcspn(path, "/"), path, (int)n,
                 last);
}

static bool has_layers(struct assay__hdf5 *h, int node)
{
    const struct assay__hdf5_node *n = &h->node[node];

    for (size_t i = n->first; i < n->first + n->n_messages; i++) {
        const struct assay__hdf5_message *m = &h->message[i];

        if (m->type == ASSAY__HDF5_ATTRIBUTE &&
            memmem(h->data + m->at, m->size, "layer_names", 11))
            return true;
    }
    return false;
}

static int add_dataset(struct assay__hdf5 *h, int node, bool legacy,
                       struct assay_tensors *list, struct assay_error *err)
{
    enum { PATH_MAX_BYTES = 256 * (ASSAY__HDF5_DEPTH_MAX + 1) };
    char path[PATH_MAX_BYTES];
    char name[PATH_MAX_BYTES];
    const char *from = assay__hdf5_path(h, node, path, sizeof(path));

    if (begins(from, "optimizer/") || begins(from, "optimizer_weights/"))
        return ASSAY_OK;
    if (begins(from, "model_weights/"))
        from += strlen("model_weights/");
    if (legacy)
        named(from, name, sizeof(name));
    else
        numbered(from, name, sizeof(name));
    if (name[0] == '\0' || assay_tensors_find(list, name))
        snprintf(name, sizeof(name), "%s", from);
    if (strlen(name) > ASSAY__NAME_MAX || list->n_items >= ASSAY__ITEMS_MAX)
        return assay_error_set(err, ASSAY_LIMIT,
                               "byte %zu: over %d tensors, or a name of over "
                               "%d bytes",
                               h->node[node].header_at, ASSAY__ITEMS_MAX,
                               ASSAY__NAME_MAX);
    return assay__hdf5_read(h, node, name, list, err);
}

static int read_file(struct assay_tensors *list, const unsigned char *data,
                     size_t size, struct assay_error *err)
{
    struct assay__keras_file f;
    int rc = assay__keras_open(&f, data, size, err);
    bool legacy = false;

    if (!rc) {
        int group = assay__hdf5_find_text(&f.h5, 0, "model_weights");

        legacy = has_layers(&f.h5, group >= 0 ? group : 0);
    }
    for (int i = 0; i < f.h5.n_nodes && !rc; i++) {
        if (assay__hdf5_is_dataset(&f.h5, i))
            rc = add_dataset(&f.h5, i, legacy, list, err);
    }
    assay__keras_close(&f);
    return rc;
}

static bool is_weights(const char *name, size_t n)
{
    return n == sizeof(WEIGHTS) - 1 && memcmp(name, WEIGHTS, n) == 0;
}

static bool probe_zip(const unsigned char *data, size_t size)
{
    return size >= 4 && memcmp(data, "PK\3\4", 4) == 0 &&
           assay__zip_has(data, size, is_weights);
}

const struct assay_format assay_format_hdf5 = {
    .name = "HDF5",
    .suffix = ".h5",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = assay__hdf5_probe,
    .read = read_file,
};

const struct assay_format assay_format_keras = {
    .name = "Keras",
    .suffix = ".keras",
    .max_bytes = ASSAY_FORMAT_MAX_BYTES,
    .probe = probe_zip,
    .read = read_file,
};
