/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping (halt -> keep -> remove), deleting (unload -> forget), and the end of a task. */
#include "core/checkpoint.h"
#include "master/internal.h"

#include <stdio.h>
#include <string.h>

static void draw_request(struct axi_master *m, struct axi_task *task)
{
    if (task->flow.request_target == 0) {
        task->flow.request_target = m->port.random64(m->port.context);
    }
}

void axi_stop_halt(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);
    axi_Halt halt = {
        .task_id = task->record.id, .epoch = task->record.epoch, .want_checkpoint = true};

    if (axi_node_is_ready(node)) {
        draw_request(m, task);
        halt.request = task->flow.request_target;
        axi_send(m, node, AXI_WIRE_HALT, &halt);
    }
}

/* The node cannot give the checkpoint: the task goes on. */
static void stop_failed(struct axi_master *m, struct axi_task *task, const axi_Result *result)
{
    struct axi_record next = task->record;

    next.state = AXI_TASK_RUNNING;
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        axi_flow_fail(m, task, result->code,
                      result->reason[0] != '\0' ? result->reason : axi_error_text(result->code));
    }
}

int axi_record_checkpoint(struct axi_master *m, struct axi_task *task, struct axi_record *next)
{
    const struct axi_incoming *in = &task->flow.incoming;
    const struct axi_task_spec *spec = &next->spec;
    struct axi_checkpoint checkpoint;
    struct axi_checkpoint_expect expect = {.task_id = next->id,
                                           .epoch_max = next->epoch_last,
                                           .job_max = UINT64_MAX,
                                           .state_version = spec->state_version,
                                           .state_bytes = spec->state_bytes};
    const uint8_t *state = NULL;
    char key[40];
    int rc;

    memcpy(expect.schema_hash, spec->schema_hash, sizeof(expect.schema_hash));
    if (in->bytes == NULL || in->received != in->total) {
        return -AXC_ECKPT_NONE;
    }
    rc = axi_checkpoint_decode(in->bytes, in->total, &checkpoint, &state);
    if (rc == 0) {
        rc = axi_checkpoint_verify(&checkpoint, &expect);
    }
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(key, sizeof(key), "checkpoint/%016llx", (unsigned long long)next->id);
    next->has_checkpoint = true;
    next->checkpoint_job = checkpoint.job;
    next->start = (struct axi_origin){checkpoint.epoch, checkpoint.job, checkpoint.step};
    struct axi_store_op also = {.kind = AXI_STORE_PUT,
                                .key = key,
                                .expected = AXI_STORE_ANY,
                                .value = in->bytes,
                                .value_bytes = in->total};
    return axi_task_commit(m, task, next, &also, 1);
}

void axi_stop_record(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    axi_Result bad = {0};
    int rc;

    next.state = AXI_TASK_STOPPED;
    rc = axi_record_checkpoint(m, task, &next);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "stopped", task, axi_node_find(m, next.owner), "next job is %llu",
                  (unsigned long long)next.checkpoint_job);
        task->flow.request_target = 0;
        axi_flow_go(m, task, AXI_STEP_STOP_REMOVE);
    } else if (rc <= -100 && rc > -130) { /* AXC_ECKPT_*: what came is no checkpoint of this task */
        bad.code = rc;
        stop_failed(m, task, &bad);
    }
}

void axi_stop_remove(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);

    if (axi_node_is_ready(node)) {
        draw_request(m, task);
        axi_send_remove(m, node, task->record.id, task->record.epoch, task->flow.request_target);
    }
}

/* A node that does not answer removes the instance when it reports next. */
void axi_stop_remove_timeout(struct axi_master *m, struct axi_task *task)
{
    axi_op_end(m, task->flow.op, 0, "",
               json_pack("{s:I}", "next_job", (json_int_t)task->record.checkpoint_job));
    axi_flow_idle(m, task);
}

static bool may_be_loaded(struct axi_master *m, const struct axi_task *task)
{
    return !axi_node_is_gone(m, axi_node_find(m, task->record.owner));
}

void axi_delete_remove(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);

    if (!may_be_loaded(m, task)) {
        axi_flow_go(m, task, AXI_STEP_DELETE_RECORD);
    } else if (axi_node_is_ready(node)) {
        draw_request(m, task);
        axi_send_remove(m, node, task->record.id, task->record.epoch, task->flow.request_target);
    }
}

void axi_delete_record(struct axi_master *m, struct axi_task *task)
{
    const struct axi_node *owner = axi_node_find(m, task->record.owner);
    bool is_dead = owner != NULL && owner->is_dead && !m->config.skip_lease_wait;
    char checkpoint[40];
    char lease[40];
    const struct axi_store_op also[] = {
        {.kind = AXI_STORE_DELETE, .key = checkpoint, .expected = AXI_STORE_ANY},
        {.kind = AXI_STORE_CHECK, .key = lease, .expected = is_dead ? owner->lease_revision : 0}};

    (void)snprintf(checkpoint, sizeof(checkpoint), "checkpoint/%016llx",
                   (unsigned long long)task->record.id);
    (void)snprintf(lease, sizeof(lease), "lease/%llx", (unsigned long long)task->record.owner);
    if (axi_task_commit(m, task, NULL, also, is_dead ? 2 : 1) == 0) {
        axi_event(m, AXI_INFO, "deleted", task, NULL, "record and checkpoint are gone");
        axi_op_end(m, task->flow.op, 0, "", NULL);
        axi_task_drop(m, task);
        axi_replica_changed(m, task, 0, "deleted");
    }
}

void axi_lifecycle_result(struct axi_master *m, struct axi_task *task, const axi_Result *result)
{
    switch (task->flow.step) {
    case AXI_STEP_STOP_HALT:
        if (result->code != 0) {
            stop_failed(m, task, result);
        } else if (task->flow.incoming.bytes != NULL &&
                   task->flow.incoming.received == task->flow.incoming.total) {
            axi_flow_go(m, task, AXI_STEP_STOP_RECORD);
        }
        break;
    case AXI_STEP_STOP_REMOVE:
        axi_stop_remove_timeout(m, task);
        break;
    case AXI_STEP_DELETE_REMOVE:
        if (result->code == 0 || result->code == -AXC_ENOENT) {
            axi_flow_go(m, task, AXI_STEP_DELETE_RECORD);
        }
        break;
    default:
        break;
    }
}

/* The instance ended: flow.end_state says how. */
void axi_finish_record(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_node *node = axi_node_find(m, next.owner);
    bool is_completed = task->flow.end_state == AXI_TASK_COMPLETED;

    next.state = task->flow.end_state;
    next.migration = (struct axi_migration){0};
    axi_copy_text(next.reason, sizeof(next.reason), task->flow.reason);
    if (axi_task_commit(m, task, &next, NULL, 0) != 0) {
        return;
    }
    axi_event(m, is_completed ? AXI_INFO : AXI_ERROR, is_completed ? "completed" : "failed", task,
              node, "%s", next.reason);
    if (is_completed) {
        axi_send_remove(m, node, next.id, next.epoch, m->port.random64(m->port.context));
    }
    axi_op_end(m, task->flow.op, is_completed ? -AXC_ESTATE : -AXC_ETASK_FAILED,
               is_completed ? "the task completed meanwhile" : next.reason, NULL);
    axi_flow_idle(m, task);
    axi_replica_changed(m, task, is_completed ? 0 : -AXC_ETASK_FAILED, next.reason);
}
