/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Altered copies of a batch of inputs: its mirror image, and itself and its
 * mirror image moved by one place to the left, right, up and down. Places
 * that come in from outside repeat the edge. A model trained with
 * augmentation learnt such copies of its members too, and one without
 * forgets them faster than non-members, so either way they tell more than
 * the record alone.
 */

#include "model/model.h"

static const struct {
    int mirror, down, right;
} query[ASSAY_QUERIES] = {
    {1, 0, 0}, {0, 0, 1}, {1, 0, 1},  {0, 0, -1}, {1, 0, -1},
    {0, 1, 0}, {1, 1, 0}, {0, -1, 0}, {1, -1, 0},
};

static int clamp(int i, int n)
{
    if (i < 0)
        return 0;
    return i < n ? i : n - 1;
}

static void alter_row(float *to, const float *from, int width, int mirror,
                      int right)
{
    for (int j = 0; j < width; j++) {
        int at = clamp(j - right, width);

        to[j] = from[mirror ? width - 1 - at : at];
    }
}

void assay__query_alter(int q, const float *x, size_t planes, int height,
                        int width, float *out)
{
    for (size_t p = 0; p < planes; p++) {
        for (int i = 0; i < height; i++) {
            size_t to = (p * (size_t)height + (size_t)i) * (size_t)width;
            size_t from =
                p * (size_t)height + (size_t)clamp(i - query[q].down, height);

            alter_row(out + to, x + from * (size_t)width, width,
                      query[q].mirror, query[q].right);
        }
    }
}
