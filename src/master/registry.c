/* SPDX-License-Identifier: Apache-2.0 */
/* The node registry: who joined, under which identity, and what its reports mean. */
#include "master/internal.h"
#include "master/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_SILENT_NS 3000000000ull /* three rounds of Reports */

struct axi_node *axi_node_find(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < m->node_count; i++) {
        if (m->nodes[i]->id == id) {
            return m->nodes[i];
        }
    }
    return NULL;
}

struct axi_node *axi_node_lookup(struct axi_master *m, const char *name)
{
    char *end = NULL;
    uint64_t id = strtoull(name, &end, 16);

    for (size_t i = 0; i < m->node_count; i++) {
        if (strcmp(m->nodes[i]->hello.name, name) == 0) {
            return m->nodes[i];
        }
    }
    return *name != '\0' && *end == '\0' ? axi_node_find(m, id) : NULL;
}

const char *axi_node_name(struct axi_master *m, uint64_t id)
{
    const struct axi_node *node = axi_node_find(m, id);

    return node != NULL ? node->hello.name : "";
}

bool axi_node_is_ready(const struct axi_node *node)
{
    return node != NULL && node->link != 0 && node->has_reported && node->has_lease &&
           !node->is_dead;
}

static struct axi_node *add_node(struct axi_master *m, uint64_t id)
{
    struct axi_node **grown = realloc(m->nodes, (m->node_count + 1) * sizeof(struct axi_node *));
    struct axi_node *node = calloc(1, sizeof(*node));

    if (grown != NULL) {
        m->nodes = grown;
    }
    if (grown == NULL || node == NULL) {
        free(node);
        return NULL;
    }
    node->id = id;
    node->renewed_local_ns = axi_now(m);
    m->nodes[m->node_count++] = node;
    return node;
}

/* ---- store ---- */

static int visit_node(void *context, const char *key, const struct axi_store_value *value)
{
    json_t *json = json_loads(value->bytes, 0, NULL);
    uint64_t id = axi_json_get_id(json, "id");
    struct axi_node *node = id != 0 ? add_node(context, id) : NULL;
    const json_t *platforms = json_object_get(json, "platforms");

    (void)key;
    if (node != NULL) {
        axi_Hello *hello = &node->hello;

        node->boot_id = axi_json_get_id(json, "boot");
        axi_copy_text(hello->name, sizeof(hello->name), axi_json_get_text(json, "name"));
        axi_copy_text(hello->address, sizeof(hello->address), axi_json_get_text(json, "address"));
        axi_copy_text(hello->version, sizeof(hello->version), axi_json_get_text(json, "version"));
        for (size_t i = 0; i < json_array_size(platforms) && i < 4; i++) {
            const char *platform = json_string_value(json_array_get(platforms, i));

            axi_copy_text(hello->platforms[i], sizeof(hello->platforms[i]),
                          platform ? platform : "");
            hello->platforms_count++;
        }
        hello->node_id = id;
        hello->cores = (uint32_t)axi_json_get_u64(json, "cores");
        hello->memory_bytes = axi_json_get_u64(json, "memory_bytes");
        hello->services = (uint32_t)axi_json_get_u64(json, "services");
        hello->assurance = (uint32_t)axi_json_get_u64(json, "assurance");
        hello->capacity_ppm = (uint32_t)axi_json_get_u64(json, "capacity_ppm");
        hello->slots = (uint32_t)axi_json_get_u64(json, "slots");
        hello->frequency_mhz = (uint32_t)axi_json_get_u64(json, "frequency_mhz");
    }
    json_decref(json);
    return 0;
}

static int visit_lease(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_node *node = axi_node_find(context, strtoull(key + strlen("lease/"), NULL, 16));

    if (node != NULL) {
        node->lease_revision = value->revision;
    }
    return 0;
}

int axi_nodes_load(struct axi_master *m)
{
    int rc = axi_store_list(m->config.store, "node/", visit_node, m);

    return rc != 0 ? rc : axi_store_list(m->config.store, "lease/", visit_lease, m);
}

static int store_node(struct axi_master *m, const axi_Hello *hello)
{
    json_t *platforms = json_array();
    json_t *json;
    char key[40];
    int rc;

    for (pb_size_t i = 0; i < hello->platforms_count; i++) {
        json_array_append_new(platforms, json_string(hello->platforms[i]));
    }
    json = json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id",
                     axi_json_id(hello->node_id), "boot", axi_json_id(hello->boot_id), "name",
                     hello->name, "address", hello->address, "version", hello->version, "platforms",
                     platforms, "cores", (json_int_t)hello->cores, "memory_bytes",
                     (json_int_t)hello->memory_bytes, "services", (json_int_t)hello->services,
                     "assurance", (json_int_t)hello->assurance, "capacity_ppm",
                     (json_int_t)hello->capacity_ppm, "slots", (json_int_t)hello->slots,
                     "frequency_mhz", (json_int_t)hello->frequency_mhz);
    if (json == NULL) {
        return -AXC_EINVALID; /* a text that is no UTF-8 */
    }
    (void)snprintf(key, sizeof(key), "node/%llx", (unsigned long long)hello->node_id);
    rc = axi_put_json(m, key, AXI_STORE_ANY, json, NULL);
    json_decref(json);
    return rc;
}

static bool is_named(const struct axi_record *r, uint64_t id)
{
    return r->owner == id || r->pin == id || r->holder == id || r->standby == id ||
           r->claim.dead == id || r->migration.source == id || r->migration.target == id;
}

int axi_node_forget(struct axi_master *m, struct axi_node *node)
{
    char keys[2][40];
    struct axi_store_op ops[] = {
        {.kind = AXI_STORE_DELETE, .key = keys[0], .expected = AXI_STORE_ANY},
        {.kind = AXI_STORE_DELETE, .key = keys[1], .expected = node->lease_revision}};
    size_t index = 0;
    int rc;

    for (size_t i = 0; i < m->task_count; i++) {
        if (!m->tasks[i]->is_gone && is_named(&m->tasks[i]->record, node->id)) {
            return -AXC_EBUSY;
        }
    }
    if (!node->is_dead || node->link != 0) {
        return -AXC_EBUSY;
    }
    (void)snprintf(keys[0], sizeof(keys[0]), "node/%llx", (unsigned long long)node->id);
    (void)snprintf(keys[1], sizeof(keys[1]), "lease/%llx", (unsigned long long)node->id);
    rc = axi_commit(m, ops, node->lease_revision != 0 ? 2 : 1, NULL);
    if (rc != 0) {
        return rc;
    }
    while (m->nodes[index] != node) {
        index++;
    }
    memmove(&m->nodes[index], &m->nodes[index + 1],
            (--m->node_count - index) * sizeof(struct axi_node *));
    free(node);
    return 0;
}

/* ---- Hello ---- */

bool axi_token_is_right(const struct axi_master *m, const char *token)
{
    char given[65] = {0};
    unsigned difference = 0;

    axi_copy_text(given, sizeof(given), token);
    for (size_t i = 0; i < 64; i++) { /* in a time that does not depend on the texts */
        difference |= (unsigned)(m->config.token[i] ^ given[i]);
    }
    return m->config.token[0] == '\0' || difference == 0;
}

static int judge_hello(struct axi_master *m, const axi_Hello *hello, char *ret_reason)
{
    struct axi_node *node = axi_node_find(m, hello->node_id);
    struct axi_node *namesake = axi_node_lookup(m, hello->name);

    if (!axi_token_is_right(m, hello->token)) {
        return axi_refuse(ret_reason, AXC_EWIRE_AUTH, "wrong token");
    }
    if (hello->protocol_min > AXI_WIRE_VERSION || hello->protocol_max < AXI_WIRE_VERSION) {
        return axi_refuse(ret_reason, AXC_EWIRE_VERSION, "this master speaks protocol %u",
                          AXI_WIRE_VERSION);
    }
    if (hello->node_id == 0 || hello->boot_id == 0 || hello->name[0] == '\0' ||
        hello->platforms_count == 0) {
        return axi_refuse(ret_reason, AXC_EINVALID,
                          "node_id, boot_id, name and platform are needed");
    }
    if (namesake != NULL && namesake != node && !namesake->is_dead) {
        return axi_refuse(ret_reason, AXC_EEXIST, "another node is called %s", hello->name);
    }
    if (node != NULL && node->boot_id != hello->boot_id && !node->is_dead) {
        if (axi_now(m) - node->renewed_local_ns <= axi_lease_window_ns(m)) {
            return axi_refuse(ret_reason, AXC_EDUPLICATE_NODE,
                              "identity %llx is in use; its lease must run out first",
                              (unsigned long long)hello->node_id);
        }
        axi_node_declare_dead(m, node);
    }
    return 0;
}

static void accept(struct axi_master *m, struct axi_link *link, struct axi_node *node,
                   const axi_Hello *hello)
{
    for (size_t i = 0; i < m->link_count;
         i++) { /* the same boot came again: the old link is dead */
        if (m->links[i]->id == node->link && m->links[i] != link) {
            m->links[i]->node = NULL;
            axi_link_close(m, m->links[i], -AXC_ECANCELLED, "replaced by a newer link");
        }
    }
    node->hello = *hello;
    node->is_leaving = false;
    if (node->boot_id != hello->boot_id) {
        node->heartbeat.clock_steps = node->heartbeat.clock_jumps = 0;
    }
    memset(node->hello.token, 0, sizeof(node->hello.token));
    node->is_new_boot = node->boot_id != hello->boot_id;
    node->boot_id = hello->boot_id;
    node->link = link->id;
    node->is_dead = false;
    node->has_reported = false;
    node->has_lease = false;
    node->is_renewal_pending = false;
    node->renewed_local_ns = axi_now(m);
    node->joined_ns = axi_now_master(m);
    node->round++;
    link->node = node;
    axi_event(m, AXI_INFO, "node-joined", NULL, node, "%s from %s", hello->platforms[0],
              link->peer);
    if (node->is_new_boot && hello->reset_reason[0] != '\0') {
        axi_event(m, AXI_ERROR, "node-reset", NULL, node, "%s", hello->reset_reason);
    }
}

void axi_node_hello(struct axi_master *m, struct axi_link *link, const axi_Hello *hello)
{
    axi_HelloReply reply = {.protocol = AXI_WIRE_VERSION,
                            .lease_ns = m->config.lease_ns,
                            .heartbeat_ns = m->config.heartbeat_ns};
    struct axi_node *node = NULL;
    int rc = judge_hello(m, hello, reply.reason);

    if (rc == 0) {
        rc = store_node(m, hello);
        if (rc != 0) {
            (void)axi_refuse(reply.reason, -rc, "%s", axi_error_text(rc));
        }
    }
    if (rc == 0) {
        node = axi_node_find(m, hello->node_id);
        node = node != NULL ? node : add_node(m, hello->node_id);
        rc = node == NULL ? -AXC_ENOMEM : 0;
    }
    reply.result = rc;
    reply.master_ns = axi_now_master(m);
    reply.features = hello->features &
                     (AXI_FEATURE_HISTOGRAM | (m->port.on_traces != NULL ? AXI_FEATURE_TRACE : 0));
    if (rc == 0) {
        accept(m, link, node, hello);
    }
    axi_send_link(m, link->id, AXI_WIRE_HELLO_REPLY, &reply);
    if (rc == 0) {
        axi_managers_tell(m, node);
    }
    if (rc != 0) {
        axi_event(m, AXI_WARNING, "node-refused", NULL, NULL, "%s (%s): %s", hello->name,
                  link->peer, reply.reason);
        axi_link_close(m, link, rc, reply.reason);
    }
}

/* ---- reports ---- */

/* The first full round after Hello says what the node runs, and so what it does not. */
static void finish_first_round(struct axi_master *m, struct axi_node *node)
{
    node->has_reported = true;
    for (size_t i = 0; i < m->task_count && !m->is_crashed; i++) {
        struct axi_task *task = m->tasks[i];

        bool is_seen = task->seen_node == node->id && task->seen_round == node->round;

        if (task->record.owner == node->id && !is_seen && !task->is_gone) {
            axi_recover_missing(m, node, task, node->is_new_boot);
        }
    }
    for (size_t i = 0; i < m->task_count && !m->is_crashed; i++) {
        axi_flow_drive(m, m->tasks[i]);
    }
    axi_services_nodes_changed(m);
}

/* Later rounds too: what the first one said may have been lost with a record that changed
 * meanwhile. A report may be older than what was started since, so several must have been silent.
 */
static void finish_round(struct axi_master *m, struct axi_node *node)
{
    uint64_t now = axi_now(m);
    bool is_young = axi_now_master(m) - node->joined_ns < ROUNDS_SILENT_NS;

    for (size_t i = 0; i < m->task_count && !is_young && !m->is_crashed; i++) {
        struct axi_task *task = m->tasks[i];
        bool is_at_rest = task->flow.step == AXI_STEP_IDLE && !task->is_gone &&
                          now - task->flow.entered_ns > ROUNDS_SILENT_NS;

        if (is_at_rest && task->record.owner == node->id &&
            task->record.state == AXI_TASK_RUNNING && now - task->reported_ns > ROUNDS_SILENT_NS) {
            axi_recover_missing(m, node, task, false);
        }
    }
}

void axi_node_report(struct axi_master *m, struct axi_node *node, const axi_Report *report)
{
    for (pb_size_t i = 0; i < report->instances_count && !m->is_crashed; i++) {
        axi_recover_instance(m, node, &report->instances[i]);
    }
    if (report->complete && !node->has_reported) {
        finish_first_round(m, node);
    } else if (report->complete) {
        finish_round(m, node);
    }
}

void axi_node_link_down(struct axi_master *m, struct axi_node *node)
{
    node->has_reported = false;
    node->has_lease = false;
    node->is_renewal_pending = false;
    axi_event(m, AXI_WARNING, "node-disconnected", NULL, node,
              "its lease runs on for at most %llu ms",
              (unsigned long long)(axi_lease_window_ns(m) / 1000000));
    for (size_t i = 0; i < m->task_count && !m->is_crashed; i++) {
        axi_migrate_link_down(m, m->tasks[i], node);
    }
}
