/* SPDX-License-Identifier: Apache-2.0 */
#include "core/demand.h"

#include "base/bytes.h"

#include <stddef.h>

/* Densities are summed in parts per 2^64, each rounded up: never optimistic, and with up to 2^20
 * tasks too pessimistic by less than 10^-13. */
typedef unsigned __int128 fraction;

static fraction density(const struct axi_demand_task *task)
{
    uint64_t window_ns = task->deadline_ns < task->period_ns ? task->deadline_ns : task->period_ns;

    /* C <= D' <= 2^64 - 1, so C * 2^64 fits in 128 bits. */
    return (((fraction)task->wcet_ns << 64) + window_ns - 1) / window_ns;
}

/* Rounded up to ppm; saturates. */
static uint64_t to_ppm(fraction sum)
{
    fraction whole = sum >> 64;
    fraction rest = sum & UINT64_MAX;
    fraction ppm = (rest * 1000000u + UINT64_MAX) >> 64;

    return axi_add_sat(axi_mul_sat((uint64_t)whole, 1000000u), (uint64_t)ppm);
}

int axi_demand_admit(const struct axi_demand_task *tasks, uint32_t n,
                     const struct axi_demand_task *candidate, uint64_t capacity_ppm,
                     struct axi_demand_verdict *ret_verdict)
{
    fraction sum = 0;
    fraction limit = ((fraction)capacity_ppm << 64) / 1000000u;

    if (candidate->period_ns == 0) {
        return -AXC_EINVALID;
    }
    if (candidate->wcet_ns == 0) {
        return -AXC_EADMIT_NO_WCET;
    }
    if (candidate->deadline_ns < candidate->wcet_ns) {
        return -AXC_EADMIT_DEADLINE;
    }
    sum = density(candidate);
    for (uint32_t i = 0; i < n; i++) {
        if (tasks[i].wcet_ns != 0 && tasks[i].period_ns != 0 && tasks[i].deadline_ns != 0) {
            sum += density(&tasks[i]);
        }
    }
    if (ret_verdict != NULL) {
        ret_verdict->density_ppm = to_ppm(sum);
        ret_verdict->capacity_ppm = capacity_ppm;
    }
    /* One unit in 2^64 per task of slack undoes the rounding: 1/3 + 1/3 + 1/3 <= 1 holds. */
    return sum <= limit + n + 2 ? 0 : -AXC_EADMIT_LOAD;
}
