/* SPDX-License-Identifier: Apache-2.0 */
/* The step table and what runs it. */
#include "master/internal.h"

#include <stdlib.h>
#include <string.h>

struct step_info {
    const char *name;
    axi_step_function *drive;   /* idempotent; NULL = only waits */
    axi_step_function *timeout; /* NULL = waits for ever */
};

static const struct step_info steps[AXI_STEP_COUNT] = {
#define STEP_ROW(step, name, drive, timeout) [AXI_STEP_##step] = {name, drive, timeout},
    AXI_STEP_LIST(STEP_ROW)
#undef STEP_ROW
};

/* Two crash points per step: before it does anything, and after it did (and waits). */
const char *const *axi_master_crash_points(uint32_t *ret_count)
{
    static const char *const names[2 * AXI_STEP_COUNT] = {
#define POINT_NAMES(step, name, drive, timeout)                                                    \
    [2 * AXI_STEP_##step] = name ":before", [2 * AXI_STEP_##step + 1] = name ":after",
        AXI_STEP_LIST(POINT_NAMES)
#undef POINT_NAMES
    };

    *ret_count = 2 * AXI_STEP_COUNT;
    return names;
}

void axi_flow_clear(struct axi_flow *flow)
{
    axi_incoming_clear(&flow->incoming);
    if (flow->profile != NULL) {
        axi_profile_free(flow->profile);
    }
    *flow = (struct axi_flow){0};
}

bool axi_flow_is_migration(const struct axi_flow *flow)
{
    return flow->step >= AXI_STEP_MIGRATE_RESERVE && flow->step <= AXI_STEP_MIGRATE_GIVE_UP;
}

void axi_flow_go(struct axi_master *m, struct axi_task *task, enum axi_step step)
{
    struct axi_flow *flow = &task->flow;

    if (m->is_crashed || task->is_gone) {
        return;
    }
    flow->step = step;
    flow->entered_ns = axi_now(m);
    flow->timeout_ns = flow->entered_ns + m->config.step_timeout_ns;
    if (step != AXI_STEP_IDLE) {
        axi_op_step(m, flow->op, steps[step].name, "");
        if (axi_crash(m, 2u * step)) {
            return;
        }
    }
    axi_flow_drive(m, task);
    if (step != AXI_STEP_IDLE && flow->step == step && !task->is_gone) {
        (void)axi_crash(m, 2u * step + 1);
    }
}

void axi_flow_drive(struct axi_master *m, struct axi_task *task)
{
    struct axi_flow *flow = &task->flow;

    if (m->is_crashed || task->is_gone) {
        return;
    }
    flow->retry_ns = axi_now(m) + m->config.retry_ns;
    if (steps[flow->step].drive != NULL) {
        steps[flow->step].drive(m, task);
    }
}

void axi_flow_idle(struct axi_master *m, struct axi_task *task)
{
    axi_flow_clear(&task->flow);
    axi_flow_go(m, task, AXI_STEP_IDLE);
}

void axi_flow_fail(struct axi_master *m, struct axi_task *task, int code, const char *reason)
{
    axi_event(m, AXI_WARNING, "operation-failed", task, NULL, "%s", reason);
    axi_op_end(m, task->flow.op, code, reason, NULL);
    axi_flow_idle(m, task);
}

static enum axi_step step_of_record(const struct axi_master *m, const struct axi_task *task)
{
    const struct axi_record *record = &task->record;

    if (axi_is_delegated(m, task)) {
        return AXI_STEP_RESTORE_DELEGATED;
    }
    switch (record->state) {
    case AXI_TASK_PLACING:
        return AXI_STEP_LAUNCH_PLACE;
    case AXI_TASK_STARTING:
        return AXI_STEP_LAUNCH_START;
    case AXI_TASK_STOPPING:
        return AXI_STEP_STOP_HALT;
    case AXI_TASK_RESTORING:
        return AXI_STEP_RESTORE_FETCH;
    case AXI_TASK_DELETING:
        return AXI_STEP_DELETE_REMOVE;
    default:
        break;
    }
    switch (record->migration.phase) {
    case AXI_MIGRATION_PREPARING:
        return AXI_STEP_MIGRATE_PREPARE;
    case AXI_MIGRATION_COMMITTED:
        return AXI_STEP_MIGRATE_ACTIVATE;
    case AXI_MIGRATION_ABORTED:
        return AXI_STEP_MIGRATE_UNDO;
    default:
        return AXI_STEP_IDLE;
    }
}

void axi_flow_resume(struct axi_master *m, struct axi_task *task)
{
    enum axi_step step = step_of_record(m, task);

    if (step != AXI_STEP_IDLE) {
        axi_event(m, AXI_INFO, "resumed", task, NULL, "goes on with step %s", steps[step].name);
    }
    axi_flow_go(m, task, step);
}

static bool is_idle_at_rest(const struct axi_task *task)
{
    const struct axi_record *record = &task->record;

    return task->flow.step == AXI_STEP_IDLE && !task->is_uncertain &&
           (record->state != AXI_TASK_RUNNING || !task->has_status ||
            task->status.state == AXI_SLOT_ACTIVE);
}

void axi_flow_tick(struct axi_master *m, struct axi_task *task)
{
    struct axi_flow *flow = &task->flow;
    uint64_t now = axi_now(m);

    if (task->is_gone || m->is_crashed || is_idle_at_rest(task)) {
        return;
    }
    if (task->is_uncertain && now >= flow->retry_ns) {
        flow->retry_ns = now + m->config.retry_ns;
        axi_task_settle(m, task);
    } else if (steps[flow->step].timeout != NULL && now >= flow->timeout_ns) {
        flow->timeout_ns = now + m->config.step_timeout_ns;
        steps[flow->step].timeout(m, task);
    } else if (now >= flow->retry_ns) {
        axi_flow_drive(m, task);
    }
}

uint64_t axi_flow_next(const struct axi_task *task)
{
    const struct axi_flow *flow = &task->flow;

    if (is_idle_at_rest(task)) {
        return UINT64_MAX;
    }
    if (steps[flow->step].timeout != NULL && flow->timeout_ns < flow->retry_ns) {
        return flow->timeout_ns;
    }
    return flow->retry_ns;
}

void axi_flow_result(struct axi_master *m, struct axi_node *node, const axi_Result *result)
{
    for (size_t i = 0; i < m->task_count; i++) {
        struct axi_task *task = m->tasks[i];
        struct axi_flow *flow = &task->flow;

        if (task->is_gone || flow->step == AXI_STEP_IDLE) {
            continue;
        }
        if (axi_flow_is_migration(flow) && task->record.migration.id == result->request) {
            axi_migrate_result(m, task, node, result);
            return;
        }
        if (flow->request_target == 0 || flow->request_target != result->request) {
            continue;
        }
        if (flow->step <= AXI_STEP_LAUNCH_RECORD) {
            axi_launch_result(m, task, result);
        } else if (flow->step <= AXI_STEP_DELETE_RECORD) {
            axi_lifecycle_result(m, task, result);
        } else if (axi_flow_is_migration(flow)) {
            axi_migrate_result(m, task, node, result);
        } else if (flow->step <= AXI_STEP_FINISH_RECORD) {
            axi_restore_result(m, task, result);
        } else {
            axi_profile_result(m, task, result);
        }
        return;
    }
}

void axi_flow_chunk(struct axi_master *m, struct axi_node *node, const axi_Chunk *chunk,
                    const void *tail, size_t tail_bytes)
{
    for (size_t i = 0; i < m->task_count; i++) {
        struct axi_flow *flow = &m->tasks[i]->flow;

        if (flow->request_target != 0 && flow->request_target == chunk->transfer) {
            if (axi_incoming_take(&flow->incoming, chunk, tail, tail_bytes) < 0) {
                axi_incoming_clear(&flow->incoming);
                axi_event(m, AXI_WARNING, "chunk-bad", m->tasks[i], node, "bad chunk was dropped");
            }
            return;
        }
    }
}
