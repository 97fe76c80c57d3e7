/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual time of the simulation: a queue of events, and one random stream from which every choice
 * comes, so that a seed says everything. */
#ifndef AXI_SIM_EVENT_H
#define AXI_SIM_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_US 1000ull
#define SIM_MS 1000000ull
#define SIM_S 1000000000ull

typedef void (*sim_handler)(void *context, uint64_t argument);

struct sim_clock {
    uint64_t now_ns; /* true time, which nobody in the cluster knows */
    uint64_t random;
    uint64_t sequence;
    uint64_t executed;
    struct sim_event *heap;
    size_t count, capacity;
};

void sim_clock_init(struct sim_clock *clock, uint64_t seed);
void sim_clock_deinit(struct sim_clock *clock);
/* Runs handler(context, argument) at true time at_ns (now, when past). Ties: in order of calls. */
void sim_at(struct sim_clock *clock, uint64_t at_ns, sim_handler handler, void *context,
            uint64_t argument);
/* Before deinit: gives the contexts of this handler's pending events to discard. */
void sim_forget(struct sim_clock *clock, sim_handler handler, void (*discard)(void *context));
/* Runs the next event; false when none is due until end_ns (then now = end_ns). */
bool sim_step(struct sim_clock *clock, uint64_t end_ns);

uint64_t sim_random(struct sim_clock *clock);
uint64_t sim_below(struct sim_clock *clock, uint64_t bound);                /* 0 .. bound - 1 */
uint64_t sim_between(struct sim_clock *clock, uint64_t low, uint64_t high); /* both included */
bool sim_chance(struct sim_clock *clock, uint32_t ppm);

#endif
