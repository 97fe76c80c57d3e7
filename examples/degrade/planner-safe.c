/* SPDX-License-Identifier: Apache-2.0 */
/* Speed planner, the simple and safe one: slow enough for every bend. It goes on with the position
 * and speed of the whole planner, whose fields have the same names. */
#include <axcan/task.h>

struct state {
    double position; /* m */
    double speed;    /* m/s */
    uint64_t jobs;
};

static int job(const struct axc_job *job, void *memory)
{
    struct state *s = memory;

    s->speed += 0.02 * (12.0 - s->speed);
    s->position += s->speed * 0.02;
    s->jobs++;
    return job->services->output(job, "speed", &s->speed, sizeof(s->speed)) == 0 ? 0 : 1;
}

AXCAN_TASK("planner", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .criticality = 5, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 500},
                    {"linux-aarch64", 500},
                    {"axcan-virt", 2000},
                    {"axcan-zcu102", 2000}});
