/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizing. Every kind is linear and works axis by axis: the weights of an
 * output place are a row of a matrix that is made here, once, and applied
 * along the axis; the derivative is then that of a matrix product. Axes that
 * keep their size cost nothing.
 *
 * Coordinates: x is the place in the output, the result the place in the
 * input, by the standard's formulas.
 */

#include <math.h>
#include <string.h>

#include "onnx/import.h"

enum {
    HALF_PIXEL,
    PYTORCH_HALF,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_HALF,
    SYMMETRIC
};
enum { NEAREST, LINEAR, CUBIC };
enum { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };
enum { TAPS = 4, SIDE_MAX = 1 << 13 };

struct resize {
    int coordinates;
    int mode;
    int nearest;
    double cubic;
    bool exclude;
};

struct axis {
    int64_t in;
    int64_t out;
    double scale;
};

static double place_in(const struct resize *r, const struct axis *a, double x)
{
    switch (r->coordinates) {
    case PYTORCH_HALF:
        return a->out > 1 ? (x + 0.5) / a->scale - 0.5 : 0.0;
    case ALIGN_CORNERS:
        return a->out > 1
                   ? x * (double)(a->in - 1) / (a->scale * (double)a->in - 1.0)
                   : 0.0;
    case ASYMMETRIC:
        return x / a->scale;
    case TF_HALF:
        return (x + 0.5) / a->scale;
    case SYMMETRIC: {
        double adjust = (double)a->out / (a->scale * (double)a->in);
        double centre = (double)a->in / 2.0;

        return centre * (1.0 - adjust) + (x + 0.5) / a->scale - 0.5;
    }
    default:
        return (x + 0.5) / a->scale - 0.5;
    }
}

static double nearest_of(const struct resize *r, double x)
{
    switch (r->nearest) {
    case PREFER_CEIL:
        return floor(x + 0.5);
    case FLOOR:
        return floor(x);
    case CEIL:
        return ceil(x);
    default:
        return ceil(x - 0.5);
    }
}

/* Keys' kernel with parameter a, at distance d. */
static double cubic_at(double a, double d)
{
    d = fabs(d);
    if (d <= 1.0)
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    if (d < 2.0)
        return ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    return 0.0;
}

/* Input places and weights of one output place; how many. */
static int taps_of(const struct resize *r, const struct axis *a, double x,
                   double at[TAPS], double weight[TAPS])
{
    double place = place_in(r, a, x);
    double base = floor(place);

    if (r->mode == NEAREST) {
        at[0] = nearest_of(r, place);
        weight[0] = 1.0;
        return 1;
    }
    if (r->mode == LINEAR) {
        at[0] = base;
        at[1] = base + 1.0;
        weight[1] = place - base;
        weight[0] = 1.0 - weight[1];
        return 2;
    }
    for (int i = 0; i < TAPS; i++) {
        at[i] = base - 1.0 + i;
        weight[i] = cubic_at(r->cubic, place - at[i]);
    }
    return TAPS;
}

/* One row: places beyond the edge are the edge's, or left out. */
static void fill_row(const struct resize *r, const struct axis *a, int64_t x,
                     double *row)
{
    double at[TAPS];
    double weight[TAPS];
    int n = taps_of(r, a, (double)x, at, weight);
    double last = (double)(a->in - 1);
    double sum = 0.0;

    for (int i = 0; i < n; i++) {
        if (r->exclude && (at[i] < 0.0 || at[i] > last))
            weight[i] = 0.0;
        sum += weight[i];
    }
    for (int i = 0; i < n; i++) {
        double inside = at[i] < 0.0 ? 0.0 : at[i] > last ? last : at[i];

        row[(int64_t)inside] += r->exclude ? weight[i] / sum : weight[i];
    }
}

static int along_axis(struct assay__importer *im, int x, int axis,
                      const struct resize *r, const struct axis *a)
{
    struct assay_shape s = {2, {a->out, a->in}};
    double *data;
    int matrix;

    if (im->code != ASSAY_OK)
        return -1;
    if (a->in == ASSAY_BATCH || a->in < 1 || a->out < 1 || a->in > SIDE_MAX ||
        a->out > SIDE_MAX)
        return assay__im_fail(im, ASSAY_UNSUPPORTED,
                              "axis %d from %lld to %lld; 1 to %d are "
                              "supported",
                              axis, (long long)a->in, (long long)a->out,
                              (int)SIDE_MAX);
    matrix = assay__im_constant(im, &s, NULL, ASSAY__ONNX_F32);
    data = assay__im_room(im, matrix);
    for (int64_t i = 0; data && i < a->out; i++)
        fill_row(r, a, i, data + i * a->in);
    return assay__im_along(im, x, axis, matrix);
}

static void read_kind(struct assay__importer *im, struct resize *r, bool old)
{
    static const char *const coordinates[] = {
        "half_pixel", "pytorch_half_pixel",   "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "half_pixel_symmetric",
        NULL};
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const nearest[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};

    r->mode = assay__im_choice(im, "mode", modes);
    r->coordinates =
        old ? ASYMMETRIC
            : assay__im_choice(im, "coordinate_transformation_mode",
                               coordinates);
    r->nearest = old ? FLOOR : assay__im_choice(im, "nearest_mode", nearest);
    r->cubic = assay__im_real(im, "cubic_coeff_a", -0.75);
    r->exclude = assay__im_int(im, "exclude_outside", 0) != 0;
    if (assay__im_int(im, "antialias", 0) != 0)
        assay__im_fail(im, ASSAY_UNSUPPORTED, "antialias is not supported");
    if (im->o->opset >= 18 && assay__im_has(im, "keep_aspect_ratio_policy"))
        (void)assay__im_choice(im, "keep_aspect_ratio_policy",
                               (const char *const[]){"stretch", NULL});
}

/* Numbers of a constant input; 0 when it is absent or empty. */
static int read_list(struct assay__importer *im, int i, const char *what,
                     double out[ASSAY_RANK_MAX])
{
    int item = assay__im_input(im, i);
    const double *data;
    int64_t n;

    if (item < 0)
        return 0;
    n = assay__im_count(assay__im_shape(im, item));
    if (n == 0)
        return 0;
    data = assay__im_data(im, item, what);
    if (!data)
        return 0;
    if (n > ASSAY_RANK_MAX)
        return assay__im_fail(im, ASSAY_LIMIT, "%s has %lld numbers", what,
                              (long long)n);
    memcpy(out, data, (size_t)n * sizeof(*out));
    return (int)n;
}

static int attribute_scales(struct assay__importer *im,
                            double out[ASSAY_RANK_MAX])
{
    const struct assay__onnx_attribute *a = assay__im_attribute(im, "scales");

    if (!a || a->type != 6 || a->n > ASSAY_RANK_MAX)
        return assay__im_fail(im, ASSAY_FORMAT,
                              "attribute 'scales' is missing or no list");
    memcpy(out, a->reals, a->n * sizeof(*out));
    return (int)a->n;
}

/* The output's length, by a size or a scale; 0 where it is out of range.
 * False: the axis stays as it is. */
static bool measure(struct axis *a, bool by_size, double number)
{
    a->out = 0;
    a->scale = number;
    if (!by_size) {
        if (number > 0.0 && a->in >= 1 && number * (double)a->in <= SIDE_MAX)
            a->out = (int64_t)floor((double)a->in * number);
        return number != 1.0;
    }
    if (a->in == ASSAY_BATCH && (isnan(number) || number == 1.0))
        return false;
    if (number >= 1.0 && number <= SIDE_MAX)
        a->out = (int64_t)number;
    a->scale = (double)a->out / (double)a->in;
    return a->out != a->in;
}

/* Scales, or sizes where the node has them; how many. */
static int read_numbers(struct assay__importer *im, bool old, bool upsample,
                        double number[ASSAY_RANK_MAX], bool *by_size)
{
    int n = old ? 0 : read_list(im, 3, "the sizes", number);

    *by_size = n > 0;
    if (n > 0)
        return n;
    return upsample && im->o->opset < 9
               ? attribute_scales(im, number)
               : read_list(im, old ? 1 : 2, "the scales", number);
}

void assay__onnx_resize(struct assay__importer *im, int upsample)
{
    bool old = upsample || im->o->opset < 11;
    int x = assay__im_need(im, 0);
    struct assay_shape s = *assay__im_shape(im, x);
    double number[ASSAY_RANK_MAX] = {0};
    int64_t axes[ASSAY_RANK_MAX] = {0};
    struct resize r = {0};
    int n_axes = assay__im_ints(im, "axes", axes, ASSAY_RANK_MAX);
    bool by_size;
    int n = read_numbers(im, old, upsample, number, &by_size);

    read_kind(im, &r, old);
    if (im->code == ASSAY_OK && n != (n_axes < 0 ? s.rank : n_axes))
        assay__im_fail(im, ASSAY_SHAPE, "%d scales or sizes for rank %d", n,
                       s.rank);
    for (int i = 0; i < n && im->code == ASSAY_OK; i++) {
        int k = n_axes < 0 ? i : assay__im_axis(im, axes[i], s.rank);
        struct axis a = {s.dim[k], 0, 0.0};

        if (measure(&a, by_size, number[i]))
            x = along_axis(im, x, k, &r, &a);
    }
    assay__im_output(im, 0, x);
}
