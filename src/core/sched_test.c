/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/bytes.h"
#include "core/sched_sim.h"

static uint64_t exec_table[SIM_SLOTS];

static uint64_t exec_fixed(struct sim *sim, uint32_t slot, uint64_t job)
{
    (void)sim;
    (void)job;
    return exec_table[slot];
}

static struct axi_instance_config task_config(struct sim *sim, uint32_t slot, uint64_t period,
                                              uint64_t deadline, uint64_t exec)
{
    struct axi_instance_config config = sim_config(sim, slot);

    config.period_ns = period;
    config.deadline_ns = deadline;
    sim->tasks[slot].exec_ns = exec_fixed;
    exec_table[slot] = exec;
    return config;
}

static void run_task(struct sim *sim, uint32_t slot, const struct axi_instance_config *config)
{
    sim_post(sim, AXI_SCHED_INSTALL, slot, config);
    sim_post(sim, AXI_SCHED_ACTIVATE, slot, config);
}

static uint32_t count_kind(const struct sim *sim, uint32_t slot, uint32_t kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim->trace_count; i++) {
        count += sim->traces[i].slot == slot && sim->traces[i].kind == kind;
    }
    return count;
}

static const struct axi_trace *last_of(const struct sim *sim, uint32_t kind)
{
    const struct axi_trace *found = NULL;

    for (uint32_t i = 0; i < sim->trace_count; i++) {
        found = sim->traces[i].kind == kind ? &sim->traces[i] : found;
    }
    assert_non_null(found);
    return found;
}

static struct axi_slot_view view_of(struct sim *sim, uint32_t slot)
{
    struct axi_slot_view view;

    axi_sched_view(sim->sched, slot, &view);
    return view;
}

static struct axi_checkpoint newest_of(struct sim *sim, uint32_t slot)
{
    uint8_t copy[AXI_CHECKPOINT_HEADER_BYTES + 16];
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    size_t bytes = 0;

    assert_int_equal(axi_region_newest(&sim->tasks[slot].region, copy, sizeof(copy), &bytes), 0);
    assert_int_equal(axi_checkpoint_decode(copy, bytes, &checkpoint, &state), 0);
    return checkpoint;
}

static void releases_are_exactly_r_plus_k_t(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);
    uint64_t job = 0;

    (void)state;
    config.release_ns = 37;
    run_task(sim, 0, &config);
    sim_run(sim, 1000);
    for (uint32_t i = 0; i < sim->trace_count; i++) {
        if (sim->traces[i].kind == AXI_TRACE_RELEASED) {
            assert_int_equal(sim->traces[i].job, job);
            assert_int_equal(sim->traces[i].release_ns, 37 + 100 * job);
            assert_int_equal(sim->traces[i].master_ns, 37 + 100 * job);
            job++;
        }
    }
    assert_int_equal(job, 10);
    sim_free(sim);
}

static void an_earlier_deadline_preempts_and_the_other_goes_on(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config slow = task_config(sim, 0, 1000, 1000, 300);
    struct axi_instance_config mid = task_config(sim, 1, 1000, 400, 100);
    struct axi_instance_config fast = task_config(sim, 2, 1000, 50, 20);

    (void)state;
    mid.release_ns = 100;
    fast.release_ns = 150;
    run_task(sim, 0, &slow);
    run_task(sim, 1, &mid);
    run_task(sim, 2, &fast);
    sim_run(sim, 900);
    assert_int_equal(sim->depth_max, 2);
    assert_int_equal(view_of(sim, 2).response_max_ns, 20);
    assert_int_equal(view_of(sim, 1).response_max_ns, 120);
    assert_int_equal(view_of(sim, 0).response_max_ns, 420);
    assert_int_equal(view_of(sim, 0).missed, 0);
    sim_free(sim);
}

static void a_budget_counts_only_own_processor_time(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config slow = task_config(sim, 0, 1000, 1000, 300);
    struct axi_instance_config fast = task_config(sim, 1, 100, 50, 40);

    (void)state;
    slow.budget_ns = 300;
    run_task(sim, 0, &slow);
    run_task(sim, 1, &fast);
    sim_run(sim, 990);
    assert_int_equal(view_of(sim, 0).completed, 1);
    assert_int_equal(view_of(sim, 0).killed, 0);
    sim_free(sim);
}

static uint64_t stolen_ns;

static uint64_t consumed_less(void *context, uint32_t slot)
{
    return sim_consumed(context, slot) - stolen_ns;
}

static void stolen_time_is_given_back(void **state)
{
    struct sim *sim = sim_new();
    const struct axi_sched_limits limits = {.slots = SIM_SLOTS, .commands = 64};
    struct axi_sched_port port = {sim,         sim_now,          sim_start,
                                  sim_kill,    consumed_less,    sim_commit,
                                  sim_discard, sim_release_slot, sim_trace};
    struct axi_instance_config config = task_config(sim, 0, 1000, 1000, 130);

    (void)state;
    stolen_ns = 40;
    sim->sched = axi_sched_init(sim->memory, &limits, &port, &sim->timebase);
    axi_sched_set_lease(sim->sched, UINT64_MAX - 1);
    config.budget_ns = 100;
    run_task(sim, 0, &config);
    sim_run(sim, 900);
    assert_int_equal(view_of(sim, 0).completed, 1);
    assert_int_equal(last_of(sim, AXI_TRACE_COMPLETED)->exec_ns, 90);
    sim_free(sim);
}

static uint32_t times_asked;

/* The wall clock is ahead of the processor time by 3 ns, always. */
static uint64_t consumed_nearly(void *context, uint32_t slot)
{
    times_asked++;
    return axi_sub_sat(sim_consumed(context, slot), 3);
}

static void a_job_short_of_its_budget_gets_at_least_the_grain(void **state)
{
    struct sim *sim = sim_new();
    const struct axi_sched_limits limits = {
        .slots = SIM_SLOTS, .commands = 64, .budget_grain_ns = 50};
    struct axi_sched_port port = {sim,         sim_now,          sim_start,
                                  sim_kill,    consumed_nearly,  sim_commit,
                                  sim_discard, sim_release_slot, sim_trace};
    struct axi_instance_config config = task_config(sim, 0, 1000, 1000, 100000);

    (void)state;
    times_asked = 0;
    sim->sched = axi_sched_init(sim->memory, &limits, &port, &sim->timebase);
    axi_sched_set_lease(sim->sched, UINT64_MAX - 1);
    config.budget_ns = 20; /* smaller than the grain, too */
    run_task(sim, 0, &config);
    sim_run(sim, 500);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->master_ns, 70);
    assert_int_equal(times_asked, 3); /* at 20, at 70 and for the record */
    sim_free(sim);
}

static void a_held_job_is_charged_nothing(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 1000, 1000, 100000);
    struct axi_instance_config other = task_config(sim, 1, 1000, 200, 10);

    (void)state;
    config.budget_ns = 100;
    other.budget_ns = 20;
    other.release_ns = 300; /* becomes the top while held */
    run_task(sim, 0, &config);
    run_task(sim, 1, &other);
    sim_run(sim, 50);
    assert_int_equal(axi_sched_current_key(sim->sched), 1000);
    axi_sched_hold(sim->sched, true);
    sim->now_ns = 250;
    assert_int_equal(axi_sched_run(sim->sched), 300); /* the release, not a budget's end */
    sim->now_ns = 350;
    assert_true(axi_sched_run(sim->sched) == UINT64_MAX - 1); /* the lease */
    assert_int_equal(axi_sched_current_key(sim->sched), 500);
    sim->now_ns = 400;
    axi_sched_hold(sim->sched, false);
    sim_run(sim, 900);
    assert_int_equal(view_of(sim, 1).completed, 1);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->master_ns, 400 + 10 + 50);
    sim_free(sim);
}

static uint64_t exec_every_third_overruns(struct sim *sim, uint32_t slot, uint64_t job)
{
    (void)sim;
    (void)slot;
    return job % 3 == 2 ? 1000000 : 10;
}

static void an_overrun_is_killed_at_its_budget_and_consumes_its_number(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.budget_ns = 50;
    run_task(sim, 0, &config);
    sim->tasks[0].exec_ns = exec_every_third_overruns;
    sim_run(sim, 899);
    assert_int_equal(view_of(sim, 0).completed, 6);
    assert_int_equal(view_of(sim, 0).overruns, 3);
    assert_int_equal(view_of(sim, 0).next_job, 9);
    assert_int_equal(view_of(sim, 0).last_cause, AXI_CAUSE_BUDGET);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->master_ns, 850);
    assert_int_equal(sim->tasks[0].state[0], 6);
    assert_int_equal(sim->discarded, 3);
    sim_free(sim);
}

static void fault_at_end(struct sim *sim, uint32_t slot)
{
    sim->tasks[slot].state[0] = 0xdead;
    sim->tasks[slot].is_loaded = false;
    axi_sched_job_fault(sim->sched, slot, AXI_CAUSE_SEGV, 0x1234);
}

static void a_fault_goes_back_to_the_checkpoint(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    run_task(sim, 0, &config);
    sim_run(sim, 250);
    sim->tasks[0].at_end = fault_at_end;
    sim_run(sim, 350);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->detail, 0x1234);
    sim->tasks[0].at_end = sim_job_ends;
    sim_run(sim, 450);
    assert_int_equal(sim->tasks[0].state[0], 4);
    assert_int_equal(view_of(sim, 0).next_job, 5);
    sim_free(sim);
}

static void restart_gives_up_after_its_limit_in_a_row(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.fault_policy = AXC_POLICY_RESTART;
    config.restart_limit = 2;
    run_task(sim, 0, &config);
    sim->tasks[0].at_end = fault_at_end;
    sim_run(sim, 150);
    sim->tasks[0].at_end = sim_job_ends;
    sim_run(sim, 250);
    sim->tasks[0].at_end = fault_at_end;
    sim_run(sim, 450);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_ACTIVE);
    sim_run(sim, 1000);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FAILED);
    assert_int_equal(view_of(sim, 0).killed, 5);
    assert_int_equal(last_of(sim, AXI_TRACE_FAILED)->cause, AXI_CAUSE_SEGV);
    sim_free(sim);
}

static void stop_fails_at_once(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.fault_policy = AXC_POLICY_STOP;
    run_task(sim, 0, &config);
    sim->tasks[0].at_end = fault_at_end;
    sim_run(sim, 1000);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FAILED);
    assert_int_equal(view_of(sim, 0).killed, 1);
    sim_free(sim);
}

static void returns_error(struct sim *sim, uint32_t slot)
{
    sim->tasks[slot].state[0] = 99;
    sim->tasks[slot].is_loaded = false;
    axi_sched_job_done(sim->sched, slot, -5);
}

static void an_error_result_has_no_effect_but_its_record(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    run_task(sim, 0, &config);
    sim->tasks[0].at_end = returns_error;
    sim_run(sim, 50);
    sim->tasks[0].at_end = sim_job_ends;
    sim_run(sim, 150);
    assert_int_equal(sim->committed, 1);
    assert_int_equal(sim->tasks[0].state[0], 1);
    assert_int_equal((int64_t)last_of(sim, AXI_TRACE_KILLED)->detail, -5);
    sim_free(sim);
}

static void only_the_jobs_named_put_out(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.output_from = INT64_MAX;
    run_task(sim, 0, &config);
    sim_run(sim, 250); /* jobs 0, 1, 2 */
    assert_int_equal(sim->shadowed, 3);
    assert_int_equal(sim->committed, 0);
    assert_int_equal(last_of(sim, AXI_TRACE_COMPLETED)->output_crc, 7);
    config.output_from = 4;
    config.output_until = 6;
    sim_post(sim, AXI_SCHED_OUTPUT, 0, &config);
    sim_run(sim, 950); /* 4 and 5 do, 3 and 6 to 9 do not */
    assert_int_equal(sim->shadowed, 8);
    assert_int_equal(sim->committed, 2);
    assert_int_equal(view_of(sim, 0).output_until, 6);
    config.epoch++; /* said to another instance */
    config.output_until = 0;
    sim_post(sim, AXI_SCHED_OUTPUT, 0, &config);
    sim_run(sim, 1050);
    assert_int_equal(sim->shadowed, 9);
    assert_int_equal(view_of(sim, 0).output_until, 6);
    sim_free(sim);
}

static void step_then_fault(struct sim *sim, uint32_t slot)
{
    struct sim_task *task = &sim->tasks[slot];

    if (task->state[1] == 0) {
        task->state[1] = 1;
        axi_sched_job_step(sim->sched, slot, 1);
        task->remaining_ns = 10;
    } else if (task->state[0] == 0 && count_kind(sim, slot, AXI_TRACE_KILLED) == 0) {
        fault_at_end(sim, slot);
    } else {
        sim_job_ends(sim, slot);
    }
}

static void a_job_with_a_step_is_repeated_from_it(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    run_task(sim, 0, &config);
    sim->tasks[0].at_end = step_then_fault;
    sim_run(sim, 90);
    assert_int_equal(count_kind(sim, 0, AXI_TRACE_STEP), 1);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->detail2, 1);
    assert_int_equal(count_kind(sim, 0, AXI_TRACE_RELEASED), 2);
    assert_int_equal(last_of(sim, AXI_TRACE_COMPLETED)->job, 0);
    assert_int_equal(sim->tasks[0].state[0], 1);
    assert_int_equal(sim->tasks[0].state[1], 1);
    sim_free(sim);
}

static void always_fault_after_step(struct sim *sim, uint32_t slot)
{
    if (sim->tasks[slot].state[1] == 0) {
        sim->tasks[slot].state[1] = 1;
        axi_sched_job_step(sim->sched, slot, 1);
        sim->tasks[slot].remaining_ns = 10;
        return;
    }
    fault_at_end(sim, slot);
}

static void a_job_that_never_gets_past_its_step_fails_in_the_end(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    run_task(sim, 0, &config);
    sim->tasks[0].at_end = always_fault_after_step;
    sim_run(sim, 1000);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FAILED);
    assert_int_equal(view_of(sim, 0).killed, 4);
    sim_free(sim);
}

static void nothing_is_released_before_the_first_lease(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    axi_sched_set_lease(sim->sched, 0);
    run_task(sim, 0, &config);
    sim_run(sim, 250);
    assert_int_equal(view_of(sim, 0).released, 0);
    axi_sched_set_lease(sim->sched, 10000);
    sim_run(sim, 290);
    assert_int_equal(view_of(sim, 0).released, 3); /* late, not skipped */
    sim_free(sim);
}

static void the_lease_end_kills_the_job_and_fences(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config fenced = task_config(sim, 0, 100, 100, 80);
    struct axi_instance_config going = task_config(sim, 1, 100, 100, 10);

    (void)state;
    going.continue_isolated = true;
    run_task(sim, 0, &fenced);
    run_task(sim, 1, &going);
    axi_sched_set_lease(sim->sched, 250);
    sim_run(sim, 1000);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FENCED);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->cause, AXI_CAUSE_LEASE);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->master_ns, 250);
    assert_int_equal(view_of(sim, 0).completed, 2);
    assert_int_equal(view_of(sim, 1).state, AXI_SLOT_ACTIVE);
    axi_sched_set_lease(sim->sched, 100000);
    sim_post(sim, AXI_SCHED_RESUME, 0, NULL);
    sim_run(sim, 1090);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_ACTIVE);
    assert_int_equal(view_of(sim, 0).released, 5);
    sim_free(sim);
}

static void a_fenced_instance_freezes_with_what_it_did_last(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.checkpoint_every = 4;
    run_task(sim, 0, &config);
    axi_sched_set_lease(sim->sched, 250);
    sim_run(sim, 400); /* jobs 0, 1, 2 */
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FENCED);
    assert_int_equal(newest_of(sim, 0).job, 0);
    axi_sched_set_lease(sim->sched, 100000);
    sim_post(sim, AXI_SCHED_FREEZE, 0, NULL);
    sim_run(sim, 500);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FROZEN);
    assert_int_equal(newest_of(sim, 0).job, 3);
    sim_free(sim);
}

/* A node that was held up as a whole: its agent gets a new lease before its scheduler looks. */
static void a_lapse_that_the_scheduler_never_saw_fences(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config fenced = task_config(sim, 0, 100, 100, 80);
    struct axi_instance_config going = task_config(sim, 1, 100, 100, 10);

    (void)state;
    going.continue_isolated = true;
    run_task(sim, 0, &fenced);
    run_task(sim, 1, &going);
    axi_sched_set_lease(sim->sched, 250);
    sim_run(sim, 240); /* in the middle of a job */
    sim->now_ns = 600;
    axi_sched_set_lease(sim->sched, 100000);
    axi_sched_job_done(sim->sched, 0, 0); /* comes too late */
    assert_int_equal(view_of(sim, 0).completed, 2);
    sim_run(sim, 990);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FENCED);
    assert_int_equal(view_of(sim, 0).completed, 2);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->cause, AXI_CAUSE_LEASE);
    assert_int_equal(view_of(sim, 1).state, AXI_SLOT_ACTIVE);
    sim_post(sim, AXI_SCHED_RESUME, 0, NULL);
    sim_run(sim, 1090);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_ACTIVE);
    sim_free(sim);
}

/* What is activated after the renewal belongs to the new lease. */
static void a_lapse_fences_only_what_was_active_before(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    axi_sched_set_lease(sim->sched, 250);
    sim->now_ns = 600;
    axi_sched_set_lease(sim->sched, 100000);
    run_task(sim, 0, &config);
    sim_run(sim, 1000);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_ACTIVE);
    assert_true(view_of(sim, 0).completed > 0);
    sim_free(sim);
}

static void freeze_waits_for_the_job_and_its_checkpoint_is_the_last_word(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 30);

    (void)state;
    config.checkpoint_every = 10;
    run_task(sim, 0, &config);
    sim_run(sim, 210);
    sim_post(sim, AXI_SCHED_FREEZE, 0, NULL);
    sim_run(sim, 220);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FREEZING);
    sim_run(sim, 500);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FROZEN);
    assert_int_equal(last_of(sim, AXI_TRACE_FROZEN)->job, 3);
    assert_int_equal(newest_of(sim, 0).job, 3);
    sim_post(sim, AXI_SCHED_RESUME, 0, NULL);
    sim_run(sim, 599);
    assert_int_equal(view_of(sim, 0).completed, 6); /* the frozen time's releases are late */
    sim_free(sim);
}

static void freeze_after_a_kill_names_the_next_job(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 30);

    (void)state;
    run_task(sim, 0, &config);
    sim_run(sim, 110);
    sim->tasks[0].at_end = fault_at_end;
    sim_post(sim, AXI_SCHED_FREEZE, 0, NULL);
    sim_run(sim, 190);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FROZEN);
    assert_int_equal(newest_of(sim, 0).job, 2);
    sim_free(sim);
}

static void standby_takes_over_from_the_checkpoint(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);
    const struct axi_checkpoint checkpoint = {
        .task_id = 100, .epoch = 1, .job = 40, .state_bytes = 16};
    const uint64_t frozen_state[2] = {40, 0};

    (void)state;
    sim_post(sim, AXI_SCHED_INSTALL, 0, &config);
    sim_run(sim, 4050);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_STANDBY);
    assert_int_equal(view_of(sim, 0).released, 0);
    assert_int_equal(axi_region_write(&sim->tasks[0].region, &checkpoint, frozen_state), 0);
    config.epoch = 2;
    config.first_job = 40;
    sim_post(sim, AXI_SCHED_ACTIVATE, 0, &config);
    sim_run(sim, 4199);
    assert_int_equal(sim->tasks[0].state[0], 42);
    assert_int_equal(newest_of(sim, 0).job, 42);
    assert_int_equal(newest_of(sim, 0).epoch, 2);
    sim_free(sim);
}

static void a_stale_epoch_does_not_activate(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.epoch = 5;
    sim_post(sim, AXI_SCHED_INSTALL, 0, &config);
    config.epoch = 4;
    sim_post(sim, AXI_SCHED_ACTIVATE, 0, &config);
    sim_run(sim, 500);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_STANDBY);
    sim_free(sim);
}

static void a_backlog_is_worked_off_up_to_its_limit(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.backlog_max = 2;
    axi_sched_set_lease(sim->sched, 0);
    run_task(sim, 0, &config);
    sim_run(sim, 1050);
    axi_sched_set_lease(sim->sched, 100000);
    sim_run(sim, 1099);
    assert_int_equal(last_of(sim, AXI_TRACE_SKIPPED)->job, 0);
    assert_int_equal(last_of(sim, AXI_TRACE_SKIPPED)->detail, 8);
    assert_int_equal(view_of(sim, 0).skipped, 8);
    assert_int_equal(view_of(sim, 0).completed, 3);
    assert_int_equal(view_of(sim, 0).missed, 2);
    sim_free(sim);
}

static void edf_runs_on_the_compensated_deadline(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config first = task_config(sim, 0, 100, 60, 20);
    struct axi_instance_config second = task_config(sim, 1, 100, 59, 20);

    (void)state;
    axi_timebase_set_compensation(&sim->timebase, 30);
    run_task(sim, 0, &first);
    run_task(sim, 1, &second);
    sim_run(sim, 99);
    assert_int_equal(view_of(sim, 0).completed, 1);
    assert_int_equal(view_of(sim, 0).late, 1); /* ends at 40, D' = 30 */
    assert_int_equal(view_of(sim, 0).missed, 0);
    assert_int_equal(view_of(sim, 0).start_min_ns, 20);
    assert_int_equal(view_of(sim, 1).late, 0);                 /* ends at 20, D' = 29 */
    axi_timebase_set_compensation(&sim->timebase, UINT64_MAX); /* no bound: nothing is in time */
    sim_run(sim, 199);
    assert_int_equal(view_of(sim, 1).late, 1);
    assert_int_equal(view_of(sim, 1).missed, 0);
    axi_timebase_set_compensation(&sim->timebase, 0);
    sim_run(sim, 299);
    assert_int_equal(view_of(sim, 1).late, 1);
    assert_int_equal(view_of(sim, 0).start_max_ns, 20);
    sim_free(sim);
}

static void finishes_after_n_jobs(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 10);

    (void)state;
    config.jobs = 5;
    config.checkpoint_every = 3;
    run_task(sim, 0, &config);
    sim_run(sim, 2000);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FINISHED);
    assert_int_equal(view_of(sim, 0).completed, 5);
    assert_int_equal(newest_of(sim, 0).job, 5);
    sim_post(sim, AXI_SCHED_REMOVE, 0, NULL);
    sim_run(sim, 2001);
    assert_int_equal(sim->released_slots, 1);
    assert_int_equal(view_of(sim, 0).state, AXI_SLOT_FREE);
    sim_free(sim);
}

static void remove_kills_a_running_job(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 60);

    (void)state;
    run_task(sim, 0, &config);
    sim_run(sim, 30);
    sim_post(sim, AXI_SCHED_REMOVE, 0, NULL);
    sim_run(sim, 31);
    assert_int_equal(last_of(sim, AXI_TRACE_KILLED)->cause, AXI_CAUSE_HALT);
    assert_int_equal(axi_sched_current(sim->sched), -1);
    assert_int_equal(sim->released_slots, 1);
    sim_free(sim);
}

static void late_reports_of_a_killed_runner_change_nothing(void **state)
{
    struct sim *sim = sim_new();
    struct axi_instance_config config = task_config(sim, 0, 100, 100, 1000);

    (void)state;
    config.budget_ns = 20;
    run_task(sim, 0, &config);
    sim_run(sim, 50);
    axi_sched_job_done(sim->sched, 0, 0);
    axi_sched_job_fault(sim->sched, 0, AXI_CAUSE_SEGV, 0);
    axi_sched_job_step(sim->sched, 0, 3);
    assert_int_equal(view_of(sim, 0).killed, 1);
    assert_int_equal(view_of(sim, 0).completed, 0);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(releases_are_exactly_r_plus_k_t),
        cmocka_unit_test(an_earlier_deadline_preempts_and_the_other_goes_on),
        cmocka_unit_test(a_budget_counts_only_own_processor_time),
        cmocka_unit_test(stolen_time_is_given_back),
        cmocka_unit_test(a_job_short_of_its_budget_gets_at_least_the_grain),
        cmocka_unit_test(a_held_job_is_charged_nothing),
        cmocka_unit_test(an_overrun_is_killed_at_its_budget_and_consumes_its_number),
        cmocka_unit_test(a_fault_goes_back_to_the_checkpoint),
        cmocka_unit_test(restart_gives_up_after_its_limit_in_a_row),
        cmocka_unit_test(stop_fails_at_once),
        cmocka_unit_test(an_error_result_has_no_effect_but_its_record),
        cmocka_unit_test(only_the_jobs_named_put_out),
        cmocka_unit_test(a_job_with_a_step_is_repeated_from_it),
        cmocka_unit_test(a_job_that_never_gets_past_its_step_fails_in_the_end),
        cmocka_unit_test(nothing_is_released_before_the_first_lease),
        cmocka_unit_test(the_lease_end_kills_the_job_and_fences),
        cmocka_unit_test(a_fenced_instance_freezes_with_what_it_did_last),
        cmocka_unit_test(a_lapse_that_the_scheduler_never_saw_fences),
        cmocka_unit_test(a_lapse_fences_only_what_was_active_before),
        cmocka_unit_test(freeze_waits_for_the_job_and_its_checkpoint_is_the_last_word),
        cmocka_unit_test(freeze_after_a_kill_names_the_next_job),
        cmocka_unit_test(standby_takes_over_from_the_checkpoint),
        cmocka_unit_test(a_stale_epoch_does_not_activate),
        cmocka_unit_test(a_backlog_is_worked_off_up_to_its_limit),
        cmocka_unit_test(edf_runs_on_the_compensated_deadline),
        cmocka_unit_test(finishes_after_n_jobs),
        cmocka_unit_test(remove_kills_a_running_job),
        cmocka_unit_test(late_reports_of_a_killed_runner_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
