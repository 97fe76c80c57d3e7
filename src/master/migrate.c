/* SPDX-License-Identifier: Apache-2.0 */
/* Migration: five steps and one recorded decision (docs/architecture.md 7).
 *
 *   reserve -> prepare -> transfer -> switch -> commit -> activate -> confirm -> release -> finish
 *                 |___________|__________|         (target's epoch and ownership by one swap)
 *                       abort -> undo -> reserve (next candidate) | give-up
 *
 * Until "commit" is in the store the source owns the task; from then on the target does. Nothing
 * between the two is undone by a timeout of a node. */
#include "master/service/service.h"

#include <stdio.h>
#include <string.h>

#define AXI_TARGETS_EXCLUDED (2 * AXI_TRIED_MAX)

static bool is_undecided(const struct axi_task *task)
{
    return task->record.migration.phase == AXI_MIGRATION_PREPARING &&
           task->flow.step >= AXI_STEP_MIGRATE_PREPARE &&
           task->flow.step <= AXI_STEP_MIGRATE_COMMIT;
}

/* ---- reserve ---- */

static bool is_tried(const struct axi_migration *migration, uint64_t node)
{
    for (uint32_t i = 0; i < migration->tried_count; i++) {
        if (migration->tried[i] == node) {
            return true;
        }
    }
    return false;
}

/* A replica also keeps its distance from the others of its service. */
static bool is_apart(struct axi_master *m, const struct axi_task *task, const struct axi_node *node,
                     char *ret_reason)
{
    struct axi_snapshot *snapshot = axi_snapshot_for_move(m, task->record.id);
    const struct axi_plan_problem *problem = snapshot != NULL ? &snapshot->problem : NULL;
    char reason[AXI_PLAN_REASON_BYTES] = "";
    int rc = -AXC_ENOMEM;

    for (size_t i = 0; problem != NULL && i < problem->task_count; i++) {
        for (size_t n = 0; problem->tasks[i].id == task->record.id && n < problem->node_count;
             n++) {
            if (problem->nodes[n].place.id == node->id) {
                rc = axi_plan_judge(problem, i, n, &(double){0}, reason);
            }
        }
    }
    axi_snapshot_free(snapshot);
    return rc == 0 || axi_refuse(ret_reason, -rc, "%.150s", reason) == 0;
}

/* Excludes nodes until one is left that keeps the replicas apart. */
static int choose_apart(struct axi_master *m, struct axi_task *task, uint64_t wanted,
                        uint64_t *excluded, size_t count, struct axi_node **ret_node,
                        char *ret_reason)
{
    int rc = axi_task_place(m, task, wanted, excluded, count, ret_node, ret_reason);

    while (rc == 0 && task->record.service[0] != '\0' &&
           !is_apart(m, task, *ret_node, ret_reason)) {
        if (count == AXI_TARGETS_EXCLUDED || wanted != 0) {
            return -AXC_ENO_CANDIDATE;
        }
        excluded[count++] = (*ret_node)->id;
        rc = axi_task_place(m, task, wanted, excluded, count, ret_node, ret_reason);
    }
    return rc;
}

static int choose_target(struct axi_master *m, struct axi_task *task,
                         const struct axi_migration *past, struct axi_node **ret_node,
                         char *ret_reason)
{
    uint64_t excluded[AXI_TARGETS_EXCLUDED];
    size_t count = past->tried_count;

    memcpy(excluded, past->tried, count * sizeof(excluded[0]));
    excluded[count++] = task->record.owner;
    if (past->attempts >= m->config.attempts_max) {
        return axi_refuse(ret_reason, AXC_ENO_CANDIDATE, "%u attempts failed", past->attempts);
    }
    if (past->wanted != 0 && !is_tried(past, past->wanted)) { /* the named one, also once more */
        return choose_apart(m, task, past->wanted, excluded, count, ret_node, ret_reason);
    }
    return choose_apart(m, task, task->record.pin, excluded, count, ret_node, ret_reason);
}

void axi_migrate_reserve(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_migration *mig = &next.migration;
    struct axi_node *node = NULL;
    char reason[AXI_REASON_BYTES] = "";
    uint64_t standby_epoch = 0;
    uint64_t random[2];
    int rc;

    if (mig->phase == AXI_MIGRATION_NONE) {
        *mig = (struct axi_migration){.wanted = task->flow.wanted, .started_ns = axi_now_master(m)};
    }
    rc = choose_target(m, task, mig, &node, reason);
    if (rc != 0) {
        if (task->flow.reason[0] == '\0') {
            task->flow.code = rc;
            axi_copy_text(task->flow.reason, AXI_REASON_BYTES, reason);
        }
        axi_flow_go(m, task, AXI_STEP_MIGRATE_GIVE_UP);
        return;
    }
    random[0] = m->port.random64(m->port.context);
    random[1] = m->port.random64(m->port.context);
    memcpy(mig->token, random, sizeof(mig->token));
    mig->phase = AXI_MIGRATION_PREPARING;
    mig->id = m->port.random64(m->port.context);
    mig->source = next.owner;
    mig->source_epoch = next.epoch;
    mig->target = node->id;
    mig->epoch = ++next.epoch_last;
    mig->attempts++;
    if (next.standby == node->id) { /* the warm standby makes room for the task itself */
        standby_epoch = next.standby_epoch;
        next.standby = next.standby_epoch = 0;
    }
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        struct axi_flow *flow = &task->flow;

        flow->source_ready = flow->target_ready = false;
        flow->target_standby = flow->target_prepared = flow->is_source_frozen = false;
        if (standby_epoch != 0) {
            axi_send_remove(m, node, next.id, standby_epoch, m->port.random64(m->port.context));
        }
        axi_event(m, AXI_INFO, "migration-started", task, node, "to %s, epoch %llu, attempt %u",
                  node->hello.name, (unsigned long long)mig->epoch, mig->attempts);
        axi_flow_go(m, task, AXI_STEP_MIGRATE_PREPARE);
    }
}

/* ---- prepare, transfer, switch: before the decision ---- */

static void send_in(struct axi_master *m, struct axi_task *task, struct axi_node *source,
                    struct axi_node *target)
{
    const struct axi_record *r = &task->record;
    axi_MigrateIn in = {.migration = r->migration.id,
                        .epoch = r->migration.epoch,
                        .source_id = r->migration.source,
                        .source_epoch = r->migration.source_epoch,
                        .release_ns = r->release_ns};

    in.image_from_master = source == NULL || axi_task_entry(r, source) != axi_task_entry(r, target);
    memcpy(in.token, r->migration.token, sizeof(in.token));
    axi_task_spec_wire(task, target, &in.spec);
    axi_send(m, target, AXI_WIRE_MIGRATE_IN, &in);
}

static void send_out(struct axi_master *m, struct axi_task *task, struct axi_node *source,
                     struct axi_node *target)
{
    const struct axi_record *r = &task->record;
    axi_MigrateOut out = {.migration = r->migration.id,
                          .task_id = r->id,
                          .epoch = r->migration.source_epoch,
                          .new_epoch = r->migration.epoch,
                          .target_id = r->migration.target,
                          .relay = r->migration.is_relayed};

    out.send_image = axi_task_entry(r, source) == axi_task_entry(r, target);
    memcpy(out.token, r->migration.token, sizeof(out.token));
    axi_copy_text(out.target_address, sizeof(out.target_address), target->hello.address);
    axi_send(m, source, AXI_WIRE_MIGRATE_OUT, &out);
}

void axi_migrate_prepare(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *source = axi_node_find(m, task->record.migration.source);
    struct axi_node *target = axi_node_find(m, task->record.migration.target);

    if (!task->flow.target_ready && axi_node_is_ready(target)) {
        send_in(m, task, source, target);
    }
    if (!task->flow.source_ready && axi_node_is_ready(source) && target != NULL) {
        send_out(m, task, source, target);
    }
}

void axi_migrate_transfer(struct axi_master *m, struct axi_task *task)
{
    axi_Transfer transfer = {.migration = task->record.migration.id};

    axi_send(m, axi_node_find(m, task->record.migration.source), AXI_WIRE_TRANSFER, &transfer);
}

void axi_migrate_switch(struct axi_master *m, struct axi_task *task)
{
    axi_Switch message = {.migration = task->record.migration.id};

    axi_send(m, axi_node_find(m, task->record.migration.source), AXI_WIRE_SWITCH, &message);
}

void axi_migrate_fail(struct axi_master *m, struct axi_task *task, int code, const char *reason)
{
    if (is_undecided(task)) {
        task->flow.code = code;
        axi_copy_text(task->flow.reason, AXI_REASON_BYTES, reason);
        axi_flow_go(m, task, AXI_STEP_MIGRATE_ABORT);
    }
}

void axi_migrate_timeout(struct axi_master *m, struct axi_task *task)
{
    const struct axi_flow *flow = &task->flow;
    char reason[AXI_REASON_BYTES];

    (void)snprintf(reason, sizeof(reason), "no answer in time (source %s, target %s)",
                   flow->source_ready ? "ready" : "silent",
                   flow->target_prepared  ? "prepared"
                   : flow->target_standby ? "standby"
                   : flow->target_ready   ? "ready"
                                          : "silent");
    axi_migrate_fail(m, task, -AXC_ETIMEOUT, reason);
}

void axi_migrate_link_down(struct axi_master *m, struct axi_task *task, struct axi_node *node)
{
    char reason[AXI_REASON_BYTES];

    if (!task->is_gone && is_undecided(task) && task->record.migration.target == node->id) {
        (void)snprintf(reason, sizeof(reason), "target %s disconnected", node->hello.name);
        axi_migrate_fail(m, task, -AXC_EUNAVAILABLE, reason);
    }
}

void axi_migrate_result(struct axi_master *m, struct axi_task *task, struct axi_node *node,
                        const axi_Result *result)
{
    const struct axi_migration *mig = &task->record.migration;
    struct axi_flow *flow = &task->flow;
    char reason[AXI_REASON_BYTES];

    if (flow->step == AXI_STEP_MIGRATE_RELEASE && flow->request_target == result->request) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_FINISH);
        return;
    }
    if (!is_undecided(task) || (node->id != mig->source && node->id != mig->target)) {
        return;
    }
    if (result->code != 0) {
        (void)snprintf(reason, sizeof(reason), "%.31s: %.120s", node->hello.name,
                       result->reason[0] != '\0' ? result->reason : axi_error_text(result->code));
        axi_migrate_fail(m, task, result->code, reason);
        return;
    }
    flow->source_ready |= node->id == mig->source;
    flow->target_ready |= node->id == mig->target;
    if (flow->step == AXI_STEP_MIGRATE_PREPARE && flow->source_ready && flow->target_ready) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_TRANSFER);
    }
}

/* ---- the decision ---- */

void axi_migrate_commit(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_migration *mig = &next.migration;
    const struct axi_node *source = axi_node_find(m, mig->source);
    struct axi_store_op lease = {.kind = AXI_STORE_CHECK};
    char key[40];
    size_t also = 0;

    next.owner = mig->target;
    next.epoch = mig->epoch;
    next.start = (struct axi_origin){mig->source_epoch, task->flow.target_job, 0};
    mig->phase = AXI_MIGRATION_COMMITTED;
    if (task->flow.is_source_dead && source != NULL) {
        (void)snprintf(key, sizeof(key), "lease/%llx", (unsigned long long)source->id);
        lease.key = key;
        lease.expected = source->lease_revision;
        also = 1;
        mig->is_restore = true;
        next.checkpoint_job = task->flow.target_job;
        next.release_ns = axi_record_shift(&next, task->flow.target_job,
                                           axi_now_master(m) + m->config.start_delay_ns);
    }
    if (axi_task_commit(m, task, &next, &lease, also) != 0) {
        return;
    }
    task->has_status = false; /* what is known is the source's */
    if (also != 0) {
        axi_event(m, AXI_WARNING, "restored", task, axi_node_find(m, mig->target),
                  "source died during migration; job %llu is repeated or next (declared)",
                  (unsigned long long)next.checkpoint_job);
    } else {
        axi_event(m, AXI_INFO, "migration-committed", task, axi_node_find(m, mig->target),
                  "epoch %llu", (unsigned long long)next.epoch);
    }
    axi_flow_go(m, task, AXI_STEP_MIGRATE_ACTIVATE);
}

static void send_decision(struct axi_master *m, struct axi_task *task, struct axi_node *node,
                          bool is_committed)
{
    const struct axi_record *r = &task->record;
    axi_Decision decision = {.migration = r->migration.id,
                             .task_id = r->id,
                             .epoch = r->migration.epoch,
                             .committed = is_committed,
                             .release_ns = r->release_ns};

    axi_copy_text(decision.reason, sizeof(decision.reason), r->migration.reason);
    axi_send(m, node, AXI_WIRE_DECISION, &decision);
}

void axi_migrate_activate(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *target = axi_node_find(m, task->record.migration.target);

    send_decision(m, task, target, true);
    if (task->has_status && task->status.state == AXI_SLOT_FENCED && axi_node_is_ready(target)) {
        axi_recover_go_on(m, task, target); /* its lease ran out before its first job */
    }
    if (task->flow.step == AXI_STEP_MIGRATE_ACTIVATE) {
        send_decision(m, task, axi_node_find(m, task->record.migration.source), true);
    }
}

void axi_migrate_release(struct axi_master *m, struct axi_task *task)
{
    const struct axi_migration *mig = &task->record.migration;
    struct axi_node *source = axi_node_find(m, mig->source);

    if (!axi_node_is_ready(source)) { /* its copy is stale: removed when it reports */
        axi_flow_go(m, task, AXI_STEP_MIGRATE_FINISH);
        return;
    }
    if (task->flow.request_target == 0) {
        task->flow.request_target = m->port.random64(m->port.context);
    }
    axi_send_remove(m, source, task->record.id, mig->source_epoch, task->flow.request_target);
}

void axi_migrate_finish(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_migration mig = next.migration;
    const struct axi_flow *flow = &task->flow;
    bool is_measured = flow->frozen_ns != 0 && flow->activated_ns > flow->frozen_ns;
    uint64_t blackout = is_measured ? flow->activated_ns - flow->frozen_ns : 0;

    next.migration = (struct axi_migration){0};
    if (axi_task_commit(m, task, &next, NULL, 0) != 0) {
        return;
    }
    axi_event(m, AXI_INFO, mig.is_restore ? "restore-finished" : "migration-finished", task,
              axi_node_find(m, next.owner), "%s -> %s, epoch %llu, attempt %u, blackout %llu us",
              axi_node_name(m, mig.source), axi_node_name(m, mig.target),
              (unsigned long long)mig.epoch, mig.attempts, (unsigned long long)(blackout / 1000));
    axi_op_end(m, flow->op, 0, mig.is_restore ? "the source died; the task was restored" : "",
               json_pack("{s:s, s:s, s:I, s:i, s:I, s:b, s:I}", "from",
                         axi_node_name(m, mig.source), "to", axi_node_name(m, mig.target), "epoch",
                         (json_int_t)mig.epoch, "attempts", (int)mig.attempts, "blackout_ns",
                         (json_int_t)blackout, "restored", mig.is_restore, "first_job",
                         (json_int_t)flow->target_job));
    axi_flow_idle(m, task);
    axi_replica_changed(m, task, 0, "moved");
}

/* ---- abort ---- */

void axi_migrate_abort(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_migration *mig = &next.migration;
    bool is_unreachable = task->flow.step == AXI_STEP_MIGRATE_ABORT && task->flow.target_ready &&
                          task->flow.source_ready && !task->flow.target_standby &&
                          task->flow.code == -AXC_EUNAVAILABLE &&
                          axi_node_is_ready(axi_node_find(m, mig->target));

    mig->phase = AXI_MIGRATION_ABORTED;
    axi_copy_text(mig->reason, sizeof(mig->reason), task->flow.reason);
    if (is_unreachable && !mig->is_relayed) {
        mig->is_relayed = true; /* the same target again, through the master */
    } else if (mig->tried_count < AXI_TRIED_MAX) {
        mig->tried[mig->tried_count++] = mig->target;
        mig->is_relayed = false;
    }
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        axi_event(m, AXI_WARNING, "migration-aborted", task, axi_node_find(m, mig->target),
                  "attempt %u: %s; the task goes on at %s", mig->attempts, mig->reason,
                  axi_node_name(m, mig->source));
        axi_flow_go(m, task, AXI_STEP_MIGRATE_UNDO);
    }
}

void axi_migrate_undo(struct axi_master *m, struct axi_task *task)
{
    const struct axi_migration *mig = &task->record.migration;

    send_decision(m, task, axi_node_find(m, mig->target), false);
    send_decision(m, task, axi_node_find(m, mig->source), false);
}

static void undone(struct axi_master *m, struct axi_task *task)
{
    if (task->flow.step == AXI_STEP_MIGRATE_UNDO) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_RESERVE);
    }
}

/* A source that never froze may have nothing to resume; one that froze is waited for. */
void axi_migrate_undo_timeout(struct axi_master *m, struct axi_task *task)
{
    const struct axi_node *source = axi_node_find(m, task->record.migration.source);

    if (!task->flow.is_source_frozen && axi_node_is_ready(source)) {
        undone(m, task);
    }
}

void axi_migrate_give_up(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    uint32_t attempts = next.migration.attempts;
    char reason[AXI_REASON_BYTES];

    axi_copy_text(reason, sizeof(reason),
                  next.migration.reason[0] != '\0' ? next.migration.reason : task->flow.reason);
    next.migration = (struct axi_migration){0};
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        int code = task->flow.code != 0 ? task->flow.code : -AXC_EABORTED;

        axi_event(m, AXI_ERROR, "migration-failed", task, axi_node_find(m, next.owner),
                  "after %u attempts: %s", attempts, reason);
        axi_op_end(m, task->flow.op, code, reason, NULL);
        axi_flow_idle(m, task);
        axi_replica_changed(m, task, code, "did not move");
    }
}

/* ---- what the nodes say ---- */

static const char *const phase_names[] = {"?",         "ready",     "standby", "frozen", "prepared",
                                          "activated", "confirmed", "failed",  "resumed"};

static void source_progress(struct axi_master *m, struct axi_task *task, const axi_Progress *p)
{
    struct axi_flow *flow = &task->flow;

    if (p->phase == AXI_PHASE_FROZEN) {
        if (!flow->is_source_frozen) { /* what is said again is said later */
            flow->frozen_ns = p->master_ns != 0 ? p->master_ns : axi_now_master(m);
        }
        flow->is_source_frozen = true;
    } else if (p->phase == AXI_PHASE_RESUMED) {
        flow->is_source_frozen = false;
        task->status.state = AXI_SLOT_ACTIVE;
        undone(m, task);
    }
}

static void target_progress(struct axi_master *m, struct axi_task *task, const axi_Progress *p)
{
    struct axi_flow *flow = &task->flow;

    flow->target_job = p->job;
    flow->target_standby |= p->phase == AXI_PHASE_STANDBY || p->phase == AXI_PHASE_PREPARED;
    flow->target_prepared |= p->phase == AXI_PHASE_PREPARED;
    if (p->phase == AXI_PHASE_ACTIVATED && flow->activated_ns == 0) {
        flow->activated_ns = p->master_ns != 0 ? p->master_ns : axi_now_master(m);
    }
    if (is_undecided(task) && flow->target_prepared) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_COMMIT);
    } else if (is_undecided(task) && flow->target_standby && flow->step < AXI_STEP_MIGRATE_SWITCH) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_SWITCH);
    } else if (p->phase == AXI_PHASE_ACTIVATED && flow->step == AXI_STEP_MIGRATE_ACTIVATE) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_CONFIRM);
    } else if (p->phase == AXI_PHASE_CONFIRMED && (flow->step == AXI_STEP_MIGRATE_ACTIVATE ||
                                                   flow->step == AXI_STEP_MIGRATE_CONFIRM)) {
        flow->request_target = 0;
        axi_flow_go(m, task, AXI_STEP_MIGRATE_RELEASE);
    }
}

static void party_failed(struct axi_master *m, struct axi_task *task, struct axi_node *node,
                         const axi_Progress *p, const char *reason)
{
    const struct axi_migration *mig = &task->record.migration;
    bool is_unknown = p->code == -AXC_ENOENT; /* the node knows no such migration */

    if (mig->phase == AXI_MIGRATION_PREPARING) {
        axi_migrate_fail(m, task, p->code != 0 ? p->code : -AXC_EABORTED, reason);
    } else if (mig->phase == AXI_MIGRATION_ABORTED && node->id == mig->source && is_unknown) {
        undone(m, task); /* it never heard of this attempt */
    } else if (mig->phase == AXI_MIGRATION_COMMITTED && node->id == mig->target) {
        if (is_unknown && task->has_status && task->seen_node == node->id) {
            task->flow.request_target = 0; /* confirmed long ago: its instance runs */
            axi_flow_go(m, task, AXI_STEP_MIGRATE_RELEASE);
        } else {
            axi_event(m, AXI_ERROR, "activation-failed", task, node, "%s", reason);
            axi_recover_missing(m, node, task, false);
        }
    }
}

void axi_migrate_progress(struct axi_master *m, struct axi_node *node, const axi_Progress *p)
{
    struct axi_task *task = axi_task_find(m, p->task_id);
    char reason[AXI_REASON_BYTES];
    char detail[96];

    if (task == NULL || task->record.migration.phase == AXI_MIGRATION_NONE ||
        task->record.migration.id != p->migration || p->phase > AXI_PHASE_RESUMED) {
        return;
    }
    (void)snprintf(detail, sizeof(detail), "%s at %.31s, job %llu", phase_names[p->phase],
                   node->hello.name, (unsigned long long)p->job);
    axi_op_step(m, task->flow.op, phase_names[p->phase], detail);
    if (p->phase == AXI_PHASE_FAILED) {
        (void)snprintf(reason, sizeof(reason), "%.31s: %.120s", node->hello.name,
                       p->reason[0] != '\0' ? p->reason : axi_error_text(p->code));
        party_failed(m, task, node, p, reason);
    } else if (node->id == task->record.migration.source) {
        source_progress(m, task, p);
    } else if (node->id == task->record.migration.target) {
        target_progress(m, task, p);
    }
}

void axi_migrate_query(struct axi_master *m, struct axi_node *node, const axi_QueryDecision *query)
{
    struct axi_task *task = axi_task_find(m, query->task_id);
    axi_Decision decision = {.migration = query->migration, .task_id = query->task_id};

    if (task != NULL && task->record.migration.id == query->migration &&
        task->record.migration.phase != AXI_MIGRATION_NONE) {
        if (task->record.migration.phase != AXI_MIGRATION_PREPARING) {
            send_decision(m, task, node, task->record.migration.phase == AXI_MIGRATION_COMMITTED);
        }
    } else if (task != NULL && task->record.owner == node->id &&
               task->record.epoch == query->epoch && task->record.state == AXI_TASK_RUNNING) {
        decision.epoch = query->epoch; /* an attempt long undone: the source goes on */
        axi_copy_text(decision.reason, sizeof(decision.reason), "aborted earlier");
        axi_send(m, node, AXI_WIRE_DECISION, &decision);
    } else if (task == NULL || task->record.holder != node->id) {
        axi_send_remove(m, node, query->task_id, query->epoch, m->port.random64(m->port.context));
    }
}
