/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints of a generator's training: after an epoch, all from which it
 * goes on to the same bytes.
 *
 * A file holds "param.<name>", f64, each network's from its own side;
 * "<net>.optimizer..." of both sides; "history" [epochs, 3], f64; and as
 * metadata the run's key. Beside it, in FILE.tuning, lie the choices of
 * algorithm; they are written before the first checkpoint is.
 */

#include <string.h>

#include "assay/format.h"
#include "core/fs.h"
#include "core/mem.h"
#include "model/gan.h"

enum { HISTORY_WIDTH = 3 };

static const char key_meta[] = "assay.generator";
static const char history_name[] = "history";

static int no_memory(struct assay_error *err)
{
    return assay_error_set(err, ASSAY_NOMEM,
                           "out of memory for a generator's checkpoint");
}

static const struct assay_tensor *find_history(const struct assay__gan *t,
                                               const struct assay_tensors *list)
{
    const struct assay_tensor *h = assay_tensors_find(list, history_name);

    if (!h || h->dtype != ASSAY_DTYPE_F64 || h->shape.rank != 2 ||
        h->shape.dim[0] < 1 || h->shape.dim[1] != HISTORY_WIDTH ||
        (size_t)h->shape.dim[0] > t->options.epochs)
        return NULL;
    return h;
}

/* Whether the file is of this run; a log line says why not. */
static bool is_ours(const struct assay__gan *t,
                    const struct assay_tensors *list)
{
    const char *theirs = assay_tensors_meta(list, key_meta);
    const char *why = NULL;

    if (!theirs || strcmp(theirs, t->key) != 0)
        why = "it is of another run";
    else if (!find_history(t, list))
        why = "it has more epochs than this run, or none";
    if (why)
        assay_log(t->ctx, ASSAY_LOG_INFO, "%s: %s is not used: %s",
                  t->options.task, t->options.checkpoint, why);
    return !why;
}

static int read_choices(struct assay__gan *t, struct assay_error *err)
{
    char *path = assay__format("%s.tuning", t->options.checkpoint);
    int rc = ASSAY_OK;

    if (!path)
        return no_memory(err);
    if (!t->own_tuning)
        rc = assay_tuning_new(&t->own_tuning, err);
    if (!rc)
        rc = assay_tuning_read(t->own_tuning, path, err);
    if (!rc)
        t->tuning = t->own_tuning;
    assay__free(path);
    return rc;
}

/* What is damaged is no failure of the run; lack of memory is. */
static int give_up(struct assay__gan *t, struct assay_tensors *list, int rc,
                   const struct assay_error *why, struct assay_error *err)
{
    if (list)
        assay_tensors_release(list);
    if (rc == ASSAY_NOMEM)
        return assay_error_set(err, rc, "%s", why->msg);
    assay_log(t->ctx, ASSAY_LOG_WARNING,
              "%s: the checkpoint cannot be used, starting anew: %s",
              t->options.task, why->msg);
    return ASSAY_OK;
}

int assay__gan_find(struct assay__gan *t, struct assay_tensors *list,
                    struct assay_error *err)
{
    struct assay_error why = {ASSAY_OK, ""};
    const char *path = t->options.checkpoint;
    int rc;

    if (!path || !assay__exists(path))
        return ASSAY_OK;
    rc = assay_tensors_read(list, path, &why);
    if (!rc && !is_ours(t, list)) {
        assay_tensors_release(list);
        return ASSAY_OK;
    }
    if (!rc)
        rc = read_choices(t, &why);
    return rc ? give_up(t, list, rc, &why, err) : ASSAY_OK;
}

/* The tensors that begin with `prefix`, without it; or with it put before. */
static int copy_tensors(struct assay_tensors *to,
                        const struct assay_tensors *from, const char *prefix,
                        bool strip, struct assay_error *err)
{
    size_t cut = strip ? strlen(prefix) : 0;
    int rc = ASSAY_OK;

    for (size_t i = 0; i < from->n_items && !rc; i++) {
        const struct assay_tensor *t = &from->item[i];
        struct assay_tensor *copy;
        char *name;

        if (strncmp(t->name, prefix, cut) != 0)
            continue;
        name = assay__format("%s%s", strip ? "" : prefix, t->name + cut);
        if (!name)
            return no_memory(err);
        rc = assay_tensors_add(to, name, t->dtype, &t->shape, &copy, err);
        if (!rc)
            memcpy(copy->data, t->data,
                   assay_shape_count(&t->shape, 1) *
                       assay_dtype_size(t->dtype));
        assay__free(name);
    }
    return rc;
}

static int restore_optimizer(struct assay__gan_side *s,
                             const struct assay_tensors *list,
                             struct assay_error *err)
{
    struct assay_tensors own;
    int rc;

    assay_tensors_init(&own);
    rc = copy_tensors(&own, list, s->net, true, err);
    if (!rc)
        rc = assay_optimizer_from_tensors(s->optimizer, &own, err);
    assay_tensors_release(&own);
    return rc;
}

/* A side's parameters into both plans. */
static int restore_params(struct assay__gan *t, struct assay__gan_side *s,
                          const struct assay_tensors *list,
                          struct assay_error *err)
{
    int rc = ASSAY_OK;

    for (int i = 0; i < s->n_params && !rc; i++) {
        assay_value v = s->param[i];
        char *name =
            assay__format("param.%s", assay_graph_value_name(t->graph, v));
        const struct assay_tensor *x;

        if (!name)
            return no_memory(err);
        x = assay_tensors_find(list, name);
        if (!x || x->dtype != ASSAY_DTYPE_F64 ||
            !assay_shape_equal(&x->shape, assay_graph_shape(t->graph, v)))
            rc = assay_error_set(err, ASSAY_FORMAT,
                                 "there is no '%.150s' of this shape", name);
        for (int k = 0; k < ASSAY__GAN_SIDES && !rc; k++)
            rc = assay_plan_write_f64(t->side[k].plan, v, x->data, err);
        assay__free(name);
    }
    return rc;
}

int assay__gan_restore(struct assay__gan *t, const struct assay_tensors *list,
                       bool *used, struct assay_error *err)
{
    const struct assay_tensor *h = find_history(t, list);
    struct assay_error why = {ASSAY_OK, ""};
    const double *row = h->data;
    int rc = ASSAY_OK;

    *used = false;
    for (int i = 0; i < ASSAY__GAN_SIDES && !rc; i++) {
        rc = restore_params(t, &t->side[i], list, &why);
        if (!rc)
            rc = restore_optimizer(&t->side[i], list, &why);
    }
    if (rc)
        return give_up(t, NULL, rc, &why, err);
    *used = true;
    t->n_done = t->resumed_at = (size_t)h->shape.dim[0];
    for (size_t i = 0; i < t->n_done; i++, row += HISTORY_WIDTH) {
        t->epoch[i].discriminator_loss = row[0];
        t->epoch[i].generator_loss = row[1];
        t->epoch[i].seconds = row[2];
    }
    assay_log(t->ctx, ASSAY_LOG_INFO, "%s: going on after epoch %zu of %zu",
              t->options.task, t->n_done, t->options.epochs);
    return ASSAY_OK;
}

static int save_side(struct assay__gan *t, struct assay__gan_side *s,
                     struct assay_tensors *list, struct assay_error *err)
{
    struct assay_tensors own;
    int rc = ASSAY_OK;

    for (int i = 0; i < s->n_params && !rc; i++) {
        assay_value v = s->param[i];
        char *name =
            assay__format("param.%s", assay_graph_value_name(t->graph, v));
        struct assay_tensor *x;

        if (!name)
            return no_memory(err);
        rc = assay_tensors_add(list, name, ASSAY_DTYPE_F64,
                               assay_graph_shape(t->graph, v), &x, err);
        if (!rc)
            rc = assay_plan_read_f64(s->plan, v, x->data, err);
        assay__free(name);
    }
    if (rc)
        return rc;
    assay_tensors_init(&own);
    rc = assay_optimizer_to_tensors(s->optimizer, &own, err);
    if (!rc)
        rc = copy_tensors(list, &own, s->net, false, err);
    assay_tensors_release(&own);
    return rc;
}

static int save_history(const struct assay__gan *t, struct assay_tensors *list,
                        struct assay_error *err)
{
    struct assay_shape shape =
        assay_shape_make(2, (int64_t)t->n_done, (int64_t)HISTORY_WIDTH);
    struct assay_tensor *h;
    double *row;
    int rc =
        assay_tensors_add(list, history_name, ASSAY_DTYPE_F64, &shape, &h, err);

    if (rc)
        return rc;
    row = h->data;
    for (size_t i = 0; i < t->n_done; i++, row += HISTORY_WIDTH) {
        row[0] = t->epoch[i].discriminator_loss;
        row[1] = t->epoch[i].generator_loss;
        row[2] = t->epoch[i].seconds;
    }
    return ASSAY_OK;
}

int assay__gan_checkpoint(struct assay__gan *t, struct assay_error *err)
{
    struct assay_tensors list;
    int rc;

    if (!t->options.checkpoint)
        return ASSAY_OK;
    assay_tensors_init(&list);
    rc = assay_tensors_set_meta(&list, key_meta, t->key, err);
    for (int i = 0; i < ASSAY__GAN_SIDES && !rc; i++)
        rc = save_side(t, &t->side[i], &list, err);
    if (!rc)
        rc = save_history(t, &list, err);
    if (!rc)
        rc = assay_tensors_write(&list, t->options.checkpoint, err);
    assay_tensors_release(&list);
    return rc;
}

int assay__gan_keep_choices(struct assay__gan *t, struct assay_error *err)
{
    char *path;
    int rc;

    if (!t->options.checkpoint)
        return ASSAY_OK;
    path = assay__format("%s.tuning", t->options.checkpoint);
    if (!path)
        return no_memory(err);
    rc = assay_tuning_write(t->tuning, path, err);
    assay__free(path);
    return rc;
}
