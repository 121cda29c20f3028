/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that others give to the tensors of networks of the table: they are
 * brought to those that the table has. Each rule shortens a name, so that it
 * is changed in place.
 *
 *   torchvision before 0.3, DenseNet
 *     denselayer1.norm.1.weight              denselayer1.norm1.weight
 *   pytorchcv, ResNet of basic blocks, for large and small images
 *     features.init_block.conv.conv.weight   conv1.weight
 *     features.init_block.conv.weight        conv1.weight
 *     features.stage2.unit1.body.conv1.bn.   layer2.0.bn1.
 *     features.stage2.unit1.identity_conv.   layer2.0.downsample.0. or .1.
 *     output.weight                          fc.weight
 *
 * pytorchcv's bottlenecks have the stride in the first or in the second
 * convolution, resnet50 and resnet50b, and tensors do not tell which: they are
 * refused.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"

enum { UNITS_MAX = 1000 };

/* What follows `start` in `text`, or NULL. */
static const char *after(const char *text, const char *start)
{
    size_t n = strlen(start);

    return strncmp(text, start, n) == 0 ? text + n : NULL;
}

/* "features.denseblock1.denselayer1.norm" and what follows ".1", or NULL. */
static char *old_dot(char *name)
{
    char *layer = strstr(name, ".denselayer");
    char *part;

    if (!layer)
        return NULL;
    part = strchr(layer + 1, '.');
    if (!part || (!after(part, ".norm.") && !after(part, ".conv.")))
        return NULL;
    part += sizeof(".norm") - 1;
    return (part[1] == '1' || part[1] == '2') && part[2] == '.' ? part : NULL;
}

static void old_densenet(char *name)
{
    char *dot = old_dot(name);

    if (dot)
        memmove(dot, dot + 1, strlen(dot + 1) + 1);
}

/* The number at *at, which it steps over with the dot that follows; 0: none
 * of 1 to UNITS_MAX. */
static int number(const char **at)
{
    char *end = NULL;
    long n = **at >= '1' && **at <= '9' ? strtol(*at, &end, 10) : 0;

    if (n < 1 || n > UNITS_MAX || !end || *end != '.')
        return 0;
    *at = end + 1;
    return (int)n;
}

/* Write "start" and what `tail`, a part of `name`, says behind it. */
static void replace(char *name, const char *start, const char *tail)
{
    size_t n = strlen(start);

    if (n > (size_t)(tail - name))
        return;
    memmove(name + n, tail, strlen(tail) + 1);
    for (size_t i = 0; i < n; i++)
        name[i] = start[i];
}

/* Of a unit: "body.conv1.bn.weight" and so on. */
static void of_unit(char *name, const char *rest, int stage, int unit)
{
    const char *tail = after(rest, "body.conv");
    char start[64];
    const char *kind = NULL;

    if (tail && (tail[0] == '1' || tail[0] == '2') && tail[1] == '.') {
        int index = tail[0] - '0';

        tail += 2;
        kind = after(tail, "conv.") ? "conv" : after(tail, "bn.") ? "bn" : NULL;
        if (!kind)
            return;
        snprintf(start, sizeof(start), "layer%d.%d.%s%d.", stage, unit - 1,
                 kind, index);
    } else {
        tail = after(rest, "identity_conv.");
        if (!tail || (!after(tail, "conv.") && !after(tail, "bn.")))
            return;
        snprintf(start, sizeof(start), "layer%d.%d.downsample.%d.", stage,
                 unit - 1, after(tail, "bn.") != NULL);
    }
    replace(name, start, strchr(tail, '.') + 1);
}

static void of_pytorchcv(char *name)
{
    const char *rest = after(name, "features.init_block.");
    const char *tail = after(name, "output.");
    int stage;
    int unit;

    if (tail) {
        replace(name, "fc.", tail);
        return;
    }
    if (rest) {
        /* For large images the block is called conv as well. */
        if (after(rest, "conv.conv.") || after(rest, "conv.bn."))
            rest += sizeof("conv.") - 1;
        tail = after(rest, "conv.");
        if (tail)
            replace(name, "conv1.", tail);
        else if (after(rest, "bn."))
            replace(name, "bn1.", after(rest, "bn."));
        return;
    }
    rest = after(name, "features.stage");
    stage = rest ? number(&rest) : 0;
    rest = stage > 0 ? after(rest, "unit") : NULL;
    unit = rest ? number(&rest) : 0;
    if (unit > 0)
        of_unit(name, rest, stage, unit);
}

/* Would two tensors have one name after it? Such a file is nobody's. */
static int may_rename(const struct assay_tensors *list,
                      void (*rename)(char *name), struct assay_error *err)
{
    char name[2048];

    for (size_t i = 0; i < list->n_items; i++) {
        const struct assay_tensor *other;

        if (strlen(list->item[i].name) >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%s", list->item[i].name);
        rename(name);
        other = assay_tensors_find(list, name);
        if (other && other != &list->item[i])
            return assay_error_set(err, ASSAY_FORMAT,
                                   "it has both %.60s and %.60s, which are "
                                   "names of one tensor",
                                   list->item[i].name, name);
    }
    return ASSAY_OK;
}

static int rename_all(struct assay_tensors *list, void (*rename)(char *name),
                      struct assay_error *err)
{
    int rc = may_rename(list, rename, err);

    for (size_t i = 0; i < list->n_items && !rc; i++)
        rename(list->item[i].name);
    return rc;
}

int assay_arch_rename(struct assay_tensors *list, struct assay_error *err)
{
    int old = 0;
    int theirs = 0;
    int deep = 0;

    for (size_t i = 0; i < list->n_items; i++) {
        const char *name = list->item[i].name;

        old |= old_dot(list->item[i].name) != NULL;
        theirs |= after(name, "features.init_block.") != NULL;
        deep |= after(name, "features.stage") && strstr(name, ".body.conv3.");
    }
    if (theirs && deep && assay_tensors_find(list, "output.weight"))
        return assay_error_set(
            err, ASSAY_UNSUPPORTED,
            "by its names a ResNet of pytorchcv with bottlenecks; the stride "
            "of such is in their first or second convolution, which weights "
            "do not tell");
    if (old)
        return rename_all(list, old_densenet, err);
    if (theirs && assay_tensors_find(list, "output.weight"))
        return rename_all(list, of_pytorchcv, err);
    return ASSAY_OK;
}
