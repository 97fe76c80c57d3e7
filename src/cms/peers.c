/* SPDX-License-Identifier: Apache-2.0 */
/* The other managers: found in the store, linked (the lower id connects), asked for their newest.
 */
#include "cms/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define RETRY_NS (300 * MS)
#define KEY_TTL_MS 2000u
#define KEY_NS (600 * MS)
#define LIST_MAX 64u

static struct axi_cms_peer *find(struct axi_cms *cms, uint64_t id)
{
    for (size_t i = 0; i < cms->peer_count; i++) {
        if (cms->peers[i].id == id) {
            return &cms->peers[i];
        }
    }
    return NULL;
}

static struct axi_cms_peer *get(struct axi_cms *cms, uint64_t id)
{
    struct axi_cms_peer *peer = find(cms, id);

    for (size_t i = 0; peer == NULL && i < cms->peer_count; i++) {
        if (!cms->peers[i].is_present && cms->peers[i].link == 0) {
            peer = &cms->peers[i]; /* gone for good, or until it shows up again */
        }
    }
    if (peer == NULL && cms->peer_count < AXI_CMS_PEERS_MAX) {
        peer = &cms->peers[cms->peer_count++];
    }
    if (peer != NULL && peer->id != id) {
        *peer = (struct axi_cms_peer){.id = id};
    }
    return peer;
}

const char *axi_cms_peer_name(const struct axi_cms *cms, uint64_t manager)
{
    for (size_t i = 0; i < cms->peer_count; i++) {
        if (cms->peers[i].id == manager) {
            return cms->peers[i].name;
        }
    }
    return manager == cms->config.manager_id ? cms->config.name : "a manager";
}

bool axi_cms_peer_is_linked(const struct axi_cms *cms, uint64_t manager)
{
    for (size_t i = 0; i < cms->peer_count; i++) {
        if (cms->peers[i].id == manager) {
            return cms->peers[i].is_ready;
        }
    }
    return false;
}

uint32_t axi_cms_peers_ready(const struct axi_cms *cms)
{
    uint32_t ready = 0;

    for (size_t i = 0; i < cms->peer_count; i++) {
        ready |= cms->peers[i].is_ready ? 1u << i : 0;
    }
    return ready;
}

void axi_cms_peer_changed(struct axi_cms *cms, const char *key, const struct axi_store_value *value,
                          uint64_t revision)
{
    uint64_t id = strtoull(key + strlen("manager/"), NULL, 16);
    struct axi_cms_peer *peer = value != NULL ? get(cms, id) : find(cms, id);
    json_t *json;

    if (id == cms->config.manager_id) {
        if (value == NULL) {
            cms->key_ns = 0; /* it lapsed: put it again */
            cms->key_lease = 0;
        }
        return;
    }
    if (peer == NULL) {
        return;
    }
    if (value == NULL) {
        if (peer->is_present) {
            axi_cms_event(cms, AXI_WARNING, "manager-lost", NULL, NULL,
                          "%s is not present any more", peer->name);
        }
        peer->is_present = false;
        return;
    }
    json = json_loads(value->bytes, 0, NULL);
    axi_copy_text(peer->name, sizeof(peer->name), axi_json_get_text(json, "name"));
    axi_copy_text(peer->address, sizeof(peer->address), axi_json_get_text(json, "address"));
    axi_copy_text(peer->api_address, sizeof(peer->api_address), axi_json_get_text(json, "api"));
    json_decref(json);
    if (!peer->is_present) {
        axi_cms_event(cms, AXI_INFO, "manager-found", NULL, NULL, "%s at %s", peer->name,
                      peer->address);
    }
    peer->is_present = true;
    peer->revision = revision;
}

/* ---- links ---- */

static void ready(struct axi_cms *cms, struct axi_cms_peer *peer, struct axi_cms_link *link)
{
    struct axi_cms_link *old = peer->link != 0 ? axi_cms_link_find(cms, peer->link) : NULL;

    peer->link = link->id;
    peer->is_ready = true;
    if (old != NULL && old != link) {
        axi_cms_link_close(cms, old, -AXC_ECANCELLED, "replaced by a newer link");
    }
}

void axi_cms_peer_hello(struct axi_cms *cms, struct axi_cms_link *link,
                        const axi_PeerManagerHello *hello)
{
    axi_ManagerReply reply = {.protocol = AXI_WIRE_VERSION, .manager_id = cms->config.manager_id};
    struct axi_cms_peer *peer = NULL;

    axi_copy_text(reply.name, sizeof(reply.name), cms->config.name);
    if (!axi_cms_tokens_match(cms->config.token, hello->token)) {
        reply.result = axi_refuse(reply.reason, AXC_EWIRE_AUTH, "wrong token");
    } else if (hello->protocol_min > AXI_WIRE_VERSION || hello->protocol_max < AXI_WIRE_VERSION) {
        reply.result = axi_refuse(reply.reason, AXC_EWIRE_VERSION,
                                  "this manager speaks protocol %u", AXI_WIRE_VERSION);
    } else if (hello->manager_id == 0 || hello->manager_id == cms->config.manager_id) {
        reply.result = axi_refuse(reply.reason, AXC_EEXIST, "that is this manager's own id");
    } else if ((peer = get(cms, hello->manager_id)) == NULL) {
        reply.result = axi_refuse(reply.reason, AXC_EFULL, "too many managers");
    }
    axi_cms_send(cms, link->id, AXI_WIRE_MANAGER_REPLY, &reply);
    if (reply.result != 0) {
        axi_cms_event(cms, AXI_WARNING, "manager-refused", NULL, NULL, "%s (%s): %s", hello->name,
                      link->peer, reply.reason);
        axi_cms_link_close(cms, link, reply.result, reply.reason);
        return;
    }
    axi_copy_text(peer->name, sizeof(peer->name), hello->name);
    link->kind = AXI_CMS_LINK_PEER;
    link->owner = peer->id;
    ready(cms, peer, link);
}

void axi_cms_peer_reply(struct axi_cms *cms, struct axi_cms_link *link,
                        const axi_ManagerReply *reply)
{
    struct axi_cms_peer *peer = find(cms, link->owner);

    if (peer == NULL || reply->result != 0 || reply->manager_id != link->owner) {
        axi_cms_event(cms, AXI_WARNING, "manager-refused", NULL, NULL, "by %s: %s", link->peer,
                      reply->result != 0 ? reply->reason : "another manager answers there");
        axi_cms_link_close(cms, link, -AXC_EWIRE_STATE, "not who was sought");
        return;
    }
    ready(cms, peer, link);
}

void axi_cms_peer_link_down(struct axi_cms *cms, struct axi_cms_link *link)
{
    struct axi_cms_peer *peer = find(cms, link->owner);

    if (peer != NULL && peer->link == link->id) {
        peer->link = 0;
        peer->is_ready = false;
        peer->try_ns = axi_cms_now(cms) + RETRY_NS;
    }
}

/* ---- asking ---- */

static axi_Newest entry_of(uint64_t task_id, const struct axi_origin *origin)
{
    return (axi_Newest){
        .task_id = task_id, .epoch = origin->epoch, .job = origin->job, .step = origin->step};
}

static void send_list(struct axi_cms *cms, const axi_NewestList *list)
{
    for (size_t i = 0; i < cms->peer_count; i++) {
        if (cms->peers[i].is_ready) {
            axi_cms_send(cms, cms->peers[i].link, AXI_WIRE_NEWEST_LIST, list);
        }
    }
}

static bool must_ask(const struct axi_cms_task *task)
{
    return task->flow.step == AXI_CMS_STEP_ASK && task->flow.ask == 0;
}

void axi_cms_peers_ask(struct axi_cms *cms)
{
    axi_NewestList list;
    size_t first = 0;

    while (first < cms->task_count && !must_ask(cms->tasks[first])) {
        first++;
    }
    if (first == cms->task_count) {
        return; /* nearly always */
    }
    list = (axi_NewestList){.request = axi_cms_random(cms), .asked = true};
    for (size_t i = first; i < cms->task_count; i++) {
        struct axi_cms_task *task = cms->tasks[i];
        struct axi_checkpoint_id id;
        struct axi_origin best;

        if (!must_ask(task)) {
            continue;
        }
        task->flow.ask = list.request;
        best = axi_cms_best(cms, task, &id);
        list.list[list.list_count++] = entry_of(task->record.id, &best);
        if (list.list_count == LIST_MAX) {
            send_list(cms, &list);
            list.list_count = 0;
        }
    }
    if (list.list_count > 0) {
        send_list(cms, &list);
    }
}

static void take_entry(struct axi_cms *cms, uint32_t peer, const axi_NewestList *list,
                       const axi_Newest *entry)
{
    struct axi_cms_task *task = axi_cms_task_find(cms, entry->task_id);
    struct axi_origin origin = {entry->epoch, entry->job, entry->step};

    if (task == NULL) {
        return;
    }
    if (task->flow.step == AXI_CMS_STEP_ASK && (list->asked || task->flow.ask == list->request)) {
        axi_cms_answered(cms, task, peer, &origin);
    } else if (task->restored_epoch != 0 && origin.epoch == task->restored_epoch &&
               origin.job > task->restored.job && !task->has_said_newer) {
        task->has_said_newer = true;
        axi_cms_event(cms, AXI_WARNING, "newer-existed", task, NULL,
                      "restored from job %llu; %s holds job %llu",
                      (unsigned long long)task->restored.job, cms->peers[peer].name,
                      (unsigned long long)origin.job);
    }
}

void axi_cms_peer_newest(struct axi_cms *cms, struct axi_cms_link *link, const axi_NewestList *list)
{
    struct axi_cms_peer *peer = find(cms, link->owner);
    axi_NewestList answer = {.request = list->request};

    if (peer == NULL || peer->link != link->id) {
        return;
    }
    for (pb_size_t i = 0; i < list->list_count; i++) {
        const struct axi_cms_task *task = axi_cms_task_find(cms, list->list[i].task_id);
        struct axi_origin best = {0};
        struct axi_checkpoint_id id;

        if (list->asked) {
            best = task != NULL ? axi_cms_best(cms, task, &id) : best;
            answer.list[answer.list_count++] = entry_of(list->list[i].task_id, &best);
        }
    }
    if (list->asked) {
        axi_cms_send(cms, link->id, AXI_WIRE_NEWEST_LIST, &answer);
    }
    for (pb_size_t i = 0; i < list->list_count && !cms->is_crashed; i++) {
        take_entry(cms, (uint32_t)(peer - cms->peers), list, &list->list[i]);
    }
}

/* ---- presence ---- */

static int put_key(struct axi_cms *cms)
{
    const struct axi_cms_config *config = &cms->config;
    struct axi_store_op op = {.kind = AXI_STORE_PUT, .expected = AXI_STORE_ANY};
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:o}", "name", config->name, "address", config->address, "api",
                  config->api_address, "boot", axi_json_id(config->boot_id));
    char *text = json_dumps(json, JSON_COMPACT);
    char key[40];
    int rc = text == NULL ? -AXC_ENOMEM : 0;

    json_decref(json);
    if (rc == 0) {
        rc = axi_store_lease_grant(config->store, KEY_TTL_MS, &cms->key_lease);
    }
    if (rc == 0) {
        (void)snprintf(key, sizeof(key), "manager/%llx", (unsigned long long)config->manager_id);
        op.key = key;
        op.value = text;
        op.value_bytes = strlen(text);
        op.lease = cms->key_lease;
        rc = axi_store_commit(config->store, &op, 1, NULL);
    }
    free(text);
    return rc;
}

static void keep_key(struct axi_cms *cms)
{
    int rc;

    if (axi_cms_now(cms) < cms->key_ns || cms->is_crashed) {
        return;
    }
    rc =
        cms->key_lease != 0 ? axi_store_lease_keep(cms->config.store, cms->key_lease) : -AXC_ENOENT;
    if (rc == -AXC_ENOENT) {
        rc = put_key(cms);
        cms->key_lease = rc == 0 ? cms->key_lease : 0;
    }
    cms->key_ns = axi_cms_now(cms) + (rc == 0 ? KEY_NS : KEY_NS / 4);
}

static void connect_to(struct axi_cms *cms, struct axi_cms_peer *peer)
{
    uint64_t link = 0;

    peer->try_ns = axi_cms_now(cms) + RETRY_NS;
    if (cms->port.connect(cms->port.context, peer->address, &link) == 0 &&
        axi_cms_link_add(cms, link, AXI_CMS_LINK_PEER, peer->id, peer->address) != NULL) {
        peer->link = link;
    }
}

void axi_cms_peers_tick(struct axi_cms *cms)
{
    uint64_t now = axi_cms_now(cms);

    keep_key(cms);
    for (size_t i = 0; i < cms->peer_count && !cms->is_crashed; i++) {
        struct axi_cms_peer *peer = &cms->peers[i];

        if (peer->is_present && peer->link == 0 && cms->config.manager_id < peer->id &&
            now >= peer->try_ns && peer->address[0] != '\0') {
            connect_to(cms, peer);
        }
    }
}
