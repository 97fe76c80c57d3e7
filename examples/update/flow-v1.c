/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control: follows a simulated set point. The first version. */
#include <axcan/task.h>

struct state {
    double level;
    uint64_t jobs;
};

static double wanted(uint64_t job)
{
    return job % 200 < 100 ? 0.8 : 0.3;
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *s = memory;

    s->level += 0.05 * (wanted(job->number) - s->level);
    s->jobs++;
    return job->services->output(job, "level", &s->level, sizeof(s->level)) == 0 ? 0 : 1;
}

AXCAN_TASK("flow", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .criticality = 8, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 1000},
                    {"linux-aarch64", 1000},
                    {"axcan-virt", 3000},
                    {"axcan-zcu102", 3000}});
