/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/replica.h"

#include "master/service/service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool axi_is_replaceable(const struct axi_record *record)
{
    return record->service[0] != '\0' && strcmp(record->restorer, "master") == 0;
}

bool axi_is_new_replica(const struct axi_record *record)
{
    bool is_launching = record->state == AXI_TASK_PLACING || record->state == AXI_TASK_STARTING;

    /* a checkpoint without a seed is its own: it ran before */
    return record->service[0] != '\0' && is_launching && !record->is_restore &&
           (record->seed != 0 || !record->has_checkpoint);
}

void axi_replica_changed(struct axi_master *m, const struct axi_task *task, int code,
                         const char *reason)
{
    if (task->record.service[0] != '\0' && !m->is_crashed) {
        axi_service_replica_changed(m, task, code, reason);
    }
}

/* ---- create ---- */

static void fill_spec(const struct axi_replica_request *request, struct axi_record *record)
{
    const struct axi_service_spec *spec = request->spec;
    const struct axi_image_info *image = request->image;

    record->spec = image->spec;
    record->spec.criticality = spec->criticality;
    record->spec.jobs = spec->jobs != 0 ? spec->jobs : record->spec.jobs;
    record->spec.backlog_max = spec->backlog_max != 0          ? spec->backlog_max
                               : record->spec.backlog_max != 0 ? record->spec.backlog_max
                                                               : AXI_BACKLOG_DEFAULT;
    record->spec.continue_isolated = false; /* a dead node's replica is replaced */
    memcpy(record->image, image->digest, sizeof(record->image));
    memcpy(record->entries, image->entries, sizeof(record->entries));
    record->entry_count = image->entry_count;
    for (uint32_t e = 0; e < record->entry_count; e++) {
        for (uint32_t w = 0; w < spec->wcet_count; w++) {
            if (strcmp(spec->wcets[w].platform, record->entries[e].platform) == 0) {
                record->entries[e].wcet_ns = spec->wcets[w].wcet_ns;
            }
        }
    }
}

static void fill(struct axi_master *m, const struct axi_replica_request *request,
                 struct axi_record *record)
{
    const struct axi_task *seed = axi_task_find(m, request->seed);

    fill_spec(request, record);
    (void)snprintf(record->name, sizeof(record->name), "%s-%" PRIu32, request->spec->name,
                   request->number);
    axi_copy_text(record->service, sizeof(record->service), request->spec->name);
    axi_copy_text(record->restorer, sizeof(record->restorer),
                  request->is_restored_by_managers ? "managers" : "master");
    axi_copy_text(record->output_address, sizeof(record->output_address), request->output_address);
    record->output_from = request->output_from;
    record->id = request->id != 0 ? request->id : m->port.random64(m->port.context) | 1;
    record->created_ns = axi_now_master(m);
    record->state = AXI_TASK_PLACING;
    record->replica = request->number;
    record->assurance_min = request->assurance_min;
    record->owner = request->node;
    record->seed = request->rule != AXI_STATE_RESTART ? request->seed : 0;
    record->seed_rule = request->rule;
    record->release_ns = request->release_ns;
    if (request->is_restored_by_managers && seed != NULL && seed->record.release_ns != 0) {
        record->release_ns = seed->record.release_ns; /* a restore may have shifted it */
    }
    record->is_grid_fixed = record->release_ns != 0 && !(request->may_shift && record->seed != 0);
}

int axi_replica_create(struct axi_master *m, const struct axi_replica_request *request,
                       const struct axi_store_op *also, size_t also_count, uint64_t *ret_task,
                       char *ret_reason)
{
    struct axi_record record = {0};
    struct axi_task *task;
    int rc;

    fill(m, request, &record);
    if (axi_task_lookup(m, record.name) != NULL) {
        return axi_refuse(ret_reason, AXC_EEXIST, "task %s exists already", record.name);
    }
    rc = axi_seed_check(m, &record, ret_reason);
    if (rc != 0) {
        return rc;
    }
    task = axi_task_add(m, &record, 0);
    if (task == NULL) {
        return axi_refuse(ret_reason, AXC_ENOMEM, "%s", axi_error_text(AXC_ENOMEM));
    }
    rc = axi_task_commit(m, task, &record, also, also_count);
    if (rc == 0 || rc == -AXC_ETIMEOUT) { /* unknown: placing it settles that */
        *ret_task = record.id;
        axi_event(m, AXI_INFO, "replica", task, axi_node_find(m, record.owner),
                  "of service %s: begins with the state of %s", record.service,
                  record.seed == 0 ? "none, all zero"
                  : axi_task_find(m, record.seed) != NULL
                      ? axi_task_find(m, record.seed)->record.name
                      : "one that is gone");
        axi_flow_go(m, task, AXI_STEP_LAUNCH_PLACE);
        return rc == 0 ? 0 : axi_refuse(ret_reason, AXC_ETIMEOUT, "%s", axi_error_text(rc));
    }
    axi_task_drop(m, task);
    return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
}

/* ---- its ends ---- */

static void checkpoint_deletion(const struct axi_task *task, struct axi_store_op *ret_op,
                                char key[40])
{
    (void)snprintf(key, 40, "checkpoint/%016llx", (unsigned long long)task->record.id);
    *ret_op =
        (struct axi_store_op){.kind = AXI_STORE_DELETE, .key = key, .expected = AXI_STORE_ANY};
}

void axi_replica_give_up(struct axi_master *m, struct axi_task *task, int code, const char *reason)
{
    struct axi_store_op op;
    char text[AXI_REASON_BYTES];
    char key[40];

    (void)snprintf(text, sizeof(text), "%s", reason);
    checkpoint_deletion(task, &op, key);
    if (axi_task_commit(m, task, NULL, &op, 1) != 0) {
        return; /* its step is driven again */
    }
    axi_event(m, AXI_WARNING, "replica-refused", task, axi_node_find(m, task->record.owner), "%s",
              text);
    axi_op_end(m, task->flow.op, code, text, NULL);
    axi_task_drop(m, task);
    axi_replica_changed(m, task, code, text);
}

void axi_replica_gone(struct axi_master *m, struct axi_task *task, uint64_t node, bool is_certain)
{
    task->flow.is_certain = is_certain;
    task->flow.claimed_node = node;
    task->flow.request_target = 0;
    axi_incoming_clear(&task->flow.incoming);
    axi_flow_go(m, task, AXI_STEP_REPLICA_LOST);
}

/* Nothing of it runs any more, and nothing will: its service replaces it. */
void axi_replica_lost(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_node *node = axi_node_find(m, task->flow.claimed_node);
    struct axi_store_op lease;
    char key[40];
    int also = axi_prove_gone(m, task, &lease, key);

    if (also < 0) {
        return;
    }
    next.state = AXI_TASK_LOST;
    next.owner = 0;
    next.migration = (struct axi_migration){0};
    next.claim = (struct axi_claim){0};
    (void)snprintf(next.reason, sizeof(next.reason), "its node %s %s",
                   axi_node_name(m, task->flow.claimed_node),
                   task->flow.is_certain ? "lost it" : "is dead");
    if (axi_task_commit(m, task, &next, &lease, (size_t)also) != 0) {
        return;
    }
    task->has_status = false;
    axi_event(m, AXI_WARNING, "replica-lost", task, node, "%s; it is replaced", next.reason);
    axi_op_end(m, task->flow.op, -AXC_ELOST, next.reason, NULL);
    axi_flow_idle(m, task);
    axi_replica_changed(m, task, -AXC_ELOST, next.reason);
}

void axi_replica_remove(struct axi_master *m, uint64_t id)
{
    struct axi_task *task = axi_task_find(m, id);
    struct axi_record next;

    if (task == NULL || task->record.state == AXI_TASK_DELETING) {
        return;
    }
    next = task->record;
    next.state = AXI_TASK_DELETING;
    next.migration = (struct axi_migration){0}; /* the instance it leaves behind is stale */
    next.claim = (struct axi_claim){0};
    if (axi_task_commit(m, task, &next, NULL, 0) != 0) {
        return; /* the caller comes again */
    }
    axi_op_end(m, task->flow.op, -AXC_ECANCELLED, "the replica is removed", NULL);
    axi_flow_clear(&task->flow);
    axi_flow_go(m, task, AXI_STEP_DELETE_REMOVE);
}

/* ---- look ---- */

static enum axi_replica_state state_of(const struct axi_task *task)
{
    const struct axi_record *r = &task->record;

    switch (r->state) {
    case AXI_TASK_PLACING:
        return !r->is_restore         ? AXI_REPLICA_STARTING
               : task->flow.is_warned ? AXI_REPLICA_WAITING
                                      : AXI_REPLICA_RESTORING;
    case AXI_TASK_STARTING:
        return r->is_restore ? AXI_REPLICA_RESTORING : AXI_REPLICA_STARTING;
    case AXI_TASK_RUNNING:
        return task->flow.step == AXI_STEP_RESTORE_DELEGATED ||
                       task->flow.step == AXI_STEP_RESTORE_WAIT
                   ? AXI_REPLICA_RESTORING
               : r->migration.phase != AXI_MIGRATION_NONE ? AXI_REPLICA_MOVING
                                                          : AXI_REPLICA_RUNNING;
    case AXI_TASK_RESTORING:
        return AXI_REPLICA_RESTORING;
    case AXI_TASK_COMPLETED:
        return AXI_REPLICA_ENDED;
    case AXI_TASK_STOPPING:
    case AXI_TASK_DELETING:
        return AXI_REPLICA_LEAVING;
    default:
        return AXI_REPLICA_FAILED;
    }
}

void axi_replica_look(struct axi_master *m, uint64_t id, struct axi_replica_view *ret_view)
{
    const struct axi_task *task = axi_task_find(m, id);

    *ret_view = (struct axi_replica_view){.reason = ""};
    if (task == NULL) {
        return;
    }
    ret_view->state = state_of(task);
    ret_view->node = task->record.owner;
    ret_view->reason =
        task->record.state == AXI_TASK_STOPPED ? "stopped by hand" : task->record.reason;
    if (task->has_status) {
        ret_view->next_job = task->status.next_job;
        ret_view->completed = task->status.completed;
        ret_view->missed = task->status.missed;
        ret_view->killed = task->status.killed;
    }
}
