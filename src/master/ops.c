/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: what a user asked for and how far it is. Volatile. */
#include "master/internal.h"

#include <stdlib.h>
#include <string.h>

#define OPS_KEPT 1000u

void axi_op_free(struct axi_op *op)
{
    json_decref(op->steps);
    json_decref(op->result);
    free(op);
}

struct axi_op *axi_op_new(struct axi_master *m, const char *kind, const char *task)
{
    struct axi_op *op = calloc(1, sizeof(*op));

    if (op == NULL) {
        return NULL;
    }
    if (m->op_count == OPS_KEPT) {
        axi_op_free(m->ops[0]);
        memmove(&m->ops[0], &m->ops[1], (OPS_KEPT - 1) * sizeof(struct axi_op *));
        m->op_count--;
    }
    op->id = m->next_op++;
    op->kind = kind;
    axi_copy_text(op->task, sizeof(op->task), task);
    op->steps = json_array();
    op->started_ns = axi_now_master(m);
    m->ops[m->op_count++] = op;
    return op;
}

struct axi_op *axi_op_find(struct axi_master *m, uint64_t id)
{
    for (size_t i = m->op_count; id != 0 && i > 0; i--) {
        if (m->ops[i - 1]->id == id) {
            return m->ops[i - 1];
        }
    }
    return NULL;
}

static void changed(struct axi_master *m, uint64_t op)
{
    if (m->port.on_op != NULL && !m->is_crashed) {
        m->port.on_op(m->port.context, op);
    }
}

void axi_op_step(struct axi_master *m, uint64_t id, const char *name, const char *detail)
{
    struct axi_op *op = axi_op_find(m, id);

    if (op == NULL || op->is_done) {
        return;
    }
    json_array_append_new(op->steps, json_pack("{s:s, s:I, s:s}", "name", name, "at_ns",
                                               (json_int_t)axi_now_master(m), "detail", detail));
    changed(m, id);
}

void axi_op_end(struct axi_master *m, uint64_t id, int code, const char *reason, json_t *result)
{
    struct axi_op *op = axi_op_find(m, id);

    if (op == NULL || op->is_done) {
        json_decref(result);
        return;
    }
    op->is_done = true;
    op->code = code;
    op->result = result;
    op->ended_ns = axi_now_master(m);
    axi_copy_text(op->reason, sizeof(op->reason), reason);
    changed(m, id);
}

static json_t *describe(struct axi_master *m, const struct axi_op *op)
{
    const struct axi_task *task = axi_task_lookup(m, op->task);
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:s, s:i, s:O, s:I}", "id", (json_int_t)op->id, "kind", op->kind, "task",
        op->task, "state", !op->is_done ? "running" : (op->code == 0 ? "done" : "failed"), "code",
        op->code, "steps", op->steps, "started_ns", (json_int_t)op->started_ns);

    json_object_set_new(json, "error", json_string(op->code == 0 ? "" : axi_error_name(op->code)));
    json_object_set_new(json, "reason", json_string(op->reason));
    if (task != NULL && task->record.owner != 0) {
        json_object_set_new(json, "node", json_string(axi_node_name(m, task->record.owner)));
    }
    if (op->is_done) {
        json_object_set_new(json, "ended_ns", json_integer((json_int_t)op->ended_ns));
    }
    if (op->result != NULL) {
        json_object_set(json, "result", op->result);
    }
    return json;
}

json_t *axi_master_op(struct axi_master *m, uint64_t id)
{
    const struct axi_op *op = axi_op_find(m, id);

    return op != NULL ? describe(m, op) : NULL;
}

json_t *axi_master_ops(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->op_count; i++) {
        json_array_append_new(array, describe(m, m->ops[i]));
    }
    return array;
}
