/* SPDX-License-Identifier: Apache-2.0 */
/* The keys service/<name> and declared-node/<name> (docs/formats/cluster-store.md), and the only
 * place that changes them. */
#include "master/service/internal.h"
#include "master/service/rollout.h"
#include "master/service/voters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_TRIES 3

static const char *const role_names[] = {"active", "new", "old", "going"};

const char *axi_member_role_name(enum axi_member_role role)
{
    return role_names[role & 3];
}

void axi_service_key(const char *name, char key[AXI_SERVICE_KEY_BYTES])
{
    (void)snprintf(key, AXI_SERVICE_KEY_BYTES, "service/%s", name);
}

/* ---- JSON ---- */

static json_t *images_json(const struct axi_service_images *images)
{
    json_t *array = json_array();
    char text[65];

    for (size_t i = 0; i <= AXI_SERVICE_IMAGES_MAX; i++) {
        axi_hex(images->digests[i], 32, text);
        json_array_append_new(array, json_string(text));
    }
    return array;
}

static int images_from_json(const json_t *json, struct axi_service_images *ret_images)
{
    for (size_t i = 0; i < json_array_size(json) && i <= AXI_SERVICE_IMAGES_MAX; i++) {
        const char *text = json_string_value(json_array_get(json, i));

        if (text == NULL || axi_unhex(text, ret_images->digests[i], 32) != 0) {
            return -AXC_EINVALID;
        }
    }
    return 0;
}

static json_t *member_json(const struct axi_member *member)
{
    return json_pack("{s:o, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:b, s:o}", "task",
                     axi_json_id(member->task), "number", (json_int_t)member->number, "generation",
                     (json_int_t)member->generation, "image", (json_int_t)member->image, "role",
                     axi_member_role_name(member->role), "since_ns", (json_int_t)member->since_ns,
                     "good_from", (json_int_t)member->good_from, "missed_from",
                     (json_int_t)member->missed_from, "killed_from",
                     (json_int_t)member->killed_from, "degraded", member->is_degraded, "successor",
                     axi_json_id(member->successor));
}

static int member_from_json(const json_t *json, struct axi_member *ret_member)
{
    const char *role = axi_json_get_text(json, "role");
    int found = -1;

    for (int i = 0; i < 4; i++) {
        found = strcmp(role_names[i], role) == 0 ? i : found;
    }
    *ret_member =
        (struct axi_member){.task = axi_json_get_id(json, "task"),
                            .number = (uint32_t)axi_json_get_u64(json, "number"),
                            .generation = (uint32_t)axi_json_get_u64(json, "generation"),
                            .image = (uint32_t)axi_json_get_u64(json, "image"),
                            .role = (enum axi_member_role)found,
                            .since_ns = axi_json_get_u64(json, "since_ns"),
                            .good_from = axi_json_get_u64(json, "good_from"),
                            .missed_from = axi_json_get_u64(json, "missed_from"),
                            .killed_from = axi_json_get_u64(json, "killed_from"),
                            .is_degraded = json_is_true(json_object_get(json, "degraded")),
                            .successor = axi_json_get_id(json, "successor")};
    return found < 0 || ret_member->task == 0 || ret_member->image > AXI_SERVICE_IMAGES_MAX
               ? -AXC_EINVALID
               : 0;
}

json_t *axi_yielded_json(const struct axi_yielded *yielded)
{
    return json_pack("{s:s, s:I, s:I}", "to", yielded->to, "since_ns",
                     (json_int_t)yielded->since_ns, "replicas", (json_int_t)yielded->replicas);
}

static void yielded_from_json(const json_t *json, struct axi_yielded *ret)
{
    axi_copy_text(ret->to, sizeof(ret->to), axi_json_get_text(json, "to"));
    ret->since_ns = axi_json_get_u64(json, "since_ns");
    ret->replicas = (uint32_t)axi_json_get_u64(json, "replicas");
}

json_t *axi_service_to_json(const struct axi_service *s)
{
    json_t *members = json_array();
    json_t *json;

    for (uint32_t i = 0; i < s->member_count; i++) {
        json_array_append_new(members, member_json(&s->members[i]));
    }
    json = json_pack("{s:O, s:o, s:I, s:I, s:I, s:b, s:b, s:o}", "declared", s->declared, "images",
                     images_json(&s->images), "generation", (json_int_t)s->generation, "numbers",
                     (json_int_t)s->numbers, "release_ns", (json_int_t)s->release_ns, "paused",
                     s->is_paused, "deleting", s->is_deleting, "members", members);
    if (json != NULL && s->previous != NULL) {
        json_object_set(json, "previous", s->previous);
        json_object_set_new(json, "previous_images", images_json(&s->previous_images));
    }
    if (json != NULL && s->rollout_record != NULL) {
        json_object_set(json, "rollout", s->rollout_record);
    }
    if (json != NULL && s->yielded.to[0] != '\0') {
        json_object_set_new(json, "yielded", axi_yielded_json(&s->yielded));
    }
    return json;
}

int axi_service_from_json(const json_t *json, struct axi_service *ret)
{
    const json_t *members = json_object_get(json, "members");
    struct axi_service s = {.generation = (uint32_t)axi_json_get_u64(json, "generation"),
                            .numbers = (uint32_t)axi_json_get_u64(json, "numbers"),
                            .release_ns = axi_json_get_u64(json, "release_ns"),
                            .is_paused = json_is_true(json_object_get(json, "paused")),
                            .is_deleting = json_is_true(json_object_get(json, "deleting")),
                            .member_count = (uint32_t)json_array_size(members)};
    int rc = axi_service_spec_from_json(json_object_get(json, "declared"), &s.spec, NULL);

    if (rc != 0 || s.member_count > AXI_MEMBERS_MAX) {
        return -AXC_EINVALID;
    }
    for (uint32_t i = 0; i < s.member_count && rc == 0; i++) {
        rc = member_from_json(json_array_get(members, i), &s.members[i]);
    }
    if (rc == 0) {
        rc = images_from_json(json_object_get(json, "images"), &s.images);
    }
    if (rc == 0) {
        rc = images_from_json(json_object_get(json, "previous_images"), &s.previous_images);
    }
    yielded_from_json(json_object_get(json, "yielded"), &s.yielded);
    if (rc == 0) {
        s.declared = json_incref(json_object_get(json, "declared"));
        s.previous = json_incref(json_object_get(json, "previous"));
        s.rollout_record = json_incref(json_object_get(json, "rollout"));
        *ret = s;
    }
    return rc;
}

void axi_service_clear(struct axi_service *s)
{
    json_decref(s->declared);
    json_decref(s->previous);
    json_decref(s->rollout_record);
    s->declared = s->previous = s->rollout_record = NULL;
}

/* ---- the table ---- */

struct axi_service *axi_service_insert(struct axi_master *m, const struct axi_service *service)
{
    struct axi_declared *d = m->declared;
    struct axi_service **grown =
        realloc(d->services, (d->service_count + 1) * sizeof(struct axi_service *));
    struct axi_service *copy = malloc(sizeof(*copy));

    if (grown != NULL) {
        d->services = grown;
    }
    if (grown == NULL || copy == NULL) {
        free(copy);
        return NULL;
    }
    *copy = *service;
    copy->next_ns = axi_now(m);
    d->services[d->service_count++] = copy;
    return copy;
}

void axi_service_erase(struct axi_master *m, struct axi_service *service)
{
    struct axi_declared *d = m->declared;

    for (size_t i = 0; i < d->service_count; i++) {
        if (d->services[i] == service) {
            d->services[i] = d->services[--d->service_count];
            axi_service_clear(service);
            axi_rollout_free(service);
            free(service);
            return;
        }
    }
}

/* ---- commits of a service ---- */

static void take_json(json_t **slot, const struct axi_service *next)
{
    if (*slot != next->declared && *slot != next->previous && *slot != next->rollout_record) {
        json_decref(*slot);
    }
}

/* What the store says becomes what is thought; what is volatile stays. */
void axi_service_adopt(struct axi_master *m, struct axi_service *s, const struct axi_service *next,
                       uint64_t revision)
{
    struct axi_service merged = *s;

    take_json(&s->declared, next);
    take_json(&s->previous, next);
    take_json(&s->rollout_record, next);
    merged.spec = next->spec;
    merged.declared = next->declared;
    merged.previous = next->previous;
    merged.rollout_record = next->rollout_record;
    merged.images = next->images;
    merged.previous_images = next->previous_images;
    merged.generation = next->generation;
    merged.numbers = next->numbers;
    merged.release_ns = next->release_ns;
    memcpy(merged.members, next->members, sizeof(merged.members));
    merged.member_count = next->member_count;
    merged.is_deleting = next->is_deleting;
    merged.is_paused = next->is_paused;
    merged.yielded = next->yielded;
    merged.revision = revision;
    merged.is_uncertain = false;
    *s = merged;
    axi_voters_tell(m, s, s->spec.name);
}

int axi_service_prepare(const struct axi_service *service, const struct axi_service *next,
                        char key[AXI_SERVICE_KEY_BYTES], struct axi_store_op *ret_op)
{
    json_t *json = axi_service_to_json(next);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (text == NULL) {
        return -AXC_ENOMEM;
    }
    axi_service_key(next->spec.name, key);
    *ret_op = (struct axi_store_op){.kind = AXI_STORE_PUT,
                                    .key = key,
                                    .expected = service->revision,
                                    .value = text,
                                    .value_bytes = strlen(text)};
    return 0;
}

/* The revision that a transaction of somebody else gave to the record. 0: not as was written. */
static uint64_t revision_of(struct axi_master *m, const struct axi_store_op *op)
{
    struct axi_store_value value = {0};
    uint64_t revision = 0;

    if (axi_store_get(m->config.store, op->key, &value) == 0 &&
        value.value_bytes == op->value_bytes &&
        memcmp(value.bytes, op->value, op->value_bytes) == 0) {
        revision = value.revision;
    }
    axi_store_value_clear(&value);
    return revision;
}

void axi_service_committed(struct axi_master *m, struct axi_service *service,
                           const struct axi_service *next, struct axi_store_op *op, int rc)
{
    uint64_t revision = rc == 0 ? revision_of(m, op) : 0;

    if (revision != 0) {
        axi_service_adopt(m, service, next, revision);
    } else if (rc == 0 || rc == -AXC_ETIMEOUT || rc == -AXC_ECONFLICT) {
        service->is_uncertain = true;
    }
    free((void *)(uintptr_t)op->value);
    *op = (struct axi_store_op){0};
}

int axi_service_commit(struct axi_master *m, struct axi_service *service,
                       const struct axi_service *next)
{
    char key[AXI_SERVICE_KEY_BYTES];
    struct axi_store_op op;
    uint64_t revision = 0;
    int rc = axi_service_prepare(service, next, key, &op);

    if (rc != 0) {
        return rc;
    }
    rc = axi_commit(m, &op, 1, &revision);
    if (rc == 0) {
        axi_service_adopt(m, service, next, revision);
    } else if (rc == -AXC_ETIMEOUT || rc == -AXC_ECONFLICT) {
        service->is_uncertain = true;
        axi_service_look_now(m, service);
    }
    free((void *)(uintptr_t)op.value);
    return rc;
}

/* Reads the record anew; gone: nothing of it is kept true any more. */
static bool reread(struct axi_master *m, struct axi_service *service)
{
    struct axi_store_value value = {0};
    struct axi_service read = {0};
    char key[AXI_SERVICE_KEY_BYTES];
    json_t *json = NULL;
    int rc;

    axi_service_key(service->spec.name, key);
    rc = axi_store_get(m->config.store, key, &value);
    if (rc == 0) {
        json = json_loads(value.bytes, 0, NULL);
        rc = axi_service_from_json(json, &read);
        json_decref(json);
        if (rc == 0) {
            axi_service_adopt(m, service, &read, value.revision);
        } else {
            axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
        }
    } else if (rc == -AXC_ENOENT) {
        service->is_uncertain = false;
        service->revision = 0;
        service->is_deleting = true;
    }
    axi_store_value_clear(&value);
    return rc == 0 || rc == -AXC_ENOENT;
}

/* Only a commit on the same revision settles one whose outcome is unknown. */
bool axi_service_settle(struct axi_master *m, struct axi_service *service)
{
    struct axi_service same = *service;

    if (!service->is_uncertain) {
        return true;
    }
    if (axi_service_commit(m, service, &same) == 0) {
        return true;
    }
    return service->is_uncertain && reread(m, service);
}

/* ---- declared nodes ---- */

json_t *axi_declared_node_to_json(const struct axi_declared_node *node)
{
    json_t *json = json_pack("{s:b, s:I}", "cordoned", node->is_cordoned, "drain_until_ns",
                             (json_int_t)node->drain_until_ns);

    if (node->declared != NULL) {
        json_object_set(json, "declared", node->declared);
    }
    return json;
}

struct axi_declared_node *axi_declared_node_get(struct axi_master *m, const char *name)
{
    struct axi_declared *d = m->declared;
    struct axi_declared_node **grown;
    struct axi_declared_node *node;

    for (size_t i = 0; i < d->node_count; i++) {
        if (strcmp(d->nodes[i]->spec.name, name) == 0) {
            return d->nodes[i];
        }
    }
    grown = realloc(d->nodes, (d->node_count + 1) * sizeof(struct axi_declared_node *));
    node = calloc(1, sizeof(*node));
    if (grown != NULL) {
        d->nodes = grown;
    }
    if (grown == NULL || node == NULL) {
        free(node);
        return NULL;
    }
    axi_node_spec_default(name, &node->spec);
    d->nodes[d->node_count++] = node;
    return node;
}

/* The key's revision now; `known` when the store cannot say. */
static uint64_t revision_now(struct axi_master *m, const char *key, uint64_t known)
{
    struct axi_store_value value;
    int rc = axi_store_get(m->config.store, key, &value);
    uint64_t revision = rc == 0 ? value.revision : known;

    if (rc == 0) {
        axi_store_value_clear(&value);
    }
    return rc == -AXC_ENOENT ? 0 : revision;
}

int axi_declared_node_commit(struct axi_master *m, struct axi_declared_node *node,
                             const struct axi_declared_node *next)
{
    json_t *json = axi_declared_node_to_json(next);
    char key[AXI_SERVICE_KEY_BYTES + 32];
    uint64_t revision = 0;
    int rc;

    (void)snprintf(key, sizeof(key), "declared-node/%s", next->spec.name);
    rc = json == NULL ? -AXC_ENOMEM : -AXC_ECONFLICT;
    for (int i = 0; i < STORE_TRIES && (rc == -AXC_ETIMEOUT || rc == -AXC_ECONFLICT); i++) {
        if (i > 0) { /* nobody but the one leader writes it: what came between was ours, late */
            node->revision = revision_now(m, key, node->revision);
        }
        rc = axi_put_json(m, key, node->revision, json, &revision);
    }
    json_decref(json);
    if (rc == 0) {
        if (node->declared != next->declared) {
            json_decref(node->declared);
        }
        *node = *next;
        node->revision = revision;
    }
    return rc;
}
