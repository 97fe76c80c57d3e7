/* SPDX-License-Identifier: Apache-2.0 */
/* The task table: copies of the records, and the only place that changes them. */
#include "cluster/asks.h"
#include "master/internal.h"
#include "master/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct axi_task *axi_task_find(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < m->task_count; i++) {
        if (m->tasks[i]->record.id == id && !m->tasks[i]->is_gone) {
            return m->tasks[i];
        }
    }
    return NULL;
}

struct axi_task *axi_task_lookup(struct axi_master *m, const char *name)
{
    char *end = NULL;
    uint64_t id = strtoull(name, &end, 16);

    for (size_t i = 0; i < m->task_count; i++) {
        struct axi_task *task = m->tasks[i];

        if (!task->is_gone && !task->is_ephemeral && strcmp(task->record.name, name) == 0) {
            return task;
        }
    }
    return *name != '\0' && *end == '\0' ? axi_task_find(m, id) : NULL;
}

struct axi_task *axi_task_add(struct axi_master *m, const struct axi_record *record,
                              uint64_t revision)
{
    struct axi_task **grown = realloc(m->tasks, (m->task_count + 1) * sizeof(struct axi_task *));
    struct axi_task *task = calloc(1, sizeof(*task));

    if (grown != NULL) {
        m->tasks = grown;
    }
    if (grown == NULL || task == NULL) {
        free(task);
        return NULL;
    }
    task->record = *record;
    task->revision = revision;
    m->tasks[m->task_count++] = task;
    return task;
}

void axi_task_free(struct axi_task *task)
{
    for (uint32_t i = 0; i < task->log_count; i++) {
        free(task->log[i].text);
    }
    free(task->log);
    axi_flow_clear(&task->flow);
    free(task);
}

void axi_task_drop(struct axi_master *m, struct axi_task *task)
{
    (void)m;
    task->is_gone = true;
    axi_flow_clear(&task->flow);
}

void axi_tasks_sweep(struct axi_master *m)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->task_count; i++) {
        if (m->tasks[i]->is_gone) {
            axi_task_free(m->tasks[i]);
        } else {
            m->tasks[kept++] = m->tasks[i];
        }
    }
    m->task_count = kept;
}

static void task_key(uint64_t id, char key[40])
{
    (void)snprintf(key, 40, "task/%016llx", (unsigned long long)id);
}

int axi_task_decode(const struct axi_store_value *value, struct axi_record *ret_record)
{
    json_t *json = json_loads(value->bytes, 0, NULL);
    int rc = axi_record_from_json(json, ret_record);

    json_decref(json);
    return rc;
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_master *m = context;
    struct axi_record record;

    if (axi_task_decode(value, &record) != 0) {
        axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
        return 0;
    }
    return axi_task_add(m, &record, value->revision) != NULL ? 0 : -AXC_ENOMEM;
}

int axi_tasks_load(struct axi_master *m)
{
    return axi_store_list(m->config.store, "task/", visit, m);
}

/* Someone else changed the record: what the store says now counts. */
static void reread(struct axi_master *m, struct axi_task *task)
{
    struct axi_store_value value;
    struct axi_record record;
    char key[40];
    uint64_t op = task->flow.op;
    int rc;

    task_key(task->record.id, key);
    rc = axi_store_get(m->config.store, key, &value);
    axi_event(m, AXI_WARNING, "record-conflict", task, NULL, "record changed by someone else");
    if (rc == -AXC_ENOENT) {
        axi_op_end(m, op, -AXC_ECONFLICT, "the task was deleted meanwhile", NULL);
        axi_task_drop(m, task);
        axi_replica_changed(m, task, -AXC_ECONFLICT, "deleted by someone else");
        return;
    }
    if (rc != 0) { /* a task at rest would not meet the conflict again by itself */
        task->is_uncertain = true;
        return;
    }
    if (axi_task_decode(&value, &record) == 0) {
        axi_adopt(m, task, &record, value.revision);
    }
    axi_store_value_clear(&value);
}

/* After an unknown outcome: 0 = the record reads as we wrote it; ECONFLICT = someone else's; EBUSY
 * = it is as before, so the commit failed or is still under way. */
static int look(struct axi_master *m, const char *key, const char *text, uint64_t old,
                uint64_t *ret_revision)
{
    struct axi_store_value value;
    int rc = axi_store_get(m->config.store, key, &value);

    if (rc == -AXC_ENOENT) {
        return text == NULL ? 0 : (old == 0 ? -AXC_EBUSY : -AXC_ECONFLICT);
    }
    if (rc != 0) {
        return -AXC_ETIMEOUT;
    }
    if (text != NULL && value.revision != old && strcmp(value.bytes, text) == 0) {
        rc = 0;
    } else {
        rc = value.revision == old ? -AXC_EBUSY : -AXC_ECONFLICT;
    }
    *ret_revision = value.revision;
    axi_store_value_clear(&value);
    return rc;
}

/* Only a commit on the same revision settles a commit whose outcome is unknown: whichever comes
 * first wins, the other one conflicts. ops[0] is the record's. */
static int commit_surely(struct axi_master *m, const struct axi_store_op *ops, size_t count,
                         uint64_t *ret_revision)
{
    int rc = axi_commit(m, ops, count, ret_revision);
    bool is_unknown = rc == -AXC_ETIMEOUT;

    for (int i = 0; i < 3 && is_unknown && (rc == -AXC_ETIMEOUT || rc == -AXC_ECONFLICT); i++) {
        rc = look(m, ops[0].key, ops[0].value, ops[0].expected, ret_revision);
        if (rc == 0 || rc == -AXC_ECONFLICT) {
            return rc;
        }
        rc = axi_commit(m, ops, count, ret_revision);
    }
    return is_unknown && rc != 0 ? -AXC_ETIMEOUT : rc;
}

void axi_task_settle(struct axi_master *m, struct axi_task *task)
{
    struct axi_record same = task->record;

    if (axi_task_commit(m, task, &same, NULL, 0) == 0) {
        axi_flow_drive(m, task);
    }
}

static bool is_commit_skipped(struct axi_master *m, const struct axi_record *next)
{
    return m->config.skip_commit_cas && next != NULL &&
           next->migration.phase == AXI_MIGRATION_COMMITTED;
}

int axi_task_commit(struct axi_master *m, struct axi_task *task, const struct axi_record *next,
                    const struct axi_store_op *also, size_t also_count)
{
    struct axi_store_op ops[5] = {
        {.kind = next != NULL ? AXI_STORE_PUT : AXI_STORE_DELETE, .expected = task->revision}};
    json_t *json = next != NULL ? axi_record_to_json(next) : NULL;
    char *text = next != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    uint64_t revision = 0;
    char key[40];
    int rc;

    json_decref(json);
    if (next != NULL && text == NULL) {
        return -AXC_ENOMEM;
    }
    task_key(task->record.id, key);
    ops[0].key = key;
    ops[0].value = text;
    ops[0].value_bytes = text != NULL ? strlen(text) : 0;
    for (size_t i = 0; i < also_count && i < 4; i++) {
        ops[i + 1] = also[i];
    }
    if (is_commit_skipped(m, next)) {
        rc = m->is_crashed ? -AXC_EUNAVAILABLE : 0;
        revision = task->revision;
    } else {
        rc = commit_surely(m, ops, also_count + 1, &revision);
    }
    free(text);
    task->is_uncertain = rc == -AXC_ETIMEOUT || (task->is_uncertain && rc == -AXC_EUNAVAILABLE);
    if (rc == 0 && next != NULL) {
        task->record = *next;
        task->revision = revision;
    } else if (rc == -AXC_ECONFLICT) {
        reread(m, task);
    }
    return rc;
}

/* ---- what a node is told, and where a task fits ---- */

int axi_task_entry(const struct axi_record *record, const struct axi_node *node)
{
    const char *platforms[AXI_PLATFORMS_MAX];

    for (pb_size_t p = 0; p < node->hello.platforms_count; p++) {
        platforms[p] = node->hello.platforms[p];
    }
    return axi_record_entry(record, platforms, node->hello.platforms_count);
}

void axi_task_spec_wire(const struct axi_task *task, const struct axi_node *node,
                        axi_TaskSpec *ret_spec)
{
    axi_record_spec_wire(&task->record, axi_task_entry(&task->record, node), ret_spec);
    ret_spec->profile = task->is_ephemeral;
}

/* Of a task that is neither live nor being migrated, a standby is on its way out. */
static bool occupies(const struct axi_task *task, uint64_t node)
{
    return !task->is_gone && axi_record_is_live(&task->record) &&
           axi_record_occupies(&task->record, node);
}

#define DEMANDS_MORE 2u /* the node's server, and one to spare */

void axi_node_place(const struct axi_node *node, struct axi_place_node *ret_place)
{
    *ret_place = (struct axi_place_node){
        .id = node->id,
        .name = node->hello.name,
        .platform_count = node->hello.platforms_count,
        .services = node->hello.services,
        .assurance = node->hello.assurance,
        .capacity_ppm = node->hello.capacity_ppm,
        .free_slots = node->hello.slots,
        .memory_free_bytes = node->heartbeat.memory_free_bytes,
        .is_ready = axi_node_is_ready(node) && !node->is_leaving,
        .margin = {.delta_ns = node->heartbeat.delta_ns, .latency_ns = node->heartbeat.latency_ns}};
    for (pb_size_t p = 0; p < node->hello.platforms_count; p++) {
        ret_place->platforms[p] = node->hello.platforms[p];
    }
}

/* Fills one node of the snapshot; demands has room for every task and DEMANDS_MORE. */
static void snapshot_node(struct axi_master *m, const struct axi_node *node,
                          const struct axi_task *except, struct axi_demand_task *demands,
                          struct axi_place_node *ret)
{
    const struct axi_demand_margin margin = {.delta_ns = node->heartbeat.delta_ns,
                                             .latency_ns = node->heartbeat.latency_ns};
    size_t count = 0;
    size_t own = 0;

    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];
        int entry = axi_task_entry(&task->record, node);

        if (task != except && entry >= 0 && occupies(task, node->id)) {
            demands[count++] = axi_record_demand(&task->record, (uint32_t)entry, &margin);
        }
    }
    if (node->hello.server_budget_ns != 0) {
        demands[count + own++] =
            (struct axi_demand_task){node->hello.server_budget_ns, node->hello.server_period_ns,
                                     node->hello.server_period_ns};
    }
    axi_node_place(node, ret);
    ret->free_slots = node->hello.slots > count ? node->hello.slots - (uint32_t)count : 0;
    ret->tasks = demands;
    ret->task_count = count + own;
}

static void explain(char *ret_reason, const struct axi_place_node *nodes,
                    const struct axi_place_verdict *verdicts, size_t count, uint64_t wanted,
                    const char *closed)
{
    size_t used = 0;

    if (ret_reason == NULL) {
        return;
    }
    ret_reason[0] = '\0';
    for (size_t i = 0; i < count && used + 1 < AXI_REASON_BYTES; i++) {
        if (wanted != 0 && nodes[i].id != wanted) {
            continue;
        }
        int n =
            snprintf(ret_reason + used, AXI_REASON_BYTES - used, "%s%s: %s", used > 0 ? "; " : "",
                     nodes[i].name, verdicts[i].code != 0 ? verdicts[i].reason : "tried already");
        used += n > 0 ? (size_t)n : 0;
    }
    if (closed[0] != '\0' && used + 1 < AXI_REASON_BYTES) {
        (void)snprintf(ret_reason + used, AXI_REASON_BYTES - used, "%s%s", used > 0 ? "; " : "",
                       closed);
    } else if (used == 0) {
        (void)snprintf(ret_reason, AXI_REASON_BYTES, "no node has joined");
    }
}

/* What was declared of the node leaves it to this task; else the reason goes into closed. */
static bool is_open_to(struct axi_master *m, const struct axi_task *task,
                       const struct axi_node *node, char *closed)
{
    char reason[AXI_REASON_BYTES] = "";
    size_t used = strlen(closed);

    if (task->record.pin == node->id || axi_node_is_open(m, node, reason)) {
        return true;
    }
    (void)snprintf(closed + used, AXI_REASON_BYTES - used, "%s%s: %.100s", used > 0 ? "; " : "",
                   node->hello.name, reason);
    return false;
}

/* Judges all nodes; `wanted` != 0 looks at that one only. */
int axi_task_place(struct axi_master *m, const struct axi_task *task, uint64_t wanted,
                   const uint64_t *tried, size_t tried_count, struct axi_node **ret_node,
                   char *ret_reason)
{
    size_t n = m->node_count;
    struct axi_place_node *nodes = calloc(n + 1, sizeof(*nodes));
    struct axi_place_verdict *verdicts = calloc(n + 1, sizeof(*verdicts));
    struct axi_demand_task *demands =
        calloc(n * (m->task_count + DEMANDS_MORE) + 1, sizeof(*demands));
    struct axi_place_entry entries[AXI_PLATFORMS_MAX];
    struct axi_place_task what = axi_record_asks(&task->record, entries);
    char closed[AXI_REASON_BYTES] = "";
    int best = -AXC_ENOMEM;

    what.ignore_demand = task->is_ephemeral;
    if (nodes != NULL && verdicts != NULL && demands != NULL) {
        size_t kept = 0;

        for (size_t i = 0; i < n; i++) {
            if ((wanted == 0 || m->nodes[i]->id == wanted) &&
                (wanted != 0 || !m->nodes[i]->is_dead) &&
                is_open_to(m, task, m->nodes[i], closed)) {
                snapshot_node(m, m->nodes[i], task, &demands[i * (m->task_count + DEMANDS_MORE)],
                              &nodes[kept++]);
            }
        }
        best = axi_place_best(&what, nodes, kept, tried, tried_count, verdicts);
        if (best >= 0) {
            *ret_node = axi_node_find(m, nodes[best].id);
        } else {
            explain(ret_reason, nodes, verdicts, kept, wanted, closed);
        }
    }
    free(nodes);
    free(verdicts);
    free(demands);
    return best < 0 ? best : 0;
}
