/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a task up: first deployment (state zero), start after a stop, restore after a death; a
 * replica beside others of its service (seed: their state is fetched once the image is there).
 *
 *   place -> load [-> seed] -> declare -> start -> record
 *
 * Each attempt has an epoch of its own, reserved before the node hears of it. "declare" records
 * STARTING before Start is sent: from then on a node that dies may have released jobs, so a task
 * without a checkpoint is LOST rather than begun anew. */
#include "core/checkpoint.h"
#include "manifest/spec.h"
#include "master/internal.h"

#include <stdio.h>
#include <string.h>

static void add_tried(struct axi_flow *flow, uint64_t node)
{
    if (flow->tried_count < AXI_TRIED_MAX) {
        flow->tried[flow->tried_count++] = node;
    }
}

/* This attempt failed and nothing of it runs: the next candidate. */
static void next_candidate(struct axi_master *m, struct axi_task *task, int code,
                           const char *reason)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);
    struct axi_record next = task->record;

    axi_event(m, AXI_WARNING, "placement-refused", task, node, "%s: %s",
              axi_node_name(m, task->record.owner), reason);
    axi_send_remove(m, node, task->record.id, task->record.epoch,
                    m->port.random64(m->port.context));
    if (axi_is_new_replica(&task->record)) {
        axi_replica_give_up(m, task, code, reason);
        return;
    }
    add_tried(&task->flow, task->record.owner);
    task->flow.code = code;
    (void)snprintf(task->flow.reason, AXI_REASON_BYTES, "%s: %.120s",
                   axi_node_name(m, task->record.owner), reason);
    next.state = AXI_TASK_PLACING;
    next.owner = 0;
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        axi_flow_go(m, task, AXI_STEP_LAUNCH_PLACE);
    }
}

/* Nobody takes it. A first deployment is undone, a start leaves it stopped, a restore goes on
 * trying. */
static void give_up(struct axi_master *m, struct axi_task *task, const char *reason)
{
    struct axi_record next = task->record;
    int code = task->flow.code != 0 ? task->flow.code : -AXC_ENO_CANDIDATE;

    if (task->record.is_restore) {
        if (!task->flow.is_warned) {
            axi_event(m, AXI_ERROR, "restore-waits", task, NULL, "no node takes it yet: %s",
                      reason);
            task->flow.is_warned = true;
            axi_replica_changed(m, task, code, reason);
        }
        task->flow.tried_count = 0;
        task->flow.attempts = 0;
        return;
    }
    if (axi_is_new_replica(&task->record)) {
        axi_replica_give_up(m, task, code, reason);
        return;
    }
    axi_event(m, AXI_ERROR, "deploy-failed", task, NULL, "%s", reason);
    if (task->record.has_checkpoint) {
        next.state = AXI_TASK_STOPPED;
        next.owner = 0;
        if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
            axi_flow_fail(m, task, code, reason);
        }
    } else if (axi_task_commit(m, task, NULL, NULL, 0) == 0) {
        axi_op_end(m, task->flow.op, code, reason, NULL);
        axi_task_drop(m, task);
    }
}

void axi_launch_place(struct axi_master *m, struct axi_task *task)
{
    struct axi_flow *flow = &task->flow;
    struct axi_record next = task->record;
    struct axi_node *node = NULL;
    char reason[AXI_REASON_BYTES] = "";
    uint64_t wanted = flow->wanted != 0 ? flow->wanted : task->record.pin;
    bool is_new_replica = axi_is_new_replica(&task->record);
    int rc = -AXC_ENO_CANDIDATE;

    wanted = is_new_replica ? task->record.owner : wanted; /* where its service wants it */
    if (flow->attempts < m->config.attempts_max) {
        rc = axi_task_place(m, task, wanted, flow->tried, flow->tried_count, &node, reason);
    }
    if (rc == -AXC_ENO_CANDIDATE && axi_now(m) < flow->room_ns) {
        return; /* it is being made */
    }
    if (rc == -AXC_ENO_CANDIDATE) {
        if (!axi_in_grace(m) || flow->op != 0) {
            give_up(m, task, flow->reason[0] != '\0' ? flow->reason : reason);
        }
        return;
    }
    if (rc != 0) {
        return;
    }
    next.state = AXI_TASK_PLACING;
    next.owner = node->id;
    next.epoch = ++next.epoch_last;
    if (axi_task_commit(m, task, &next, NULL, 0) == 0) {
        flow->attempts++;
        flow->request_target = m->port.random64(m->port.context);
        axi_event(m, AXI_INFO, "placed", task, node, "epoch %llu", (unsigned long long)next.epoch);
        axi_flow_go(m, task, AXI_STEP_LAUNCH_LOAD);
    }
}

void axi_launch_load(struct axi_master *m, struct axi_task *task)
{
    struct axi_node *node = axi_node_find(m, task->record.owner);
    axi_Load load = {.request = task->flow.request_target, .epoch = task->record.epoch};

    if (axi_node_is_ready(node)) {
        axi_task_spec_wire(task, node, &load.spec);
        axi_send(m, node, AXI_WIRE_LOAD, &load);
    }
}

void axi_launch_timeout(struct axi_master *m, struct axi_task *task)
{
    next_candidate(m, task, -AXC_ETIMEOUT, "no answer to Load");
}

/* The first job of a grid that others began whose release is still ahead. */
static uint64_t first_job(const struct axi_record *record, uint64_t earliest_ns)
{
    uint64_t period = record->spec.period_ns;

    return earliest_ns <= record->release_ns
               ? 0
               : (earliest_ns - record->release_ns + period - 1) / period;
}

void axi_launch_declare(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    uint64_t earliest = axi_now_master(m) + m->config.start_delay_ns;
    struct axi_store_op checkpoint;
    char key[40];
    size_t also = axi_seed_apply(task, &next, &checkpoint, key);

    next.state = AXI_TASK_STARTING;
    if (next.has_checkpoint) {
        next.release_ns = axi_record_shift(&next, next.checkpoint_job, earliest);
    } else if (next.is_grid_fixed) {
        next.checkpoint_job = first_job(&next, earliest);
    } else {
        next.release_ns = earliest;
    }
    if (axi_task_commit(m, task, &next, &checkpoint, also) == 0) {
        axi_incoming_clear(&task->flow.incoming);
        axi_flow_go(m, task, AXI_STEP_LAUNCH_START);
    }
}

/* Sends the stored checkpoint ahead of Start. */
static int send_checkpoint(struct axi_master *m, struct axi_task *task, struct axi_node *node,
                           struct axi_checkpoint *ret_header)
{
    struct axi_store_value value;
    char key[40];
    int rc;

    (void)snprintf(key, sizeof(key), "checkpoint/%016llx", (unsigned long long)task->record.id);
    rc = axi_store_get(m->config.store, key, &value);
    if (rc != 0) {
        return rc;
    }
    rc = axi_checkpoint_decode_header((const uint8_t *)value.bytes, value.value_bytes, ret_header);
    if (rc == 0) {
        axi_send_object(m, node, task->flow.request_target, AXI_CHUNK_CHECKPOINT,
                        (const uint8_t *)value.bytes, value.value_bytes);
    }
    axi_store_value_clear(&value);
    return rc;
}

void axi_launch_start(struct axi_master *m, struct axi_task *task)
{
    const struct axi_record *r = &task->record;
    struct axi_node *node = axi_node_find(m, r->owner);
    struct axi_checkpoint header = {0};
    axi_Start start = {.task_id = r->id, .epoch = r->epoch, .release_ns = r->release_ns};

    if (!axi_node_is_ready(node)) {
        return;
    }
    if (task->flow.request_target == 0) {
        task->flow.request_target = m->port.random64(m->port.context);
    } else if (task->is_uncertain || axi_watch_refresh(m, task)) { /* claimed since, perhaps */
        return;
    }
    if (r->has_checkpoint && send_checkpoint(m, task, node, &header) != 0) {
        return;
    }
    start.request = task->flow.request_target;
    start.has_checkpoint = r->has_checkpoint;
    start.first_job = r->has_checkpoint ? header.job : r->checkpoint_job;
    start.seed = r->has_checkpoint ? r->seed : r->checkpoint_job > 0 ? r->id : 0;
    start.is_mapped = start.seed != 0 && r->seed_rule == AXI_STATE_MAP;
    start.resume_step = header.step;
    axi_send(m, node, AXI_WIRE_START, &start);
}

static const char *seed_name(struct axi_master *m, uint64_t seed)
{
    const struct axi_task *task = axi_task_find(m, seed);

    return task != NULL ? task->record.name : "a replica that is gone";
}

void axi_launch_record(struct axi_master *m, struct axi_task *task)
{
    struct axi_record next = task->record;
    struct axi_node *node = axi_node_find(m, next.owner);
    uint64_t seed = next.has_checkpoint ? next.seed : 0;

    next.state = AXI_TASK_RUNNING;
    next.is_restore = false;
    next.claim = (struct axi_claim){0};
    next.seed = 0;
    next.is_grid_fixed = axi_is_replaceable(&next); /* the only one of its service may be shifted */
    if (axi_task_commit(m, task, &next, NULL, 0) != 0) {
        return;
    }
    if (seed != 0) {
        axi_event(m, AXI_INFO, "seeded", task, node, "begins with job %llu and the state of %s",
                  (unsigned long long)next.checkpoint_job, seed_name(m, seed));
    } else if (task->record.has_checkpoint) {
        axi_event(m, AXI_INFO, "continued", task, node,
                  "goes on with job %llu at the next point of its release grid",
                  (unsigned long long)next.checkpoint_job);
    } else {
        axi_event(m, AXI_INFO, "started", task, node, "job %llu is released from zero state",
                  (unsigned long long)next.checkpoint_job);
    }
    axi_op_end(m, task->flow.op, 0, "",
               json_pack("{s:s, s:I}", "node", axi_node_name(m, next.owner), "epoch",
                         (json_int_t)next.epoch));
    axi_flow_idle(m, task);
    axi_replica_changed(m, task, 0, "running");
}

void axi_launch_result(struct axi_master *m, struct axi_task *task, const axi_Result *result)
{
    enum axi_step step = task->flow.step;

    if (result->code != 0 && (step == AXI_STEP_LAUNCH_LOAD || step == AXI_STEP_LAUNCH_START)) {
        next_candidate(m, task, result->code,
                       result->reason[0] != '\0' ? result->reason : axi_error_text(result->code));
    } else if (step == AXI_STEP_LAUNCH_LOAD) {
        bool is_seeded =
            (task->record.seed != 0 && !task->record.has_checkpoint) || axi_seed_late(m, task);

        task->flow.request_target = 0; /* the next step draws its own */
        axi_flow_go(m, task, is_seeded ? AXI_STEP_LAUNCH_SEED : AXI_STEP_LAUNCH_DECLARE);
    } else if (step == AXI_STEP_LAUNCH_SEED) {
        axi_seed_result(m, task, result);
    } else if (step == AXI_STEP_LAUNCH_START) {
        axi_flow_go(m, task, AXI_STEP_LAUNCH_RECORD);
    }
}
