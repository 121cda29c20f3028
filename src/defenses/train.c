/* SPDX-License-Identifier: Apache-2.0 */
/* A defence chosen by name, and a training made a defended one. */

#include <stdio.h>
#include <string.h>

#include "assay/defense.h"
#include "core/mem.h"

int assay_defense_choose(struct assay_defense_choice *out, const char *name,
                         const char *const *assign, size_t n,
                         struct assay_error *err)
{
    int code = ASSAY_OK;

    memset(out, 0, sizeof(*out));
    if (name == NULL || strcmp(name, "none") == 0)
        return n == 0 ? ASSAY_OK
                      : assay_error_set(err, ASSAY_ARG,
                                        "defence parameter %.60s: no defence "
                                        "is named (--defense)",
                                        assign[0]);
    out->row = assay_defense_find(name);
    if (out->row == NULL)
        return assay_error_set(err, ASSAY_ARG,
                               "no defence \"%.40s\"; `assay defenses` lists "
                               "them",
                               name);
    assay_settings_init(out->row->params, out->param);
    for (size_t i = 0; i < n && code == ASSAY_OK; i++)
        code = assay_settings_assign(out->row->params, assign[i],
                                     "defence parameter", out->row->name,
                                     out->param, err);
    assay_defense_text(out->row, out->param, out->text, sizeof(out->text));
    return code;
}

int assay_defense_choose_text(struct assay_defense_choice *out,
                              const char *text, struct assay_error *err)
{
    const char *word[1 + ASSAY_SETTINGS_MAX];
    char copy[sizeof(out->text)];
    struct assay_error why;
    char *rest = copy;
    size_t n = 0;
    int code;

    memset(out, 0, sizeof(*out));
    if (strlen(text) >= sizeof(copy))
        return assay_error_set(err, ASSAY_DATA,
                               "a defence of %zu letters, at most %zu",
                               strlen(text), sizeof(copy) - 1);
    memcpy(copy, text, strlen(text) + 1);
    while (n < sizeof(word) / sizeof(word[0]) && *rest != '\0') {
        size_t size = strcspn(rest, " ");

        word[n++] = rest;
        rest += size;
        if (*rest == ' ')
            *rest++ = '\0';
    }
    if (n == 0 || *rest != '\0')
        return assay_error_set(err, ASSAY_DATA, "\"%.60s\" is no defence",
                               text);
    code = assay_defense_choose(out, word[0], word + 1, n - 1, &why);
    if (code == ASSAY_OK && out->row != NULL)
        return ASSAY_OK;
    return assay_error_set(err, ASSAY_DATA, "\"%.60s\" is no defence%s%s", text,
                           code != ASSAY_OK ? ": " : "",
                           code != ASSAY_OK ? why.msg : "");
}

/* The teacher's logits about each record and its mirror image. */
static int ask_teacher(struct assay_defended *t,
                       const struct assay_context *ctx,
                       const struct assay_compute *compute,
                       const assay_model *teacher, const assay_view *view,
                       struct assay_error *err)
{
    struct assay_evidence e = {0};
    size_t k;
    int code = assay_evidence_collect(
        &e, ctx, teacher, view, ASSAY_EVIDENCE_MIRROR, compute, "teacher", err);

    if (code != ASSAY_OK)
        return code;
    k = (size_t)e.n_classes;
    t->teacher = assay__malloc(2 * e.n * k * sizeof(*t->teacher));
    for (size_t i = 0; t->teacher != NULL && i < e.n; i++) {
        memcpy(t->teacher + 2 * i * k, e.logits + i * k, k * sizeof(float));
        memcpy(t->teacher + (2 * i + 1) * k, e.queries + i * k,
               k * sizeof(float));
    }
    assay_evidence_release(&e);
    return t->teacher != NULL
               ? ASSAY_OK
               : assay_error_set(err, ASSAY_NOMEM, "answers of a teacher");
}

/* What the training's result depends on goes into the checkpoint's key: the
 * defence and, through its name in the text, who taught. */
static void set_text(struct assay_defended *t,
                     const struct assay_defense_choice *choice,
                     const char *teacher_key)
{
    snprintf(t->text, sizeof(t->text), "%s%s%.16s", choice->text,
             teacher_key[0] != '\0' ? " teacher " : "", teacher_key);
    t->objective.text = t->text;
}

int assay_defense_apply(struct assay_defended *out,
                        const struct assay_defense_choice *choice,
                        const struct assay_context *ctx,
                        const struct assay_compute *compute,
                        const assay_model *teacher, const char *teacher_key,
                        struct assay_training *training,
                        struct assay_error *err)
{
    struct assay_defense_training in;
    int code = ASSAY_OK;

    memset(out, 0, sizeof(*out));
    out->recipe = *training->recipe;
    if (teacher != NULL)
        code = ask_teacher(out, ctx, compute, teacher, training->train, err);
    if (code != ASSAY_OK)
        return code;
    memset(&in, 0, sizeof(in));
    in.param = choice->param;
    in.train = training->train;
    in.n_classes = assay_model_n_classes(training->model);
    in.seed = training->seed;
    in.teacher = out->teacher;
    in.recipe = &out->recipe;
    in.objective = &out->objective;
    in.privacy = &training->privacy;
    code = choice->row->train(&in, err);
    out->state = in.state;
    out->release = choice->row->release;
    set_text(out, choice, teacher_key);
    training->recipe = &out->recipe;
    if (out->objective.loss != NULL || out->objective.soft != NULL ||
        out->objective.mixup > 0)
        training->objective = &out->objective;
    return code;
}

void assay_defended_release(struct assay_defended *d)
{
    if (d->release != NULL && d->state != NULL)
        d->release(d->state);
    assay__free(d->teacher);
    memset(d, 0, sizeof(*d));
}
