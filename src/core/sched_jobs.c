/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a job: release, start, completion, kill and what the policy makes of it. */
#include "axcan/task.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "core/sched.h"
#include "core/sched_slot.h"

#define RESTART_LIMIT_DEFAULT 3u

uint64_t axi_slot_release_ns(const struct axi_sched_slot *slot, uint64_t job)
{
    return axi_add_sat(slot->config.release_ns, axi_mul_sat(job, slot->config.period_ns));
}

uint64_t axi_slot_deadline_ns(const struct axi_sched_slot *slot)
{
    return axi_add_sat(axi_slot_release_ns(slot, slot->next_job), slot->config.deadline_ns);
}

static bool is_finished(const struct axi_sched_slot *slot)
{
    return slot->config.jobs != 0 && slot->next_job >= slot->config.jobs;
}

void axi_slot_arm(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->state != AXI_SLOT_ACTIVE || slot->is_running || !slot->is_runner_ready ||
        axi_heap_holds(&slot->ready) || axi_heap_holds(&slot->release)) {
        return;
    }
    slot->release.key = axi_slot_release_ns(slot, slot->next_job);
    axi_heap_insert(&sched->release, &slot->release);
}

void axi_slot_disarm(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    axi_heap_remove(&sched->release, &slot->release);
    axi_heap_remove(&sched->ready, &slot->ready);
}

static void fail(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t cause,
                 uint64_t detail)
{
    struct axi_trace record = axi_slot_record(sched, slot, AXI_TRACE_FAILED);

    axi_slot_disarm(sched, slot);
    axi_sched_set_state(sched, slot, AXI_SLOT_FAILED);
    slot->view.last_cause = cause;
    slot->view.last_detail = detail;
    record.cause = (uint8_t)cause;
    record.detail = detail;
    axi_sched_emit(sched, slot, &record);
}

/* The region's newest checkpoint becomes exactly what runs next. */
static void checkpoint_if_stale(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    uint32_t crc = 0;

    if (slot->since_checkpoint > 0 || slot->is_restore_needed) {
        (void)axi_slot_checkpoint(sched, slot, &crc);
    }
}

static void finish(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    checkpoint_if_stale(sched, slot);
    axi_sched_set_state(sched, slot, AXI_SLOT_FINISHED);
    axi_sched_emit_kind(sched, slot, AXI_TRACE_FINISHED);
}

static void freeze(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    checkpoint_if_stale(sched, slot);
    axi_sched_set_state(sched, slot, AXI_SLOT_FROZEN);
    axi_sched_emit_kind(sched, slot, AXI_TRACE_FROZEN);
}

/* What follows when no job of the slot runs: finished, frozen, or the next release. */
void axi_slot_settle(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->state != AXI_SLOT_ACTIVE && slot->state != AXI_SLOT_FREEZING) {
        return;
    }
    if (is_finished(slot)) {
        finish(sched, slot);
    } else if (slot->state == AXI_SLOT_FREEZING) {
        freeze(sched, slot);
    } else {
        axi_slot_arm(sched, slot);
    }
}

/* Drops releases beyond the allowed backlog, oldest first. A job to be repeated is never dropped.
 */
static void skip_backlog(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    uint64_t release_ns = axi_slot_release_ns(slot, slot->next_job);
    uint64_t late = axi_sub_sat(sched->now_master_ns, release_ns) / slot->config.period_ns;
    struct axi_trace record;
    uint64_t count;

    if (late <= slot->config.backlog_max || slot->resume_step != 0) {
        return;
    }
    count = late - slot->config.backlog_max;
    if (slot->config.jobs != 0 && count > slot->config.jobs - slot->next_job) {
        count = slot->config.jobs - slot->next_job;
    }
    record = axi_slot_record(sched, slot, AXI_TRACE_SKIPPED);
    record.detail = count;
    slot->next_job += count;
    slot->view.skipped += count;
    axi_sched_emit(sched, slot, &record);
}

/* Relative, of the current job. */
static uint64_t compensated_ns(const struct axi_sched_slot *slot)
{
    return axi_sub_sat(slot->config.deadline_ns, slot->compensation_ns);
}

/* EDF orders by the absolute compensated deadline. Jobs that a blackout made late would all be the
 * most urgent at once and make the other tasks of the node miss; they are ordered as if they
 * arrived now, one period apart (constant bandwidth server, Abeni and Buttazzo 1998), and use what
 * time is left. */
static uint64_t order_of(const struct axi_sched *sched, struct axi_sched_slot *slot)
{
    uint64_t order_ns =
        axi_add_sat(axi_slot_release_ns(slot, slot->next_job), compensated_ns(slot));
    uint64_t spaced_ns = axi_add_sat(slot->ready.key, slot->config.period_ns);
    uint64_t arrived_ns = axi_add_sat(sched->now_master_ns, compensated_ns(slot));
    bool was_late = slot->is_late;

    slot->is_late = axi_slot_release_ns(slot, slot->next_job) < slot->late_until_ns;
    if (slot->is_late) {
        order_ns = arrived_ns > order_ns ? arrived_ns : order_ns;
        order_ns = was_late && spaced_ns > order_ns ? spaced_ns : order_ns;
    }
    return order_ns;
}

/* A late job that ends hands its lateness on to the releases it held up. */
static void hand_on_lateness(const struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->is_late && sched->now_master_ns > slot->late_until_ns) {
        slot->late_until_ns = sched->now_master_ns;
    }
}

void axi_slot_make_ready(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    skip_backlog(sched, slot);
    if (is_finished(slot)) {
        finish(sched, slot);
        return;
    }
    slot->has_missed = slot->has_missed && slot->resume_step != 0; /* once per job */
    slot->compensation_ns = axi_timebase_compensation_ns(sched->timebase);
    slot->ready.key = order_of(sched, slot);
    axi_heap_insert(&sched->ready, &slot->ready);
}

static void note_start(const struct axi_sched *sched, struct axi_sched_slot *slot,
                       uint64_t release_ns)
{
    uint64_t delay_ns = axi_sub_sat(sched->now_master_ns, release_ns);
    struct axi_slot_view *view = &slot->view;

    if (slot->resume_step != 0) {
        return;
    }
    if (view->released == 0 || delay_ns < view->start_min_ns) {
        view->start_min_ns = delay_ns;
    }
    view->start_max_ns = delay_ns > view->start_max_ns ? delay_ns : view->start_max_ns;
}

void axi_slot_start(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    struct axi_job_start start = {
        .job = slot->next_job,
        .release_ns = axi_slot_release_ns(slot, slot->next_job),
        .deadline_ns = axi_slot_deadline_ns(slot),
        .resume_step = slot->resume_step,
    };
    struct axi_trace record = axi_slot_record(sched, slot, AXI_TRACE_RELEASED);
    int r = slot->is_restore_needed ? axi_slot_restore(sched, slot) : 0;

    if (r < 0) {
        fail(sched, slot, slot->view.last_cause, (uint64_t)-r);
        return;
    }
    axi_sched_stack_push(sched, slot);
    start.depth = slot->depth;
    record.detail2 = slot->resume_step;
    note_start(sched, slot, start.release_ns);
    slot->view.released++;
    axi_sched_emit(sched, slot, &record);
    sched->port.start_job(sched->port.context, slot->index, &start);
}

void axi_slot_note_miss(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->has_missed || sched->now_master_ns <= axi_slot_deadline_ns(slot)) {
        return;
    }
    slot->has_missed = true;
    slot->view.missed++;
    axi_sched_emit_kind(sched, slot, AXI_TRACE_MISSED);
}

/* The job ends: against D'. */
static void note_late(const struct axi_sched *sched, struct axi_sched_slot *slot)
{
    uint64_t release_ns = axi_slot_release_ns(slot, slot->next_job);

    slot->view.late += axi_sub_sat(sched->now_master_ns, release_ns) > compensated_ns(slot);
}

/* Another instance of the same service puts out this job. */
static bool is_shadow(const struct axi_sched_slot *slot)
{
    return slot->next_job < slot->config.output_from ||
           (slot->config.output_until != 0 && slot->next_job >= slot->config.output_until);
}

static void complete(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    struct axi_trace record = axi_slot_record(sched, slot, AXI_TRACE_COMPLETED);
    uint32_t every = slot->config.checkpoint_every == 0 ? 1 : slot->config.checkpoint_every;
    bool was_stepped = slot->resume_step != 0; /* the newest checkpoint is from inside this job */

    record.exec_ns = sched->port.consumed_ns(sched->port.context, slot->index);
    record.response_ns = axi_sub_sat(sched->now_master_ns, record.release_ns);
    axi_slot_note_miss(sched, slot);
    note_late(sched, slot);
    hand_on_lateness(sched, slot);
    axi_sched_stack_remove(sched, slot);
    record.output_crc =
        sched->port.commit_outputs(sched->port.context, slot->index, is_shadow(slot));
    slot->next_job++;
    slot->resume_step = 0;
    slot->failures_in_a_row = 0;
    slot->since_checkpoint++;
    if (slot->since_checkpoint < every && !was_stepped && !is_finished(slot)) {
        record.state_crc = axi_crc32c(0, slot->config.state, slot->config.state_bytes);
    } else {
        (void)axi_slot_checkpoint(sched, slot, &record.state_crc);
    }
    slot->view.completed++;
    axi_slot_add_times(slot, record.response_ns, record.exec_ns);
    axi_sched_add_busy(sched, record.exec_ns);
    axi_sched_emit(sched, slot, &record);
    axi_slot_settle(sched, slot);
}

static bool is_policy_exhausted(const struct axi_sched_slot *slot, uint32_t policy)
{
    uint32_t limit =
        slot->config.restart_limit == 0 ? RESTART_LIMIT_DEFAULT : slot->config.restart_limit;

    if (policy == AXC_POLICY_STOP) {
        return true;
    }
    /* A job that is repeated from its step does not advance: it needs an end in any policy. */
    return (policy == AXC_POLICY_RESTART || slot->resume_step != 0) &&
           slot->failures_in_a_row > limit;
}

static void apply_policy(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t cause,
                         uint64_t detail)
{
    uint32_t policy =
        cause == AXI_CAUSE_BUDGET ? slot->config.overrun_policy : slot->config.fault_policy;

    if (cause == AXI_CAUSE_LEASE || cause == AXI_CAUSE_HALT) {
        return;
    }
    slot->failures_in_a_row++;
    if (is_policy_exhausted(slot, policy)) {
        fail(sched, slot, cause, detail);
    }
}

/* Ends the running job without effect. A job that only returned an error keeps its runner. The
 * caller settles or changes the state afterwards. */
void axi_slot_kill(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t cause,
                   uint64_t detail)
{
    struct axi_trace record = axi_slot_record(sched, slot, AXI_TRACE_KILLED);

    record.exec_ns = sched->port.consumed_ns(sched->port.context, slot->index);
    axi_sched_add_busy(sched, record.exec_ns);
    record.cause = (uint8_t)cause;
    record.detail = detail;
    record.detail2 = slot->resume_step;
    axi_slot_note_miss(sched, slot);
    note_late(sched, slot);
    hand_on_lateness(sched, slot);
    if (cause != AXI_CAUSE_RESULT) {
        slot->is_runner_ready = false;
        sched->port.kill_job(sched->port.context, slot->index);
    }
    axi_sched_stack_remove(sched, slot);
    sched->port.discard_outputs(sched->port.context, slot->index);
    slot->is_restore_needed = true;
    if (slot->resume_step == 0) {
        slot->next_job++;
    }
    slot->view.killed++;
    slot->view.overruns += cause == AXI_CAUSE_BUDGET;
    slot->view.last_cause = cause;
    slot->view.last_detail = detail;
    axi_sched_emit(sched, slot, &record);
    apply_policy(sched, slot, cause, detail);
}

void axi_sched_job_done(struct axi_sched *sched, uint32_t slot_number, int32_t result)
{
    struct axi_sched_slot *slot = &sched->slots[slot_number];

    if (!slot->is_running) {
        return;
    }
    axi_sched_read_clock(sched);
    if (!axi_sched_is_lease_ok(sched, slot)) {
        return; /* the run that follows fences the slot and kills this job */
    }
    if (result != 0) {
        axi_slot_kill(sched, slot, AXI_CAUSE_RESULT, (uint64_t)(int64_t)result);
        axi_slot_settle(sched, slot);
        return;
    }
    complete(sched, slot);
}

void axi_sched_job_step(struct axi_sched *sched, uint32_t slot_number, uint32_t step)
{
    struct axi_sched_slot *slot = &sched->slots[slot_number];
    struct axi_trace record;
    uint32_t crc = 0;
    uint32_t former = slot->resume_step;

    if (!slot->is_running || step == 0) {
        return;
    }
    axi_sched_read_clock(sched);
    if (!axi_sched_is_lease_ok(sched, slot)) {
        return;
    }
    slot->resume_step = step;
    if (axi_slot_checkpoint(sched, slot, &crc) < 0) {
        slot->resume_step = former;
        return;
    }
    record = axi_slot_record(sched, slot, AXI_TRACE_STEP);
    record.detail = step;
    record.state_crc = crc;
    axi_sched_emit(sched, slot, &record);
}

void axi_sched_job_fault(struct axi_sched *sched, uint32_t slot_number, uint32_t cause,
                         uint64_t detail)
{
    struct axi_sched_slot *slot = &sched->slots[slot_number];

    if (!slot->is_running) {
        return;
    }
    axi_sched_read_clock(sched);
    axi_slot_kill(sched, slot, cause, detail);
    axi_slot_settle(sched, slot);
}

void axi_sched_runner_ready(struct axi_sched *sched, uint32_t slot_number)
{
    struct axi_sched_slot *slot = &sched->slots[slot_number];

    slot->is_runner_ready = true;
    axi_slot_arm(sched, slot);
}
