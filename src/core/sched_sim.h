/* SPDX-License-Identifier: Apache-2.0 */
/* A node of one processor in virtual time, for the scheduler's tests: jobs take exactly as long as
 * told. Local and master time are the same. Included by one test file each. */
#ifndef AXI_CORE_SCHED_SIM_H
#define AXI_CORE_SCHED_SIM_H

#include "axcan/task.h"
#include "core/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SIM_SLOTS 16u
#define SIM_TRACES 20000u
#define SIM_NEVER UINT64_MAX

struct sim;

struct sim_task {
    struct axi_region region;
    _Alignas(64) uint8_t region_memory[1024];
    uint64_t state[2]; /* [0] counts completed jobs, [1] last step */
    bool is_loaded;    /* the runner holds a job */
    uint64_t job, remaining_ns, consumed_ns;
    uint64_t ready_at_ns; /* a killed runner is back then */
    uint64_t (*exec_ns)(struct sim *sim, uint32_t slot, uint64_t job);
    /* Called when the job has run that long: return true to go on (e.g. after a step). */
    void (*at_end)(struct sim *sim, uint32_t slot);
};

struct sim {
    uint64_t now_ns;
    struct axi_timebase timebase;
    struct axi_sched *sched;
    void *memory;
    struct sim_task tasks[SIM_SLOTS];
    struct axi_trace traces[SIM_TRACES];
    uint32_t trace_count;
    uint32_t committed, shadowed, discarded, released_slots, depth_max;
    uint64_t restart_ns; /* how long a killed runner is away */
};

static uint64_t sim_now(void *context)
{
    return ((struct sim *)context)->now_ns;
}

static void sim_start(void *context, uint32_t slot, const struct axi_job_start *start)
{
    struct sim *sim = context;
    struct sim_task *task = &sim->tasks[slot];

    assert(!task->is_loaded && task->ready_at_ns == SIM_NEVER);
    task->is_loaded = true;
    task->job = start->job;
    task->consumed_ns = 0;
    task->remaining_ns = task->exec_ns(sim, slot, start->job);
    sim->depth_max = start->depth > sim->depth_max ? start->depth : sim->depth_max;
}

static void sim_kill(void *context, uint32_t slot)
{
    struct sim *sim = context;

    sim->tasks[slot].is_loaded = false;
    sim->tasks[slot].ready_at_ns = sim->now_ns + sim->restart_ns;
}

static uint64_t sim_consumed(void *context, uint32_t slot)
{
    return ((struct sim *)context)->tasks[slot].consumed_ns;
}

static uint32_t sim_commit(void *context, uint32_t slot, bool is_shadow)
{
    ((struct sim *)context)->committed += !is_shadow;
    ((struct sim *)context)->shadowed += is_shadow;
    return 7 + slot;
}

static void sim_discard(void *context, uint32_t slot)
{
    (void)slot;
    ((struct sim *)context)->discarded++;
}

static void sim_release_slot(void *context, uint32_t slot)
{
    (void)slot;
    ((struct sim *)context)->released_slots++;
}

static void sim_trace(void *context, const struct axi_trace *record)
{
    struct sim *sim = context;

    assert(sim->trace_count < SIM_TRACES);
    sim->traces[sim->trace_count++] = *record;
}

static void sim_job_ends(struct sim *sim, uint32_t slot)
{
    sim->tasks[slot].state[0]++;
    sim->tasks[slot].is_loaded = false;
    axi_sched_job_done(sim->sched, slot, 0);
}

static struct sim *sim_new(void)
{
    const struct axi_sched_limits limits = {.slots = SIM_SLOTS, .commands = 64};
    struct sim *sim = aligned_alloc(64, sizeof(*sim));
    const struct axi_sched_port port = {
        .context = sim,
        .now_ns = sim_now,
        .start_job = sim_start,
        .kill_job = sim_kill,
        .consumed_ns = sim_consumed,
        .commit_outputs = sim_commit,
        .discard_outputs = sim_discard,
        .release_slot = sim_release_slot,
        .trace = sim_trace,
    };

    assert(sim != NULL);
    memset(sim, 0, sizeof(*sim));
    axi_timebase_init(&sim->timebase);
    sim->memory = aligned_alloc(64, (axi_sched_bytes(&limits) + 63) / 64 * 64);
    sim->sched = axi_sched_init(sim->memory, &limits, &port, &sim->timebase);
    sim->restart_ns = 1;
    axi_sched_set_lease(sim->sched, UINT64_MAX - 1);
    for (uint32_t i = 0; i < SIM_SLOTS; i++) {
        int r = axi_region_init(&sim->tasks[i].region, sim->tasks[i].region_memory,
                                sizeof(sim->tasks[i].region_memory), 3, 16);

        assert(r == 0);
        (void)r;
        sim->tasks[i].at_end = sim_job_ends;
        sim->tasks[i].ready_at_ns = SIM_NEVER;
    }
    return sim;
}

static void sim_free(struct sim *sim)
{
    free(sim->memory);
    free(sim);
}

static struct axi_instance_config sim_config(struct sim *sim, uint32_t slot)
{
    return (struct axi_instance_config){
        .task_id = 100 + slot,
        .epoch = 1,
        .state_bytes = sizeof(sim->tasks[slot].state),
        .state = sim->tasks[slot].state,
        .region = &sim->tasks[slot].region,
        .backlog_max = 1000,
    };
}

static void sim_post(struct sim *sim, uint32_t op, uint32_t slot,
                     const struct axi_instance_config *config)
{
    struct axi_sched_command command = {.op = op, .slot = slot};

    if (config != NULL) {
        command.config = *config;
    }
    if (!axi_sched_post(sim->sched, &command)) {
        abort();
    }
}

static void sim_deliver_runners(struct sim *sim)
{
    for (uint32_t i = 0; i < SIM_SLOTS; i++) {
        if (sim->tasks[i].ready_at_ns <= sim->now_ns) {
            sim->tasks[i].ready_at_ns = SIM_NEVER;
            axi_sched_runner_ready(sim->sched, i);
        }
    }
}

/* Lets virtual time pass until `until_ns`; the top of the stack runs, and nothing else. */
static void sim_run(struct sim *sim, uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns;
        uint64_t step_ns;
        int top;

        sim_deliver_runners(sim);
        next_ns = axi_sched_run(sim->sched);
        for (uint32_t i = 0; i < SIM_SLOTS; i++) {
            next_ns = sim->tasks[i].ready_at_ns < next_ns ? sim->tasks[i].ready_at_ns : next_ns;
        }
        next_ns = next_ns > until_ns ? until_ns : next_ns;
        top = axi_sched_current(sim->sched);
        if (top >= 0 && sim->tasks[top].remaining_ns <= next_ns - sim->now_ns) {
            step_ns = sim->tasks[top].remaining_ns;
            sim->now_ns += step_ns;
            sim->tasks[top].consumed_ns += step_ns;
            sim->tasks[top].remaining_ns = 0;
            sim->tasks[top].at_end(sim, (uint32_t)top);
            continue;
        }
        step_ns = next_ns - sim->now_ns;
        if (top >= 0) {
            sim->tasks[top].remaining_ns -= step_ns;
            sim->tasks[top].consumed_ns += step_ns;
        }
        sim->now_ns = next_ns;
        if (sim->now_ns >= until_ns) {
            sim_deliver_runners(sim);
            (void)axi_sched_run(sim->sched);
            return;
        }
    }
}

#endif
