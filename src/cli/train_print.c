/* SPDX-License-Identifier: Apache-2.0 */
/* What assay train says of the model that it made. */

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/json.h"
#include "json_output.h"
#include "train.h"

static json_t *estimate_json(const struct assay_evidence *e, const char *part)
{
    struct assay_estimate x;

    if (e->n == 0)
        return json_null();
    x = assay_evidence_accuracy(e);
    if (strcmp(part, "low") == 0)
        return assay__json_real(x.low);
    if (strcmp(part, "high") == 0)
        return assay__json_real(x.high);
    return assay__json_real(x.value);
}

/* The defence with those of its parameters that are not its defaults. */
static void print_defense(const struct assay_defense_choice *d)
{
    double usual[ASSAY_SETTINGS_MAX];

    assay_settings_init(d->row->params, usual);
    printf("defence         %s", d->row->name);
    for (int i = 0; i < assay_settings_count(d->row->params); i++)
        if (usual[i] < d->param[i] || usual[i] > d->param[i])
            printf(" %s=%g", d->row->params[i].name, d->param[i]);
    printf("\n");
}

static void print_lines(const struct assay__train *w)
{
    const struct assay_privacy_claim *p = &w->promised;
    struct assay_estimate train = assay_evidence_accuracy(&w->on_train);
    struct assay_estimate test;
    char time[24];

    printf("model           %s\n", w->values->out);
    if (w->defense.row != NULL)
        print_defense(&w->defense);
    if (!isnan(p->epsilon_rdp))
        printf("privacy         epsilon %.3f (PRV at most %.3f) at delta %g\n",
               p->epsilon_rdp, p->epsilon_prv, p->delta);
    printf("train accuracy  %.4f\n", train.value);
    if (w->on_test.n > 0) {
        test = assay_evidence_accuracy(&w->on_test);
        printf("test accuracy   %.4f  (95 %% interval %.4f to %.4f, %zu "
               "records)\n",
               test.value, test.low, test.high, test.n);
    }
    printf("time            %s\n",
           assay__duration_text(w->training.seconds, time));
}

static json_t *result_json(const struct assay__train *w)
{
    const struct assay_privacy_claim *p = &w->promised;
    const struct assay__train_values *v = w->values;

    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:o, s:o, s:o, s:o}", "model",
        v->out, "accuracy", estimate_json(&w->on_test, "value"), "low",
        estimate_json(&w->on_test, "low"), "high",
        estimate_json(&w->on_test, "high"), "train_accuracy",
        estimate_json(&w->on_train, "value"), "epochs",
        (json_int_t)w->training.recipe->epochs, "seconds",
        assay__json_real(w->training.seconds), "resumed_at",
        (json_int_t)w->training.resumed_at, "defense",
        w->defense.row != NULL ? assay__json_string(w->defense.text)
                               : json_null(),
        "epsilon_rdp", assay__json_real(p->epsilon_rdp), "epsilon_prv",
        assay__json_real(p->epsilon_prv), "delta", assay__json_real(p->delta));
}

int assay__train_print(const struct assay__train *w, int as_json,
                       struct assay_error *err)
{
    if (!as_json) {
        print_lines(w);
        return ASSAY_OK;
    }
    return assay__print_json(result_json(w), "the result", err);
}
