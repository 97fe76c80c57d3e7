/* SPDX-License-Identifier: Apache-2.0 */
/* Counts its jobs. Its period and budget leave room for a machine that stops QEMU for a while. */
#include <axcan/task.h>

struct state {
    uint64_t count;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;

    state->count++;
    (void)job->services->output(job, "count", &state->count, sizeof(state->count));
    return state->count == job->number + 1 ? 0 : 7; /* a lost or doubled job is a fault */
}

AXCAN_TASK("steady", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 100000, .deadline_us = 100000, .fault_policy = AXC_POLICY_STOP,
           .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 50000},
                    {"linux-aarch64", 50000},
                    {"axcan-virt", 50000},
                    {"axcan-zcu102", 50000}});
