/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What attacks made, as files: scores (score_file.c); guesses as `guess` I32
 * [budgets, n], `budget` U32 and `record` U32; pictures as `x` F32
 * [n, C, H, W] and `wanted` I32. What is written is read back to the same
 * bits.
 */

#include <string.h>

#include "assay/format.h"
#include "audit/audit.h"
#include "core/mem.h"

void assay__made_release(struct assay__made *made)
{
    assay_membership_scores_release(&made->scores);
    assay_guesses_release(&made->guesses);
    assay_pictures_release(&made->pictures);
}

static int add(struct assay_tensors *list, const char *name,
               enum assay_dtype dtype, const struct assay_shape *shape,
               const void *data, size_t bytes, struct assay_error *err)
{
    struct assay_tensor *t = NULL;
    int code = assay_tensors_add(list, name, dtype, shape, &t, err);

    if (code == ASSAY_OK)
        memcpy(t->data, data, bytes);
    return code;
}

static int add_guesses(struct assay_tensors *list,
                       const struct assay_guesses *g,
                       const struct assay_attack_input *in,
                       struct assay_error *err)
{
    struct assay_shape all =
        assay_shape_make(2, (int64_t)g->n_budgets, (int64_t)g->n);
    struct assay_shape budgets = assay_shape_make(1, (int64_t)g->n_budgets);
    struct assay_shape rows = assay_shape_make(1, (int64_t)g->n);
    size_t n = (size_t)g->n_budgets;
    uint32_t budget[ASSAY_BUDGETS_MAX];
    size_t i;
    int code;

    for (i = 0; i < n; i++)
        budget[i] = (uint32_t)g->budget[i];
    code = add(list, "guess", ASSAY_DTYPE_I32, &all, g->guess,
               n * g->n * sizeof(*g->guess), err);
    if (code == ASSAY_OK)
        code = add(list, "budget", ASSAY_DTYPE_U32, &budgets, budget,
                   n * sizeof(*budget), err);
    if (code == ASSAY_OK)
        code = add(list, "record", ASSAY_DTYPE_U32, &rows,
                   in->nonmembers->record, g->n * sizeof(uint32_t), err);
    return code;
}

static int add_pictures(struct assay_tensors *list,
                        const struct assay_pictures *p, struct assay_error *err)
{
    struct assay_shape all =
        assay_shape_make(4, (int64_t)p->n, p->channels, p->height, p->width);
    struct assay_shape rows = assay_shape_make(1, (int64_t)p->n);
    size_t pixels = (size_t)p->channels * (size_t)p->height * (size_t)p->width;
    int code = add(list, "x", ASSAY_DTYPE_F32, &all, p->x,
                   p->n * pixels * sizeof(*p->x), err);

    if (code == ASSAY_OK)
        code = add(list, "wanted", ASSAY_DTYPE_I32, &rows, p->wanted,
                   p->n * sizeof(*p->wanted), err);
    return code;
}

int assay__made_write(const struct assay__made *made,
                      const struct assay_attack_input *in,
                      const struct assay_attack *attack, const char *path,
                      struct assay_error *err)
{
    struct assay_tensors list;
    int code;

    if (attack->membership != NULL)
        return assay__scores_write(&made->scores, in, attack, path, err);
    assay_tensors_init(&list);
    code = assay_tensors_set_meta(&list, "attack", attack->name, err);
    if (code == ASSAY_OK && attack->guess != NULL)
        code = add_guesses(&list, &made->guesses, in, err);
    else if (code == ASSAY_OK)
        code = add_pictures(&list, &made->pictures, err);
    if (code == ASSAY_OK)
        code = assay_tensors_write(&list, path, err);
    assay_tensors_release(&list);
    return code;
}

static const struct assay_tensor *find(const struct assay_tensors *list,
                                       const char *name, enum assay_dtype dtype,
                                       int rank)
{
    const struct assay_tensor *t = assay_tensors_find(list, name);

    return t != NULL && t->dtype == dtype && t->shape.rank == rank ? t : NULL;
}

/* A copy of a tensor's elements of four bytes; NULL when out of memory. */
static void *copy(const struct assay_tensor *t, size_t n)
{
    void *data = assay__malloc(n * 4);

    if (data != NULL)
        memcpy(data, t->data, n * 4);
    return data;
}

static int take_guesses(struct assay_guesses *g,
                        const struct assay_tensors *list, const char *path,
                        struct assay_error *err)
{
    const struct assay_tensor *guess = find(list, "guess", ASSAY_DTYPE_I32, 2);
    const struct assay_tensor *budget =
        find(list, "budget", ASSAY_DTYPE_U32, 1);
    int i;

    if (guess == NULL || budget == NULL ||
        guess->shape.dim[0] != budget->shape.dim[0] ||
        budget->shape.dim[0] > ASSAY_BUDGETS_MAX)
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.120s: not a file of guesses", path);
    g->n_budgets = (int)budget->shape.dim[0];
    g->n = (size_t)guess->shape.dim[1];
    for (i = 0; i < g->n_budgets; i++)
        g->budget[i] = ((const uint32_t *)budget->data)[i];
    g->guess = copy(guess, (size_t)g->n_budgets * g->n);
    return g->guess != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "%.120s: %zu guesses", path,
                                 g->n);
}

static int take_pictures(struct assay_pictures *p,
                         const struct assay_tensors *list, const char *path,
                         struct assay_error *err)
{
    const struct assay_tensor *x = find(list, "x", ASSAY_DTYPE_F32, 4);
    const struct assay_tensor *wanted =
        find(list, "wanted", ASSAY_DTYPE_I32, 1);

    if (x == NULL || wanted == NULL || x->shape.dim[0] != wanted->shape.dim[0])
        return assay_error_set(err, ASSAY_FORMAT,
                               "%.120s: not a file of pictures", path);
    p->n = (size_t)x->shape.dim[0];
    p->channels = (int)x->shape.dim[1];
    p->height = (int)x->shape.dim[2];
    p->width = (int)x->shape.dim[3];
    p->x = copy(x, (size_t)assay_shape_count(&x->shape, 1));
    p->wanted = copy(wanted, p->n);
    if (p->x != NULL && p->wanted != NULL)
        return ASSAY_OK;
    assay_pictures_release(p);
    return assay_error_set(err, ASSAY_NOMEM, "%.120s: %zu pictures", path,
                           p->n);
}

int assay__made_read(struct assay__made *made,
                     const struct assay_attack *attack, const char *path,
                     struct assay_error *err)
{
    struct assay_tensors list;
    int code;

    if (attack->membership != NULL)
        return assay__scores_read(&made->scores, path, err);
    assay_tensors_init(&list);
    code = assay_tensors_read(&list, path, err);
    if (code != ASSAY_OK)
        return code;
    code = attack->guess != NULL
               ? take_guesses(&made->guesses, &list, path, err)
               : take_pictures(&made->pictures, &list, path, err);
    assay_tensors_release(&list);
    return code;
}
