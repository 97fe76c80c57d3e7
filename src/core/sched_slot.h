/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the scheduler, shared by sched*.c only.
 *
 *   release heap (by nominal release)  ->  ready heap (by deadline)  ->  stack (top runs)
 *
 * A slot is in at most one of the three. It waits in the release heap only while it may release:
 * ACTIVE, runner ready, jobs left. */
#ifndef AXI_CORE_SCHED_SLOT_H
#define AXI_CORE_SCHED_SLOT_H

#include "base/heap.h"
#include "base/ring.h"
#include "core/sched.h"

#define AXI_SCHED_DEPTH_MAX 64u /* preemptions on top of each other; further jobs wait */

struct axi_sched_slot {
    struct axi_heap_node release; /* key: nominal release of next_job, master ns */
    struct axi_heap_node ready;   /* key: see axi_slot_make_ready, master ns; kept while it runs */
    struct axi_instance_config config;
    uint32_t index;
    uint32_t state; /* enum axi_slot_state */
    uint64_t next_job;
    uint32_t resume_step;
    uint32_t since_checkpoint;  /* jobs completed since the newest checkpoint */
    uint32_t failures_in_a_row; /* kills by policy since the last completed job */
    bool is_runner_ready;
    bool is_running;          /* on the stack; its job is next_job */
    bool is_restore_needed;   /* the state is not that of the newest checkpoint */
    bool has_missed;          /* this job was counted as missed */
    bool is_late;             /* next_job was released late because of a blackout */
    uint64_t compensation_ns; /* of the current job: D - D' */
    uint64_t late_until_ns;   /* master time: what should have been released before is late */
    uint32_t depth;
    uint64_t run_since_ns;     /* local; on top of the stack since then; UINT64_MAX: held */
    uint64_t ran_ns;           /* charged before that; wall time, corrected by the port's figure */
    uint64_t wall_ns;          /* the same, never corrected */
    struct axi_slot_view view; /* the scheduler's own; published by axi_slot_publish */
    _Atomic uint32_t sequence; /* odd while `published` or the histograms change */
    struct axi_slot_view published;
    struct axi_hist response;
    struct axi_hist exec;
};

struct axi_sched {
    struct axi_sched_port port;
    struct axi_timebase *timebase;
    struct axi_sched_limits limits;
    struct axi_heap release;
    struct axi_heap ready;
    struct axi_ring commands;
    struct axi_sched_slot *slots;
    uint16_t *stack; /* slot numbers, [0] = bottom */
    uint32_t stack_count;
    bool is_held;             /* the port runs something else than the top */
    uint32_t fenceable;       /* ACTIVE and FREEZING slots that stop with the lease */
    uint64_t next_release_ns; /* local, found by the last run */
    uint64_t now_ns;          /* local, of the event or run being handled */
    uint64_t now_master_ns;
    _Atomic uint64_t lease_until_ns;
    _Atomic uint64_t busy_ns;  /* processor time of all jobs that ended */
    _Atomic bool is_fence_due; /* the lease lapsed; a FENCE command is on its way */
    uint8_t *scratch;          /* AXI_CHECKPOINT_BYTES_MAX */
};

/* sched.c */
void axi_sched_fence_all(struct axi_sched *sched);
void axi_sched_read_clock(struct axi_sched *sched);
void axi_sched_set_state(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t state);
bool axi_sched_is_lease_ok(struct axi_sched *sched, const struct axi_sched_slot *slot);
void axi_sched_stack_push(struct axi_sched *sched, struct axi_sched_slot *slot);
void axi_sched_stack_remove(struct axi_sched *sched, struct axi_sched_slot *slot);

/* sched_jobs.c: life of one job */
uint64_t axi_slot_release_ns(const struct axi_sched_slot *slot, uint64_t job);
uint64_t axi_slot_deadline_ns(const struct axi_sched_slot *slot);
void axi_slot_arm(struct axi_sched *sched, struct axi_sched_slot *slot);
void axi_slot_disarm(struct axi_sched *sched, struct axi_sched_slot *slot);
void axi_slot_make_ready(struct axi_sched *sched, struct axi_sched_slot *slot);
void axi_slot_start(struct axi_sched *sched, struct axi_sched_slot *slot);
void axi_slot_note_miss(struct axi_sched *sched, struct axi_sched_slot *slot);
void axi_slot_kill(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t cause,
                   uint64_t detail);
void axi_slot_settle(struct axi_sched *sched, struct axi_sched_slot *slot);

/* sched_state.c: task state and checkpoints */
int axi_slot_restore(struct axi_sched *sched, struct axi_sched_slot *slot);
int axi_slot_checkpoint(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t *ret_crc);

/* sched_commands.c */
void axi_sched_take_commands(struct axi_sched *sched);

/* sched_view.c: what the agent sees */
struct axi_trace axi_slot_record(struct axi_sched *sched, const struct axi_sched_slot *slot,
                                 uint8_t kind);
void axi_sched_emit(struct axi_sched *sched, struct axi_sched_slot *slot,
                    const struct axi_trace *record);
void axi_sched_emit_kind(struct axi_sched *sched, struct axi_sched_slot *slot, uint8_t kind);
void axi_slot_publish(struct axi_sched_slot *slot);
void axi_slot_add_times(struct axi_sched_slot *slot, uint64_t response_ns, uint64_t exec_ns);
/* A job ended, in whatever way. */
void axi_sched_add_busy(struct axi_sched *sched, uint64_t exec_ns);

#endif
