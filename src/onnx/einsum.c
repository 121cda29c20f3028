/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over named axes, of one or two operands: "bhid,bhjd->bhij". Operands
 * are brought to [shared.., kept, summed] by transposes, joined to matrices,
 * multiplied, and the result is put in the order that is asked for. Letters
 * alone: no ellipsis, no letter twice in one operand.
 */

#include <stdio.h>
#include <string.h>

#include "onnx/import.h"

enum { A = 1, B = 2, OUT = 4, LETTERS = 128 };

struct sum {
    char term[3][ASSAY_RANK_MAX + 1]; /* a, b, output */
    int length[3];
    int n_terms;               /* operands */
    unsigned char in[LETTERS]; /* which terms a letter is in */
    int64_t size[LETTERS];
};

/* Letters of the equation into terms; false when it is of another kind. */
static bool read_equation(struct sum *s, struct assay__span text)
{
    int term = 0;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (c == ' ')
            continue;
        if (c == ',' && term == 0) {
            term = 1;
        } else if (c == '-' && i + 1 < text.size && text.text[i + 1] == '>' &&
                   term < 2) {
            s->n_terms = term + 1;
            term = 2;
            i++;
        } else if (letter && s->length[term] < ASSAY_RANK_MAX &&
                   !memchr(s->term[term], c, (size_t)s->length[term])) {
            s->term[term][s->length[term]++] = c;
            s->in[(unsigned char)c] |= (unsigned char)(1 << term);
        } else {
            return false;
        }
    }
    return term == 2;
}

static bool take_sizes(struct assay__importer *im, struct sum *s, int term,
                       int item)
{
    const struct assay_shape *shape = assay__im_shape(im, item);

    if (shape->rank != s->length[term])
        return false;
    for (int i = 0; i < shape->rank; i++) {
        int64_t *size = &s->size[(unsigned char)s->term[term][i]];

        if (*size != 0 && *size != shape->dim[i])
            return false;
        *size = shape->dim[i];
    }
    return true;
}

/* The operand with its axes in the order of `letters`. */
static int ordered(struct assay__importer *im, const struct sum *s, int term,
                   int item, const char *letters)
{
    int perm[ASSAY_RANK_MAX];

    for (int i = 0; letters[i] != '\0'; i++)
        perm[i] = (int)(strchr(s->term[term], letters[i]) - s->term[term]);
    return assay__im_transpose(im, item, perm);
}

/* Letters of a term that are in exactly these terms, appended to `to`. */
static int64_t pick_letters(const struct sum *s, int term, int in, char *to)
{
    size_t n = strlen(to);
    int64_t size = 1;

    for (int i = 0; i < s->length[term]; i++) {
        char c = s->term[term][i];

        if (s->in[(unsigned char)c] != in)
            continue;
        to[n++] = c;
        size *= s->size[(unsigned char)c];
    }
    to[n] = '\0';
    return size;
}

/* Sum an operand over letters that nothing else has. */
static int sum_alone(struct assay__importer *im, struct sum *s, int term,
                     int item)
{
    unsigned axes = 0;
    int kept = 0;

    for (int i = 0; i < s->length[term]; i++) {
        char c = s->term[term][i];

        if (s->in[(unsigned char)c] == 1 << term)
            axes |= 1U << i;
        else
            s->term[term][kept++] = c;
    }
    s->length[term] = kept;
    s->term[term][kept] = '\0';
    if (axes == 0)
        return item;
    if ((axes & 1U) && assay__im_batched(im, item))
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "the records of the batch would be mixed");
    return assay__im_reduce(im, ASSAY_REDUCE_SUM, item, axes, false);
}

/* Dimensions of `letters`, and after them, if not negative, one or two. */
static struct assay_shape shape_of(const struct sum *s, const char *letters,
                                   int64_t m, int64_t n)
{
    struct assay_shape shape = {0, {0}};

    for (; *letters != '\0' && shape.rank < ASSAY_RANK_MAX; letters++)
        shape.dim[shape.rank++] = s->size[(unsigned char)*letters];
    if (m >= 0 && shape.rank < ASSAY_RANK_MAX - 1) {
        shape.dim[shape.rank++] = m;
        shape.dim[shape.rank++] = n;
    }
    return shape;
}

/* Two operands, as a stack of matrix products. */
static int product(struct assay__importer *im, struct sum *s, int a, int b)
{
    char shared[16] = "";
    char rows[16] = "";
    char columns[16] = "";
    char summed[16] = "";
    char order[48];
    struct assay_shape shape;
    int64_t m;
    int64_t n;
    int64_t k;

    (void)pick_letters(s, 0, A | B | OUT, shared);
    m = pick_letters(s, 0, A | OUT, rows);
    n = pick_letters(s, 1, B | OUT, columns);
    k = pick_letters(s, 0, A | B, summed);
    if (m < 1 || n < 1 || k < 1 || strlen(shared) > ASSAY_RANK_MAX - 2)
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "the batch is not an axis that all terms share");
    snprintf(order, sizeof order, "%s%s%s", shared, rows, summed);
    a = ordered(im, s, 0, a, order);
    shape = shape_of(s, shared, m, k);
    a = assay__im_reshape(im, a, &shape);
    snprintf(order, sizeof order, "%s%s%s", shared, summed, columns);
    b = ordered(im, s, 1, b, order);
    shape = shape_of(s, shared, k, n);
    b = assay__im_reshape(im, b, &shape);
    a = assay__im_matmul(im, a, b, false, false);
    snprintf(order, sizeof order, "%s%s%s", shared, rows, columns);
    shape = shape_of(s, order, -1, 0);
    a = assay__im_reshape(im, a, &shape);
    memcpy(s->term[0], order, sizeof s->term[0] - 1);
    return a;
}

void assay__onnx_einsum(struct assay__importer *im, int argument)
{
    const struct assay__onnx_attribute *e = assay__im_attribute(im, "equation");
    struct sum s = {.n_terms = 0};
    int item[2] = {-1, -1};
    int y;

    (void)argument;
    if (!e || e->type != 3 || !read_equation(&s, e->s) ||
        s.n_terms != im->node->n_in) {
        assay__im_fail(im, ASSAY_UNSUPPORTED,
                       "the equation is of a kind that is not supported");
        return;
    }
    for (int i = 0; i < s.n_terms; i++) {
        item[i] = assay__im_need(im, i);
        if (im->code == ASSAY_OK && !take_sizes(im, &s, i, item[i]))
            assay__im_fail(im, ASSAY_SHAPE,
                           "input %d does not fit the equation", i);
        item[i] = sum_alone(im, &s, i, item[i]);
    }
    for (int i = 0; i < s.length[2]; i++) {
        if ((s.in[(unsigned char)s.term[2][i]] & (A | B)) == 0)
            assay__im_fail(im, ASSAY_SHAPE, "'%c' is in no operand",
                           s.term[2][i]);
    }
    if (im->code != ASSAY_OK)
        return;
    y = s.n_terms == 2 ? product(im, &s, item[0], item[1]) : item[0];
    if (im->code == ASSAY_OK)
        y = ordered(im, &s, 0, y, s.term[2]);
    assay__im_output(im, 0, y);
}
