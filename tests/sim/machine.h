/* SPDX-License-Identifier: Apache-2.0 */
/* One computer of the simulation: its clock (offset, drift), one processor, the scheduler of the
 * daemons, and runners whose jobs take virtual time. What its instances did is kept in traces with
 * true time, also when the computer dies. */
#ifndef AXI_SIM_MACHINE_H
#define AXI_SIM_MACHINE_H

#include "core/region.h"
#include "core/sched.h"
#include "event.h"

#include <stdbool.h>

#define SIM_SLOTS 12u
#define SIM_CLOCK_GOOD_NS 1000000u /* a declared error up to this leaves deadlines judged */
#define SIM_CLOCK_OFF_NS 5000000u  /* so far off a node's outputs are not in time for votes */
#define SIM_STATE_BYTES 48u        /* of struct sim_state, the state of every simulated task */

/* The state of a simulated task: a chain over all jobs ever run, so that a lost, repeated or wrong
 * job shows in every later digest. */
struct sim_state {
    uint64_t jobs; /* completed ones */
    uint64_t chain;
    uint64_t last_job;
    uint64_t partial; /* of the job under way */
    uint64_t step;
    uint64_t pad;
};
_Static_assert(sizeof(struct sim_state) == SIM_STATE_BYTES, "fixed layout");

/* What is wrong with an image: every job faults, needs more than its budget, or puts out another
 * value than the state says. */
enum sim_defect { SIM_GOOD = 0, SIM_CRASHES, SIM_OVERRUNS, SIM_WRONG };

/* The job function of every simulated task. salt: what makes its values its own; the task's id, or
 * the same for all replicas of a service. */
void sim_state_step(struct sim_state *state, uint64_t salt, uint64_t job); /* first half */
void sim_state_finish(struct sim_state *state, uint64_t salt, uint64_t job, uint32_t *ret_output);

/* The same state with its fields in another order: another schema. Its own inverse. */
struct sim_state sim_state_mirror(const struct sim_state *state);

struct sim_runner {
    struct axi_instance_config config; /* as last seen by start_job's owner */
    struct sim_state *state;           /* what the scheduler reads and writes */
    struct sim_state input;            /* the state when the job began */
    uint64_t task_id, salt;
    uint64_t wcet_ns;
    enum sim_defect defect;
    uint64_t generation;
    bool is_mirrored; /* its state lies in memory as sim_state_mirror makes it */
    bool is_busy;
    uint64_t job, remaining_ns, consumed_ns;
    uint64_t step_at_ns; /* remaining time at which the intermediate checkpoint is made; 0 = none */
    uint64_t fault_at_ns; /* remaining time at which the job faults; 0 = never */
    uint32_t resume_step;
    uint32_t output;
};

struct sim_machine {
    struct sim_clock *clock;
    const char *name;
    uint32_t index;
    uint64_t local_base_ns, true_base_ns;
    int64_t drift_ppb;
    bool is_alive;
    uint64_t generation; /* of the scheduled wake-up */
    uint64_t boot;
    struct axi_timebase timebase;
    struct axi_sched *sched;
    void *sched_memory;
    struct sim_runner runners[SIM_SLOTS];
    uint64_t charged_ns; /* local time up to which the processor is accounted */
    uint64_t wake_at_ns; /* local */
    struct axi_trace *traces;
    bool *is_clock_bad; /* per trace: the clock's declared error was too large to judge deadlines */
    size_t trace_count, trace_capacity;
    uint64_t clock_lie_ns, clock_lie_at_ns; /* largest error beyond the declared bound */
    uint64_t bound_max_ns;                  /* largest error declared while something was traced */
    size_t seen_count;                      /* traces already given to the agent */
    uint32_t overrun_ppm, fault_ppm;
    bool in_run;
    bool is_paused, is_wake_due; /* is_wake_due: something happened in the pause */
    bool was_paused; /* since it booted: what is late then is not its schedule's fault */
    void (*release_slot)(void *context, uint32_t slot);
    void (*on_output)(void *context, uint32_t slot); /* its runner's job has completed */
    void (*on_trace)(void *context, const struct axi_trace *record); /* as recorded, node's time */
    void *context;
};

void sim_machine_init(struct sim_machine *machine, struct sim_clock *clock, uint32_t index,
                      const char *name);
void sim_machine_deinit(struct sim_machine *machine);
void sim_machine_boot(struct sim_machine *machine);
void sim_machine_crash(struct sim_machine *machine);

uint64_t sim_machine_local_ns(const struct sim_machine *machine);
uint64_t sim_machine_clock_error(struct sim_machine *machine); /* of its master time; it is alive */
uint64_t sim_machine_true_at(const struct sim_machine *machine, uint64_t local_ns);
/* Something was posted or changed: the scheduler runs now. */
void sim_machine_wake(struct sim_machine *machine);
/* The scheduler and the runners stand still (a stopped process, a starved thread); time goes on. */
void sim_machine_pause(struct sim_machine *machine, bool is_paused);

#endif
