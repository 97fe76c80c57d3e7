/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated machine under the real scheduler, without a cluster: many tasks on one processor.
 */
#include "support/test.h"

#include "history/checker.h"
#include "machine.h"

#include <stdlib.h>
#include <string.h>

enum { TASKS = 7 };

struct fixture {
    struct sim_clock clock;
    struct sim_machine machine;
    struct sim_state states[TASKS];
    struct axi_region regions[TASKS];
    _Alignas(64) uint8_t memory[TASKS][2048];
};

static void install(struct fixture *fixture, uint32_t slot)
{
    uint64_t period = (10 + 7 * slot) * SIM_MS;
    struct axi_sched_command command = {.op = AXI_SCHED_INSTALL, .slot = slot};
    struct axi_instance_config *config = &command.config;

    assert_int_equal(
        axi_region_init(&fixture->regions[slot], fixture->memory[slot], 2048, 3, SIM_STATE_BYTES),
        0);
    config->task_id = slot + 1;
    config->epoch = 1;
    config->release_ns = sim_machine_local_ns(&fixture->machine) + 5 * SIM_MS;
    config->period_ns = period;
    config->deadline_ns = period;
    config->budget_ns = period / 8; /* density 7/8 */
    config->state_bytes = SIM_STATE_BYTES;
    config->checkpoint_every = 1 + slot % 2;
    config->restart_limit = 1000;
    config->backlog_max = 8;
    config->state = &fixture->states[slot];
    config->region = &fixture->regions[slot];
    fixture->machine.runners[slot].state = &fixture->states[slot];
    fixture->machine.runners[slot].task_id = config->task_id;
    fixture->machine.runners[slot].wcet_ns = config->budget_ns;
    assert_true(axi_sched_post(fixture->machine.sched, &command));
    command.op = AXI_SCHED_ACTIVATE;
    assert_true(axi_sched_post(fixture->machine.sched, &command));
}

static struct axi_verdict *run(uint64_t seed, uint32_t faults_ppm, uint64_t lease_ns)
{
    struct fixture *fixture = aligned_alloc(64, (sizeof *fixture + 63) / 64 * 64);
    struct axi_check_options options = {.virtual_time = true};
    struct axi_check_source source = {.node = "n0"};
    struct axi_verdict *verdict = NULL;

    assert_non_null(fixture);
    memset(fixture, 0, sizeof *fixture);
    sim_clock_init(&fixture->clock, seed);
    sim_machine_init(&fixture->machine, &fixture->clock, 0, "n0");
    fixture->machine.overrun_ppm = faults_ppm;
    fixture->machine.fault_ppm = faults_ppm;
    sim_machine_boot(&fixture->machine);
    axi_sched_set_lease(fixture->machine.sched, sim_machine_local_ns(&fixture->machine) + lease_ns);
    for (uint32_t i = 0; i < TASKS; i++) {
        install(fixture, i);
    }
    sim_machine_wake(&fixture->machine);
    while (sim_step(&fixture->clock, 3 * SIM_S)) {
    }
    source.records = fixture->machine.traces;
    source.count = fixture->machine.trace_count;
    /* these records carry true time, their releases the machine's: no misses are asked of them */
    assert_int_equal(axi_check(&source, 1, &options, &verdict), 0);
    sim_machine_deinit(&fixture->machine);
    sim_clock_deinit(&fixture->clock);
    free(fixture);
    return verdict;
}

static void schedules_many_tasks_without_a_miss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct axi_verdict *verdict = run(seed, 0, 100 * SIM_S);

        assert_int_equal(verdict->violation_count, 0);
        assert_int_equal(verdict->task_count, TASKS);
        assert_true(verdict->tasks[0].completed > 250);
        assert_int_equal(verdict->tasks[0].missed, 0);
        axi_verdict_free(verdict);
    }
}

static void kills_jobs_that_overrun_or_fault(void **state)
{
    uint64_t killed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct axi_verdict *verdict = run(seed, 20000, 100 * SIM_S);

        for (size_t i = 0; i < verdict->violation_count; i++) {
            /* a job repeated from its step takes processor time twice: it may be late */
            assert_int_equal(verdict->violations[i].invariant, AXI_I4);
        }
        for (size_t i = 0; i < verdict->task_count; i++) {
            killed += verdict->tasks[i].killed;
        }
        axi_verdict_free(verdict);
    }
    assert_true(killed > 100);
}

static void stops_when_the_lease_is_gone(void **state)
{
    struct axi_verdict *verdict = run(3, 0, SIM_S);

    (void)state;
    assert_int_equal(verdict->violation_count, 0);
    assert_true(verdict->tasks[0].completed >= 98 && verdict->tasks[0].completed <= 101);
    axi_verdict_free(verdict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_many_tasks_without_a_miss),
        cmocka_unit_test(kills_jobs_that_overrun_or_fault),
        cmocka_unit_test(stops_when_the_lease_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
