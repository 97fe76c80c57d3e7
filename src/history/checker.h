/* SPDX-License-Identifier: Apache-2.0 */
/* The history checker: judges the invariants I1-I4 from what instances did (trace records), never
 * from what deciders believed. Used by the cluster simulation, by axcan-check and by the demo.
 *
 *   I1  a job is released at most once per epoch; an epoch lives on one node; no epoch releases or
 *       completes a job after a higher one was activated; inside an epoch job numbers have no gap;
 *       a migration (the successor stood by when the predecessor was FROZEN) and a stop and start
 *       (the FROZEN predecessor was removed first) go on with exactly the next job; any other
 * handover, that to a warm standby too, is a restore: it may repeat jobs, which is declared in the
 * verdict, but never skips one; a first epoch begins with job 0, or says whose state it begins
 * with, and that task had got there. I2  state and output digests equal those of a reference that
 * replays the recorded history; a seeded task begins with its
 * seed's state. I3  a refused task releases nothing. I4  a deadline is missed only
 * by a job that a blackout made late. Asserted in virtual time only; in real time such misses are
 * counted.
 *
 * Heap is used; not thread-safe; no I/O. */
#ifndef AXI_HISTORY_CHECKER_H
#define AXI_HISTORY_CHECKER_H

#include "base/error.h"
#include "core/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one node recorded, in its own order. Several sources may share a node name (restarts). */
struct axi_check_source {
    const char *node;                /* borrowed */
    const struct axi_trace *records; /* borrowed */
    size_t count;
    uint64_t bound_ns; /* |error| of master_ns in these records */
};

/* Replays one task. event is called for every record of the task's effective history: epochs
 * ascending, each in its node's order. For COMPLETED it returns 1 and both CRCs, else 0; it may
 * return a negative error: the task's digests then count as not judged.
 *   ACTIVATED  job = first job of the epoch; a restore may go back to an earlier job.
 *   KILLED     the state falls back to the newest checkpoint; with detail2 > 0 to that step.
 *   FROZEN     the present state becomes a checkpoint.
 * A COMPLETED record with kind AXI_TRACE_COMPLETED and slot 0xffff was not recorded (its node died
 * before it wrote it) and is assumed: its digests are not compared. */
struct axi_reference {
    void *context;
    int (*event)(void *context, const struct axi_trace *record, uint32_t *ret_state_crc,
                 uint32_t *ret_output_crc);
};

#define AXI_CHECK_SLOT_ASSUMED 0xffffu

struct axi_check_options {
    bool virtual_time; /* assert I4 */
    bool torn;         /* histories may lack their last records (node killed): a gap at the end of
                          such an epoch is "unseen", not "skipped" */
    const uint64_t *refused; /* task ids that no node may ever run; borrowed */
    size_t refused_count;
    const struct axi_reference *reference; /* or NULL */
};

enum axi_invariant { AXI_I1 = 1, AXI_I2, AXI_I3, AXI_I4, AXI_I5, AXI_I6, AXI_I7 };

struct axi_violation {
    enum axi_invariant invariant;
    uint64_t task_id, epoch, job;
    uint64_t master_ns;
    char text[200];
};

/* One change of the epoch that runs the task. */
struct axi_handover {
    uint64_t task_id, from_epoch, to_epoch;
    const char *from_node, *to_node; /* borrowed from the sources */
    uint64_t job;                    /* first job of the new epoch */
    uint64_t repeats;                /* jobs released before and again now (restore only) */
    uint64_t unseen;                 /* jobs without record (torn histories only) */
    uint64_t frozen_ns;              /* end of the old epoch's last activity */
    uint64_t blackout_ns;            /* frozen_ns -> ACTIVATED */
    bool is_restore;
};

/* What axi_check_grid (history/grid.h) found; zeros when it was not asked. */
struct axi_grid {
    uint64_t period_ns, origin_ns; /* T, and r of the last run; T 0: too few releases */
    uint64_t releases;
    uint64_t nodes;                 /* one more for each change of node */
    int64_t earliest_ns, latest_ns; /* of a release after its instant, on its node's clock */
};

struct axi_task_verdict {
    uint64_t task_id;
    uint64_t epochs, next_job;
    uint64_t released, completed, killed, skipped, missed, missed_in_blackout;
    uint64_t lost;     /* released, neither completed nor killed, and not repeated later */
    uint64_t repeated; /* released again by a restore */
    uint64_t unseen;
    uint64_t digests_equal, digests_unjudged;
    uint64_t seed; /* task whose state it began with; its own: zero inside a grid; 0 = neither */
    struct axi_grid grid;
    bool is_finished, is_failed, is_seed_mapped;
};

struct axi_verdict {
    struct axi_task_verdict *tasks;
    size_t task_count;
    struct axi_handover *handovers;
    size_t handover_count;
    struct axi_violation *violations;
    size_t violation_count;
};

/* 0 and a verdict (violations are no error), -AXC_ENOMEM. Free with axi_verdict_free. */
int axi_check(const struct axi_check_source *sources, size_t source_count,
              const struct axi_check_options *options,
              struct axi_verdict **ret_verdict) AXC_MUST_USE;
void axi_verdict_free(struct axi_verdict *verdict); /* NULL is fine */

/* Adds a violation found by the caller (I5, I6). 0 or -AXC_ENOMEM. */
int axi_verdict_violate(struct axi_verdict *verdict, enum axi_invariant invariant,
                        const struct axi_trace *record, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
