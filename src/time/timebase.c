/* SPDX-License-Identifier: Apache-2.0 */
#include "time/timebase.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define PPB 1000000000ll
#define DRIFT_PPM 100u           /* assumed worst drift of two unsynchronised clocks */
#define SLEW_PPB_MAX 500000      /* 500 ppm */
#define SLEW_SPAN_NS 200000000   /* an offset is slewed away over this time */
#define STEP_LIMIT_NS 100000000u /* a larger error is reported */

struct reference {
    uint64_t local_ns;
    uint64_t master_ns;
    int64_t slew_ppb;
    int64_t drift_ppb;
    uint64_t bound_ns;
    uint32_t growth_ppm;
};

static void copy_write(struct axi_time_reference *copy, const struct reference *reference)
{
    atomic_store_explicit(&copy->local_ns, reference->local_ns, memory_order_relaxed);
    atomic_store_explicit(&copy->master_ns, reference->master_ns, memory_order_relaxed);
    atomic_store_explicit(&copy->slew_ppb, reference->slew_ppb, memory_order_relaxed);
    atomic_store_explicit(&copy->drift_ppb, reference->drift_ppb, memory_order_relaxed);
    atomic_store_explicit(&copy->bound_ns, reference->bound_ns, memory_order_relaxed);
    atomic_store_explicit(&copy->growth_ppm, reference->growth_ppm, memory_order_relaxed);
}

void axi_timebase_init(struct axi_timebase *timebase)
{
    const struct reference unset = {.bound_ns = UINT64_MAX, .growth_ppm = DRIFT_PPM};

    atomic_init(&timebase->sequence, 0);
    copy_write(&timebase->copies[0], &unset);
    copy_write(&timebase->copies[1], &unset);
}

/* Again only when a write ended meanwhile: not when one was interrupted. */
static struct reference reference_read(struct axi_timebase *timebase)
{
    struct reference reference = {0};
    uint32_t before = 0;

    do {
        struct axi_time_reference *copy = NULL;

        before = atomic_load_explicit(&timebase->sequence, memory_order_acquire);
        copy = &timebase->copies[before % 2];
        reference.local_ns = atomic_load_explicit(&copy->local_ns, memory_order_relaxed);
        reference.master_ns = atomic_load_explicit(&copy->master_ns, memory_order_relaxed);
        reference.slew_ppb = atomic_load_explicit(&copy->slew_ppb, memory_order_relaxed);
        reference.drift_ppb = atomic_load_explicit(&copy->drift_ppb, memory_order_relaxed);
        reference.bound_ns = atomic_load_explicit(&copy->bound_ns, memory_order_relaxed);
        reference.growth_ppm = atomic_load_explicit(&copy->growth_ppm, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
    } while (atomic_load_explicit(&timebase->sequence, memory_order_relaxed) != before);
    return reference;
}

/* The copy that nobody is sent to changes; then the readers are sent there. */
static void reference_write(struct axi_timebase *timebase, struct reference reference)
{
    uint32_t sequence = atomic_load_explicit(&timebase->sequence, memory_order_relaxed) + 1;

    atomic_thread_fence(memory_order_release); /* the former number is seen before the new values */
    copy_write(&timebase->copies[sequence % 2], &reference);
    atomic_store_explicit(&timebase->sequence, sequence, memory_order_release);
}

/* value * ppb / 10^9, rounded down, without overflow for |ppb| <= 10^9. */
static int64_t scaled(int64_t value, int64_t ppb)
{
    __int128 product = (__int128)value * ppb;
    __int128 quotient;
    int64_t small;

    if (!__builtin_mul_overflow(value, ppb, &small)) { /* the dispatch path: no 128-bit division */
        return small / 1000000000 - (small % 1000000000 < 0);
    }
    quotient = product / 1000000000;
    return (int64_t)(quotient - (product % 1000000000 < 0));
}

static uint64_t add_signed_sat(uint64_t value, int64_t delta)
{
    return delta < 0 ? axi_sub_sat(value, 0 - (uint64_t)delta)
                     : axi_add_sat(value, (uint64_t)delta);
}

static uint64_t to_master(const struct reference *reference, uint64_t local_ns)
{
    int64_t elapsed = (int64_t)(local_ns - reference->local_ns);

    if (local_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    /* The slew ends with its span: going on without a new sample would overshoot the target. */
    return add_signed_sat(
        add_signed_sat(reference->master_ns, elapsed),
        scaled(elapsed, reference->drift_ppb) +
            scaled(elapsed < SLEW_SPAN_NS ? elapsed : SLEW_SPAN_NS, reference->slew_ppb));
}

struct axc_time_master axi_time_to_master(struct axi_timebase *timebase,
                                          struct axc_time_local local)
{
    struct reference reference = reference_read(timebase);

    return (struct axc_time_master){to_master(&reference, local.ns)};
}

struct axc_time_local axi_time_to_local(struct axi_timebase *timebase,
                                        struct axc_time_master master)
{
    struct reference reference = reference_read(timebase);
    int64_t ahead = (int64_t)(master.ns - reference.master_ns);
    int64_t fast_ppb = PPB + reference.drift_ppb + reference.slew_ppb;
    int64_t slewed = scaled(SLEW_SPAN_NS, reference.slew_ppb);
    int64_t span = SLEW_SPAN_NS + scaled(SLEW_SPAN_NS, reference.drift_ppb) + slewed;
    uint64_t local_ns = 0;

    if (master.ns == UINT64_MAX) {
        return (struct axc_time_local){UINT64_MAX};
    }
    if (ahead < span) {
        ahead = (int64_t)((__int128)ahead * PPB / fast_ppb);
    } else {
        ahead = (int64_t)((__int128)(ahead - slewed) * PPB / (PPB + reference.drift_ppb));
    }
    local_ns = add_signed_sat(reference.local_ns, ahead);
    /* Rounding: the earliest local time whose master time is not before `master`, so that a timer
     * set to it never finds that it is one ns early. */
    while (to_master(&reference, local_ns) < master.ns) {
        local_ns++;
    }
    while (local_ns > 0 && to_master(&reference, local_ns - 1) >= master.ns) {
        local_ns--;
    }
    return (struct axc_time_local){local_ns};
}

void axi_timebase_set_compensation(struct axi_timebase *timebase, uint64_t compensation_ns)
{
    atomic_store_explicit(&timebase->compensation_ns, compensation_ns, memory_order_relaxed);
}

uint64_t axi_timebase_compensation_ns(struct axi_timebase *timebase)
{
    return atomic_load_explicit(&timebase->compensation_ns, memory_order_relaxed);
}

static uint64_t bound_at(const struct reference *reference, uint64_t now_ns)
{
    uint64_t age = axi_sub_sat(now_ns, reference->local_ns);

    if (reference->bound_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    return axi_add_sat(reference->bound_ns, axi_mul_sat(age, reference->growth_ppm) / 1000000u);
}

uint64_t axi_time_bound_ns(struct axi_timebase *timebase, struct axc_time_local now)
{
    struct reference reference = reference_read(timebase);

    return bound_at(&reference, now.ns);
}

/* The rate that removes `offset` within SLEW_SPAN_NS, limited: slewing never runs backwards. */
static int64_t slew_rate(int64_t offset)
{
    int64_t limit = (int64_t)SLEW_PPB_MAX * SLEW_SPAN_NS / 1000000000;

    if (offset > limit) {
        return SLEW_PPB_MAX;
    }
    return offset < -limit ? -SLEW_PPB_MAX : offset * 1000000000 / SLEW_SPAN_NS;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

int axi_timebase_sample(struct axi_timebase *timebase, struct axc_time_local send,
                        struct axc_time_local receive, struct axc_time_master master)
{
    struct reference old = reference_read(timebase);
    struct reference reference = {.local_ns = receive.ns, .growth_ppm = DRIFT_PPM};
    uint64_t round_trip = axi_sub_sat(receive.ns, send.ns);
    uint64_t half = round_trip / 2 + 1;
    uint64_t target = axi_add_sat(master.ns, round_trip / 2);
    int64_t offset = 0;

    if (receive.ns < send.ns || receive.ns < old.local_ns) {
        return 0;
    }
    if (old.bound_ns == UINT64_MAX) {
        reference.master_ns = target;
        reference.bound_ns = half;
        reference_write(timebase, reference);
        return 0;
    }
    if (half > bound_at(&old, receive.ns)) {
        return 0;
    }
    reference.master_ns = to_master(&old, receive.ns);
    offset = (int64_t)(target - reference.master_ns);
    reference.slew_ppb = slew_rate(offset);
    /* What is not slewed away yet is part of the error. */
    reference.bound_ns = axi_add_sat(half, magnitude(offset));
    reference_write(timebase, reference);
    return magnitude(offset) > STEP_LIMIT_NS ? 1 : 0;
}

static int64_t limited_drift(int64_t drift_ppb)
{
    if (drift_ppb > SLEW_PPB_MAX) {
        return SLEW_PPB_MAX;
    }
    return drift_ppb < -SLEW_PPB_MAX ? -SLEW_PPB_MAX : drift_ppb;
}

int axi_timebase_steer(struct axi_timebase *timebase, struct axc_time_local now,
                       const struct axi_timebase_estimate *estimate, bool may_step)
{
    struct reference old = reference_read(timebase);
    struct reference reference = {
        .local_ns = now.ns,
        .master_ns = to_master(&old, now.ns),
        .drift_ppb = limited_drift(estimate->drift_ppb),
        .growth_ppm = estimate->growth_ppm,
    };
    int64_t offset = (int64_t)(estimate->master_ns - reference.master_ns);

    if (estimate->bound_ns == UINT64_MAX || now.ns < old.local_ns) {
        return 0;
    }
    if (old.bound_ns == UINT64_MAX || may_step) {
        reference.master_ns = estimate->master_ns;
        reference.bound_ns = estimate->bound_ns;
        reference_write(timebase, reference);
        return 0;
    }
    reference.slew_ppb = slew_rate(offset);
    reference.bound_ns = axi_add_sat(estimate->bound_ns, magnitude(offset));
    reference_write(timebase, reference);
    return magnitude(offset) > STEP_LIMIT_NS ? 1 : 0;
}
