/* SPDX-License-Identifier: Apache-2.0 */
/* reference < scenario: what the scheduler of src/core does with a set of tasks on a processor that
 * costs nothing, in virtual time. The bare-metal tests compare the kernel's trace with it.
 *
 * Scenario: `horizon NS`, then one line per task, all u64 but the name and the behaviour:
 *   task NAME PERIOD DEADLINE EXEC BUDGET JOBS RELEASE EVERY BEHAVIOUR
 * In jobs EVERY - 1, 2 * EVERY - 1, ... a task of behaviour `fault` faults at its end, `result`
 * returns an error, `step` makes a checkpoint and faults, then ends well; `loop` never ends; `over`
 * needs three times EXEC.
 * Output, one line per trace record: MASTER_NS KIND NAME JOB RELEASE_NS CAUSE */
#include "core/sched_sim.h"

#include <inttypes.h>
#include <stdio.h>

struct task {
    char name[32];
    uint64_t period, deadline, exec, budget, jobs, release, every;
    char behaviour[16];
};

static struct task tasks[SIM_SLOTS];
static uint32_t task_count;
static bool has_stepped[SIM_SLOTS];

static bool is_turn(const struct task *task, uint64_t job)
{
    return task->every != 0 && job % task->every == task->every - 1;
}

static uint64_t exec_of(struct sim *sim, uint32_t slot, uint64_t job)
{
    const struct task *task = &tasks[slot];

    (void)sim;
    if (!is_turn(task, job)) {
        return task->exec;
    }
    if (strcmp(task->behaviour, "over") == 0) {
        return 3 * task->exec;
    }
    return strcmp(task->behaviour, "loop") == 0 ? SIM_NEVER : task->exec;
}

static void at_end(struct sim *sim, uint32_t slot)
{
    const struct task *task = &tasks[slot];
    const char *behaviour = is_turn(task, sim->tasks[slot].job) ? task->behaviour : "well";

    if (strcmp(behaviour, "step") == 0 && !has_stepped[slot]) {
        has_stepped[slot] = true;
        axi_sched_job_step(sim->sched, slot, 7);
        behaviour = "fault";
    } else {
        has_stepped[slot] = false;
    }
    if (strcmp(behaviour, "fault") == 0) {
        sim->tasks[slot].is_loaded = false;
        axi_sched_job_fault(sim->sched, slot, AXI_CAUSE_SEGV, 0);
    } else if (strcmp(behaviour, "result") == 0) {
        sim->tasks[slot].is_loaded = false;
        axi_sched_job_done(sim->sched, slot, -42);
    } else {
        sim_job_ends(sim, slot);
    }
}

static bool read_scenario(uint64_t *ret_horizon)
{
    if (scanf("horizon %" SCNu64 "\n", ret_horizon) != 1) {
        return false;
    }
    while (task_count < SIM_SLOTS) {
        struct task *t = &tasks[task_count];
        int n = scanf("task %31s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                      " %" SCNu64 " %" SCNu64 " %15s\n",
                      t->name, &t->period, &t->deadline, &t->exec, &t->budget, &t->jobs,
                      &t->release, &t->every, t->behaviour);

        if (n == EOF) {
            return task_count > 0;
        }
        if (n != 9) {
            return false;
        }
        task_count++;
    }
    return true;
}

int main(void)
{
    struct sim *sim = sim_new();
    uint64_t horizon = 0;

    if (!read_scenario(&horizon)) {
        (void)fprintf(stderr, "reference: malformed scenario\n");
        return 2;
    }
    for (uint32_t op = AXI_SCHED_INSTALL; op <= AXI_SCHED_ACTIVATE; op++) {
        for (uint32_t i = 0; i < task_count; i++) {
            struct axi_instance_config config = sim_config(sim, i);

            config.period_ns = tasks[i].period;
            config.deadline_ns = tasks[i].deadline;
            config.budget_ns = tasks[i].budget;
            config.jobs = tasks[i].jobs;
            config.release_ns = tasks[i].release;
            sim->tasks[i].exec_ns = exec_of;
            sim->tasks[i].at_end = at_end;
            sim_post(sim, op, i, &config);
        }
    }
    sim_run(sim, horizon);
    for (uint32_t i = 0; i < sim->trace_count; i++) {
        const struct axi_trace *t = &sim->traces[i];

        printf("%" PRIu64 " %s %s %" PRIu64 " %" PRIu64 " %s\n", t->master_ns,
               axi_trace_kind_name(t->kind), tasks[t->slot].name, t->job, t->release_ns,
               axi_cause_name(t->cause));
    }
    sim_free(sim);
    return 0;
}
