/* SPDX-License-Identifier: Apache-2.0 */
/* Puts out each new value of its input, once. */
#include <axcan/task.h>

struct state {
    uint64_t sequence;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *state = memory;
    uint8_t value[64];
    uint64_t sequence = 0;
    int32_t bytes = job->services->input(job, "in", value, sizeof(value), &sequence);

    if (bytes > 0 && sequence != state->sequence) {
        state->sequence = sequence;
        (void)job->services->output(job, "out", value, (uint32_t)bytes);
    }
    return 0;
}

AXCAN_TASK("relay", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 5000},
                    {"linux-aarch64", 5000},
                    {"axcan-virt", 8000},
                    {"axcan-zcu102", 8000}});
