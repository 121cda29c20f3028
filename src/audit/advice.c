/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do about what was found, and what this run cannot tell. Each
 * piece of advice has a condition on the findings; ids are of MITRE ATLAS
 * 5.6.1, and only where ATLAS has a mitigation that says so (it has none
 * for differential privacy).
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/detection.h"
#include "core/json.h"

/* The facts that advice depends on. */
struct facts {
    double gap;       /* train minus test accuracy, NaN unknown */
    double baseline;  /* AUC of the best baseline, .5 when none ran */
    double black_box; /* best AUC among the others, by access */
    double white_box;
    double label_only;
    int over; /* the policy is broken by attacks */
    /* Of detectors. */
    int asked;     /* some ran */
    int accused;   /* some accuses the model */
    int unknown;   /* of none is known how often it accuses clean models */
    int upstream;  /* it was compared with an upstream copy */
    int from_file; /* the model came as a file */
    int scan;      /* the file is not clean */
    int attacked;  /* some attack was chosen */
};

static double accuracy(const struct assay_evidence *e)
{
    return e->n > 0 ? assay_evidence_accuracy(e).value : (double)NAN;
}

static void gather_detection(const assay_audit *a, struct facts *f)
{
    const char *scan = assay__detection_scan(a->trust);
    struct assay__accusations n;

    assay__accusations_count(a->trust, &n);
    f->asked = n.ran > 0;
    f->accused = n.sure + n.unsure > 0;
    f->unknown = n.ran > 0 && n.calibrated < n.ran;
    f->upstream = a->options.upstream != NULL;
    f->from_file = a->opened != NULL && a->trust != NULL;
    f->scan = scan[0] != '\0' && strcmp(scan, "clean") != 0;
    f->attacked = a->n_attacks > 0;
}

static void gather(const assay_audit *a, struct facts *f)
{
    int i;

    f->gap = accuracy(&a->scene.target[ASSAY__MEMBERS]) -
             accuracy(&a->scene.target[ASSAY__NONMEMBERS]);
    f->baseline = 0.5;
    f->black_box = 0;
    f->white_box = 0;
    f->label_only = 0;
    f->over = a->over > 0;
    gather_detection(a, f);
    for (i = 0; i < a->n_attacks; i++) {
        const struct assay__outcome *o = &a->outcome[i];
        double *best = &f->black_box;

        if (!assay__outcome_scored(o) || !assay__verdict_trusts(a, o->attack))
            continue;
        if (o->attack->baseline)
            best = &f->baseline;
        else if (o->attack->access == ASSAY_ACCESS_WHITE_BOX)
            best = &f->white_box;
        else if (o->attack->access == ASSAY_ACCESS_LABEL_ONLY)
            best = &f->label_only;
        *best = fmax(*best, o->auc.value);
    }
}

static int is_overfitted(const struct facts *f)
{
    return f->gap > 0.03;
}

static int is_over(const struct facts *f)
{
    return f->over;
}

static int leaks_by_posteriors(const struct facts *f)
{
    return f->over && f->black_box > f->baseline + 0.01;
}

static int leaks_by_weights(const struct facts *f)
{
    return f->over && f->white_box > f->black_box + 0.005;
}

static int is_quiet(const struct facts *f)
{
    return !f->over && f->attacked;
}

static int is_accused(const struct facts *f)
{
    return f->accused;
}

static int is_accused_and_trained(const struct facts *f)
{
    return f->accused && !f->from_file;
}

static int lacks_upstream(const struct facts *f)
{
    return f->from_file && !f->upstream;
}

static int is_uncalibrated(const struct facts *f)
{
    return f->unknown;
}

static int has_bad_file(const struct facts *f)
{
    return f->scan;
}

static int is_not_accused(const struct facts *f)
{
    return f->asked && !f->accused;
}

struct advice {
    int (*when)(const struct facts *f);
    const char *title;
    const char *text;
    const char *id; /* NULL: none */
    const char *name;
};

/* clang-format off */
static const struct advice table[] = {
    {is_overfitted, "Close the gap between training and test accuracy",
     "The model does better on records it was trained on; that gap alone is "
     "an attack. Stop training earlier, augment, raise weight decay, use a "
     "smaller network or more data, and audit again: on new records this "
     "often costs little accuracy.",
     NULL, NULL},
    {is_over, "Train with differential privacy",
     "DP-SGD bounds what any attack, also an unknown one, can find out about "
     "one record. It costs accuracy; choose epsilon by what the records are "
     "worth. Where a guarantee is claimed, a larger epsilon measured here is a "
     "reason to check the training code, not yet a proof against the claim.",
     NULL, NULL},
    {leaks_by_posteriors, "Give out less of the posteriors",
     "The posteriors give away more than right and wrong do. Returning the "
     "label alone takes that away from an attacker who only asks. Rounding "
     "or the top classes alone do little: the order of the scores survives.",
     "AML.M0002", "Passive AI Output Obfuscation"},
    {leaks_by_posteriors, "Limit and watch queries",
     "The strong attacks ask about many records, or about one record many "
     "times. A limit per client makes that slow and visible; it does not "
     "protect a model that has been handed over.",
     "AML.M0004", "Restrict Number of AI Model Queries"},
    {leaks_by_weights, "Do not hand out the weights",
     "With the weights in hand more was found than by asking. Behind an "
     "interface, that part is out of reach.",
     NULL, NULL},
    {is_over, "Look at the most exposed records",
     "They are found first and most surely, and are often mislabelled, "
     "duplicated or rare. Ask whether they should be in the training data at "
     "all; taking some out exposes others, so audit again afterwards.",
     NULL, NULL},
    {is_quiet, "Audit again after every training",
     "The result holds for this model, this data and these attackers. Keep "
     "the run folder; with the same seed a new model can be compared with it.",
     NULL, NULL},
    {has_bad_file, "Open the file with nothing but this program",
     "The usual programs would run what is in it. Ask the publisher for "
     "safetensors or ONNX, or convert it here, where nothing is run.",
     "AML.M0014", "Verify AI Artifacts"},
    {is_accused, "Do not build on the model before the accusation is explained",
     "Look at the reversed trigger: a small patch that means nothing, or one "
     "class far from the others, is what a planted one looks like; a part of "
     "an object may be a feature that the class really has. Stamp it on "
     "records of your own and see where they go.",
     "AML.M0008", "Validate AI Model"},
    {is_accused, "Take another copy, or train your own",
     "Obtain the model from its publisher and compare hashes; a repaired model "
     "is the second choice. Tuning on clean records, pruning and unlearning "
     "take some backdoors away and leave others: the table of repairs says "
     "what each did to the trigger that was found, and nothing of one that "
     "was not.",
     "AML.M0014", "Verify AI Artifacts"},
    {is_accused_and_trained, "Look through the training data",
     "A backdoor comes into a model of one's own by its records. Data "
     "detectors (--suspects) rank them; where records came from is worth "
     "more than any rank.",
     "AML.M0007", "Sanitize Training Data"},
    {lacks_upstream, "Compare the model with what it was made from",
     "With --upstream FILE every tensor is held against the publisher's. What "
     "was edited by hand shows, however small; what was trained in does "
     "not.",
     "AML.M0014", "Verify AI Artifacts"},
    {is_uncalibrated, "Give clean models of the same family",
     "A threshold of a paper says little about another family of models. With "
     "19 or more clean ones (--references-clean FOLDER) a detector's score is "
     "ranked among theirs, and its false alarms are known.",
     NULL, NULL},
    {is_not_accused, "Tune all layers, and watch what is built on it",
     "Silence of detectors is no proof: each finds the backdoors it was made "
     "for. Tuning every layer on your own records removes more than a new "
     "last layer does, and a model that decides much should be watched in "
     "use.",
     "AML.M0008", "Validate AI Model"},
};
/* clang-format on */

json_t *assay__advice_make(const assay_audit *a)
{
    json_t *list = json_array();
    struct facts f;
    size_t i;

    gather(a, &f);
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct advice *x = &table[i];

        if (!x->when(&f))
            continue;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "title", x->title, "text",
                            x->text, "mitigation",
                            x->id != NULL ? json_pack("{s:s, s:s}", "id", x->id,
                                                      "name", x->name)
                                          : json_null()));
    }
    return list;
}

static void say(json_t *list, const char *text)
{
    json_array_append_new(list, assay__json_string(text));
}

static void say_detection(json_t *list, const assay_audit *a)
{
    say(list, "A detector finds backdoors of the kinds it was made for. That "
              "none accuses the model is no proof that it is clean.");
    say(list, "A detector's false-alarm rate, and a model's rank, hold for "
              "models like the clean ones it was tried on. A clean model that "
              "was trained otherwise can stand out among them.");
    if (a->options.n_clean_models == 0 && a->scene.n_jobs > 0)
        say(list, "The clean models are those that this run trained, on parts "
                  "of the same source as the model. Were that source poisoned, "
                  "they would carry the same backdoor.");
    if (assay__detection_alone(a) && a->opened != NULL)
        say(list, "That the clean records are rightly labelled, free of "
                  "triggers and not trained on is the user's word.");
    say(list, "What repairs do is measured by the trigger that a detector "
              "reversed. It need not be the one that was planted, if any was; "
              "a repair that stops the one may leave the other.");
}

json_t *assay__limits_make(const assay_audit *a)
{
    json_t *list = json_array();
    char text[240];
    int i;

    if (a->trust != NULL)
        say_detection(list, a);
    if (a->defense.row != NULL && a->defense.row->claim != NULL &&
        !a->claim.there)
        say(list, "What the model's training promised is not known: its notes "
                  "do not tell its recipe and on how many records.");
    if (a->n_attacks == 0)
        return list;
    say(list, "The attacks measure what these attackers found; another "
              "attacker may find more. No finding is no proof of privacy.");
    say(list, "Members and non-members are drawn from one source at random. "
              "An attacker who does not know the source does worse; one who "
              "knows the candidate records better may do better.");
    if (a->n_attacks > 1)
        say(list, "Each interval in the tables holds for its own number; the "
                  "largest of many attacks is flattered by being picked. The "
                  "rules of the policy and the verdict allow for that, the "
                  "tables and drawings do not.");
    if (a->data != NULL && a->split.n < 1000)
        say(list, "Few records: rates at very low false-positive rates cannot "
                  "be told, and intervals are wide.");
    say(list, "The lower bounds on epsilon take records as independent draws. "
              "Here they share one model that was trained once, so the bounds "
              "estimate how much leaks; they neither prove nor refute a "
              "differential-privacy guarantee.");
    if (a->assumed_split)
        say(list, "The model does not say which records it was trained on; "
                  "that it was the first quarter of this seed's split is the "
                  "user's word.");
    if (a->n_members > 0)
        say(list, "That the model was trained on the one set of records and "
                  "not on the other is the user's word, and if the two differ "
                  "in kind, attacks tell the kinds apart. Helping models were "
                  "trained by this run, on fewer records and by another recipe "
                  "than the target.");
    if (a->data == NULL)
        say(list, "Only predictions were given: no control on a model that "
                  "never saw the records could be run, and whether members "
                  "and non-members come from one source was not checked.");
    if (a->data != NULL && !a->negative.ran)
        say(list, "No control was run: a broken attack and a private model "
                  "look the same.");
    for (i = 0; i < a->plan.n_notes; i++) {
        snprintf(text, sizeof(text), "%s", a->plan.note[i]);
        say(list, text);
    }
    return list;
}
