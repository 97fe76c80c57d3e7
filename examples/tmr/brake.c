/* SPDX-License-Identifier: Apache-2.0 */
/* Brake by wire: the force that each wheel shall brake with, from a simulated pedal and a simulated
 * wheel that slips. Everything follows from the job number and the state, so that replicas on any
 * platform put out the same. */
#include <axcan/task.h>

struct state {
    double speed;   /* of the vehicle, m/s */
    double wheel;   /* of the wheel, m/s */
    double force;   /* put out last, share of the largest */
    uint64_t slips; /* jobs in which the wheel slipped too much */
};

/* Presses for 4 s in 10, the harder the longer. */
static double pedal(uint64_t job)
{
    uint64_t phase = job % 500;

    return phase < 200 ? (double)(phase + 1) / 200.0 : 0.0;
}

static void drive(struct state *s)
{
    if (s->speed < 1.0) { /* drives off again */
        s->speed = 30.0;
        s->wheel = 30.0;
    }
    s->speed -= 0.16 * s->force;
    s->wheel -= 0.40 * s->force;
    s->wheel += 0.50 * (s->speed - s->wheel);
}

static int job(const struct axc_job *job, void *memory)
{
    struct state *s = memory;
    double wanted = pedal(job->number);
    double slip = 0;

    drive(s);
    slip = (s->speed - s->wheel) / s->speed;
    if (slip > 0.012) {
        s->slips++;
        wanted *= 0.5;
    }
    s->force += 0.25 * (wanted - s->force);
    return job->services->output(job, "force", &s->force, sizeof(s->force)) == 0 ? 0 : 1;
}

/* A slow period and large budgets because the boards of the example are emulated: while the host
 * does something else they stand still, and that counts as the job's time. */
AXCAN_TASK("brake", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 100000, .deadline_us = 100000, .criticality = 12, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 500},
                    {"linux-aarch64", 500},
                    {"axcan-virt", 60000},
                    {"axcan-zcu102", 60000}});
