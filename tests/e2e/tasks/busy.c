/* SPDX-License-Identifier: Apache-2.0 */
/* Uses 60 ms of each 100 ms of a processor of 125 million instructions per second. */
#include <axcan/task.h>

#define ROUNDS 3750000u /* of two instructions */

struct state {
    uint64_t count;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    for (uint32_t left = ROUNDS; left > 0; left--) {
        __asm__ volatile("" : "+r"(left));
    }
    state->count++;
    return state->count == job->number + 1 ? 0 : 7;
}

AXCAN_TASK("busy", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 100000, .deadline_us = 100000, .fault_policy = AXC_POLICY_STOP,
           .wcet = {{"linux-x86_64", 50000}, {"axcan-virt", 75000}, {"axcan-zcu102", 75000}});
