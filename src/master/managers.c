/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoint managers: who is there (their keys in the store), what they say over their links, and
 * the list that the nodes get. */
#include "master/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_NS 10000000000ull /* a manager that left stays on the nodes' list */
#define PRESENCE_TTL_MS 2000u
#define PRESENCE_NS 500000000ull

static struct axi_manager *find(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; i < m->manager_count; i++) {
        if (m->managers[i].id == id) {
            return &m->managers[i];
        }
    }
    return NULL;
}

static struct axi_manager *get(struct axi_master *m, uint64_t id)
{
    struct axi_manager *manager = find(m, id);

    if (manager == NULL && id != 0 && m->manager_count < AXI_MANAGERS_MAX) {
        manager = &m->managers[m->manager_count++];
        *manager = (struct axi_manager){.id = id};
    }
    return manager;
}

bool axi_managers_present(const struct axi_master *m)
{
    for (size_t i = 0; i < m->manager_count; i++) {
        if (m->managers[i].is_present) {
            return true;
        }
    }
    return false;
}

bool axi_managers_known(const struct axi_master *m)
{
    return m->manager_count > 0;
}

bool axi_manager_is_present(const struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; i < m->manager_count; i++) {
        if (m->managers[i].id == id) {
            return m->managers[i].is_present;
        }
    }
    return false;
}

const char *axi_manager_name(const struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; i < m->manager_count; i++) {
        if (m->managers[i].id == id) {
            return m->managers[i].name;
        }
    }
    return "a manager";
}

/* ---- the nodes' list ---- */

void axi_managers_tell(struct axi_master *m, struct axi_node *node)
{
    axi_Managers list = axi_Managers_init_zero;

    for (size_t i = 0; i < m->manager_count; i++) {
        if (m->managers[i].address[0] != '\0') {
            axi_ManagerAddress *entry = &list.managers[list.managers_count++];

            entry->manager_id = m->managers[i].id;
            axi_copy_text(entry->address, sizeof(entry->address), m->managers[i].address);
        }
    }
    axi_send(m, node, AXI_WIRE_MANAGERS, &list);
}

static void tell_all(struct axi_master *m)
{
    for (size_t i = 0; i < m->node_count; i++) {
        axi_managers_tell(m, m->nodes[i]);
    }
}

static void describe(struct axi_master *m, struct axi_manager *manager, const char *name,
                     const char *address, const char *api_address)
{
    bool is_moved = strcmp(manager->address, address) != 0;

    axi_copy_text(manager->name, sizeof(manager->name), name);
    axi_copy_text(manager->address, sizeof(manager->address), address);
    axi_copy_text(manager->api_address, sizeof(manager->api_address), api_address);
    manager->seen_ns = axi_now(m);
    if (is_moved) {
        tell_all(m);
    }
}

/* ---- keys in the store ---- */

static void take_key(struct axi_master *m, const char *key, const struct axi_store_value *value)
{
    uint64_t id = strtoull(key + strlen("manager/"), NULL, 16);
    struct axi_manager *manager = value != NULL ? get(m, id) : find(m, id);
    json_t *json = value != NULL ? json_loads(value->bytes, 0, NULL) : NULL;
    bool was_present = manager != NULL && manager->is_present;

    if (manager == NULL) {
        json_decref(json);
        return;
    }
    manager->is_present = json != NULL;
    if (json != NULL) {
        describe(m, manager, axi_json_get_text(json, "name"), axi_json_get_text(json, "address"),
                 axi_json_get_text(json, "api"));
    }
    if (manager->is_present != was_present) {
        axi_event(m, was_present ? AXI_WARNING : AXI_INFO,
                  was_present ? "manager-lost" : "manager-present", NULL, NULL,
                  was_present ? "%s holds no place in the store any more" : "%s is in the store",
                  manager->name);
    }
    json_decref(json);
}

void axi_managers_changed(void *context, const struct axi_store_change *change)
{
    take_key(context, change->key, change->is_deleted ? NULL : change->value);
}

int axi_managers_visit(void *context, const char *key, const struct axi_store_value *value)
{
    take_key(context, key, value);
    return 0;
}

/* Managers take over what is the master's alone only after this key has vanished. */
static void keep_presence(struct axi_master *m)
{
    struct axi_store_op op = {.kind = AXI_STORE_PUT,
                              .key = "presence/master",
                              .expected = AXI_STORE_ANY,
                              .value = "{}",
                              .value_bytes = 2};
    int rc;

    if (axi_now(m) < m->presence_ns || m->is_crashed) {
        return;
    }
    rc = m->presence_lease != 0 ? axi_store_lease_keep(m->config.store, m->presence_lease)
                                : -AXC_ENOENT;
    if (rc == -AXC_ENOENT) {
        m->presence_lease = 0;
        rc = axi_store_lease_grant(m->config.store, PRESENCE_TTL_MS, &m->presence_lease);
        op.lease = m->presence_lease;
        rc = rc == 0 ? axi_commit(m, &op, 1, NULL) : rc;
        m->presence_lease = rc == 0 ? m->presence_lease : 0;
    }
    m->presence_ns = axi_now(m) + (rc == 0 ? PRESENCE_NS : PRESENCE_NS / 4);
}

void axi_managers_keep(struct axi_master *m)
{
    uint64_t now = axi_now(m);
    size_t kept = 0;

    keep_presence(m);
    for (size_t i = 0; i < m->manager_count; i++) {
        struct axi_manager *manager = &m->managers[i];

        if (manager->is_present || manager->link != 0) {
            manager->seen_ns = now;
        }
        if (now - manager->seen_ns <= LISTED_NS) {
            m->managers[kept++] = *manager;
        }
    }
    if (kept != m->manager_count) {
        m->manager_count = kept;
        tell_all(m);
    }
}

/* ---- links ---- */

static int judge(struct axi_master *m, const axi_ManagerJoin *join, char *ret_reason)
{
    if (!axi_token_is_right(m, join->token)) {
        return axi_refuse(ret_reason, AXC_EWIRE_AUTH, "wrong token");
    }
    if (join->protocol_min > AXI_WIRE_VERSION || join->protocol_max < AXI_WIRE_VERSION) {
        return axi_refuse(ret_reason, AXC_EWIRE_VERSION, "this master speaks protocol %u",
                          AXI_WIRE_VERSION);
    }
    if (join->manager_id == 0 || join->name[0] == '\0' || join->address[0] == '\0') {
        return axi_refuse(ret_reason, AXC_EINVALID, "manager_id, name and address are needed");
    }
    if (get(m, join->manager_id) == NULL) {
        return axi_refuse(ret_reason, AXC_EFULL, "there are %u managers already", AXI_MANAGERS_MAX);
    }
    return 0;
}

void axi_manager_join(struct axi_master *m, struct axi_link *link, const axi_ManagerJoin *join)
{
    axi_HelloReply reply = {.protocol = AXI_WIRE_VERSION,
                            .lease_ns = m->config.lease_ns,
                            .heartbeat_ns = m->config.heartbeat_ns,
                            .master_ns = axi_now_master(m)};
    struct axi_manager *manager;

    reply.result = judge(m, join, reply.reason);
    axi_send_link(m, link->id, AXI_WIRE_HELLO_REPLY, &reply);
    if (reply.result != 0) {
        axi_event(m, AXI_WARNING, "manager-refused", NULL, NULL, "%s (%s): %s", join->name,
                  link->peer, reply.reason);
        axi_link_close(m, link, reply.result, reply.reason);
        return;
    }
    manager = get(m, join->manager_id);
    for (size_t i = 0; i < m->link_count; i++) { /* the same one came again */
        if (m->links[i]->manager == manager->id && m->links[i] != link) {
            m->links[i]->manager = 0;
            axi_link_close(m, m->links[i], -AXC_ECANCELLED, "replaced by a newer link");
        }
    }
    link->manager = manager->id;
    manager->link = link->id;
    axi_copy_text(manager->version, sizeof(manager->version), join->version);
    describe(m, manager, join->name, join->address, join->api_address);
    m->watch_ns = axi_now(m); /* its key is in the store, or comes */
    axi_event(m, AXI_INFO, "manager-joined", NULL, NULL, "%s at %s", join->name, join->address);
}

static void take_event(struct axi_master *m, const struct axi_manager *manager,
                       const axi_ManagerEvent *event)
{
    static const char *const levels[] = {AXI_INFO, AXI_WARNING, AXI_ERROR};

    axi_event(m, levels[event->level < 3 ? event->level : 2], event->type,
              axi_task_find(m, event->task_id), axi_node_find(m, event->node_id), "%s: %s",
              manager->name, event->text);
}

static void take_status(struct axi_master *m, struct axi_manager *manager,
                        const axi_ManagerStatus *status)
{
    axi_ManagerStatusAck ack = {.sequence = status->sequence,
                                .send_local_ns = status->send_local_ns,
                                .receive_master_ns = axi_now_master(m)};

    manager->status = *status;
    ack.reply_master_ns = axi_now_master(m);
    axi_send_link(m, manager->link, AXI_WIRE_MANAGER_STATUS_ACK, &ack);
}

void axi_manager_message(struct axi_master *m, struct axi_link *link,
                         const struct axi_wire_frame *frame, const union axi_wire_message *message)
{
    uint32_t type = frame->type;
    struct axi_manager *manager = find(m, link->manager);

    if (manager == NULL || manager->link != link->id) {
        return;
    }
    if (type == AXI_WIRE_MANAGER_EVENT) {
        take_event(m, manager, &message->ManagerEvent);
    } else if (type == AXI_WIRE_MANAGER_STATUS) {
        take_status(m, manager, &message->ManagerStatus);
    } else if (type == AXI_WIRE_CHUNK) {
        axi_seed_manager_chunk(m, &message->Chunk, frame->tail, frame->tail_bytes);
    } else if (type == AXI_WIRE_RESULT) {
        axi_seed_manager_result(m, &message->Result);
    } else if (type != AXI_WIRE_GOODBYE) {
        axi_link_close(m, link, -AXC_EWIRE_STATE, "not allowed on a manager's link");
    }
}

void axi_manager_link_down(struct axi_master *m, struct axi_link *link)
{
    struct axi_manager *manager = find(m, link->manager);

    if (manager != NULL && manager->link == link->id) {
        manager->link = 0;
        axi_event(m, AXI_WARNING, "manager-disconnected", NULL, NULL, "%s", manager->name);
    }
}

/* ---- what there is ---- */

json_t *axi_master_managers(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->manager_count; i++) {
        const struct axi_manager *manager = &m->managers[i];
        const axi_ManagerStatus *s = &manager->status;
        json_t *json = json_pack(
            "{s:o, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id",
            axi_json_id(manager->id), "name", manager->name, "address", manager->address, "api",
            manager->api_address, "version", manager->version, "state",
            manager->is_present ? "present" : "lost", "linked", manager->link != 0,
            "store_reachable", s->store_reachable, "stored", (json_int_t)s->stored, "stored_bytes",
            (json_int_t)s->stored_bytes, "tasks", (json_int_t)s->tasks, "nodes",
            (json_int_t)s->nodes, "restores", (json_int_t)s->restores, "durable_age_p50_ns",
            (json_int_t)s->durable_age_p50_ns, "durable_age_p99_ns",
            (json_int_t)s->durable_age_p99_ns);

        if (json != NULL) {
            json_array_append_new(array, json);
        }
    }
    return array;
}
