/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what is declared: read from the store, looked at when something changed and every
 * two seconds, and asked by the rest of the core. */
#include "master/service/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define RESYNC_NS (2 * SECOND)
#define REFUSED_PAUSE_NS (5 * SECOND)
#define REFUSED_AGAIN_NS (SECOND / 2)

/* ---- load and free ---- */

static int visit_service(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_master *m = context;
    struct axi_service service;
    json_t *json = json_loads(value->bytes, 0, NULL);
    int rc = axi_service_from_json(json, &service);

    json_decref(json);
    if (rc != 0) {
        axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
        return 0;
    }
    service.revision = value->revision;
    if (axi_service_insert(m, &service) == NULL) {
        axi_service_clear(&service);
        return -AXC_ENOMEM;
    }
    return 0;
}

static int visit_node(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_master *m = context;
    const char *name = key + strlen("declared-node/");
    json_t *json = json_loads(value->bytes, 0, NULL);
    json_t *declared = json_object_get(json, "declared");
    struct axi_declared_node *node = axi_declared_node_get(m, name);
    int rc = 0;

    if (node != NULL && declared != NULL) {
        rc = axi_node_spec_from_json(declared, &node->spec, NULL);
    }
    if (node != NULL && rc == 0) {
        node->declared = json_incref(declared);
        node->revision = value->revision;
        node->is_cordoned = json_is_true(json_object_get(json, "cordoned"));
        node->drain_until_ns = axi_json_get_u64(json, "drain_until_ns");
    } else if (node != NULL) {
        axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
    }
    json_decref(json);
    return node == NULL ? -AXC_ENOMEM : 0;
}

static int load_policy(struct axi_master *m)
{
    struct axi_declared *d = m->declared;
    struct axi_store_value value = {0};
    struct axi_policy_spec policy;
    int rc = axi_store_get(m->config.store, "policy", &value);
    json_t *json = rc == 0 ? json_loads(value.bytes, 0, NULL) : NULL;

    if (rc == 0 && axi_policy_spec_from_json(json, &policy, NULL) == 0) {
        d->policy = policy;
        d->policy_declared = json_incref(json);
        d->policy_revision = value.revision;
    } else if (rc == 0) {
        axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record policy");
    }
    json_decref(json);
    axi_store_value_clear(&value);
    return rc == -AXC_ENOENT ? 0 : rc;
}

int axi_services_load(struct axi_master *m)
{
    int rc;

    m->declared = calloc(1, sizeof(*m->declared));
    if (m->declared == NULL) {
        return -AXC_ENOMEM;
    }
    axi_policy_spec_default(&m->declared->policy);
    axi_node_spec_default("", &m->declared->any_node);
    rc = load_policy(m);
    if (rc == 0) {
        rc = axi_store_list(m->config.store, "declared-node/", visit_node, m);
    }
    if (rc == 0) {
        rc = axi_hosts_load(m);
    }
    return rc != 0 ? rc : axi_store_list(m->config.store, "service/", visit_service, m);
}

void axi_services_free(struct axi_master *m)
{
    struct axi_declared *d = m->declared;

    if (d == NULL) {
        return;
    }
    while (d->service_count > 0) {
        axi_service_erase(m, d->services[0]);
    }
    for (size_t i = 0; i < d->node_count; i++) {
        json_decref(d->nodes[i]->declared);
        free(d->nodes[i]);
    }
    axi_hosts_free(m);
    json_decref(d->policy_declared);
    free(d->services);
    free(d->nodes);
    free(d);
    m->declared = NULL;
}

/* ---- what the rest of the core asks ---- */

struct axi_service *axi_service_find(struct axi_master *m, const char *name)
{
    const struct axi_declared *d = m->declared;

    for (size_t i = 0; d != NULL && name[0] != '\0' && i < d->service_count; i++) {
        if (strcmp(d->services[i]->spec.name, name) == 0) {
            return d->services[i];
        }
    }
    return NULL;
}

size_t axi_services_list(struct axi_master *m, struct axi_service ***ret_services)
{
    *ret_services = m->declared != NULL ? m->declared->services : NULL;
    return m->declared != NULL ? m->declared->service_count : 0;
}

const struct axi_node_spec *axi_node_spec_of(struct axi_master *m, const char *name)
{
    const struct axi_declared_node *node = axi_declared_node_get(m, name);

    return node != NULL ? &node->spec : &m->declared->any_node;
}

const char *axi_service_using(struct axi_master *m, const uint8_t digest[32])
{
    for (size_t i = 0; i < m->declared->service_count; i++) {
        const struct axi_service *s = m->declared->services[i];

        for (uint32_t k = 0; k <= AXI_SERVICE_IMAGES_MAX; k++) {
            if (memcmp(s->images.digests[k], digest, 32) == 0 ||
                (s->previous != NULL && memcmp(s->previous_images.digests[k], digest, 32) == 0)) {
                return s->spec.name;
            }
        }
    }
    return NULL;
}

const struct axi_policy_spec *axi_policy(struct axi_master *m)
{
    return &m->declared->policy;
}

static const struct axi_declared_node *declared_node(struct axi_master *m, const char *name)
{
    const struct axi_declared *d = m->declared;

    for (size_t i = 0; d != NULL && i < d->node_count; i++) {
        if (strcmp(d->nodes[i]->spec.name, name) == 0) {
            return d->nodes[i];
        }
    }
    return NULL;
}

bool axi_node_name_is_cordoned(struct axi_master *m, const char *name)
{
    const struct axi_declared_node *declared = declared_node(m, name);

    return declared != NULL &&
           (declared->is_cordoned || declared->spec.is_cordoned || declared->drain_until_ns != 0);
}

bool axi_node_is_cordoned(struct axi_master *m, const struct axi_node *node)
{
    return axi_node_name_is_cordoned(m, node->hello.name);
}

bool axi_node_is_draining(struct axi_master *m, const struct axi_node *node)
{
    const struct axi_declared_node *declared = declared_node(m, node->hello.name);

    return declared != NULL && declared->drain_until_ns != 0;
}

bool axi_node_is_open(struct axi_master *m, const struct axi_node *node, char *ret_reason)
{
    const struct axi_node_spec *spec = axi_node_spec_of(m, node->hello.name);
    bool has_platform = spec->platform[0] == '\0';

    for (pb_size_t p = 0; p < node->hello.platforms_count; p++) {
        has_platform |= strcmp(spec->platform, node->hello.platforms[p]) == 0;
    }
    if (!has_platform) {
        (void)axi_refuse(ret_reason, AXC_EADMIT_PLATFORM, "is declared %s, says %s", spec->platform,
                         node->hello.platforms[0]);
    } else if (axi_node_is_draining(m, node)) {
        (void)axi_refuse(ret_reason, AXC_EUNAVAILABLE, "is drained");
    } else if (axi_node_is_cordoned(m, node)) {
        (void)axi_refuse(ret_reason, AXC_EUNAVAILABLE, "is cordoned");
    } else if (axi_partition_is_leaving(m, node->hello.name)) {
        (void)axi_refuse(ret_reason, AXC_EUNAVAILABLE, "is a partition that is being ended");
    } else if (axi_node_is_flapping(m, node)) {
        (void)axi_refuse(ret_reason, AXC_EUNAVAILABLE, "was lost %u times lately",
                         axi_policy(m)->flap_limit);
    } else {
        return true;
    }
    return false;
}

/* ---- nodes that come and go ---- */

bool axi_node_is_flapping(struct axi_master *m, const struct axi_node *node)
{
    const struct axi_policy_spec *policy = axi_policy(m);
    uint64_t now = axi_now(m);
    uint32_t recent = 0;

    for (uint32_t i = 0; i < AXI_LOSSES_MAX; i++) {
        recent += node->lost_ns[i] != 0 && now - node->lost_ns[i] < policy->flap_window_ns;
    }
    return policy->flap_limit != 0 && recent >= policy->flap_limit;
}

void axi_services_node_lost(struct axi_master *m, struct axi_node *node)
{
    bool was_flapping = axi_node_is_flapping(m, node);

    memmove(&node->lost_ns[1], &node->lost_ns[0], sizeof(node->lost_ns) - sizeof(node->lost_ns[0]));
    node->lost_ns[0] = axi_now(m);
    if (axi_node_is_flapping(m, node) && !was_flapping) {
        axi_event(m, AXI_WARNING, "node-flapping", NULL, node,
                  "lost %u times within %llu s; it gets nothing until it was quiet that long",
                  axi_policy(m)->flap_limit,
                  (unsigned long long)(axi_policy(m)->flap_window_ns / SECOND));
    }
    axi_services_nodes_changed(m);
}

void axi_services_nodes_changed(struct axi_master *m)
{
    const struct axi_declared *d = m->declared;

    for (size_t i = 0; d != NULL && i < d->service_count; i++) {
        struct axi_service *s = d->services[i];

        if (s->wants_nodes) {
            s->create_ns = s->backoff_ns = 0;
            s->wants_nodes = false;
        }
        s->room_look_ns = 0;
        axi_service_look_now(m, s);
    }
}

void axi_service_look_now(struct axi_master *m, struct axi_service *service)
{
    service->next_ns = axi_now(m);
}

void axi_service_replica_changed(struct axi_master *m, const struct axi_task *task, int code,
                                 const char *reason)
{
    struct axi_service *service = axi_service_find(m, task->record.service);
    uint64_t node = task->record.owner != 0 ? task->record.owner : task->record.pin;

    if (service == NULL) {
        return;
    }
    if (code != 0 && task->record.state == AXI_TASK_RUNNING && !task->is_gone) {
        code = 0; /* it did not move, and goes on */
    }
    if (code != 0) {
        (void)snprintf(service->condition, sizeof(service->condition), "%s: %.100s",
                       task->record.name, reason != NULL ? reason : axi_error_text(code));
        if (code == -AXC_ECKPT_NONE) {
            service->is_stateless = true;
        } else if (code != -AXC_ELOST) {
            axi_service_avoid(m, service, node, REFUSED_PAUSE_NS);
        }
    }
    if (code != 0 && code != -AXC_ELOST) {
        axi_service_back_off(m, service);
        service->refused_ns = task->is_gone ? axi_now(m) + REFUSED_AGAIN_NS : service->refused_ns;
    }
    axi_service_look_now(m, service);
}

void axi_service_replica_bad(struct axi_master *m, struct axi_service *service, uint64_t task,
                             bool is_wrong)
{
    struct axi_member *member = axi_member_find(service, task);

    if (member == NULL || member->role == AXI_MEMBER_GOING || member->role == AXI_MEMBER_OLD) {
        return;
    }
    for (uint32_t i = 0; i < service->bad_count; i++) {
        if (service->bad[i] == task) {
            return;
        }
    }
    if (service->bad_count < AXI_MEMBERS_MAX) {
        service->bad[service->bad_count++] = task;
        axi_event(m, AXI_WARNING, "replica-bad", axi_task_find(m, task), NULL,
                  "%s-%u of %s: its outputs were %s %u times in a row", service->spec.name,
                  member->number, service->spec.name, is_wrong ? "wrong" : "missing",
                  service->spec.output.bad_limit);
    }
    axi_service_look_now(m, service);
}

/* ---- the tick ---- */

uint64_t axi_services_tick(struct axi_master *m)
{
    struct axi_declared *d = m->declared;
    uint64_t next = axi_drains_tick(m);
    uint64_t partitions = axi_partitions_tick(m);

    next = partitions < next ? partitions : next;
    for (size_t i = 0; i < d->service_count && !m->is_crashed;) {
        struct axi_service *s = d->services[i];

        if (axi_now(m) >= s->next_ns) {
            s->next_ns = axi_now(m) + RESYNC_NS;
            axi_service_reconcile(m, s); /* may be the end of it */
        }
        if (i < d->service_count && d->services[i] == s) {
            next = s->next_ns < next ? s->next_ns : next;
            i++;
        }
    }
    return next;
}
