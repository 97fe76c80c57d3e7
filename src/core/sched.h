/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler of one node instance: EDF on one processor, job life cycle, budgets, checkpoints at
 * job end, lease fence. Freestanding and passive: it decides, the port acts. The same object runs
 * in the Linux scheduler thread, in the bare-metal kernel and in the cluster simulation.
 *
 * Contexts. Everything but post, view, hists and set_lease is called from ONE scheduler context.
 * The agent (another context) talks to it by commands (post) and hears of it by the trace.
 *
 * Slot states:
 *   FREE -INSTALL-> STANDBY -ACTIVATE-> ACTIVE -FREEZE-> (job ends) FROZEN -RESUME-> ACTIVE
 *   ACTIVE -lease gone-> FENCED -RESUME-> ACTIVE      ACTIVE -N jobs-> FINISHED
 *   ACTIVE -policy-> FAILED                           any -REMOVE-> (runner freed) FREE
 *
 * Running jobs form a stack: a released job with an earlier deadline preempts (start_job with a
 * greater depth); when it ends, the one below goes on by itself. */
#ifndef AXI_CORE_SCHED_H
#define AXI_CORE_SCHED_H

#include "base/hist.h"
#include "core/region.h"
#include "core/trace.h"
#include "time/timebase.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum axi_slot_state {
    AXI_SLOT_FREE = 0,
    AXI_SLOT_STANDBY,
    AXI_SLOT_ACTIVE,
    AXI_SLOT_FREEZING, /* FREEZE asked, a job still runs */
    AXI_SLOT_FROZEN,
    AXI_SLOT_FENCED,
    AXI_SLOT_FINISHED,
    AXI_SLOT_FAILED,
};

/* What INSTALL and ACTIVATE set. Times in ns; releases in master time. */
struct axi_instance_config {
    uint64_t task_id;
    uint64_t epoch;
    uint64_t release_ns; /* r: nominal release of job 0 */
    uint64_t period_ns;
    uint64_t deadline_ns; /* D, relative; EDF runs on D' = D - the timebase's compensation */
    uint64_t budget_ns;   /* C of this platform; 0 = no budget (profiling) */
    uint64_t jobs;        /* N; 0 = unbounded */
    uint64_t first_job;   /* next job to release */
    uint32_t resume_step;
    uint32_t state_version;
    uint8_t schema_hash[32];
    uint32_t state_bytes;
    uint32_t overrun_policy; /* enum axc_policy */
    uint32_t fault_policy;
    uint32_t restart_limit;
    uint32_t checkpoint_every;
    uint64_t output_from;      /* jobs before it put nothing out; INT64_MAX: none does */
    uint64_t output_until;     /* nor do this one and later ones; 0 = no end */
    uint32_t backlog_max;      /* so many releases may be late at once; further ones are SKIPPED */
    bool continue_isolated;    /* go on when the lease is gone */
    bool is_mapped;            /* traced with ACTIVATED, as seed is */
    uint64_t seed;             /* task whose state the first epoch begins with; 0 = none */
    void *state;               /* shared with the runner; borrowed until release_slot */
    struct axi_region *region; /* never task-writable; borrowed until release_slot */
};

enum axi_sched_op {
    AXI_SCHED_INSTALL = 1, /* config; the slot is FREE and its runner loaded */
    AXI_SCHED_ACTIVATE, /* from STANDBY: epoch (>= installed), first_job, resume_step, release_ns,
                           seed of config; the state comes from the region's newest checkpoint when
                           there is one, else it is all zero */
    AXI_SCHED_FREEZE,   /* ACTIVE or FENCED: the newest checkpoint becomes what runs next */
    AXI_SCHED_RESUME,   /* FROZEN or FENCED, same epoch */
    AXI_SCHED_OUTPUT,   /* output_from, output_until of config; task and epoch must be the slot's */
    AXI_SCHED_REMOVE,
    AXI_SCHED_FENCE, /* all slots that stop with the lease; posted by axi_sched_set_lease alone */
};

struct axi_sched_command {
    uint32_t op;
    uint32_t slot;
    struct axi_instance_config config; /* as the operation says */
};

/* A consistent copy of one slot's figures, for the agent. */
struct axi_slot_view {
    uint32_t state; /* enum axi_slot_state */
    uint32_t last_cause;
    uint64_t task_id, epoch, next_job;
    uint64_t released, completed, missed, killed, skipped, overruns;
    uint64_t late;                       /* ended after D' (missed: went past D) */
    uint64_t start_min_ns, start_max_ns; /* of start - release, job by job; 0, 0: none yet */
    uint64_t exec_max_ns, response_max_ns;
    uint64_t last_detail;
    uint64_t output_from, output_until;
};

struct axi_job_start {
    uint64_t job, release_ns, deadline_ns; /* master time */
    uint32_t resume_step;
    uint32_t depth; /* 0 = preempts nothing */
};

/* What the port is told to do. Called from the scheduler context; must not block. */
struct axi_sched_port {
    void *context;
    uint64_t (*now_ns)(void *context); /* local time */
    void (*start_job)(void *context, uint32_t slot, const struct axi_job_start *start);
    /* End the runner for sure; a fresh one follows by axi_sched_runner_ready. */
    void (*kill_job)(void *context, uint32_t slot);
    uint64_t (*consumed_ns)(void *context, uint32_t slot); /* processor time of the running job */
    /* Publishes; returns their CRC. is_shadow: for the voter alone, nobody else sees them. */
    uint32_t (*commit_outputs)(void *context, uint32_t slot, bool is_shadow);
    void (*discard_outputs)(void *context, uint32_t slot);
    void (*release_slot)(void *context, uint32_t slot); /* REMOVE is done: free its runner */
    void (*trace)(void *context, const struct axi_trace *record);
};

struct axi_sched_limits {
    uint32_t slots;    /* 1..1024 */
    uint32_t commands; /* power of two */
    /* A job whose processor time is short of its budget when the wall clock is not gets at least
     * this long until it is looked at again. Above what a wake-up of the scheduler costs, or a
     * job that is short of some ns never gets to run them. 0: exact. */
    uint64_t budget_grain_ns;
};

struct axi_sched;

/* Memory: the caller gives axi_sched_bytes(limits) bytes, 64-aligned, for the scheduler's life. */
size_t axi_sched_bytes(const struct axi_sched_limits *limits);
struct axi_sched *axi_sched_init(void *memory, const struct axi_sched_limits *limits,
                                 const struct axi_sched_port *port, struct axi_timebase *timebase);

/* Agent context. post: false when the command ring is full; wake the scheduler context afterwards.
 */
bool axi_sched_post(struct axi_sched *sched, const struct axi_sched_command *command);
void axi_sched_view(struct axi_sched *sched, uint32_t slot, struct axi_slot_view *ret_view);
/* Copies of the response- and execution-time histograms (may be a job behind). */
void axi_sched_hists(struct axi_sched *sched, uint32_t slot, struct axi_hist *ret_response,
                     struct axi_hist *ret_exec);
/* Processor time of all jobs that have ended here, killed ones too. */
/* Share of the time since *at_ns that they took, 0 to 1,000,000; both marks are moved on. One
 * caller, any context. */
uint32_t axi_sched_load_ppm(const struct axi_sched *sched, uint64_t now_ns, uint64_t *at_ns,
                            uint64_t *busy_ns);
/* Lease end in local ns; 0 = none yet: nothing is released. When the former lease has ended by now,
 * what was active then is fenced all the same, also if the scheduler was held up and never saw it:
 * somebody else may have claimed it in between. With a full command ring the lease stays as it was,
 * until the next renewal. Wake the scheduler context afterwards. */
void axi_sched_set_lease(struct axi_sched *sched, uint64_t until_local_ns);

/* Scheduler context: what happened ... */
void axi_sched_job_done(struct axi_sched *sched, uint32_t slot, int32_t result);
void axi_sched_job_step(struct axi_sched *sched, uint32_t slot, uint32_t step);
void axi_sched_job_fault(struct axi_sched *sched, uint32_t slot, uint32_t cause, uint64_t detail);
void axi_sched_runner_ready(struct axi_sched *sched, uint32_t slot);

/* ... then run: takes commands, checks the lease, releases, enforces budgets, dispatches. Returns
 * the local time by which it must be called again (UINT64_MAX: only on an event). */
uint64_t axi_sched_run(struct axi_sched *sched);

/* After run: when the budget of the job that is released next would end if it starts at once, local
 * time; UINT64_MAX when unknown. A port that arms a second timer for it need not program one
 * between that job's release and its first instruction. */
uint64_t axi_sched_next_budget_end(struct axi_sched *sched);

/* Top of the running stack, or -1: what bare metal must execute now. */
int axi_sched_current(const struct axi_sched *sched);

/* What EDF orders the current job by, master ns (its deadline, but for late jobs); UINT64_MAX
 * without one. For a port that schedules a server beside the jobs. */
uint64_t axi_sched_current_key(const struct axi_sched *sched);

/* While held, the port runs something else than the current job: no time is charged to it and run
 * returns no end of its budget. */
void axi_sched_hold(struct axi_sched *sched, bool is_held);

#endif
