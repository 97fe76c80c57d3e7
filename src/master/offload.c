/* SPDX-License-Identifier: Apache-2.0 */
/* Offload: a running task leaves its node for the least loaded other one, by a migration (the
 * source lives). Asked for by the operator, or by a node that is overloaded or about to end. */
#include "master/internal.h"

#include <stdio.h>

#define LOAD_STEP_PPM 50000u /* loads nearer than this count as equal: memory decides */

/* Density of what is on its way to the node: its load figure does not know of it yet. */
static uint64_t promised_ppm(struct axi_master *m, const struct axi_node *node)
{
    uint64_t sum_ppm = 0;

    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];
        int entry = axi_task_entry(&task->record, node);
        bool is_coming =
            axi_flow_is_migration(&task->flow) && task->record.owner != node->id &&
            (task->record.migration.target == node->id ||
             (task->record.migration.phase == AXI_MIGRATION_NONE && task->flow.wanted == node->id));

        if (is_coming && entry >= 0 && task->record.spec.period_ns != 0) {
            sum_ppm += task->record.entries[entry].wcet_ns * 1000000u / task->record.spec.period_ns;
        }
    }
    return sum_ppm;
}

static bool is_less_loaded(struct axi_master *m, const struct axi_node *a, const struct axi_node *b)
{
    uint64_t load_a = (a->heartbeat.cpu_load_ppm + promised_ppm(m, a)) / LOAD_STEP_PPM;
    uint64_t load_b = (b->heartbeat.cpu_load_ppm + promised_ppm(m, b)) / LOAD_STEP_PPM;

    if (load_a != load_b) {
        return load_a < load_b;
    }
    return a->heartbeat.memory_free_bytes > b->heartbeat.memory_free_bytes;
}

/* The least loaded of those that admit the task. */
static int choose(struct axi_master *m, const struct axi_task *task, struct axi_node **ret_node,
                  char *ret_reason)
{
    struct axi_node *best = NULL;

    for (size_t i = 0; i < m->node_count; i++) {
        struct axi_node *node = NULL;

        if (axi_task_place(m, task, m->nodes[i]->id, &task->record.owner, 1, &node, NULL) == 0 &&
            (best == NULL || is_less_loaded(m, node, best))) {
            best = node;
        }
    }
    if (best == NULL) { /* says why, node by node */
        struct axi_node *none = NULL;
        int r = axi_task_place(m, task, 0, &task->record.owner, 1, &none, ret_reason);

        return r < 0 ? r : -AXC_ENO_CANDIDATE;
    }
    *ret_node = best;
    return 0;
}

static int offload(struct axi_master *m, const struct axi_task *task, uint64_t *ret_op,
                   char *ret_reason)
{
    struct axi_node *node = NULL;
    int r;

    if (task->record.pin != 0 && task->record.pin == task->record.owner) {
        return axi_refuse(ret_reason, AXC_ENO_CANDIDATE,
                          "%s was deployed for %s only; axcan "
                          "migrate moves it all the same",
                          task->record.name, axi_node_name(m, task->record.pin));
    }
    r = choose(m, task, &node, ret_reason);
    return r < 0 ? r
                 : axi_master_migrate(m, task->record.name, node->hello.name, ret_op, ret_reason);
}

int axi_master_offload(struct axi_master *m, const char *name, uint64_t *ret_op, char *ret_reason)
{
    struct axi_task *task = axi_task_lookup(m, name);

    if (task == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no task %.31s; see: axcan get tasks", name);
    }
    if (task->record.state != AXI_TASK_RUNNING) {
        return axi_refuse(ret_reason, AXC_ESTATE, "%s is %s, not running", task->record.name,
                          axi_task_state_name(task->record.state));
    }
    return offload(m, task, ret_op, ret_reason);
}

json_t *axi_master_offload_node(struct axi_master *m, const char *name, char *ret_reason)
{
    struct axi_node *node = axi_node_lookup(m, name);
    json_t *operations = json_array();
    json_t *refused = json_array();

    if (node == NULL) {
        json_decref(operations);
        json_decref(refused);
        (void)axi_refuse(ret_reason, AXC_ENOENT, "no node %.31s; see: axcan get nodes", name);
        return NULL;
    }
    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];
        char reason[AXI_REASON_BYTES] = "";
        char id[24];
        uint64_t op = 0;
        int r;

        if (task->record.owner != node->id || task->record.state != AXI_TASK_RUNNING) {
            continue;
        }
        r = offload(m, task, &op, reason);
        if (r == 0) {
            (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)op);
            json_array_append_new(
                operations, json_pack("{s:s, s:s}", "task", task->record.name, "operation", id));
        } else {
            json_array_append_new(refused, json_pack("{s:s, s:s, s:s}", "task", task->record.name,
                                                     "error", axi_error_name(r), "reason", reason));
        }
    }
    return json_pack("{s:o, s:o}", "operations", operations, "refused", refused);
}

/* The task of least criticality that can be moved now; of equals the first. */
static const struct axi_task *least_critical(struct axi_master *m, const struct axi_node *node)
{
    const struct axi_task *least = NULL;

    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];
        struct axi_node *target = NULL;

        if (task->record.owner != node->id || task->record.state != AXI_TASK_RUNNING ||
            task->flow.step != AXI_STEP_IDLE || task->record.pin == node->id ||
            (least != NULL && task->record.spec.criticality >= least->record.spec.criticality)) {
            continue;
        }
        if (choose(m, task, &target, NULL) == 0) {
            least = task;
        }
    }
    return least;
}

void axi_offload_request(struct axi_master *m, struct axi_node *node,
                         const axi_OffloadRequest *request)
{
    const struct axi_task *task =
        request->task_id != 0 ? axi_task_find(m, request->task_id) : least_critical(m, node);
    char reason[AXI_REASON_BYTES] = "no task can be moved now";
    uint64_t op = 0;
    int r = -AXC_ENO_CANDIDATE;

    node->is_leaving |= request->leaving;
    if (task != NULL && (task->record.owner != node->id || axi_flow_is_migration(&task->flow))) {
        return; /* not its own, or on its way already */
    }
    if (task != NULL) {
        r = axi_master_offload(m, task->record.name, &op, reason);
    }
    axi_event(m, r == 0 ? AXI_INFO : AXI_WARNING, r == 0 ? "offload" : "offload-refused", task,
              node, "%s: %s", request->reason, r == 0 ? "it moves away" : reason);
}
