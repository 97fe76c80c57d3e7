/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <stdlib.h>
#include <string.h>

struct sim_event {
    uint64_t at_ns, sequence;
    sim_handler handler;
    void *context;
    uint64_t argument;
};

void sim_clock_init(struct sim_clock *clock, uint64_t seed)
{
    memset(clock, 0, sizeof *clock);
    clock->random = seed * 0x9e3779b97f4a7c15u + 0x1234567u;
}

void sim_clock_deinit(struct sim_clock *clock)
{
    free(clock->heap);
    memset(clock, 0, sizeof *clock);
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

void sim_at(struct sim_clock *clock, uint64_t at_ns, sim_handler handler, void *context,
            uint64_t argument)
{
    struct sim_event event = {at_ns > clock->now_ns ? at_ns : clock->now_ns, clock->sequence++,
                              handler, context, argument};
    size_t place = clock->count++;

    if (clock->count > clock->capacity) {
        clock->capacity = clock->capacity == 0 ? 256 : 2 * clock->capacity;
        clock->heap = realloc(clock->heap, clock->capacity * sizeof event);
        if (clock->heap == NULL) {
            abort();
        }
    }
    while (place > 0 && is_before(&event, &clock->heap[(place - 1) / 2])) {
        clock->heap[place] = clock->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    clock->heap[place] = event;
}

static struct sim_event pop(struct sim_clock *clock)
{
    struct sim_event first = clock->heap[0];
    struct sim_event last = clock->heap[--clock->count];
    size_t place = 0;

    for (size_t child = 1; child < clock->count; child = 2 * place + 1) {
        if (child + 1 < clock->count && is_before(&clock->heap[child + 1], &clock->heap[child])) {
            child++;
        }
        if (!is_before(&clock->heap[child], &last)) {
            break;
        }
        clock->heap[place] = clock->heap[child];
        place = child;
    }
    clock->heap[place] = last;
    return first;
}

bool sim_step(struct sim_clock *clock, uint64_t end_ns)
{
    struct sim_event event;

    if (clock->count == 0 || clock->heap[0].at_ns > end_ns) {
        clock->now_ns = end_ns;
        return false;
    }
    event = pop(clock);
    clock->now_ns = event.at_ns;
    clock->executed++;
    event.handler(event.context, event.argument);
    return true;
}

void sim_forget(struct sim_clock *clock, sim_handler handler, void (*discard)(void *context))
{
    for (size_t i = 0; i < clock->count; i++) {
        if (clock->heap[i].handler == handler) {
            discard(clock->heap[i].context);
            clock->heap[i].context = NULL;
        }
    }
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t sim_random(struct sim_clock *clock)
{
    uint64_t z = clock->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim_clock *clock, uint64_t bound)
{
    return bound == 0 ? 0 : sim_random(clock) % bound;
}

uint64_t sim_between(struct sim_clock *clock, uint64_t low, uint64_t high)
{
    return low + sim_below(clock, high - low + 1);
}

bool sim_chance(struct sim_clock *clock, uint32_t ppm)
{
    return sim_below(clock, 1000000) < ppm;
}
