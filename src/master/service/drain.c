/* SPDX-License-Identifier: Apache-2.0 */
/* Cordoning a node, and draining it: everything that runs there goes elsewhere, by migration, or,
 * for replicas that cannot be migrated, by a successor that counts before they go. That a node is
 * drained and until when is in the store: another master goes on with it, without the operation. */
#include "master/service/internal.h"

#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull
#define LOOK_NS (SECOND / 4)
#define DEADLINE_NS (60 * SECOND)

static int find_node(struct axi_master *m, const char *name, struct axi_node **ret_node,
                     struct axi_declared_node **ret_declared, char *ret_reason)
{
    struct axi_node *node = axi_node_lookup(m, name);

    if (node == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no node %.31s; see: axcan get nodes", name);
    }
    *ret_node = node;
    *ret_declared = axi_declared_node_get(m, node->hello.name);
    return *ret_declared != NULL ? 0 : -AXC_ENOMEM;
}

int axi_master_cordon(struct axi_master *m, const char *name, bool is_cordoned, char *ret_reason)
{
    struct axi_declared_node *declared = NULL;
    struct axi_declared_node next;
    struct axi_node *node = NULL;
    int rc = find_node(m, name, &node, &declared, ret_reason);

    if (rc != 0) {
        return rc;
    }
    next = *declared;
    next.is_cordoned = is_cordoned;
    if (!is_cordoned) {
        next.drain_until_ns = 0;
    }
    if (!is_cordoned && declared->spec.is_cordoned) {
        return axi_refuse(ret_reason, AXC_ESTATE,
                          "its manifest declares %s cordoned: apply it without that",
                          node->hello.name);
    }
    rc = axi_declared_node_commit(m, declared, &next);
    if (rc != 0) {
        return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    }
    axi_event(m, AXI_INFO, is_cordoned ? "node-cordoned" : "node-uncordoned", NULL, node, "%s",
              is_cordoned ? "nothing new is placed there" : "it is used again");
    axi_services_nodes_changed(m);
    return 0;
}

/* ---- drain ---- */

static bool is_there(const struct axi_task *task, uint64_t node)
{
    return !task->is_gone && !task->is_ephemeral && task->record.owner == node &&
           task->record.state <= AXI_TASK_STOPPING;
}

/* Best node by the planner for a replica, by the task's own needs for others. */
static int choose_target(struct axi_master *m, const struct axi_task *task,
                         struct axi_node **ret_node, char *ret_reason)
{
    struct axi_plan_choice choice = {.node = AXI_PLAN_NONE};
    struct axi_snapshot *snapshot;
    uint32_t index;
    int rc = -AXC_ENO_CANDIDATE;

    if (task->record.service[0] == '\0') {
        return axi_task_place(m, task, 0, &task->record.owner, 1, ret_node, ret_reason);
    }
    snapshot = axi_snapshot_for_move(m, task->record.id);
    index = snapshot != NULL ? axi_snapshot_task(snapshot, task->record.id) : AXI_PLAN_NONE;
    if (index != AXI_PLAN_NONE) {
        rc = axi_plan_best(&snapshot->problem, index, &task->record.owner, 1, &choice);
        if (rc == 0) {
            *ret_node = axi_node_find(m, snapshot->problem.nodes[choice.node].place.id);
        } else {
            rc = axi_refuse(ret_reason, -rc, "%.155s", choice.reason);
        }
    }
    axi_snapshot_free(snapshot);
    return rc;
}

static bool is_going(struct axi_master *m, const struct axi_task *task)
{
    struct axi_service *s = axi_service_find(m, task->record.service);
    const struct axi_member *member = s != NULL ? axi_member_find(s, task->record.id) : NULL;

    return s != NULL && (member == NULL || member->role == AXI_MEMBER_GOING);
}

/* A successor elsewhere, then the replica goes. */
static void succeed(struct axi_master *m, struct axi_task *task, const char *why)
{
    struct axi_service *s = axi_service_find(m, task->record.service);
    struct axi_member *member = s != NULL ? axi_member_find(s, task->record.id) : NULL;
    struct axi_member_request request = {
        .role = AXI_MEMBER_NEW, .instead_of = task->record.id, .instead_role = AXI_MEMBER_OLD};
    char reason[AXI_REASON_BYTES] = "";
    uint64_t created = 0;

    if (member == NULL || member->role != AXI_MEMBER_ACTIVE ||
        member->generation != s->generation || s->spec.mode == AXI_MODE_SINGLE) {
        return;
    }
    request.image = member->image;
    request.is_degraded = member->is_degraded;
    if (axi_member_add(m, s, &request, why, &created, reason) == 0) {
        axi_service_look_now(m, s);
    }
}

/* One look at one task of a drained node; the reason why it is still there goes to ret_reason. */
static void move_away(struct axi_master *m, struct axi_task *task, char *ret_reason)
{
    struct axi_node *target = NULL;
    uint64_t op = 0;

    (void)snprintf(ret_reason, AXI_REASON_BYTES, "on its way");
    if (task->record.pin != 0 && task->record.pin == task->record.owner) {
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "was deployed for this node only");
        return;
    }
    if (task->record.state != AXI_TASK_RUNNING || task->flow.step != AXI_STEP_IDLE ||
        is_going(m, task)) {
        return;
    }
    if (choose_target(m, task, &target, ret_reason) != 0) {
        return;
    }
    if (axi_master_migrate(m, task->record.name, target->hello.name, &op, ret_reason) == 0) {
        axi_event(m, AXI_INFO, "drain", task, target, "moves to %s", target->hello.name);
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "moving to %s", target->hello.name);
    } else {
        succeed(m, task, "its node is drained and it cannot be migrated");
    }
}

static void end_drain(struct axi_master *m, struct axi_declared_node *declared, json_t *stayed)
{
    struct axi_declared_node next = *declared;
    struct axi_node *node = axi_node_lookup(m, declared->spec.name);
    size_t count = json_array_size(stayed);
    char reason[AXI_REASON_BYTES] = "";

    next.drain_until_ns = 0;
    if (axi_declared_node_commit(m, declared, &next) != 0) {
        json_decref(stayed);
        return;
    }
    if (count > 0) {
        const json_t *first = json_array_get(stayed, 0);

        (void)snprintf(reason, sizeof(reason), "%zu stay%s on %s: %.31s%s", count,
                       count == 1 ? "s" : "", declared->spec.name, axi_json_get_text(first, "task"),
                       count == 1 ? "" : " and others");
        axi_event(m, AXI_WARNING, "node-drained", NULL, node, "%s: %s", reason,
                  axi_json_get_text(first, "reason"));
    } else {
        axi_event(m, AXI_INFO, "node-drained", NULL, node,
                  "nothing runs there any more; it stays cordoned");
    }
    axi_op_end(m, declared->drain_op, count > 0 ? -AXC_ETIMEOUT : 0, reason,
               json_pack("{s:s, s:o}", "node", declared->spec.name, "stayed", stayed));
    declared->drain_op = 0;
}

static void drain_step(struct axi_master *m, struct axi_declared_node *declared)
{
    const struct axi_node *node = axi_node_lookup(m, declared->spec.name);
    bool is_late = axi_now_master(m) >= declared->drain_until_ns;
    json_t *stayed = json_array();

    for (size_t i = 0; node != NULL && i < m->task_count; i++) {
        struct axi_task *task = m->tasks[i];
        char reason[AXI_REASON_BYTES] = "";

        if (is_there(task, node->id)) {
            move_away(m, task, reason);
            json_array_append_new(
                stayed, json_pack("{s:s, s:s}", "task", task->record.name, "reason", reason));
        }
    }
    if (is_late || json_array_size(stayed) == 0) {
        end_drain(m, declared, stayed);
    } else {
        json_decref(stayed);
    }
}

uint64_t axi_drains_tick(struct axi_master *m)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < m->declared->node_count && !m->is_crashed; i++) {
        struct axi_declared_node *declared = m->declared->nodes[i];

        if (declared->drain_until_ns != 0 && axi_now(m) >= declared->drain_next_ns) {
            declared->drain_next_ns = axi_now(m) + LOOK_NS;
            if (!axi_in_grace(m)) {
                drain_step(m, declared);
            }
        }
        if (declared->drain_until_ns != 0 && declared->drain_next_ns < next) {
            next = declared->drain_next_ns;
        }
    }
    return next;
}

int axi_master_drain(struct axi_master *m, const char *name, uint64_t deadline_ns, uint64_t *ret_op,
                     char *ret_reason)
{
    struct axi_declared_node *declared = NULL;
    struct axi_declared_node next;
    struct axi_node *node = NULL;
    struct axi_op *op;
    int rc = find_node(m, name, &node, &declared, ret_reason);

    if (rc == 0 && declared->drain_until_ns != 0 && declared->drain_op != 0) {
        rc = axi_refuse(ret_reason, AXC_EBUSY, "%s is being drained", node->hello.name);
    }
    if (rc != 0) {
        return rc;
    }
    next = *declared;
    next.is_cordoned = true;
    next.drain_until_ns = axi_now_master(m) + (deadline_ns != 0 ? deadline_ns : DEADLINE_NS);
    rc = axi_declared_node_commit(m, declared, &next);
    op = rc == 0 ? axi_op_new(m, "drain", "") : NULL;
    if (op == NULL) {
        rc = rc != 0 ? rc : -AXC_ENOMEM;
        return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    }
    declared->drain_op = *ret_op = op->id;
    declared->drain_next_ns = axi_now(m);
    axi_event(m, AXI_INFO, "node-draining", NULL, node, "cordoned; what runs there goes elsewhere");
    axi_op_step(m, op->id, "cordoned", node->hello.name);
    axi_services_nodes_changed(m);
    return 0;
}
