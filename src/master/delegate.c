/* SPDX-License-Identifier: Apache-2.0 */
/* Restores that are left to the checkpoint managers: the master only watches the record, and acts
 * when they do nothing for too long. Both act by compare-and-swap only. */
#include "master/internal.h"

#include <string.h>

bool axi_is_delegated(const struct axi_master *m, const struct axi_task *task)
{
    const struct axi_record *r = &task->record;

    if (r->claim.dead == 0 || strcmp(r->restorer, "master") == 0) {
        return false;
    }
    if (r->state == AXI_TASK_STARTING) {
        return r->claim.manager != 0;
    }
    return r->state == AXI_TASK_RESTORING &&
           (r->claim.manager != 0 ||
            (r->holder == 0 && axi_managers_known(m) && !task->flow.is_own_restore));
}

/* Restores are the managers' while one can claim; migrations are decided here. */
bool axi_is_for_managers(const struct axi_master *m, const struct axi_task *task)
{
    const struct axi_record *r = &task->record;

    return axi_managers_known(m) && strcmp(r->restorer, "master") != 0 &&
           r->migration.phase == AXI_MIGRATION_NONE && !task->flow.is_own_restore &&
           (r->state == AXI_TASK_RUNNING || r->state == AXI_TASK_STARTING ||
            r->state == AXI_TASK_RESTORING);
}

/* The source died before its target had the final state: nobody but a manager has its checkpoints,
 * so the attempt is undone on paper and the task left to them. */
bool axi_delegate_undecided(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_node *target = axi_node_find(m, next.migration.target);
    uint64_t epoch = next.migration.epoch;
    int rc;

    if (!axi_managers_known(m) || strcmp(next.restorer, "master") == 0 ||
        next.state != AXI_TASK_RUNNING || task->flow.is_own_restore ||
        (next.migration.phase != AXI_MIGRATION_PREPARING &&
         next.migration.phase != AXI_MIGRATION_ABORTED)) {
        return false;
    }
    next.migration = (struct axi_migration){0};
    rc = axi_task_commit(m, task, &next, NULL, 0);
    if (rc != 0) {
        return rc == -AXC_ECONFLICT; /* then all is derived anew */
    }
    axi_send_remove(m, target, next.id, epoch, m->port.random64(m->port.context));
    axi_flow_go(m, task, AXI_STEP_RESTORE_DELEGATED);
    return true;
}

/* Nobody but a manager may hold a checkpoint of it. */
void axi_delegate(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;

    next.holder = next.holder_epoch = 0;
    if (task->record.holder == 0 || axi_task_commit(m, task, &next, NULL, 0) == 0) {
        axi_flow_go(m, task, AXI_STEP_RESTORE_DELEGATED);
    }
}

/* No manager has done anything for too long: the master restores it with what the cluster store
 * has, as it does without managers. */
static void take_back(struct axi_master *m, struct axi_task *task)
{
    const struct axi_record *r = &task->record;
    struct axi_node *owner = axi_node_find(m, r->owner);
    uint64_t dead = r->state == AXI_TASK_RESTORING ? r->claim.dead : task->flow.claimed_node;

    if (!task->flow.is_own_restore) {
        axi_event(m, AXI_WARNING, "managers-silent", task, NULL,
                  "no manager restored it in time; the master does");
    }
    task->flow.is_own_restore = true;
    if (r->state != AXI_TASK_STARTING || r->claim.manager == 0 || owner == NULL) {
        axi_restore_begin(m, task, dead, r->state == AXI_TASK_RESTORING, 0, 0);
    } else if (owner->is_dead) {
        axi_restore_begin(m, task, owner->id, false, 0, 0);
    } else if (axi_node_is_ready(owner) && task->has_status &&
               task->status.state == AXI_SLOT_ACTIVE) {
        axi_flow_go(m, task, AXI_STEP_LAUNCH_RECORD);
    } else if (axi_node_is_ready(owner)) { /* what may still be started must be gone first */
        if (task->flow.request_target == 0) {
            task->flow.request_target = m->port.random64(m->port.context);
        }
        axi_send_remove(m, owner, r->id, r->epoch, task->flow.request_target);
    }
}

void axi_restore_delegated(struct axi_master *m, struct axi_task *task)
{
    const struct axi_record *r = &task->record;
    bool is_claimed = axi_is_delegated(m, task) && r->claim.manager != 0;
    struct axi_node *node = axi_node_find(m, is_claimed ? r->owner : task->flow.claimed_node);
    bool is_in_hand = is_claimed && axi_manager_is_present(m, r->claim.manager);
    uint64_t waited = axi_now(m) - task->flow.entered_ns;

    if (!is_claimed && r->state != AXI_TASK_RESTORING && axi_node_is_ready(node)) {
        axi_flow_clear(&task->flow); /* it was only cut off */
        axi_flow_resume(m, task);
        return;
    }
    if (!task->flow.is_warned) {
        task->flow.is_warned = true;
        if (!task->is_delegation_said) {
            axi_event(m, AXI_WARNING, "restore-delegated", task, node, "left to %s",
                      is_claimed ? axi_manager_name(m, r->claim.manager) : "the managers");
        }
        task->is_delegation_said = true;
        axi_op_end(m, task->flow.op, -AXC_EUNAVAILABLE, "its node died; the task is being restored",
                   NULL);
    }
    if (!is_in_hand &&
        waited > (axi_managers_present(m) ? m->config.lost_after_ns : 4 * m->config.lease_ns)) {
        take_back(m, task);
    }
}
