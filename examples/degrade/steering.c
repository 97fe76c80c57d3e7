/* SPDX-License-Identifier: Apache-2.0 */
/* Steering: follows a simulated course; the one that must keep its place when room is short. */
#include <axcan/task.h>

struct state {
    double angle;
    uint64_t jobs;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *s = memory;
    double course = job->number % 300 < 150 ? 0.2 : -0.2;

    s->angle += 0.05 * (course - s->angle);
    s->jobs++;
    return job->services->output(job, "angle", &s->angle, sizeof(s->angle)) == 0 ? 0 : 1;
}

AXCAN_TASK("steering", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .criticality = 14, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 9000},
                    {"linux-aarch64", 9000},
                    {"axcan-virt", 9000},
                    {"axcan-zcu102", 9000}});
