/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/workload.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define FULL 1e6
#define TWO_PI 6.283185307179586

static const char *const names[AXI_WORKLOADS] = {"diurnal", "bursty", "steps", "periodic",
                                                 "heavy",   "modes",  "creep"};

const char *axi_workload_name(enum axi_workload family)
{
    return (unsigned)family < AXI_WORKLOADS ? names[family] : "?";
}

int axi_workload_of(const char *name, enum axi_workload *ret_family)
{
    for (unsigned i = 0; i < AXI_WORKLOADS; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_family = (enum axi_workload)i;
            return 0;
        }
    }
    return -AXC_ENOENT;
}

struct source {
    uint64_t state;
    double noise; /* of the measurement, as a share of the node */
};

static double uniform(struct source *s)
{
    s->state ^= s->state << 13;
    s->state ^= s->state >> 7;
    s->state ^= s->state << 17;
    return (double)(s->state >> 11) * 0x1p-53;
}

static double between(struct source *s, double low, double high)
{
    return low + (high - low) * uniform(s);
}

static double gauss(struct source *s)
{
    return sqrt(-2 * log(1 - uniform(s))) * cos(TWO_PI * uniform(s));
}

/* Samples until something happens that happens once in `mean`. */
static double duration(struct source *s, double mean)
{
    return 1 - mean * log(1 - uniform(s));
}

static void put(struct source *s, double *to, double load)
{
    double value = load + s->noise * gauss(s);

    *to = FULL * fmin(fmax(value, 0), 1);
}

static void diurnal(struct source *s, size_t count, double *to)
{
    double period = between(s, 300, 900);
    double phase = between(s, 0, TWO_PI);
    double middle = between(s, 0.3, 0.6);
    double depth = between(s, 0.1, 0.35);
    double second = between(s, 0, 0.4);

    for (size_t i = 0; i < count; i++) {
        double angle = phase + TWO_PI * (double)i / period;

        put(s, &to[i], middle + depth * sin(angle) + depth * second * sin(3 * angle + 1));
    }
}

static void bursty(struct source *s, size_t count, double *to)
{
    double low = between(s, 0.05, 0.4);
    double high = low + between(s, 0.2, 0.5);
    double off = between(s, 40, 150);
    double on = between(s, 10, 60);
    double left = duration(s, off);
    bool is_on = false;

    for (size_t i = 0; i < count; i++, left--) {
        if (left <= 0) {
            is_on = !is_on;
            left = duration(s, is_on ? on : off);
        }
        put(s, &to[i], is_on ? high : low);
    }
}

static void steps(struct source *s, size_t count, double *to)
{
    double mean = between(s, 60, 200);
    double level = between(s, 0.1, 0.8);
    double target = level;
    double rate = 1;
    double left = duration(s, mean);

    for (size_t i = 0; i < count; i++, left--) {
        if (left <= 0) {
            target = between(s, 0.05, 0.95);
            rate = uniform(s) < 0.5 ? 1 : between(s, 0.005, 0.05);
            left = duration(s, mean);
        }
        level += fmin(fmax(target - level, -rate), rate);
        put(s, &to[i], level);
    }
}

static void periodic(struct source *s, size_t count, double *to)
{
    double period = between(s, 16, 120);
    double duty = between(s, 0.2, 0.8);
    double low = between(s, 0.1, 0.4);
    double depth = between(s, 0.1, 0.4);
    double ramp = between(s, 0.05, 0.3); /* of a period */
    double phase = uniform(s);

    for (size_t i = 0; i < count; i++) {
        double edge;

        period = fmin(fmax(period * (1 + 0.002 * gauss(s)), 12), 160);
        depth = fmin(fmax(depth + 0.002 * gauss(s), 0.05), 0.5);
        phase = fmod(phase + 1 / period, 1);
        edge = fmin(phase / ramp, (duty - phase) / ramp + 1);
        put(s, &to[i], low + depth * fmin(fmax(edge, 0), 1));
    }
}

#define JOBS_MAX 32

static void heavy(struct source *s, size_t count, double *to)
{
    double left[JOBS_MAX] = {0};
    double size[JOBS_MAX] = {0};
    double shape = between(s, 1.2, 1.8);
    double gap = between(s, 8, 25);
    double each = between(s, 0.03, 0.12);
    double until = duration(s, gap);

    for (size_t i = 0; i < count; i++, until--) {
        double load = 0.05;

        for (size_t j = 0; j < JOBS_MAX; j++) {
            if (until <= 0 && left[j] <= 0) {
                left[j] = fmin(8 * pow(1 - uniform(s), -1 / shape), 2000);
                size[j] = each * between(s, 0.5, 1.5);
                until = duration(s, gap);
            }
            load += left[j] > 0 ? size[j] : 0;
            left[j]--;
        }
        put(s, &to[i], load);
    }
}

/* standing, city, motorway, parking: load, mean stay, what the transition takes; each vehicle
 * differs from the next. */
static void modes(struct source *s, size_t count, double *to)
{
    static const double loads[] = {0.15, 0.55, 0.4, 0.75};
    static const double stays[] = {60, 160, 240, 50};
    static const double ramps[] = {6, 16, 24, 12};
    static const double next[4][4] = {
        {0, 0.8, 0, 0.2}, {0.2, 0, 0.5, 0.3}, {0, 0.9, 0, 0.1}, {0.7, 0.3, 0, 0}};
    double own[4];
    double level;
    double from;
    double since = 1e9;
    double left;
    size_t mode = 0;

    for (size_t k = 0; k < 4; k++) {
        own[k] = loads[k] * between(s, 0.7, 1.2);
    }
    level = from = own[0];
    left = duration(s, stays[0]);
    for (size_t i = 0; i < count; i++, left--, since++) {
        if (left <= 0) {
            double pick = uniform(s);
            size_t to_mode = 0;

            while (to_mode < 3 && (pick -= next[mode][to_mode]) > 0) {
                to_mode++;
            }
            mode = to_mode;
            from = level;
            since = 0;
            left = ramps[mode] + duration(s, stays[mode]);
        }
        level = from + (own[mode] - from) * fmin(since / ramps[mode], 1);
        /* within a mode the control loops' load sways */
        put(s, &to[i], level + 0.02 * sin(TWO_PI * (double)i / 37));
    }
}

static void creep(struct source *s, size_t count, double *to)
{
    double base = between(s, 0.1, 0.4);
    double rate = between(s, 0.0005, 0.006);
    double top = between(s, 0.7, 1.0);
    double level = base;
    double pause = 0;

    for (size_t i = 0; i < count; i++) {
        if (pause > 0) {
            pause--;
        } else {
            level += rate;
        }
        if (level >= top || uniform(s) < 0.002) {
            level = base + between(s, 0, 0.1);
            pause = duration(s, 60);
            rate = between(s, 0.0005, 0.006);
        }
        put(s, &to[i], level);
    }
}

void axi_workload_make(enum axi_workload family, uint64_t seed, size_t count, double *ret_samples)
{
    static void (*const makers[AXI_WORKLOADS])(struct source *, size_t, double *) = {
        diurnal, bursty, steps, periodic, heavy, modes, creep};
    struct source s = {.state = (seed + 1) * 0x9e3779b97f4a7c15ull + (uint64_t)family};

    for (int i = 0; i < 16; i++) {
        (void)uniform(&s); /* neighbouring seeds part */
    }
    s.noise = between(&s, 0.004, 0.03);
    makers[family](&s, count, ret_samples);
}
