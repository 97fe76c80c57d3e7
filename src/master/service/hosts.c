/* SPDX-License-Identifier: Apache-2.0 */
/* The key host/<name> (docs/formats/cluster-store.md), and the only place that changes it. */
#include "master/service/hosts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {"absent", "starting", "running", "leaving", "ending"};

const char *axi_partition_state_name(enum axi_partition_state state)
{
    return state <= AXI_PARTITION_ENDING ? state_names[state] : "";
}

void axi_partition_name(const struct axi_host *host, uint32_t slot, char ret_name[32])
{
    (void)snprintf(ret_name, 32, "%s-p%u", host->record.facts.name, slot + 1);
}

static void host_key(const char *name, char key[AXI_SERVICE_KEY_BYTES])
{
    (void)snprintf(key, AXI_SERVICE_KEY_BYTES, "host/%s", name);
}

/* ---- JSON ---- */

static json_t *slots_json(const struct axi_host_record *record)
{
    json_t *slots = json_array();

    for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX; i++) {
        const struct axi_partition *p = &record->slots[i];

        if (p->run != 0) {
            json_array_append_new(
                slots,
                json_pack("{s:I, s:s, s:I, s:I, s:b, s:s}", "number", (json_int_t)i + 1, "state",
                          axi_partition_state_name(p->state), "run", (json_int_t)p->run, "since_ns",
                          (json_int_t)p->since_ns, "used", p->was_used, "why", p->why));
        }
    }
    return slots;
}

static json_t *to_json(const struct axi_host_record *record)
{
    const struct axi_host_facts *f = &record->facts;

    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
                     "s:o}",
                     "id", axi_json_id(f->id), "name", f->name, "platform", f->platform,
                     "hypervisor", f->hypervisor, "version", f->version, "max", (json_int_t)f->max,
                     "assurance", (json_int_t)f->assurance, "services", (json_int_t)f->services,
                     "slots", (json_int_t)f->slots, "capacity_ppm", (json_int_t)f->capacity_ppm,
                     "memory_bytes", (json_int_t)f->memory_bytes, "server_budget_ns",
                     (json_int_t)f->server_budget_ns, "server_period_ns",
                     (json_int_t)f->server_period_ns, "failures", (json_int_t)record->failures,
                     "not_before_ns", (json_int_t)record->not_before_ns, "partitions",
                     slots_json(record));
}

static int slot_from_json(const json_t *json, struct axi_host_record *record)
{
    uint64_t number = axi_json_get_u64(json, "number");
    const char *state = axi_json_get_text(json, "state");
    struct axi_partition *p;

    if (number == 0 || number > AXI_HOST_PARTITIONS_MAX) {
        return -AXC_EINVALID;
    }
    p = &record->slots[number - 1];
    for (int s = AXI_PARTITION_ABSENT; s <= AXI_PARTITION_ENDING; s++) {
        if (strcmp(state_names[s], state) == 0) {
            p->state = (enum axi_partition_state)s;
            p->run = (uint32_t)axi_json_get_u64(json, "run");
            p->since_ns = axi_json_get_u64(json, "since_ns");
            p->was_used = json_is_true(json_object_get(json, "used"));
            axi_copy_text(p->why, sizeof(p->why), axi_json_get_text(json, "why"));
            return 0;
        }
    }
    return -AXC_EINVALID;
}

static int from_json(const json_t *json, struct axi_host_record *ret_record)
{
    const json_t *slots = json_object_get(json, "partitions");
    struct axi_host_record record = {
        .facts = {.id = axi_json_get_id(json, "id"),
                  .max = (uint32_t)axi_json_get_u64(json, "max"),
                  .assurance = (uint32_t)axi_json_get_u64(json, "assurance"),
                  .services = (uint32_t)axi_json_get_u64(json, "services"),
                  .slots = (uint32_t)axi_json_get_u64(json, "slots"),
                  .capacity_ppm = (uint32_t)axi_json_get_u64(json, "capacity_ppm"),
                  .memory_bytes = axi_json_get_u64(json, "memory_bytes"),
                  .server_budget_ns = axi_json_get_u64(json, "server_budget_ns"),
                  .server_period_ns = axi_json_get_u64(json, "server_period_ns")},
        .failures = (uint32_t)axi_json_get_u64(json, "failures"),
        .not_before_ns = axi_json_get_u64(json, "not_before_ns")};
    struct axi_host_facts *f = &record.facts;
    int rc = 0;

    axi_copy_text(f->name, sizeof(f->name), axi_json_get_text(json, "name"));
    axi_copy_text(f->platform, sizeof(f->platform), axi_json_get_text(json, "platform"));
    axi_copy_text(f->hypervisor, sizeof(f->hypervisor), axi_json_get_text(json, "hypervisor"));
    axi_copy_text(f->version, sizeof(f->version), axi_json_get_text(json, "version"));
    for (size_t i = 0; i < json_array_size(slots) && rc == 0; i++) {
        rc = slot_from_json(json_array_get(slots, i), &record);
    }
    if (rc != 0 || f->name[0] == '\0' || f->id == 0 || f->max > AXI_HOST_PARTITIONS_MAX) {
        return -AXC_EINVALID;
    }
    *ret_record = record;
    return 0;
}

/* ---- the table ---- */

struct axi_host *axi_host_find(struct axi_master *m, const char *name)
{
    for (size_t i = 0; m->declared != NULL && i < m->declared->host_count; i++) {
        if (strcmp(m->declared->hosts[i]->record.facts.name, name) == 0) {
            return m->declared->hosts[i];
        }
    }
    return NULL;
}

bool axi_host_is_present(struct axi_master *m, const struct axi_host *host)
{
    return host->seen_ns != 0 && axi_now(m) - host->seen_ns < AXI_HOST_PRESENT_NS;
}

static struct axi_host *add(struct axi_master *m, const struct axi_host_record *record)
{
    struct axi_declared *d = m->declared;
    struct axi_host **grown = realloc(d->hosts, (d->host_count + 1) * sizeof(struct axi_host *));
    struct axi_host *host = calloc(1, sizeof(*host));

    if (grown != NULL) {
        d->hosts = grown;
    }
    if (grown == NULL || host == NULL) {
        free(host);
        return NULL;
    }
    host->record = *record;
    d->hosts[d->host_count++] = host;
    return host;
}

static void erase(struct axi_master *m, struct axi_host *host)
{
    struct axi_declared *d = m->declared;

    for (size_t i = 0; i < d->host_count; i++) {
        if (d->hosts[i] == host) {
            d->hosts[i] = d->hosts[--d->host_count];
            free(host);
            return;
        }
    }
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_master *m = context;
    struct axi_host_record record;
    json_t *json = json_loads(value->bytes, 0, NULL);
    int rc = from_json(json, &record);
    struct axi_host *host;

    json_decref(json);
    if (rc != 0) {
        axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
        return 0;
    }
    host = add(m, &record);
    if (host != NULL) {
        host->revision = value->revision;
    }
    return host != NULL ? 0 : -AXC_ENOMEM;
}

int axi_hosts_load(struct axi_master *m)
{
    return axi_store_list(m->config.store, "host/", visit, m);
}

void axi_hosts_free(struct axi_master *m)
{
    while (m->declared->host_count > 0) {
        erase(m, m->declared->hosts[0]);
    }
    free(m->declared->hosts);
}

/* ---- commits ---- */

int axi_host_commit(struct axi_master *m, struct axi_host *host, const struct axi_host_record *next)
{
    json_t *json = to_json(next);
    char key[AXI_SERVICE_KEY_BYTES];
    uint64_t revision = 0;
    int rc;

    host_key(next->facts.name, key);
    rc = json == NULL ? -AXC_EINVALID : axi_put_json(m, key, host->revision, json, &revision);
    json_decref(json);
    if (rc == 0) {
        host->record = *next;
        host->revision = revision;
    } else if (rc == -AXC_ETIMEOUT || rc == -AXC_ECONFLICT) {
        host->is_uncertain = true;
    }
    return rc;
}

/* Only a commit on the same revision settles one whose outcome is unknown; else the record is read.
 */
bool axi_host_settle(struct axi_master *m, struct axi_host *host)
{
    struct axi_store_value value = {0};
    struct axi_host_record same = host->record;
    char key[AXI_SERVICE_KEY_BYTES];
    json_t *json;
    int rc;

    if (!host->is_uncertain) {
        return true;
    }
    host->is_uncertain = false;
    if (axi_host_commit(m, host, &same) == 0) {
        return true;
    }
    host->is_uncertain = true;
    host_key(host->record.facts.name, key);
    rc = m->is_crashed ? -AXC_EUNAVAILABLE : axi_store_get(m->config.store, key, &value);
    if (rc == -AXC_ENOENT) {
        host->revision = 0;
    } else if (rc == 0) {
        json = json_loads(value.bytes, 0, NULL);
        if (from_json(json, &host->record) != 0) {
            axi_event(m, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
        }
        json_decref(json);
        host->revision = value.revision;
        axi_store_value_clear(&value);
    } else {
        return false;
    }
    host->is_uncertain = false;
    return true;
}

/* ---- the API ---- */

static json_t *partition_json(struct axi_master *m, const struct axi_host *host, uint32_t slot)
{
    const struct axi_partition *p = &host->record.slots[slot];
    const char *said = host->reports[slot].said == AXI_SAID_RUNNING  ? "running"
                       : host->reports[slot].said == AXI_SAID_FAILED ? "failed"
                                                                     : "";
    char name[32];

    (void)m;
    axi_partition_name(host, slot, name);
    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "name", name, "state",
                     axi_partition_state_name(p->state), "run", (json_int_t)p->run, "since_ns",
                     (json_int_t)p->since_ns, "why", p->why, "reported", said, "reason",
                     host->reports[slot].reason);
}

static json_t *host_json(struct axi_master *m, const struct axi_host *host)
{
    json_t *json = to_json(&host->record);
    json_t *partitions = json_array();
    uint32_t used = 0;

    for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX; i++) {
        if (host->record.slots[i].state != AXI_PARTITION_ABSENT) {
            json_array_append_new(partitions, partition_json(m, host, i));
            used++;
        }
    }
    json_object_set_new(json, "assurance", json_string(axi_host_assurance_name(host)));
    json_object_set_new(json, "partitions", partitions);
    json_object_set_new(json, "used", json_integer(used));
    json_object_set_new(json, "state",
                        json_string(!axi_host_is_present(m, host)                    ? "lost"
                                    : host->record.not_before_ns > axi_now_master(m) ? "paused"
                                                                                     : "ready"));
    json_object_set_new(json, "revision", json_integer((json_int_t)host->revision));
    return json;
}

json_t *axi_master_hosts(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->declared->host_count; i++) {
        json_array_append_new(array, host_json(m, m->declared->hosts[i]));
    }
    return array;
}

json_t *axi_master_host(struct axi_master *m, const char *name)
{
    const struct axi_host *host = axi_host_find(m, name);

    return host != NULL ? host_json(m, host) : NULL;
}

int axi_master_host_delete(struct axi_master *m, const char *name, char *ret_reason)
{
    struct axi_host *host = axi_host_find(m, name);
    char key[AXI_SERVICE_KEY_BYTES];
    struct axi_store_op op = {.kind = AXI_STORE_DELETE, .key = key};
    int rc;

    if (host == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no host %.31s; see: axcan get hosts", name);
    }
    if (axi_host_is_present(m, host)) {
        return axi_refuse(ret_reason, AXC_EBUSY, "%s is there: end its axcan-host first", name);
    }
    host_key(name, key);
    op.expected = host->revision;
    rc = axi_host_settle(m, host) ? axi_commit(m, &op, 1, NULL) : -AXC_EUNAVAILABLE;
    if (rc != 0) {
        host->is_uncertain |= rc == -AXC_ETIMEOUT || rc == -AXC_ECONFLICT;
        return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    }
    axi_event(m, AXI_INFO, "host-deleted", NULL, NULL, "%s is forgotten", name);
    erase(m, host);
    return 0;
}

struct axi_host *axi_host_add(struct axi_master *m, const struct axi_host_facts *facts,
                              char *ret_reason)
{
    struct axi_host_record record = {.facts = *facts};
    struct axi_host *host;
    int rc;

    if (m->declared->host_count >= AXI_HOSTS_MAX) {
        (void)axi_refuse(ret_reason, AXC_EFULL, "there are %u hosts already", AXI_HOSTS_MAX);
        return NULL;
    }
    host = add(m, &record);
    rc = host != NULL ? axi_host_commit(m, host, &record) : -AXC_ENOMEM;
    if (rc == 0 || rc == -AXC_ETIMEOUT) {
        return host;
    }
    if (host != NULL) {
        erase(m, host);
    }
    (void)axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    return NULL;
}
