/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings from cells. One attack is one observation: shares of neighbours
 * and of other members are first taken per attack, then over attacks. The
 * base of each is what hosts of the same seed on the untouched extractor say
 * of the same inputs.
 */

#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "reuse/study.h"

/* What one attack on one host came to. */
struct attack {
    bool all;    /* every trigger hit */
    size_t hits; /* triggers */
    double held; /* share of neighbours, mean over triggers; NaN: none */
    double others;
    double sum_confidence; /* over hits */
};

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static double share(const json_t *o, const char *part, const char *whole)
{
    return number(o, part) / number(o, whole);
}

static struct attack read_attack(const json_t *triggers)
{
    struct attack a = {.all = true};
    double n = 0;
    size_t i;
    const json_t *t;

    json_array_foreach(triggers, i, t)
    {
        bool hit = json_is_true(json_object_get(t, "hit"));

        a.all = a.all && hit;
        a.hits += hit;
        a.sum_confidence += hit ? number(t, "confidence") : 0;
        a.held += share(t, "held", "n_held");
        a.others += share(t, "others", "n_others");
        n++;
    }
    a.all = a.all && n > 0;
    a.held /= n;
    a.others /= n;
    return a;
}

/* Pair p of a cell; of one with several pairs the index-th. */
static struct attack attack_of(const json_t *cell, size_t index)
{
    return read_attack(json_array_get(
        json_object_get(json_object_get(cell, "said"), "pairs"), index));
}

static double accuracy_of(const json_t *cell)
{
    return share(json_object_get(cell, "said"), "right", "n");
}

/* Numbers of all attacks, [pairs] each. */
struct columns {
    double *held;
    double *held_base;
    double *others;
    double *others_base;
    double *accuracy;
    double *drop;
};

/* Mean with its interval over what is a number. */
static struct assay_estimate mean_of(double *x, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            x[kept++] = x[i];
    return assay_mean_interval(x, kept);
}

/* The same of shares, whose interval ends at 0 and 1. */
static struct assay_estimate share_of(double *x, size_t n)
{
    struct assay_estimate e = mean_of(x, n);

    if (isfinite(e.low))
        e.low = fmax(e.low, 0);
    if (isfinite(e.high))
        e.high = fmin(e.high, 1);
    return e;
}

static void take_change(struct assay_reuse_finding *f, const json_t *cell,
                        size_t n)
{
    const json_t *change = json_object_get(cell, "change");
    const char *stop = json_string_value(json_object_get(change, "stop"));
    double neighbours = number(change, "neighbours");

    f->share_touched += share(change, "n_touched", "n_weights") / (double)n;
    f->max_change = fmax(f->max_change, number(change, "max_change"));
    f->steps += number(change, "steps") / (double)n;
    for (int i = 0; i < ASSAY_REUSE_STOP_COUNT && stop; i++)
        f->stops[i] +=
            strcmp(stop, assay_reuse_stop_name((enum assay_reuse_stop)i)) == 0;
    if (neighbours < (double)f->fewest_neighbours)
        f->fewest_neighbours = (size_t)neighbours;
}

static void summarise_seeds(struct assay_reuse_finding *f,
                            const struct assay__reuse_scene *c,
                            json_t *const *untouched, double *scratch)
{
    for (size_t s = 0; s < c->s->seeds; s++)
        scratch[s] = accuracy_of(untouched[s]);
    f->accuracy_sd = assay_sd(scratch, c->s->seeds);
    f->accuracy_base = assay_mean_interval(scratch, c->s->seeds);
}

/* One setting on one host. `altered` is that of pair 0; the next pair's lies
 * n_hosts further. */
static void summarise(struct assay_reuse_finding *f,
                      const struct assay__reuse_scene *c,
                      json_t *const *altered, json_t *const *untouched,
                      const struct columns *x)
{
    size_t n = c->s->pairs;
    size_t triggers = 0;
    size_t all = 0;
    size_t base = 0;
    size_t repaired = 0;
    double sum = 0;

    f->fewest_neighbours = c->s->options.neighbours;
    for (size_t p = 0; p < n; p++) {
        const json_t *cell = altered[p * c->s->n_hosts];
        const json_t *control = untouched[p % c->s->seeds];
        struct attack a = attack_of(cell, 0);
        struct attack b = attack_of(control, p / c->s->seeds);

        repaired += json_is_true(
            json_object_get(json_object_get(cell, "said"), "repaired"));
        all += a.all;
        base += b.all;
        triggers += a.hits;
        sum += a.sum_confidence;
        x->held[p] = a.held;
        x->held_base[p] = b.held;
        x->others[p] = a.others;
        x->others_base[p] = b.others;
        x->accuracy[p] = accuracy_of(cell);
        x->drop[p] = accuracy_of(control) - x->accuracy[p];
        take_change(f, cell, n);
    }
    f->success = assay_proportion(all, n);
    f->base = assay_proportion(base, n);
    f->repaired = assay_proportion(repaired, n);
    f->trigger = assay_proportion(triggers, n * c->s->triggers);
    f->confidence = triggers ? sum / (double)triggers : (double)NAN;
    f->held = share_of(x->held, n);
    f->held_base = share_of(x->held_base, n);
    f->others = share_of(x->others, n);
    f->others_base = share_of(x->others_base, n);
    f->accuracy = share_of(x->accuracy, n);
    f->drop = mean_of(x->drop, n);
}

int assay__reuse_summarise(struct assay_reuse_finding *out,
                           const struct assay__reuse_scene *c,
                           const struct assay__reuse_cells *cells,
                           struct assay_error *err)
{
    const struct assay_reuse_study *s = c->s;
    double *room = assay__calloc(6 * s->pairs + s->seeds, sizeof(*room));
    struct columns x = {room,
                        room + s->pairs,
                        room + 2 * s->pairs,
                        room + 3 * s->pairs,
                        room + 4 * s->pairs,
                        room + 5 * s->pairs};

    if (!room)
        return assay_error_set(err, ASSAY_NOMEM, "reuse: out of memory");
    for (size_t i = 0; i < s->n_settings; i++)
        for (size_t h = 0; h < s->n_hosts; h++) {
            struct assay_reuse_finding *f = &out[i * s->n_hosts + h];

            f->setting = &s->setting[i];
            f->host = &s->host[h];
            summarise(f, c, cells->altered + i * s->pairs * s->n_hosts + h,
                      cells->untouched + h * s->seeds, &x);
            summarise_seeds(f, c, cells->untouched + h * s->seeds,
                            room + 6 * s->pairs);
        }
    assay__free(room);
    return ASSAY_OK;
}
