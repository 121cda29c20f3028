/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan computes does not depend on what the process computed before it:
 * a study that was killed and goes on starts with other plans in its memory
 * than one that nobody touched, and must end with the same bytes. Each order of
 * two inversions has a process of its own.
 */

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assay/inversion.h"
#include "check.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, Z = 100, WIDTH = 16 };

struct desk {
    struct assay_context ctx;
    struct assay_compute compute;
    assay_model *target;
    assay_generator *gen;
    int32_t wanted[CLASSES];
    struct assay_inversion_rows rows;
};

static const char *choices(void)
{
    return check_temp_path("tuning.json");
}

static void desk_open(struct desk *d)
{
    struct assay_model_spec spec = {.arch = "simplecnn", .n_classes = CLASSES};
    struct assay_generator_options o;
    struct assay_error err = {0};

    memset(d, 0, sizeof(*d));
    assay_context_init(&d->ctx);
    d->ctx.threads = 1;
    d->compute.algorithms = ASSAY_ALGORITHMS_TUNED;
    CHECK_OK(assay_tuning_new(&d->compute.tuning, &err), err);
    CHECK_OK(assay_tuning_read(d->compute.tuning, choices(), &err), err);
    spec.preprocess.channels = 1;
    spec.preprocess.height = SIDE;
    spec.preprocess.width = SIDE;
    spec.preprocess.scale = 1 / 255.0;
    spec.preprocess.mean[0] = .3;
    spec.preprocess.std[0] = .35;
    CHECK_OK(assay_model_new(&d->target, &spec, 1, &err), err);
    assay_generator_options_init(&o, 1);
    o.z_dim = Z;
    o.width = WIDTH;
    CHECK_OK(assay_generator_new(&d->gen, &spec.preprocess, &o, &err), err);
    for (int i = 0; i < CLASSES; i++)
        d->wanted[i] = i;
    d->rows.n = CLASSES;
    d->rows.wanted = d->wanted;
}

static void desk_close(struct desk *d)
{
    struct assay_error err = {0};

    CHECK_OK(assay_tuning_write(d->compute.tuning, choices(), &err), err);
    assay_tuning_free(d->compute.tuning);
    assay_generator_free(d->gen);
    assay_model_free(d->target);
}

static void in_latent_space(struct desk *d)
{
    const assay_model *models[1] = {d->target};
    struct assay_latent_nets nets = {d->gen, models, 1};
    struct assay_latent_descent o;
    struct assay_inversion found = {0};
    struct assay_error err = {0};

    assay_latent_descent_init(&o);
    o.steps = 2;
    CHECK_OK(assay_inversion_latent(&found, &d->ctx, &d->compute, &nets,
                                    &d->rows, &o, &err),
             err);
    assay_inversion_release(&found);
}

static void in_pixels(struct desk *d, float *image)
{
    struct assay_pixel_descent o;
    struct assay_inversion found = {0};
    struct assay_error err = {0};

    assay_pixel_descent_init(&o);
    o.max_steps = 20;
    CHECK_OK(assay_inversion_pixels(&found, &d->ctx, &d->compute, d->target,
                                    &d->rows, &o, &err),
             err);
    memcpy(image, found.image, sizeof(float) * CLASSES * PIXELS);
    assay_inversion_release(&found);
}

/* `order` in a process of its own: l in latent space, p in pixels. */
static void run(const char *order, float *image)
{
    pid_t child;
    int status;

    (void)check_temp_dir(); /* the parent's, not the child's to remove */
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct desk d;

        desk_open(&d);
        for (; *order; order++) {
            if (*order == 'l')
                in_latent_space(&d);
            else
                in_pixels(&d, image);
        }
        desk_close(&d);
        _exit(0);
    }
    CHECK_INT_EQ(waitpid(child, &status, 0), child);
    CHECK_INT_EQ(status, 0);
}

/* The choice for the gradient of the image in `data`, up to its last quote; or
 * NULL. */
static char *choice_in(char *data, size_t *length)
{
    char *at = strstr(data, "conv_bwd_d n16c1h28w28 o32h26w26 ");
    char *end;

    at = at ? strstr(at, "\": \"") : NULL;
    end = at ? strchr(at + 4, '"') : NULL;
    if (!end)
        return NULL;
    *length = (size_t)(end - at - 4);
    return at + 4;
}

/* Have the gradient of the image made in the plain layout, whatever was the
 * fastest: that is where the two plans once differed. */
static void choose_plain(void)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    struct assay__buf text = ASSAY__BUF_INIT;
    size_t length;
    size_t size;
    char *at;

    CHECK_OK(assay__read_file(choices(), 1 << 20, &data, &size, &err), err);
    at = choice_in((char *)data, &length);
    if (!at)
        SKIP("there is one way alone to make the gradient of the image");
    assay__buf_add(&text, data, (size_t)(at - (char *)data));
    assay__buf_add(&text, "plain", 5);
    assay__buf_add(&text, at + length, strlen(at + length));
    check_write_file(choices(), text.data, text.size);
    assay__buf_release(&text);
    assay__free(data);
}

/* Was it possible? */
static void check_plain(void)
{
    struct assay_error err = {0};
    unsigned char *data = NULL;
    size_t length;
    size_t size;
    char *at;

    CHECK_OK(assay__read_file(choices(), 1 << 20, &data, &size, &err), err);
    at = choice_in((char *)data, &length);
    if (!at || length != 5 || memcmp(at, "plain", 5) != 0)
        SKIP("no plain way to make the gradient of the image here");
    assay__free(data);
}

static void test_bytes_do_not_depend_on_what_went_before(void)
{
    size_t size = sizeof(float) * CLASSES * PIXELS;
    float *image = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    float *later = image + (size_t)CLASSES * PIXELS;

    CHECK(image != MAP_FAILED);
    run("lp", image);
    choose_plain();
    run("lp", image); /* chooses again where the library has no plain one */
    check_plain();
    memset(image, 0, size);
    run("p", image);
    run("lp", later);
    CHECK(image[0] != 0 || image[PIXELS / 2] != 0);
    CHECK_MEM_EQ(later, image, size);
    CHECK_INT_EQ(munmap(image, 2 * size), 0);
}

static const struct check_test tests[] = {
    CHECK_TEST(test_bytes_do_not_depend_on_what_went_before),
};

CHECK_MAIN(tests)
