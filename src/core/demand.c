/* SPDX-License-Identifier: Apache-2.0 */
#include "core/demand.h"

#include "base/bytes.h"

#include <stddef.h>

/* Loads are sums of parts per 2^64. When rounding leaves the comparison with the capacity open, it
 * is repeated with 256 binary places, where only equality can be left open. */
typedef unsigned __int128 fraction;

#define PPM 1000000u
#define WINDOW_LIMIT 65536u
#define BUSY_LIMIT 1024u
#define TIME_LIMIT ((uint64_t)1 << 62)
#define WORK_LIMIT ((fraction)1 << 96) /* times PPM still fits */

enum { LIMBS = 6, FRACTION_LIMBS = 4 };

struct wide {
    uint64_t limb[LIMBS]; /* least significant first; the lower four are binary places */
};

/* The admitted tasks and the candidate as one list. */
struct set {
    const struct axi_demand_task *tasks;
    const struct axi_demand_task *candidate;
    uint32_t n;
    uint64_t capacity_ppm;
};

/* NULL for an empty entry of the admitted tasks. */
static const struct axi_demand_task *task_at(const struct set *set, uint32_t i)
{
    const struct axi_demand_task *task = i == set->n ? set->candidate : &set->tasks[i];

    return task->wcet_ns != 0 && task->period_ns != 0 && task->deadline_ns != 0 ? task : NULL;
}

static fraction ratio_up(uint64_t a, uint64_t b)
{
    return (((fraction)a << 64) + b - 1) / b;
}

static fraction add_sat(fraction a, fraction b)
{
    fraction sum = 0;

    return __builtin_add_overflow(a, b, &sum) ? ~(fraction)0 : sum;
}

static fraction density(const struct axi_demand_task *task)
{
    return ratio_up(task->wcet_ns,
                    task->deadline_ns < task->period_ns ? task->deadline_ns : task->period_ns);
}

/* Rounded up to ppm; saturates. */
static uint64_t to_ppm(fraction sum)
{
    fraction whole = sum >> 64;
    fraction rest = sum & UINT64_MAX;
    fraction ppm = (rest * PPM + UINT64_MAX) >> 64;

    return axi_add_sat(axi_mul_sat((uint64_t)whole, PPM), (uint64_t)ppm);
}

static void wide_add(struct wide *sum, unsigned at, uint64_t value)
{
    for (; at < LIMBS && value != 0; at++) {
        value = __builtin_add_overflow(sum->limb[at], value, &sum->limb[at]);
    }
}

static void wide_multiply(struct wide *product, uint64_t factor)
{
    fraction carry = 0;

    for (unsigned at = 0; at < LIMBS; at++) {
        carry += (fraction)product->limb[at] * factor;
        product->limb[at] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* Integer part >= capacity, that is, the number of the places does not matter. */
static bool reaches(const struct wide *sum, uint64_t capacity)
{
    return sum->limb[5] != 0 || sum->limb[4] >= capacity;
}

/* Adds C / T, rounded down to 256 binary places. */
static void add_load(struct wide *sum, const struct axi_demand_task *task)
{
    fraction rest = task->wcet_ns % task->period_ns;

    wide_add(sum, FRACTION_LIMBS, task->wcet_ns / task->period_ns);
    for (unsigned at = FRACTION_LIMBS; at-- > 0;) {
        rest <<= 64;
        wide_add(sum, at, (uint64_t)(rest / task->period_ns));
        rest %= task->period_ns;
    }
}

static fraction gcd(fraction a, fraction b)
{
    while (b != 0) {
        fraction rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* The loads' common denominator fits in 128 bits; two sums over it that differ then differ by at
 * least 1 / (2^128 * 10^6). */
static bool has_small_denominator(const struct set *set)
{
    fraction lcm = 1;

    for (uint32_t i = 0; i <= set->n; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task != NULL && __builtin_mul_overflow(lcm / gcd(lcm, task->period_ns),
                                                   (fraction)task->period_ns, &lcm)) {
            return false;
        }
    }
    return true;
}

/* Sign of sum C / T - capacity; 1 also when equality cannot be proven. */
static int compare_load_exactly(const struct set *set)
{
    struct wide low = {{0}};
    struct wide high = {{0}};

    for (uint32_t i = 0; i <= set->n; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task != NULL) {
            add_load(&low, task);
        }
    }
    high = low;
    wide_add(&high, 0, (uint64_t)set->n + 1); /* one unit in the last place for each task */
    wide_multiply(&low, PPM);
    wide_multiply(&high, PPM);
    if (!reaches(&high, set->capacity_ppm)) {
        return -1;
    }
    if (reaches(&low, set->capacity_ppm)) {
        bool equal = low.limb[5] == 0 && low.limb[4] == set->capacity_ppm && low.limb[3] == 0 &&
                     low.limb[2] == 0 && low.limb[1] == 0 && low.limb[0] == 0;

        return equal && has_small_denominator(set) ? 0 : 1;
    }
    return has_small_denominator(set) ? 0 : 1;
}

/* *ret_spare: what is certainly left of the capacity, rounded down. */
static int compare_load(const struct set *set, fraction *ret_spare)
{
    fraction capacity = ((fraction)set->capacity_ppm << 64) / PPM;
    fraction load = 0;

    for (uint32_t i = 0; i <= set->n; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task != NULL) {
            load = add_sat(load, ratio_up(task->wcet_ns, task->period_ns));
        }
    }
    *ret_spare = load < capacity ? capacity - load : 0;
    if (load < capacity) {
        return -1;
    }
    if (load > add_sat(capacity, (fraction)set->n + 2)) {
        return 1;
    }
    return compare_load_exactly(set);
}

/* Time the capacity needs for the work, rounded up; TIME_LIMIT when longer. */
static uint64_t time_for(const struct set *set, fraction work)
{
    fraction time = 0;

    if (work >= WORK_LIMIT) {
        return TIME_LIMIT;
    }
    time = (work * PPM + set->capacity_ppm - 1) / set->capacity_ppm;
    return time < TIME_LIMIT ? (uint64_t)time : TIME_LIMIT;
}

/* dbf(t): work released and due in a window of t. */
static fraction demand(const struct set *set, uint64_t t)
{
    fraction work = 0;

    for (uint32_t i = 0; i <= set->n && work < WORK_LIMIT; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task != NULL && t >= task->deadline_ns) {
            work += ((fraction)((t - task->deadline_ns) / task->period_ns) + 1) * task->wcet_ns;
        }
    }
    return work < WORK_LIMIT ? work : WORK_LIMIT;
}

/* Length of the longest busy period; TIME_LIMIT when it is not found in BUSY_LIMIT steps. */
static uint64_t busy_period(const struct set *set)
{
    uint64_t length = 1;

    for (uint32_t step = 0; step < BUSY_LIMIT; step++) {
        fraction work = 0;
        uint64_t next = 0;

        for (uint32_t i = 0; i <= set->n && work < WORK_LIMIT; i++) {
            const struct axi_demand_task *task = task_at(set, i);

            if (task != NULL) {
                work += ((fraction)((length - 1) / task->period_ns) + 1) * task->wcet_ns;
            }
        }
        next = time_for(set, work);
        if (next == length || next >= TIME_LIMIT) {
            return next;
        }
        length = next;
    }
    return TIME_LIMIT;
}

/* Zhang and Burns's La, rounded up: no window longer than this can be the first to fail. Terms with
 * D' > T are left out of the sum, which only lengthens it. */
static uint64_t load_bound(const struct set *set, fraction spare)
{
    fraction sum = 0;
    uint64_t bound = 0;

    for (uint32_t i = 0; i <= set->n; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task == NULL) {
            continue;
        }
        if (task->deadline_ns > task->period_ns) {
            uint64_t offset = task->deadline_ns - task->period_ns;

            bound = offset > bound ? offset : bound;
        } else {
            fraction part = (fraction)(task->period_ns - task->deadline_ns) * task->wcet_ns;

            sum = add_sat(sum, part / task->period_ns + 1);
        }
    }
    if (spare == 0 || sum > UINT64_MAX) {
        return TIME_LIMIT;
    }
    sum = (sum << 64) / spare + 1;
    sum = sum > bound ? sum : bound;
    return sum < TIME_LIMIT ? (uint64_t)sum : TIME_LIMIT;
}

/* Largest absolute deadline < t of the synchronous release; 0 when there is none. */
static uint64_t deadline_before(const struct set *set, uint64_t t)
{
    uint64_t latest = 0;

    for (uint32_t i = 0; i <= set->n; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task != NULL && task->deadline_ns < t) {
            uint64_t gap = (t - 1 - task->deadline_ns) % task->period_ns;

            latest = t - 1 - gap > latest ? t - 1 - gap : latest;
        }
    }
    return latest;
}

/* QPA: from the last deadline before the bound downwards. A window longer than the time its demand
 * needs clears every window between the two. */
static int check_windows(const struct set *set, uint64_t bound, struct axi_demand_verdict *verdict)
{
    uint64_t t = deadline_before(set, bound);

    while (t > 0 && verdict->windows < WINDOW_LIMIT) {
        fraction work = demand(set, t);
        uint64_t needed = time_for(set, work);

        verdict->windows++;
        if (needed > t) {
            verdict->violation_ns = t;
            verdict->demand_ns = work < UINT64_MAX ? (uint64_t)work : UINT64_MAX;
            return -AXC_EADMIT_LOAD;
        }
        t = needed < t ? deadline_before(set, needed + 1) : deadline_before(set, t);
    }
    return t == 0 ? 0 : -AXC_EADMIT_LOAD;
}

static int judge(const struct set *set, fraction density_sum, struct axi_demand_verdict *verdict)
{
    fraction spare = 0;
    uint64_t bound = 0;

    if (set->capacity_ppm == 0) {
        verdict->load_sign = 1;
        return -AXC_EADMIT_LOAD;
    }
    verdict->load_sign = (int8_t)compare_load(set, &spare);
    if (verdict->load_sign > 0) {
        return -AXC_EADMIT_LOAD;
    }
    if (density_sum <= ((fraction)set->capacity_ppm << 64) / PPM) {
        return 0;
    }
    bound = load_bound(set, spare);
    verdict->busy_ns = busy_period(set);
    bound = verdict->busy_ns < bound ? verdict->busy_ns : bound;
    verdict->busy_ns = verdict->busy_ns < TIME_LIMIT ? verdict->busy_ns : 0;
    return bound < TIME_LIMIT ? check_windows(set, bound, verdict) : -AXC_EADMIT_LOAD;
}

static fraction density_sum(const struct set *set)
{
    fraction sum = 0;

    for (uint32_t i = 0; i <= set->n; i++) {
        const struct axi_demand_task *task = task_at(set, i);

        if (task != NULL) {
            sum = add_sat(sum, density(task));
        }
    }
    return sum;
}

uint64_t axi_demand_density_ppm(const struct axi_demand_task *tasks, uint32_t n)
{
    const struct set set = {.tasks = tasks, .candidate = &tasks[n > 0 ? n - 1 : 0], .n = n - 1};

    return n == 0 ? 0 : to_ppm(density_sum(&set));
}

int axi_demand_admit(const struct axi_demand_task *tasks, uint32_t n,
                     const struct axi_demand_task *candidate, uint64_t capacity_ppm,
                     struct axi_demand_verdict *ret_verdict)
{
    const struct set set = {
        .tasks = tasks, .candidate = candidate, .n = n, .capacity_ppm = capacity_ppm};
    struct axi_demand_verdict verdict = {.capacity_ppm = capacity_ppm};
    fraction sum = 0;
    int error = 0;

    if (candidate->period_ns == 0) {
        return -AXC_EINVALID;
    }
    if (candidate->wcet_ns == 0) {
        return -AXC_EADMIT_NO_WCET;
    }
    if (candidate->deadline_ns < candidate->wcet_ns) {
        return -AXC_EADMIT_DEADLINE;
    }
    sum = density_sum(&set);
    verdict.density_ppm = to_ppm(sum);
    error = judge(&set, sum, &verdict);
    if (ret_verdict != NULL) {
        *ret_verdict = verdict;
    }
    return error;
}
