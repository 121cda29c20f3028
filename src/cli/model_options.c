/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options on pixels and on training, and what they mean to the library. A
 * test holds the defaults here equal to those of assay_recipe_init().
 */

#include "model_options.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define AT(field) offsetof(struct assay__pixel_values, field)
const struct assay__option assay__pixel_options[] = {
    {"resize", 0, ASSAY__OPTION_SIZE, "HxW", NULL, 1, 4096, NULL,
     "resize images; not given: their own size", AT(resize)},
    {"channels", 0, ASSAY__OPTION_INT, "C", "0", 0, ASSAY_CHANNELS_MAX, NULL,
     "repeat grey or reduce colour; 0: the images' own", AT(channels)},
    {"scale", 0, ASSAY__OPTION_REAL, "X", "0", 0, 1e6, NULL,
     "multiply pixels first; 0: 1/255 for bytes, 1 for floats", AT(scale)},
    {"mean", 0, ASSAY__OPTION_REALS, "A,B,C", NULL, -1e6, 1e6, NULL,
     "subtract, per channel; not given: 0.5", AT(mean)},
    {"std", 0, ASSAY__OPTION_REALS, "A,B,C", NULL, 1e-12, 1e6, NULL,
     "divide by, per channel; not given: 0.5", AT(std)},
    {"label", 0, ASSAY__OPTION_TEXT, "NAME", NULL, 0, 0, NULL,
     "attribute that is the class; not given: the data's own label",
     AT(label)},
    {"max-records", 0, ASSAY__OPTION_INT, "N", "0", 0, 4e9, NULL,
     "read so many records of each file; 0: all", AT(max_records)},
    {.name = NULL},
};
#undef AT

#define AT(field) offsetof(struct assay__recipe_values, field)
const struct assay__option assay__recipe_options[] = {
    {"arch", 'a', ASSAY__OPTION_TEXT, "NAME", "simplecnn", 0, 0, NULL,
     "architecture", AT(arch)},
    {"epochs", 'e', ASSAY__OPTION_INT, "N", "100", 1, 100000, NULL,
     "passes over the training records", AT(epochs)},
    {"batch", 'b', ASSAY__OPTION_INT, "N", "64", 1, 65536, NULL,
     "records per step", AT(batch)},
    {"lr", 0, ASSAY__OPTION_REAL, "X", "0.01", 0, 1000, NULL,
     "learning rate", AT(lr)},
    {"optimizer", 0, ASSAY__OPTION_CHOICE, "NAME", "sgd", 0, 0,
     "sgd|adam|adamw", "optimizer", AT(optimizer)},
    {"momentum", 0, ASSAY__OPTION_REAL, "X", "0.9", 0, 1, NULL,
     "of SGD", AT(momentum)},
    {"weight-decay", 0, ASSAY__OPTION_REAL, "X", "0.0005", 0, 10, NULL,
     "weight decay", AT(weight_decay)},
    {"schedule", 0, ASSAY__OPTION_CHOICE, "NAME", "multistep", 0, 0,
     "constant|multistep|cosine", "learning rate over epochs", AT(schedule)},
    {"milestones", 0, ASSAY__OPTION_REALS, "A,B", "50,100", 1, 100000, NULL,
     "epochs at which multistep lowers the rate", AT(milestones)},
    {"gamma", 0, ASSAY__OPTION_REAL, "X", "0.1", 0, 1, NULL,
     "factor at a milestone", AT(gamma)},
    {"augment", 0, ASSAY__OPTION_WORDS, "A,B", "flip", 0, 0, NULL,
     "flip, crop:PIXELS, or none", AT(augment)},
    {"evaluate-every", 0, ASSAY__OPTION_INT, "N", "5", 0, 100000, NULL,
     "epochs between points of the test curve; 0: only the last",
     AT(evaluate_every)},
    {.name = NULL},
};
#undef AT
/* clang-format on */

static int take_channels(const struct assay__reals *from, const char *name,
                         double to[ASSAY_CHANNELS_MAX], int *n,
                         struct assay_error *err)
{
    int i;

    if (from->n > ASSAY_CHANNELS_MAX)
        return assay_error_set(err, ASSAY_ARG,
                               "--%s: %d numbers; at most %d channels", name,
                               from->n, (int)ASSAY_CHANNELS_MAX);
    for (i = 0; i < from->n; i++)
        to[i] = from->value[i];
    *n = from->n;
    return ASSAY_OK;
}

int assay__pixel_values_take(const struct assay__pixel_values *values,
                             struct assay_pixel_options *pixels,
                             struct assay_dataset_options *dataset,
                             struct assay_error *err)
{
    int code;

    memset(pixels, 0, sizeof(*pixels));
    memset(dataset, 0, sizeof(*dataset));
    pixels->height = values->resize[0];
    pixels->width = values->resize[1];
    pixels->channels = (int)values->channels;
    pixels->scale = values->scale;
    dataset->label = values->label;
    dataset->max_records = (size_t)values->max_records;
    code = take_channels(&values->mean, "mean", pixels->mean, &pixels->n_mean,
                         err);
    if (code == ASSAY_OK)
        code = take_channels(&values->std, "std", pixels->std, &pixels->n_std,
                             err);
    return code;
}

static int take_augment(const struct assay__words *words,
                        struct assay_augment *augment, struct assay_error *err)
{
    int i;

    memset(augment, 0, sizeof(*augment));
    for (i = 0; i < words->n; i++) {
        const char *word = words->word[i];
        char *end = NULL;
        long pad;

        if (strcmp(word, "flip") == 0) {
            augment->flip = 1;
        } else if (strncmp(word, "crop:", 5) == 0) {
            pad = strtol(word + 5, &end, 10);
            if (end == word + 5 || *end != '\0' || pad < 1 || pad > 64)
                return assay_error_set(err, ASSAY_ARG,
                                       "--augment: \"%s\" needs 1 to 64 "
                                       "pixels, such as crop:4",
                                       word);
            augment->crop_pad = (int)pad;
        } else if (strcmp(word, "none") != 0) {
            return assay_error_set(err, ASSAY_ARG,
                                   "--augment: \"%s\" is not flip, "
                                   "crop:PIXELS or none",
                                   word);
        }
    }
    return ASSAY_OK;
}

static void take_names(const struct assay__recipe_values *values,
                       struct assay_recipe *recipe)
{
    if (strcmp(values->optimizer, "adam") == 0)
        recipe->optimizer.kind = ASSAY_OPTIMIZER_ADAM;
    else if (strcmp(values->optimizer, "adamw") == 0)
        recipe->optimizer.kind = ASSAY_OPTIMIZER_ADAMW;
    else
        recipe->optimizer.kind = ASSAY_OPTIMIZER_SGD;
    if (strcmp(values->schedule, "constant") == 0)
        recipe->schedule = ASSAY_SCHEDULE_CONSTANT;
    else if (strcmp(values->schedule, "cosine") == 0)
        recipe->schedule = ASSAY_SCHEDULE_COSINE;
    else
        recipe->schedule = ASSAY_SCHEDULE_MULTISTEP;
}

int assay__recipe_values_take(const struct assay__recipe_values *values,
                              struct assay_recipe *recipe,
                              struct assay_error *err)
{
    int i;

    assay_recipe_init(recipe, (size_t)values->epochs);
    recipe->batch = (size_t)values->batch;
    recipe->lr = values->lr;
    recipe->optimizer.momentum = values->momentum;
    recipe->optimizer.weight_decay = values->weight_decay;
    recipe->gamma = values->gamma;
    recipe->evaluate_every = (size_t)values->evaluate_every;
    take_names(values, recipe);
    recipe->n_milestones = values->milestones.n;
    for (i = 0; i < values->milestones.n; i++)
        recipe->milestones[i] = (size_t)values->milestones.value[i];
    return take_augment(&values->augment, &recipe->augment, err);
}

unsigned assay__recipe_fields_given(const struct assay__command *command,
                                    const struct assay__parsed *parsed)
{
    static const struct {
        const char *option;
        unsigned field;
    } rows[] = {
        {"epochs", ASSAY_RECIPE_EPOCHS},
        {"batch", ASSAY_RECIPE_BATCH},
        {"lr", ASSAY_RECIPE_LR},
        {"optimizer", ASSAY_RECIPE_OPTIMIZER},
        {"momentum", ASSAY_RECIPE_MOMENTUM},
        {"weight-decay", ASSAY_RECIPE_WEIGHT_DECAY},
        {"schedule", ASSAY_RECIPE_SCHEDULE},
        {"milestones", ASSAY_RECIPE_MILESTONES},
        {"gamma", ASSAY_RECIPE_GAMMA},
        {"augment", ASSAY_RECIPE_AUGMENT},
        {"evaluate-every", ASSAY_RECIPE_EVALUATE_EVERY},
    };
    unsigned fields = 0;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (assay__option_given(command, parsed, rows[i].option))
            fields |= rows[i].field;
    }
    return fields;
}
