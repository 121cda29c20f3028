/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Presets and cells. `paper` is the setting of Liu et al., USENIX Security
 * 2022, as far as it is known: 32x32 images, 300 epochs of SGD, and the
 * attack networks' 50 epochs of Adam at 1e-5, without what Assay adds to
 * them. `corrected` trains for 100 epochs, as the authors' later code does,
 * runs attack networks as attacks.def has them, and adds reference models.
 */

#include "study/grid.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "study/settings.h"

enum { CELLS_MAX = 4096 };

static const char *const paper_params[] = {"network-black-shadow.epochs=50",
                                           "network-black-shadow.lr=1e-5",
                                           "network-black-partial.epochs=50",
                                           "network-black-partial.lr=1e-5",
                                           "network-white-shadow.epochs=50",
                                           "network-white-shadow.lr=1e-5",
                                           "network-white-shadow.queries=0",
                                           "network-white-partial.epochs=50",
                                           "network-white-partial.lr=1e-5",
                                           "network-white-partial.queries=0",
                                           NULL};
static const char *const no_params[] = {NULL};

static const struct assay__study_preset presets[] = {
    {"corrected", 100, {50, 75}, 32, 8, "negative", no_params},
    {"paper", 300, {50, 100}, 32, 0, "negative", paper_params},
};
enum { N_PRESETS = sizeof(presets) / sizeof(presets[0]) };

const struct assay__study_preset *assay__study_preset(
    const struct assay__study_file *file)
{
    int i;

    if (file->preset == NULL)
        return &presets[0];
    for (i = 0; i < N_PRESETS; i++) {
        if (strcmp(presets[i].name, file->preset) == 0)
            return &presets[i];
    }
    return NULL;
}

unsigned assay__study_n_defenses(const struct assay__study_file *file)
{
    return file->defenses_count > 0 ? file->defenses_count : 1;
}

const char *assay__study_defense_name(const struct assay__study_file *file,
                                      unsigned i)
{
    return file->defenses_count > 0 ? file->defenses[i].name : "none";
}

const char *assay__study_defense_kind(const struct assay__study_file *file,
                                      unsigned i)
{
    if (file->defenses_count > 0 && file->defenses[i].kind != NULL)
        return file->defenses[i].kind;
    return assay__study_defense_name(file, i);
}

/* The growing list. */
struct grid {
    const struct assay__study_file *file;
    const struct assay__study_preset *preset;
    struct assay__study_cell *cell;
    size_t n;
    size_t cap;
};

/* Whether a list of names, empty for all, has this one. */
static int chosen(char *const *list, unsigned n, const char *name)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (strcmp(list[i], name) == 0)
            return 1;
    }
    return n == 0;
}

static int matches(const char *wanted, const char *name)
{
    return wanted == NULL || strcmp(wanted, name) == 0;
}

static int settle(const struct grid *g, struct assay__study_cell *cell,
                  struct assay_error *err)
{
    const struct assay__study_file *f = g->file;
    const struct assay__study_dataset *d = &f->datasets[cell->dataset];
    unsigned i;
    int code;

    assay__study_settings_init(&cell->settings, g->preset);
    code = assay__study_settings_apply(&cell->settings, &f->set, err);
    if (code != ASSAY_OK)
        return code;
    code = assay__study_settings_apply(&cell->settings, &d->set, err);
    if (code != ASSAY_OK)
        return assay_error_prefix(err, code, "dataset %s", d->name);
    for (i = 0; i < f->overrides_count; i++) {
        const struct assay__study_override *o = &f->overrides[i];

        if (!matches(o->dataset, d->name) ||
            !matches(o->architecture, f->architectures[cell->architecture]) ||
            !matches(o->defense, assay__study_defense_name(f, cell->defense)))
            continue;
        code = assay__study_settings_apply(&cell->settings, &o->set, err);
        if (code != ASSAY_OK)
            return assay_error_prefix(err, code, "override %u", i + 1);
    }
    return ASSAY_OK;
}

static int add_cell(struct grid *g, const struct assay__study_cell *cell,
                    struct assay_error *err)
{
    size_t i;

    if (g->n == CELLS_MAX)
        return assay_error_set(err, ASSAY_LIMIT, "more than %d cells",
                               (int)CELLS_MAX);
    for (i = 0; i < g->n; i++) {
        if (strcmp(g->cell[i].name, cell->name) == 0)
            return assay_error_set(err, ASSAY_FORMAT,
                                   "two cells would share the folder %s; "
                                   "choose names that tell them apart",
                                   cell->name);
    }
    if (g->n == g->cap) {
        size_t cap = g->cap > 0 ? 2 * g->cap : 64;
        struct assay__study_cell *grown =
            assay__realloc(g->cell, cap, sizeof(*grown));

        if (grown == NULL)
            return assay_error_set(err, ASSAY_NOMEM, "%zu cells", cap);
        g->cell = grown;
        g->cap = cap;
    }
    g->cell[g->n++] = *cell;
    return ASSAY_OK;
}

static void name_cell(const struct grid *g, struct assay__study_cell *cell)
{
    const struct assay__study_file *f = g->file;
    char epochs[16] = "";

    if (cell->sweep)
        snprintf(epochs, sizeof(epochs), "-e%zu", cell->settings.recipe.epochs);
    snprintf(cell->name, sizeof(cell->name), "%.40s-%.30s-%.40s%s-s%llu",
             f->datasets[cell->dataset].name,
             f->architectures[cell->architecture],
             assay__study_defense_name(f, cell->defense), epochs,
             (unsigned long long)cell->seed);
}

/* One cell of the grid proper, if its defence is meant for it. */
static int add_main(struct grid *g, struct assay__study_cell *cell,
                    struct assay_error *err)
{
    const struct assay__study_file *f = g->file;
    int code;

    if (f->defenses_count > 0) {
        const struct assay__study_defense *d = &f->defenses[cell->defense];

        if (!chosen(d->architectures, d->architectures_count,
                    f->architectures[cell->architecture]) ||
            !chosen(d->datasets, d->datasets_count,
                    f->datasets[cell->dataset].name))
            return ASSAY_OK;
    }
    code = settle(g, cell, err);
    if (code != ASSAY_OK)
        return code;
    name_cell(g, cell);
    return add_cell(g, cell, err);
}

/* The row of no defence, on which epochs are swept; the first without one. */
static unsigned plain_defense(const struct assay__study_file *f)
{
    unsigned i;

    for (i = 0; i < f->defenses_count; i++) {
        if (strcmp(assay__study_defense_kind(f, i), "none") == 0)
            return i;
    }
    return 0;
}

/* Other numbers of epochs than the cell's own, which is there already. */
static int add_sweep(struct grid *g, struct assay__study_cell *cell,
                     struct assay_error *err)
{
    const struct assay__study_file *f = g->file;
    const struct assay__study_sweep *s = f->sweep;
    size_t own;
    unsigned i;
    int code;

    if (s == NULL ||
        !chosen(s->architectures, s->architectures_count,
                f->architectures[cell->architecture]) ||
        !chosen(s->datasets, s->datasets_count,
                f->datasets[cell->dataset].name))
        return ASSAY_OK;
    cell->defense = plain_defense(f);
    cell->sweep = 1;
    code = settle(g, cell, err);
    own = cell->settings.recipe.epochs;
    for (i = 0; i < s->epochs_count && code == ASSAY_OK; i++) {
        if (s->epochs[i] == own)
            continue;
        cell->settings.recipe.epochs = s->epochs[i];
        name_cell(g, cell);
        code = add_cell(g, cell, err);
    }
    return code;
}

/* All cells of one seed: the grid, or the sweep. */
static int add_seed(struct grid *g, uint64_t seed, int sweep,
                    struct assay_error *err)
{
    const struct assay__study_file *f = g->file;
    unsigned n_defenses = sweep ? 1 : assay__study_n_defenses(f);
    struct assay__study_cell cell;
    unsigned d;
    unsigned a;
    unsigned k;
    int code = ASSAY_OK;

    for (d = 0; d < f->datasets_count; d++) {
        for (a = 0; a < f->architectures_count; a++) {
            for (k = 0; k < n_defenses && code == ASSAY_OK; k++) {
                memset(&cell, 0, sizeof(cell));
                cell.dataset = d;
                cell.architecture = a;
                cell.defense = k;
                cell.seed = seed;
                code =
                    sweep ? add_sweep(g, &cell, err) : add_main(g, &cell, err);
            }
        }
    }
    return code;
}

int assay__study_grid(const struct assay__study_file *file,
                      struct assay__study_cell **cells, size_t *n,
                      struct assay_error *err)
{
    struct grid g = {file, assay__study_preset(file), NULL, 0, 0};
    unsigned n_seeds = file->seeds_count > 0 ? file->seeds_count : 1;
    unsigned i;
    int sweep;
    int code = ASSAY_OK;

    if (g.preset == NULL)
        return assay_error_set(err, ASSAY_FORMAT,
                               "preset \"%.40s\" is not paper or corrected",
                               file->preset);
    for (sweep = 0; sweep < 2; sweep++) {
        for (i = 0; i < n_seeds && code == ASSAY_OK; i++)
            code = add_seed(&g, file->seeds_count > 0 ? file->seeds[i] : 0,
                            sweep, err);
    }
    if (code == ASSAY_OK && g.n == 0)
        code = assay_error_set(err, ASSAY_FORMAT, "the study has no cells");
    if (code != ASSAY_OK) {
        assay__free(g.cell);
        return code;
    }
    *cells = g.cell;
    *n = g.n;
    return ASSAY_OK;
}
