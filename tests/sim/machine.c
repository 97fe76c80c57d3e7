/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

enum { RUNNER_RESTART_NS = 1500000 };

static void event(void *context, uint64_t generation);

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + 0x9e3779b97f4a7c15u * (b + 1);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void sim_state_step(struct sim_state *state, uint64_t salt, uint64_t job)
{
    state->partial = mix(state->chain, salt ^ job);
    state->step = 1;
}

void sim_state_finish(struct sim_state *state, uint64_t salt, uint64_t job, uint32_t *ret_output)
{
    if (state->step == 0) {
        sim_state_step(state, salt, job);
    }
    state->chain = mix(state->partial, job * 31 + state->jobs);
    state->jobs++;
    state->last_job = job;
    state->partial = 0;
    state->step = 0;
    *ret_output = axi_crc32c(0, &state->chain, sizeof state->chain);
}

struct sim_state sim_state_mirror(const struct sim_state *state)
{
    return (struct sim_state){.jobs = state->chain,
                              .chain = state->jobs,
                              .last_job = state->partial,
                              .partial = state->last_job,
                              .step = state->pad,
                              .pad = state->step};
}

static void put_state(const struct sim_runner *runner)
{
    *runner->state = runner->is_mirrored ? sim_state_mirror(&runner->input) : runner->input;
}

uint64_t sim_machine_local_ns(const struct sim_machine *machine)
{
    int64_t elapsed = (int64_t)(machine->clock->now_ns - machine->true_base_ns);

    return machine->local_base_ns +
           (uint64_t)(elapsed + elapsed / 1000 * machine->drift_ppb / 1000000);
}

uint64_t sim_machine_true_at(const struct sim_machine *machine, uint64_t local_ns)
{
    uint64_t now = sim_machine_local_ns(machine);
    uint64_t ahead = local_ns > now ? local_ns - now : 0;

    if (ahead > 1000 * SIM_S) {
        return UINT64_MAX;
    }
    /* rounded up, so that the local clock has reached local_ns by then */
    return machine->clock->now_ns +
           (uint64_t)((int64_t)ahead - (int64_t)(ahead / 1000) * machine->drift_ppb / 1000000) + 2 +
           ahead / 1000000;
}

/* ---- what the scheduler asks of its port ---- */

static uint64_t port_now(void *context)
{
    return sim_machine_local_ns(context);
}

static void port_start(void *context, uint32_t slot, const struct axi_job_start *start)
{
    struct sim_machine *machine = context;
    struct sim_runner *runner = &machine->runners[slot];
    struct sim_clock *clock = machine->clock;

    runner->is_busy = true;
    runner->job = start->job;
    runner->resume_step = start->resume_step;
    runner->consumed_ns = 0;
    runner->remaining_ns = runner->wcet_ns * sim_between(clock, 20, 95) / 100 + 1;
    runner->step_at_ns = 0;
    runner->fault_at_ns = 0;
    if (runner->defect == SIM_OVERRUNS || sim_chance(clock, machine->overrun_ppm)) {
        runner->remaining_ns = runner->wcet_ns * 4;
    } else if (runner->defect == SIM_CRASHES || sim_chance(clock, machine->fault_ppm)) {
        runner->fault_at_ns = runner->remaining_ns / 3 + 1;
    }
    if (runner->task_id % 3 == 0 && start->resume_step == 0) {
        runner->step_at_ns = runner->remaining_ns / 2 + 1;
    }
    runner->input = runner->is_mirrored ? sim_state_mirror(runner->state) : *runner->state;
    memset(runner->state, 0xee, 16); /* a job under way leaves the state in disorder */
}

static void replace_ready(void *context, uint64_t argument)
{
    struct sim_machine *machine = context;
    uint32_t slot = (uint32_t)(argument % SIM_SLOTS);

    if (!machine->is_alive || machine->runners[slot].generation != argument / SIM_SLOTS) {
        return;
    }
    if (machine->is_paused) {
        sim_at(machine->clock, machine->clock->now_ns + SIM_MS, replace_ready, machine, argument);
        return;
    }
    axi_sched_runner_ready(machine->sched, slot);
    sim_machine_wake(machine);
}

static void port_kill(void *context, uint32_t slot)
{
    struct sim_machine *machine = context;
    struct sim_runner *runner = &machine->runners[slot];

    runner->is_busy = false;
    runner->generation++;
    sim_at(machine->clock, machine->clock->now_ns + RUNNER_RESTART_NS, replace_ready, machine,
           runner->generation * SIM_SLOTS + slot);
}

static void charge(struct sim_machine *machine)
{
    uint64_t now = sim_machine_local_ns(machine);
    int top = axi_sched_current(machine->sched);
    uint64_t passed = now > machine->charged_ns ? now - machine->charged_ns : 0;

    machine->charged_ns = now;
    if (top >= 0 && machine->runners[top].is_busy) {
        struct sim_runner *runner = &machine->runners[top];

        passed = passed < runner->remaining_ns ? passed : runner->remaining_ns;
        runner->remaining_ns -= passed;
        runner->consumed_ns += passed;
    }
}

static uint64_t port_consumed(void *context, uint32_t slot)
{
    return ((struct sim_machine *)context)->runners[slot].consumed_ns;
}

static uint32_t port_commit(void *context, uint32_t slot, bool is_shadow)
{
    struct sim_machine *machine = context;

    (void)is_shadow; /* a voter hears all */
    if (machine->on_output != NULL) {
        machine->on_output(machine->context, slot);
    }
    return machine->runners[slot].output;
}

static void port_discard(void *context, uint32_t slot)
{
    ((struct sim_machine *)context)->runners[slot].output = 0;
}

static void port_release_slot(void *context, uint32_t slot)
{
    struct sim_machine *machine = context;

    machine->runners[slot].is_busy = false;
    machine->runners[slot].generation++;
    if (machine->release_slot != NULL) {
        machine->release_slot(machine->context, slot);
    }
}

uint64_t sim_machine_clock_error(struct sim_machine *machine)
{
    struct axc_time_local now = {sim_machine_local_ns(machine)};
    uint64_t master = axi_time_to_master(&machine->timebase, now).ns;
    uint64_t truth = machine->clock->now_ns;

    return master > truth ? master - truth : truth - master;
}

/* The clock must keep what it promises; how good that is decides whether deadlines are judged. */
static bool judge_clock(struct sim_machine *machine)
{
    struct axc_time_local now = {sim_machine_local_ns(machine)};
    uint64_t bound = axi_time_bound_ns(&machine->timebase, now);
    uint64_t error = sim_machine_clock_error(machine);

    if (bound != UINT64_MAX && error > bound && error - bound > machine->clock_lie_ns) {
        machine->clock_lie_ns = error - bound;
        machine->clock_lie_at_ns = machine->clock->now_ns;
    }
    if (bound != UINT64_MAX && bound > machine->bound_max_ns) {
        machine->bound_max_ns = bound;
    }
    return bound > SIM_CLOCK_GOOD_NS || machine->was_paused;
}

static void port_trace(void *context, const struct axi_trace *record)
{
    struct sim_machine *machine = context;

    if (machine->trace_count == machine->trace_capacity) {
        size_t more = machine->trace_capacity == 0 ? 1024 : 2 * machine->trace_capacity;

        machine->traces = realloc(machine->traces, more * sizeof *machine->traces);
        machine->is_clock_bad = realloc(machine->is_clock_bad, more * sizeof(bool));
        machine->trace_capacity = more;
        if (machine->traces == NULL || machine->is_clock_bad == NULL) {
            abort();
        }
    }
    machine->is_clock_bad[machine->trace_count] = judge_clock(machine);
    machine->traces[machine->trace_count] = *record;
    machine->traces[machine->trace_count++].master_ns = machine->clock->now_ns;
    if (machine->on_trace != NULL) {
        machine->on_trace(machine->context, record);
    }
}

/* ---- the processor ---- */

/* Ends, faults or checkpoints the job on top when its time has come. False: nothing happened. */
static bool serve_top(struct sim_machine *machine)
{
    int top = axi_sched_current(machine->sched);
    struct sim_runner *runner = top >= 0 ? &machine->runners[top] : NULL;

    if (runner == NULL || !runner->is_busy) {
        return false;
    }
    if (runner->step_at_ns != 0 && runner->remaining_ns <= runner->step_at_ns) {
        runner->step_at_ns = 0;
        sim_state_step(&runner->input, runner->salt, runner->job);
        put_state(runner);
        axi_sched_job_step(machine->sched, (uint32_t)top, 1);
        memset(runner->state, 0xdd, 16);
        return true;
    }
    if (runner->fault_at_ns != 0 && runner->remaining_ns <= runner->fault_at_ns) {
        runner->fault_at_ns = 0;
        axi_sched_job_fault(machine->sched, (uint32_t)top, AXI_CAUSE_SEGV, 0xdead);
        return true;
    }
    if (runner->remaining_ns == 0) {
        sim_state_finish(&runner->input, runner->salt, runner->job, &runner->output);
        runner->output ^= runner->defect == SIM_WRONG;
        put_state(runner);
        runner->is_busy = false;
        axi_sched_job_done(machine->sched, (uint32_t)top, 0);
        return true;
    }
    return false;
}

/* How long the job on top runs on its own from now. */
static uint64_t top_runs_ns(const struct sim_machine *machine)
{
    int top = axi_sched_current(machine->sched);
    const struct sim_runner *runner = top >= 0 ? &machine->runners[top] : NULL;
    uint64_t stop = 0;

    if (runner == NULL || !runner->is_busy) {
        return UINT64_MAX;
    }
    stop = runner->step_at_ns > stop ? runner->step_at_ns : stop;
    stop = runner->fault_at_ns > stop ? runner->fault_at_ns : stop;
    return runner->remaining_ns > stop ? runner->remaining_ns - stop : 0;
}

static void run(struct sim_machine *machine)
{
    uint64_t now = 0;
    uint64_t next = 0;
    uint64_t runs = 0;

    machine->in_run = true;
    charge(machine);
    do {
        next = axi_sched_run(machine->sched);
    } while (serve_top(machine));
    machine->in_run = false;
    now = sim_machine_local_ns(machine);
    runs = top_runs_ns(machine);
    next = runs < UINT64_MAX && now + runs < next ? now + runs : next;
    machine->generation++;
    next = next == UINT64_MAX ? UINT64_MAX : sim_machine_true_at(machine, next);
    if (next != UINT64_MAX) {
        sim_at(machine->clock, next, event, machine, machine->generation);
    }
}

static void event(void *context, uint64_t generation)
{
    struct sim_machine *machine = context;

    if (machine->is_paused) {
        machine->is_wake_due = true;
    } else if (machine->is_alive && machine->generation == generation) {
        run(machine);
    }
}

void sim_machine_wake(struct sim_machine *machine)
{
    if (machine->is_alive && !machine->in_run) {
        machine->generation++;
        sim_at(machine->clock, machine->clock->now_ns, event, machine, machine->generation);
    }
}

void sim_machine_pause(struct sim_machine *machine, bool is_paused)
{
    if (!machine->is_alive || machine->is_paused == is_paused) {
        return;
    }
    if (is_paused) {
        charge(machine);
    } else {
        machine->charged_ns = sim_machine_local_ns(machine); /* the job on top stood still */
    }
    machine->is_paused = is_paused;
    machine->was_paused = true;
    if (!is_paused && machine->is_wake_due) {
        machine->is_wake_due = false;
        sim_machine_wake(machine);
    }
}

void sim_machine_init(struct sim_machine *machine, struct sim_clock *clock, uint32_t index,
                      const char *name)
{
    memset(machine, 0, sizeof *machine);
    machine->clock = clock;
    machine->index = index;
    machine->name = name;
    machine->true_base_ns = clock->now_ns;
    machine->local_base_ns = sim_between(clock, 10 * SIM_S, 100000 * SIM_S);
    machine->drift_ppb = (int64_t)sim_below(clock, 160000) - 80000;
}

void sim_machine_boot(struct sim_machine *machine)
{
    const struct axi_sched_limits limits = {.slots = SIM_SLOTS, .commands = 64};
    const struct axi_sched_port port = {
        .context = machine,
        .now_ns = port_now,
        .start_job = port_start,
        .kill_job = port_kill,
        .consumed_ns = port_consumed,
        .commit_outputs = port_commit,
        .discard_outputs = port_discard,
        .release_slot = port_release_slot,
        .trace = port_trace,
    };

    machine->sched_memory = aligned_alloc(64, (axi_sched_bytes(&limits) + 63) / 64 * 64);
    if (machine->sched_memory == NULL) {
        abort();
    }
    axi_timebase_init(&machine->timebase);
    machine->sched = axi_sched_init(machine->sched_memory, &limits, &port, &machine->timebase);
    machine->is_alive = true;
    machine->is_paused = machine->is_wake_due = machine->was_paused = false;
    machine->boot++;
    machine->generation++;
    machine->charged_ns = sim_machine_local_ns(machine);
    for (uint32_t i = 0; i < SIM_SLOTS; i++) {
        machine->runners[i].is_busy = false;
        machine->runners[i].generation++;
    }
}

void sim_machine_crash(struct sim_machine *machine)
{
    machine->is_alive = false;
    machine->generation++;
    free(machine->sched_memory);
    machine->sched_memory = NULL;
    machine->sched = NULL;
    machine->seen_count = machine->trace_count;
}

void sim_machine_deinit(struct sim_machine *machine)
{
    free(machine->sched_memory);
    free(machine->traces);
    free(machine->is_clock_bad);
    memset(machine, 0, sizeof *machine);
}
