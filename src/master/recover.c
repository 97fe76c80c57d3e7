/* SPDX-License-Identifier: Apache-2.0 */
/* What the nodes' words and deaths mean for a task.
 *
 * An instance a node reports is adopted when the record names that node and epoch; it is kept when
 * a migration or a restore still needs it; else it is stale and removed. When an owner dies: a
 * migration target that is PREPARED takes over; a holder's checkpoint (frozen source, standby
 * target, the store) is started elsewhere; with none the task is LOST. Nothing is ever begun anew
 * from zero. */
#include "master/internal.h"

#include <stdio.h>
#include <string.h>

/* A report may be older than what a manager started since, over a link of its own. */
#define REPORT_OLD_NS 3000000000ull

/* ---- level-triggered: what the owner's last report asks for ---- */

void axi_recover_go_on(struct axi_master *m, struct axi_task *task, struct axi_node *node)
{
    axi_Resume resume = {.request = m->port.random64(m->port.context),
                         .task_id = task->record.id,
                         .epoch = task->record.epoch};
    axi_Decision decision = {.migration = task->status.migration,
                             .task_id = task->record.id,
                             .epoch = task->record.epoch,
                             .release_ns = task->record.release_ns,
                             .reason = "aborted earlier"};

    /* A fence may have outlasted a manager's claim, and a record whose last commit has an unknown
     * outcome is not looked at: it is driven again when that is settled. */
    if (task->is_uncertain || axi_watch_refresh(m, task)) {
        return;
    }
    if (task->status.state == AXI_SLOT_FROZEN &&
        decision.migration != 0) { /* it froze for a migration that is no more */
        axi_send(m, node, AXI_WIRE_DECISION, &decision);
    } else {
        axi_send(m, node, AXI_WIRE_RESUME, &resume);
    }
}

static void end_task(struct axi_master *m, struct axi_task *task, enum axi_task_state state)
{
    task->flow.end_state = state;
    axi_copy_text(task->flow.reason, AXI_REASON_BYTES,
                  state == AXI_TASK_COMPLETED ? "all jobs are done"
                                              : axi_cause_name(task->status.last_cause));
    axi_flow_go(m, task, AXI_STEP_FINISH_RECORD);
}

void axi_idle(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);

    if (task->record.state != AXI_TASK_RUNNING || !task->has_status || !axi_node_is_ready(node)) {
        return;
    }
    switch (task->status.state) {
    case AXI_SLOT_FROZEN:
    case AXI_SLOT_FENCED:
        axi_recover_go_on(m, task, node);
        break;
    case AXI_SLOT_FINISHED:
        end_task(m, task, AXI_TASK_COMPLETED);
        break;
    case AXI_SLOT_FAILED:
        end_task(m, task, AXI_TASK_FAILED);
        break;
    default:
        break;
    }
}

/* ---- reports ---- */

/* A warm standby, also while it is being told to take over. */
static bool is_standby(const struct axi_record *r, uint64_t node, uint64_t epoch)
{
    bool is_kept = r->state == AXI_TASK_RUNNING || r->state == AXI_TASK_STARTING ||
                   r->state == AXI_TASK_RESTORING;

    return is_kept && r->standby == node && r->standby_epoch != 0 && r->standby_epoch == epoch;
}

/* A record that still needs an instance which does not own the task. */
static bool is_needed(const struct axi_task *task, uint64_t node, uint64_t epoch)
{
    const struct axi_record *r = &task->record;
    const struct axi_migration *mig = &r->migration;

    if (r->state == AXI_TASK_RESTORING &&
        ((r->holder == node && r->holder_epoch == epoch) ||
         (r->claim.manager != 0 && epoch >= r->epoch))) { /* a manager has it loaded */
        return true;
    }
    if (is_standby(r, node, epoch)) {
        return true;
    }
    switch (mig->phase) {
    case AXI_MIGRATION_PREPARING:
        return mig->target == node && mig->epoch == epoch;
    case AXI_MIGRATION_COMMITTED:
        return mig->source == node && mig->source_epoch == epoch;
    default:
        return false;
    }
}

/* The owner's instance, as it is now: does the flow wait for that? */
static void owner_changed(struct axi_master *m, struct axi_node *node, struct axi_task *task)
{
    struct axi_flow *flow = &task->flow;
    uint32_t state = task->status.state;
    bool has_ended = state == AXI_SLOT_FINISHED || state == AXI_SLOT_FAILED;

    if (flow->step == AXI_STEP_LAUNCH_START && state != AXI_SLOT_STANDBY &&
        state != AXI_SLOT_FREE) {
        axi_flow_go(m, task, AXI_STEP_LAUNCH_RECORD);
    } else if (flow->step == AXI_STEP_PROFILE_RUN && state == AXI_SLOT_FINISHED) {
        flow->request_target = 0;
        axi_flow_go(m, task, AXI_STEP_PROFILE_GET);
    } else if (task->is_ephemeral) {
        return;
    } else if (flow->step == AXI_STEP_MIGRATE_ACTIVATE || flow->step == AXI_STEP_MIGRATE_CONFIRM) {
        if (has_ended) { /* nothing more to confirm; the end is recorded once the source is released
                          */
            flow->request_target = 0;
            axi_flow_go(m, task, AXI_STEP_MIGRATE_RELEASE);
        } else if (state == AXI_SLOT_FENCED) {
            axi_flow_drive(m, task);
        }
    } else if (flow->step == AXI_STEP_MIGRATE_UNDO && node->id == task->record.migration.source &&
               (has_ended || (state == AXI_SLOT_ACTIVE && !flow->is_source_frozen))) {
        axi_flow_go(m, task, has_ended ? AXI_STEP_MIGRATE_GIVE_UP : AXI_STEP_MIGRATE_RESERVE);
    } else if (task->record.migration.phase == AXI_MIGRATION_PREPARING &&
               (has_ended || state == AXI_SLOT_FENCED)) {
        axi_migrate_fail(m, task, -AXC_ESTATE,
                         has_ended ? "the task ended before the switch" : "the source was fenced");
    } else if ((flow->step == AXI_STEP_MIGRATE_ACTIVATE ||
                flow->step == AXI_STEP_MIGRATE_CONFIRM) &&
               (has_ended || state == AXI_SLOT_FENCED)) {
        if (has_ended) { /* no first job will confirm any more, but it is activated for sure */
            flow->request_target = 0;
            axi_flow_go(m, task, AXI_STEP_MIGRATE_RELEASE);
        } else {
            axi_flow_drive(m, task);
        }
    } else if (flow->step == AXI_STEP_STOP_HALT && has_ended) {
        end_task(m, task, state == AXI_SLOT_FINISHED ? AXI_TASK_COMPLETED : AXI_TASK_FAILED);
    } else if (flow->step == AXI_STEP_IDLE) {
        axi_flow_drive(m, task);
    }
}

void axi_recover_instance(struct axi_master *m, struct axi_node *node,
                          const axi_InstanceStatus *status)
{
    struct axi_task *task = axi_task_find(m, status->task_id);

    if (status->state == AXI_SLOT_FREE) {
        return;
    }
    if (task != NULL && task->record.owner == node->id && task->record.epoch == status->epoch &&
        task->record.state != AXI_TASK_STOPPED) {
        bool is_news = !task->has_status || task->status.state != status->state ||
                       task->seen_round != node->round;

        task->status = *status;
        task->has_status = true;
        task->seen_node = node->id;
        task->seen_round = node->round;
        task->reported_ns = axi_now(m);
        if (is_news) {
            owner_changed(m, node, task);
        }
        return;
    }
    if (task != NULL && (task->is_uncertain || is_needed(task, node->id, status->epoch))) {
        return; /* said again with the next full round */
    }
    if (task != NULL && axi_watch_refresh(m, task)) {
        if (!m->is_watch_lost && !task->is_gone) { /* judged by what the record says now */
            axi_recover_instance(m, node, status);
        }
        return;
    }
    axi_event(m, AXI_WARNING, "instance-stale", task, node, "removes task %llx epoch %llu",
              (unsigned long long)status->task_id, (unsigned long long)status->epoch);
    axi_send_remove(m, node, status->task_id, status->epoch, m->port.random64(m->port.context));
}

void axi_recover_histogram(struct axi_master *m, const struct axi_node *node,
                           const axi_Histogram *histogram)
{
    struct axi_task *task = axi_task_find(m, histogram->task_id);

    if (task != NULL && task->record.owner == node->id && task->record.epoch == histogram->epoch) {
        task->histogram = *histogram;
    }
}

void axi_recover_event(struct axi_master *m, struct axi_node *node, const axi_NodeEvent *event)
{
    struct axi_task *task = axi_task_find(m, event->task_id);
    static const uint32_t states[] = {[AXI_TRACE_FROZEN] = AXI_SLOT_FROZEN,
                                      [AXI_TRACE_RESUMED] = AXI_SLOT_ACTIVE,
                                      [AXI_TRACE_FENCED] = AXI_SLOT_FENCED,
                                      [AXI_TRACE_FINISHED] = AXI_SLOT_FINISHED,
                                      [AXI_TRACE_FAILED] = AXI_SLOT_FAILED};

    axi_event(m, AXI_INFO, "node-event", task, node, "%s %s job %llu detail %llu",
              axi_trace_kind_name(event->kind), axi_cause_name(event->cause),
              (unsigned long long)event->job, (unsigned long long)event->detail);
    if (task == NULL || task->record.owner != node->id || task->record.epoch != event->epoch ||
        event->kind >= sizeof(states) / sizeof(states[0]) || states[event->kind] == 0 ||
        event->kind == AXI_TRACE_FROZEN) {
        return;
    }
    task->status.task_id = event->task_id;
    task->status.epoch = event->epoch;
    task->status.state = states[event->kind];
    task->status.last_cause = event->cause;
    task->has_status = true;
    owner_changed(m, node, task);
}

/* ---- deaths ---- */

/* The owner's instance is gone for good; holder (0 = none) has a checkpoint of it. */
void axi_restore_begin(struct axi_master *m, struct axi_task *task, uint64_t dead, bool is_certain,
                       uint64_t holder, uint64_t holder_epoch)
{
    const struct axi_node *node = axi_node_find(m, holder);
    bool is_there = node != NULL && !node->is_dead;

    task->flow.is_certain = is_certain;
    task->flow.claimed_node = dead;
    task->flow.claimed_holder = is_there ? holder : 0;
    task->flow.claimed_holder_epoch = is_there ? holder_epoch : 0;
    task->flow.request_target = 0;
    task->flow.wanted = 0;
    task->flow.tried_count = task->flow.attempts = 0;
    axi_incoming_clear(&task->flow.incoming);
    axi_flow_go(m, task, AXI_STEP_RESTORE_CLAIM);
}

/* Who besides the owner holds a checkpoint. */
static void find_holder(const struct axi_record *r, uint64_t *ret_holder, uint64_t *ret_epoch)
{
    const struct axi_migration *mig = &r->migration;

    *ret_holder = *ret_epoch = 0;
    if (mig->phase == AXI_MIGRATION_PREPARING) {
        *ret_holder = mig->target;
        *ret_epoch = mig->epoch;
    } else if (mig->phase == AXI_MIGRATION_COMMITTED) {
        *ret_holder = mig->source;
        *ret_epoch = mig->source_epoch;
    }
}

/* The target validated the final state: it takes over although the source is dead. */
static bool take_over(struct axi_master *m, struct axi_task *task)
{
    const struct axi_migration *mig = &task->record.migration;

    if (mig->phase != AXI_MIGRATION_PREPARING || !task->flow.target_prepared ||
        !axi_node_is_ready(axi_node_find(m, mig->target))) {
        return false;
    }
    task->flow.is_source_dead = true;
    axi_flow_go(m, task, AXI_STEP_MIGRATE_COMMIT);
    return true;
}

/* At once when the instance is gone for sure, or when a migration's source kept the final state and
 * the target that owns the task had joined this master; else the owner may only be cut off, or not
 * yet back, and what it has is worth waiting for. */
static void owner_gone(struct axi_master *m, struct axi_node *node, struct axi_task *task)
{
    uint64_t holder;
    uint64_t epoch;
    bool is_certain = !node->is_dead;

    find_holder(&task->record, &holder, &epoch);
    if (take_over(m, task)) {
        return;
    }
    if (axi_is_replaceable(&task->record)) {
        axi_replica_gone(m, task, node->id, is_certain);
        return;
    }
    if (is_certain || (task->record.migration.phase == AXI_MIGRATION_COMMITTED &&
                       axi_node_is_ready(axi_node_find(m, holder)) && node->joined_ns != 0)) {
        axi_restore_begin(m, task, node->id, is_certain, holder, epoch);
        return;
    }
    task->flow.claimed_node = node->id;
    axi_flow_go(m, task,
                axi_is_for_managers(m, task) ? AXI_STEP_RESTORE_DELEGATED : AXI_STEP_RESTORE_WAIT);
}

static void migration_party_dead(struct axi_master *m, struct axi_node *node, struct axi_task *task)
{
    const struct axi_migration *mig = &task->record.migration;

    if (mig->phase == AXI_MIGRATION_PREPARING && node->id == mig->target) {
        axi_migrate_fail(m, task, -AXC_EUNAVAILABLE, "the target died");
    } else if (mig->phase == AXI_MIGRATION_COMMITTED && node->id == mig->source &&
               task->flow.step == AXI_STEP_MIGRATE_RELEASE) {
        axi_flow_go(m, task, AXI_STEP_MIGRATE_FINISH);
    }
}

/* An instance that may have run on `node` runs no more. */
static void instance_gone(struct axi_master *m, struct axi_node *node, struct axi_task *task)
{
    switch (task->record.state) {
    case AXI_TASK_PLACING:
        axi_launch_timeout(m, task);
        break;
    case AXI_TASK_STARTING:
    case AXI_TASK_RUNNING:
    case AXI_TASK_STOPPING:
        owner_gone(m, node, task);
        break;
    case AXI_TASK_DELETING:
        axi_flow_go(m, task, AXI_STEP_DELETE_RECORD);
        break;
    default:
        break;
    }
}

void axi_recover_dead(struct axi_master *m, struct axi_node *node, struct axi_task *task)
{
    const struct axi_record *r = &task->record;

    if (task->is_gone) {
        return;
    }
    if (task->is_ephemeral) {
        if (r->owner == node->id) {
            axi_profile_timeout(m, task);
        }
    } else if (r->owner != node->id) {
        migration_party_dead(m, node, task);
        if (r->state == AXI_TASK_RESTORING && r->holder == node->id) {
            axi_flow_drive(m, task);
        }
    } else if (r->spec.continue_isolated && !axi_is_replaceable(r) &&
               r->state == AXI_TASK_RUNNING && r->migration.phase == AXI_MIGRATION_NONE) {
        axi_event(m, AXI_WARNING, "isolated", task, node,
                  "may go on running cut off; not restored automatically");
    } else {
        instance_gone(m, node, task);
    }
}

/* The node says that it does not have the instance (any more). */
void axi_recover_missing(struct axi_master *m, struct axi_node *node, struct axi_task *task,
                         bool is_new_boot)
{
    if (task->is_ephemeral || task->is_uncertain || axi_watch_refresh(m, task) ||
        axi_is_delegated(m, task) ||
        (task->adopted_ns != 0 && axi_now(m) - task->adopted_ns < REPORT_OLD_NS)) {
        return;
    }
    if (task->record.state == AXI_TASK_STARTING && !is_new_boot) {
        axi_Result refused = {.code = -AXC_ENOENT, .reason = "the loaded instance is gone"};

        axi_launch_result(m, task, &refused);
        return;
    }
    if (task->record.state != AXI_TASK_PLACING) {
        instance_gone(m, node, task);
    }
}

/* The dead node alone has the task's newest state. It may only be cut off: should it come back in
 * time with its fenced instance, nothing is lost. So nobody else takes the task for a while. */
void axi_restore_wait(struct axi_master *m, struct axi_task *task)
{
    const struct axi_node *node = axi_node_find(m, task->flow.claimed_node);
    uint64_t holder;
    uint64_t epoch;
    uint64_t allowed;

    if (!task->flow.is_warned) {
        task->flow.is_warned = true;
        axi_event(m, AXI_WARNING, "owner-cut-off", task, node,
                  "only that node has its state; waits %llu ms for it",
                  (unsigned long long)(m->config.lost_after_ns / 1000000));
        axi_op_end(m, task->flow.op, -AXC_EUNAVAILABLE, "its node died or is cut off", NULL);
    }
    if (axi_node_is_ready(node)) {
        axi_flow_clear(&task->flow);
        axi_flow_resume(m, task);
        return;
    }
    if (take_over(m, task) || axi_delegate_undecided(m, task)) {
        return;
    }
    find_holder(&task->record, &holder, &epoch);
    allowed = task->record.migration.phase == AXI_MIGRATION_COMMITTED &&
                      axi_node_is_ready(axi_node_find(m, holder))
                  ? 4 * m->config.lease_ns
                  : m->config.lost_after_ns;
    if (node == NULL || axi_now(m) - node->died_local_ns > allowed) {
        task->flow.is_warned = false;
        axi_restore_begin(m, task, task->flow.claimed_node, false, holder, epoch);
    }
}

/* ---- restore: claim -> fetch -> keep -> place ... ---- */

int axi_prove_gone(struct axi_master *m, struct axi_task *task, struct axi_store_op *ret_op,
                   char *key)
{
    struct axi_node *dead = axi_node_find(m, task->flow.claimed_node);

    if (dead == NULL || task->flow.is_certain || m->config.skip_lease_wait) {
        return 0;
    }
    if (!dead->is_dead || !axi_node_is_gone(m, dead)) {
        if (!dead->is_dead) { /* it was only cut off from this master */
            axi_flow_clear(&task->flow);
            axi_flow_resume(m, task);
        }
        return -AXC_EBUSY;
    }
    (void)snprintf(key, 40, "lease/%llx", (unsigned long long)dead->id);
    *ret_op = (struct axi_store_op){.kind = AXI_STORE_CHECK,
                                    .key = key,
                                    .expected = dead->lease_revision /* 0: never had one */};
    return 1;
}

void axi_restore_claim(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_node *dead = axi_node_find(m, task->flow.claimed_node);
    struct axi_store_op lease;
    char key[40];
    int also = axi_prove_gone(m, task, &lease, key);

    if (also < 0) {
        return;
    }
    if (next.state != AXI_TASK_RESTORING || next.claim.dead == 0) {
        next.claim =
            (struct axi_claim){.dead = task->flow.claimed_node, .dead_epoch = task->record.epoch};
    }
    next.claim.manager = 0;
    next.state = AXI_TASK_RESTORING;
    next.is_restore = true;
    next.owner = 0;
    next.holder = task->flow.claimed_holder;
    next.holder_epoch = task->flow.claimed_holder_epoch;
    next.migration = (struct axi_migration){0};
    if (axi_task_commit(m, task, &next, &lease, (size_t)also) == 0) {
        task->has_status = false;
        axi_event(m, AXI_WARNING, "claimed", task, dead, "its instance is gone; checkpoint: %s",
                  next.holder != 0      ? axi_node_name(m, next.holder)
                  : next.has_checkpoint ? "the store"
                                        : "none");
        if (next.holder != 0 || next.has_checkpoint) { /* LOST ends it with that word */
            axi_op_end(m, task->flow.op, -AXC_EUNAVAILABLE,
                       "its node died; the task is being restored", NULL);
        }
        axi_flow_go(m, task, AXI_STEP_RESTORE_FETCH);
    }
}

/* No holder (any more): the store's checkpoint, or none at all. */
static void without_holder(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;

    if (axi_is_for_managers(m, task)) {
        axi_delegate(m, task);
        return;
    }
    if (!next.has_checkpoint) {
        axi_flow_go(m, task, AXI_STEP_RESTORE_LOST);
        return;
    }
    next.claim = (struct axi_claim){0};
    next.start = (struct axi_origin){0};
    next.holder = 0;
    next.state = AXI_TASK_PLACING;
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        axi_event(m, AXI_WARNING, "restored", task, NULL,
                  "from the stored checkpoint; jobs from %llu on are repeated (declared)",
                  (unsigned long long)next.checkpoint_job);
        axi_flow_go(m, task, AXI_STEP_LAUNCH_PLACE);
    }
}

void axi_restore_fetch(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *holder = axi_node_find(m, task->record.holder);
    axi_GetCheckpoint get = {.task_id = task->record.id, .epoch = task->record.holder_epoch};

    if (holder == NULL ||
        (holder->is_dead && axi_now(m) - holder->died_local_ns > m->config.lost_after_ns)) {
        without_holder(m, task);
    } else if (axi_node_is_ready(holder)) {
        if (task->flow.request_target == 0) {
            task->flow.request_target = m->port.random64(m->port.context);
        }
        get.request = task->flow.request_target;
        axi_send(m, holder, AXI_WIRE_GET_CHECKPOINT, &get);
    }
}

void axi_restore_result(struct axi_master *m, struct axi_task *task, const axi_Result *result)
{
    const struct axi_incoming *in = &task->flow.incoming;

    if (task->flow.step == AXI_STEP_RESTORE_DELEGATED && result->code == 0) {
        axi_restore_begin(m, task, task->record.owner, true, 0, 0); /* the target dropped it */
    }
    if (task->flow.step != AXI_STEP_RESTORE_FETCH) {
        return;
    }
    if (result->code != 0) {
        without_holder(m, task);
    } else if (in->bytes != NULL && in->received == in->total) {
        axi_flow_go(m, task, AXI_STEP_RESTORE_KEEP);
    }
}

void axi_restore_keep(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_node *holder = axi_node_find(m, next.holder);
    uint64_t epoch = next.holder_epoch;
    int rc;

    next.state = AXI_TASK_PLACING;
    next.holder = 0;
    next.claim = (struct axi_claim){0};
    rc = axi_record_checkpoint(m, task, &next);
    if (rc == 0) {
        axi_event(m, AXI_WARNING, "restored", task, holder,
                  "from the checkpoint of its node; jobs from %llu on are repeated (declared)",
                  (unsigned long long)next.checkpoint_job);
        axi_send_remove(m, holder, next.id, epoch, m->port.random64(m->port.context));
        task->flow.request_target = 0;
        axi_flow_go(m, task, AXI_STEP_LAUNCH_PLACE);
    } else if (rc <= -100 && rc > -130) { /* AXC_ECKPT_*: not usable */
        without_holder(m, task);
    }
}

void axi_restore_lost(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;

    next.state = AXI_TASK_LOST;
    next.claim = (struct axi_claim){0};
    axi_copy_text(next.reason, sizeof(next.reason), axi_error_text(AXC_ELOST));
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        axi_event(
            m, AXI_ERROR, "LOST", task, NULL,
            "%s is LOST: its node died and no checkpoint exists anywhere; delete it, or deploy "
            "it anew to begin from zero",
            next.name);
        axi_flow_fail(m, task, -AXC_ELOST, next.reason);
        axi_replica_changed(m, task, -AXC_ELOST, next.reason);
    }
}
