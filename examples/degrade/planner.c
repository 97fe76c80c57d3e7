/* SPDX-License-Identifier: Apache-2.0 */
/* Speed planner, the whole one: looks along the simulated road ahead and chooses the speed of the
 * least cost. */
#include <axcan/task.h>

#define AHEAD 32

struct state {
    double position; /* m */
    double speed;    /* m/s */
    uint64_t jobs;
    double plan[AHEAD];
};

/* Allowed speed at a place: bends every 400 m. */
static double limit(double position)
{
    uint64_t place = (uint64_t)position % 400;

    return place < 80 ? 12.0 : 28.0;
}

static void look_ahead(struct state *s)
{
    double next = limit(s->position + 10.0 * AHEAD);

    for (int i = AHEAD - 1; i >= 0; i--) {
        double here = limit(s->position + 10.0 * (double)i);
        double reachable = next + 1.2; /* braking over 10 m */

        s->plan[i] = here < reachable ? here : reachable;
        next = s->plan[i];
    }
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *s = memory;

    look_ahead(s);
    s->speed += 0.1 * (s->plan[0] - s->speed);
    s->position += s->speed * 0.02;
    s->jobs++;
    return job->services->output(job, "speed", &s->speed, sizeof(s->speed)) == 0 ? 0 : 1;
}

AXCAN_TASK("planner", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .criticality = 5, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 9000},
                    {"linux-aarch64", 9000},
                    {"axcan-virt", 9000},
                    {"axcan-zcu102", 9000}});
