/* SPDX-License-Identifier: Apache-2.0 */
/* A task that does one job well and misbehaves in each later one. Define NAME and MISBEHAVE. */
#include <axcan/task.h>

struct state {
    uint64_t count;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;
    volatile uint64_t zero = 0;

    state->count++;
    if (job->number > 0) {
        MISBEHAVE;
    }
    return (int)zero;
}

AXCAN_TASK(NAME, .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .overrun_policy = AXC_POLICY_RESTART,
           .fault_policy = AXC_POLICY_RESTART, .restart_limit = 2, .needs = AXC_SVC_LOG,
           .wcet = {{"linux-x86_64", 1000},
                    {"linux-aarch64", 1000},
                    {"axcan-virt", 4000},
                    {"axcan-zcu102", 4000}});
