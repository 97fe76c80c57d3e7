/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, tasks and the whole as JSON. */
#include "cluster/failover.h"
#include "cluster/members.h"
#include "master/internal.h"
#include "master/service/internal.h"
#include "master/service/service.h"
#include "master/service/telemetry.h"

#include <stdio.h>
#include <string.h>

static const char *const assurance_names[] = {"shared", "realtime", "isolated", "partition"};

static const char *node_state(const struct axi_node *node)
{
    if (node->is_dead) {
        return "dead";
    }
    if (node->link == 0) {
        return "disconnected";
    }
    return axi_node_is_ready(node) ? "ready" : "joining";
}

static json_t *tasks_on(struct axi_master *m, uint64_t node)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->task_count; i++) {
        const struct axi_task *task = m->tasks[i];

        if (!task->is_gone && !task->is_ephemeral && task->record.owner == node &&
            task->record.state <= AXI_TASK_STOPPING) {
            json_array_append_new(array, json_string(task->record.name));
        }
    }
    return array;
}

/* "ecu" runs Axcan OS, "linux" is a node process; the board is what follows "axcan-". */
static void add_tier(json_t *json, const char *platform)
{
    bool is_ecu = strncmp(platform, "axcan-", 6) == 0;

    json_object_set_new(json, "tier", json_string(is_ecu ? "ecu" : "linux"));
    json_object_set_new(json, "board", json_string(is_ecu ? platform + 6 : ""));
}

static json_t *node_json(struct axi_master *m, const struct axi_node *node)
{
    const axi_Hello *hello = &node->hello;
    const axi_Heartbeat *beat = &node->heartbeat;
    json_t *platforms = json_array();
    json_t *prediction;
    json_t *json;
    char id[16];

    for (pb_size_t p = 0; p < hello->platforms_count; p++) {
        json_array_append_new(platforms, json_string(hello->platforms[p]));
    }
    (void)snprintf(id, sizeof(id), "%012llx", (unsigned long long)node->id);
    json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name", hello->name,
        "id", id, "state", node_state(node), "address", hello->address, "version", hello->version,
        "platforms", platforms, "assurance", assurance_names[hello->assurance & 3], "cores",
        (json_int_t)hello->cores, "frequency_mhz", (json_int_t)hello->frequency_mhz, "memory_bytes",
        (json_int_t)hello->memory_bytes, "services", (json_int_t)hello->services, "capacity_ppm",
        (json_int_t)hello->capacity_ppm, "slots", (json_int_t)hello->slots);
    json_object_update_new(
        json,
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "tasks", tasks_on(m, node->id),
                  "cpu_load_ppm", (json_int_t)beat->cpu_load_ppm, "memory_free_bytes",
                  (json_int_t)beat->memory_free_bytes, "free_slots", (json_int_t)beat->free_slots,
                  "density_ppm", (json_int_t)beat->density_ppm, "clock_bound_ns",
                  (json_int_t)beat->clock_bound_ns, "joined_ns", (json_int_t)node->joined_ns,
                  "lease_age_ns", (json_int_t)(axi_now(m) - node->renewed_local_ns), "boot",
                  axi_json_id(node->boot_id)));
    json_object_set_new(json, "cordoned", json_boolean(axi_node_is_cordoned(m, node)));
    json_object_set_new(json, "clock", axi_clock_json(node));
    json_object_set_new(json, "task_load_ppm", json_integer((json_int_t)beat->task_load_ppm));
    if ((prediction = axi_prediction_json(m, node)) != NULL) {
        json_object_set_new(json, "prediction", prediction);
    }
    json_object_set_new(json, "server_budget_ns",
                        json_integer((json_int_t)hello->server_budget_ns));
    json_object_set_new(json, "server_period_ns",
                        json_integer((json_int_t)hello->server_period_ns));
    json_object_set_new(json, "host", json_string(axi_partition_host(m, hello->name)));
    add_tier(json, hello->platforms[0]);
    return json;
}

json_t *axi_master_nodes(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->node_count; i++) {
        json_array_append_new(array, node_json(m, m->nodes[i]));
    }
    return array;
}

json_t *axi_master_node(struct axi_master *m, const char *name)
{
    const struct axi_node *node = axi_node_lookup(m, name);

    return node != NULL ? node_json(m, node) : NULL;
}

static json_t *figures_json(const axi_InstanceStatus *s)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, "
        "s:I}",
        "late", (json_int_t)s->late, "start_min_ns", (json_int_t)s->start_min_ns, "start_max_ns",
        (json_int_t)s->start_max_ns, "next_job", (json_int_t)s->next_job, "released",
        (json_int_t)s->released, "completed", (json_int_t)s->completed, "missed",
        (json_int_t)s->missed, "killed", (json_int_t)s->killed, "skipped", (json_int_t)s->skipped,
        "overruns", (json_int_t)s->overruns, "exec_max_ns", (json_int_t)s->exec_max_ns,
        "exec_p99_ns", (json_int_t)s->exec_p99_ns, "response_p50_ns",
        (json_int_t)s->response_p50_ns, "response_p99_ns", (json_int_t)s->response_p99_ns,
        "response_max_ns", (json_int_t)s->response_max_ns, "checkpoint_job",
        (json_int_t)s->checkpoint_job, "last_cause", axi_cause_name(s->last_cause), "last_detail",
        (json_int_t)s->last_detail);
}

/* The record's own fields, what its instance reported, and what is being done with it. */
/* What the death of its node costs, when managers restore it. */
static json_t *failover_json(struct axi_master *m, const struct axi_record *r)
{
    struct axi_failover_input input = {.lease_window_ns = axi_lease_window_ns(m),
                                       .period_ns = r->spec.period_ns,
                                       .checkpoint_bytes =
                                           AXI_CHECKPOINT_HEADER_BYTES + r->spec.state_bytes};
    struct axi_failover_bound bound;

    if (strcmp(r->restorer, "master") == 0 || !axi_managers_present(m)) {
        return json_pack("{s:s}", "by", "master");
    }
    for (uint32_t i = 0; i < r->entry_count; i++) {
        input.image_bytes = r->entries[i].elf_bytes > input.image_bytes ? r->entries[i].elf_bytes
                                                                        : input.image_bytes;
    }
    bound = axi_failover_bound(&input);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "by", "managers", "bound_ns",
                     (json_int_t)bound.total_ns, "detection_ns", (json_int_t)bound.detection_ns,
                     "claim_ns", (json_int_t)bound.claim_ns, "query_ns", (json_int_t)bound.query_ns,
                     "transfer_ns", (json_int_t)bound.transfer_ns, "load_ns",
                     (json_int_t)bound.load_ns, "release_ns", (json_int_t)bound.release_ns);
}

static json_t *task_json(struct axi_master *m, const struct axi_task *task)
{
    const struct axi_record *r = &task->record;
    uint32_t point_count = 0;
    const char *const *points = axi_master_crash_points(&point_count);
    json_t *json = axi_record_to_json(r);
    char step[40];

    axi_copy_text(step, sizeof(step), points[2 * task->flow.step]);
    step[strcspn(step, ":")] = '\0';
    json_object_set_new(json, "node", json_string(axi_node_name(m, r->owner)));
    json_object_set_new(json, "step", json_string(step));
    json_object_set_new(json, "op", json_integer((json_int_t)task->flow.op));
    json_object_set_new(json, "failover", failover_json(m, r));
    if (r->migration.phase != AXI_MIGRATION_NONE) {
        json_t *migration = json_object_get(json, "migration");

        json_object_set_new(migration, "source_node",
                            json_string(axi_node_name(m, r->migration.source)));
        json_object_set_new(migration, "target_node",
                            json_string(axi_node_name(m, r->migration.target)));
        json_object_del(migration, "token");
    }
    if (task->has_status) {
        json_object_set_new(json, "instance", figures_json(&task->status));
    }
    return json;
}

json_t *axi_master_tasks(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->task_count; i++) {
        if (!m->tasks[i]->is_gone && !m->tasks[i]->is_ephemeral) {
            json_array_append_new(array, task_json(m, m->tasks[i]));
        }
    }
    return array;
}

/* [[at least ns, jobs], ...] of the owner's instance. */
static json_t *histogram_json(const struct axi_task *task)
{
    json_t *list = json_array();

    for (pb_size_t k = 0;
         task->histogram.epoch == task->record.epoch && k < task->histogram.response_count; k++) {
        if (task->histogram.response[k] != 0) {
            json_array_append_new(list,
                                  json_pack("[I, I]", (json_int_t)(k == 0 ? 0 : UINT64_C(1) << k),
                                            (json_int_t)task->histogram.response[k]));
        }
    }
    return list;
}

json_t *axi_master_task(struct axi_master *m, const char *name)
{
    const struct axi_task *task = axi_task_lookup(m, name);
    json_t *json = task != NULL ? task_json(m, task) : NULL;

    if (json != NULL) {
        json_object_set_new(json, "response_histogram", histogram_json(task));
    }
    return json;
}

json_t *axi_master_log(struct axi_master *m, const char *name, uint64_t after)
{
    enum { KEPT = 500 };
    const struct axi_task *task = axi_task_lookup(m, name);
    json_t *array;

    if (task == NULL) {
        return NULL;
    }
    array = json_array();
    for (uint32_t i = 0; i < task->log_count; i++) {
        const struct axi_log_line *line = &task->log[(task->log_start + i) % KEPT];

        if (line->number > after && line->text != NULL) {
            json_t *item = json_pack("{s:I, s:s, s:s}", "number", (json_int_t)line->number, "node",
                                     line->node, "line", line->text);

            if (item != NULL) { /* NULL: text that is no UTF-8 */
                json_array_append_new(array, item);
            }
        }
    }
    return array;
}

json_t *axi_master_status(struct axi_master *m)
{
    json_int_t ready = 0;
    json_int_t tasks = 0;
    json_int_t counts[AXI_TASK_STATE_COUNT] = {0};
    json_t *json;

    for (size_t i = 0; i < m->node_count; i++) {
        ready += axi_node_is_ready(m->nodes[i]);
    }
    for (size_t i = 0; i < m->task_count; i++) {
        if (!m->tasks[i]->is_gone && !m->tasks[i]->is_ephemeral) {
            counts[m->tasks[i]->record.state]++;
            tasks++;
        }
    }
    json = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "term", (json_int_t)m->term,
                     "nodes", (json_int_t)m->node_count, "ready", ready, "tasks", tasks, "images",
                     (json_int_t)m->image_count, "lease_ns", (json_int_t)m->config.lease_ns,
                     "heartbeat_ns", (json_int_t)m->config.heartbeat_ns, "detection_bound_ns",
                     (json_int_t)(axi_lease_window_ns(m) + axi_leases_batch_ns(m)));
    for (int i = 0; i < AXI_TASK_STATE_COUNT; i++) {
        json_object_set_new(json, axi_task_state_name((enum axi_task_state)i),
                            json_integer(counts[i]));
    }
    if (m->store_members[0].name[0] != '\0') {
        json_object_set_new(json, "store_members", axi_members_json(m->store_members));
    }
    return json;
}
