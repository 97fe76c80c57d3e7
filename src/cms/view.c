/* SPDX-License-Identifier: Apache-2.0 */
/* The copy of what the cluster store says, and the only place that changes a record. */
#include "cms/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct axi_cms_node *axi_cms_node_find(struct axi_cms *cms, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < cms->node_count; i++) {
        if (cms->nodes[i]->id == id) {
            return cms->nodes[i];
        }
    }
    return NULL;
}

/* Room for one pointer more in an array of them; the caller fills it. */
static bool grow(void *array, size_t count)
{
    void **old = NULL;
    void **grown;

    memcpy(&old, array, sizeof(old));
    grown = realloc(old, (count + 1) * sizeof(void *));
    if (grown == NULL) {
        return false;
    }
    memcpy(array, &grown, sizeof(grown));
    return true;
}

struct axi_cms_node *axi_cms_node_get(struct axi_cms *cms, uint64_t id)
{
    struct axi_cms_node *node = axi_cms_node_find(cms, id);

    if (node != NULL || id == 0 || !grow(&cms->nodes, cms->node_count)) {
        return node;
    }
    node = calloc(1, sizeof(*node));
    if (node != NULL) {
        node->id = id;
        node->lease_seen_ns = axi_cms_now(cms);
        (void)snprintf(node->name, sizeof(node->name), "%llx", (unsigned long long)id);
        cms->nodes[cms->node_count++] = node;
    }
    return node;
}

struct axi_cms_task *axi_cms_task_find(struct axi_cms *cms, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < cms->task_count; i++) {
        if (cms->tasks[i]->record.id == id) {
            return cms->tasks[i];
        }
    }
    return NULL;
}

struct axi_cms_task *axi_cms_task_get(struct axi_cms *cms, uint64_t id)
{
    struct axi_cms_task *task = axi_cms_task_find(cms, id);

    if (task != NULL || id == 0 || !grow(&cms->tasks, cms->task_count)) {
        return task;
    }
    task = calloc(1, sizeof(*task));
    if (task != NULL) {
        task->record.id = id;
        cms->tasks[cms->task_count++] = task;
    }
    return task;
}

const char *axi_cms_node_name(struct axi_cms *cms, uint64_t id)
{
    const struct axi_cms_node *node = axi_cms_node_find(cms, id);

    return node != NULL ? node->name : "nobody";
}

void axi_cms_task_key(uint64_t id, char key[40])
{
    (void)snprintf(key, 40, "task/%016llx", (unsigned long long)id);
}

/* ---- changes ---- */

static void task_is(struct axi_cms *cms, struct axi_cms_task *task, const struct axi_record *record,
                    uint64_t revision)
{
    struct axi_record before = task->record;
    bool was_known = task->revision != 0;

    task->record = *record;
    task->revision = revision;
    task->changed_ns = axi_cms_now(cms);
    task->is_unsure = false;
    if (was_known) {
        axi_cms_record_changed(cms, task, &before);
    }
}

static void task_gone(struct axi_cms *cms, struct axi_cms_task *task)
{
    task->revision = 0;
    task->is_unsure = false;
    axi_cms_idle(cms, task);
    if (axi_checkpoints_forget(cms->config.checkpoints, task->record.id) != 0) {
        axi_cms_event(cms, AXI_WARNING, "checkpoints-kept", task, NULL,
                      "the task is gone; its checkpoints could not be dropped");
    }
    task->durable = task->noticed = (struct axi_origin){0};
    task->durable_ns = task->noticed_ns = task->undurable_since_ns = 0;
}

static int decode(const struct axi_store_value *value, struct axi_record *ret_record)
{
    json_t *json = json_loads(value->bytes, 0, NULL);
    int rc = axi_record_from_json(json, ret_record);

    json_decref(json);
    return rc;
}

static void take_task(struct axi_cms *cms, uint64_t id, const struct axi_store_value *value,
                      uint64_t revision)
{
    struct axi_cms_task *task =
        value != NULL ? axi_cms_task_get(cms, id) : axi_cms_task_find(cms, id);
    struct axi_record record;

    if (task == NULL || (revision != 0 && revision <= task->revision)) {
        return; /* our own, or seen already */
    }
    if (value == NULL) {
        task_gone(cms, task);
    } else if (decode(value, &record) != 0 || record.id != id) {
        axi_cms_event(cms, AXI_ERROR, "record-corrupt", task, NULL, "cannot read record %llx",
                      (unsigned long long)id);
    } else {
        task_is(cms, task, &record, revision);
    }
}

static void take_node(struct axi_cms *cms, uint64_t id, const struct axi_store_value *value)
{
    struct axi_cms_node *node = axi_cms_node_get(cms, id);
    json_t *json = value != NULL ? json_loads(value->bytes, 0, NULL) : NULL;
    const json_t *platforms = json_object_get(json, "platforms");

    if (node != NULL) {
        node->is_registered = json != NULL;
        node->boot_id = axi_json_get_id(json, "boot");
        if (json != NULL) {
            axi_copy_text(node->name, sizeof(node->name), axi_json_get_text(json, "name"));
        }
        node->platform_count = 0;
        for (size_t i = 0; i < json_array_size(platforms) && i < AXI_PLATFORMS_MAX; i++) {
            const char *platform = json_string_value(json_array_get(platforms, i));

            axi_copy_text(node->platforms[node->platform_count++], sizeof(node->platforms[0]),
                          platform != NULL ? platform : "");
        }
        node->services = (uint32_t)axi_json_get_u64(json, "services");
        node->assurance = (uint32_t)axi_json_get_u64(json, "assurance");
        node->capacity_ppm = (uint32_t)axi_json_get_u64(json, "capacity_ppm");
        node->slots = (uint32_t)axi_json_get_u64(json, "slots");
        node->memory_bytes = axi_json_get_u64(json, "memory_bytes");
    }
    json_decref(json);
}

static void take(struct axi_cms *cms, const char *key, const struct axi_store_value *value,
                 uint64_t revision)
{
    const char *slash = strchr(key, '/');
    uint64_t id = slash != NULL ? strtoull(slash + 1, NULL, 16) : 0;

    if (strncmp(key, "task/", 5) == 0) {
        take_task(cms, id, value, revision);
    } else if (strncmp(key, "node/", 5) == 0) {
        take_node(cms, id, value);
    } else if (strncmp(key, "lease/", 6) == 0) {
        struct axi_cms_node *node = axi_cms_node_get(cms, id);

        if (node != NULL) {
            axi_cms_lease_changed(cms, node, value != NULL ? revision : 0);
        }
    } else if (strncmp(key, "manager/", 8) == 0) {
        axi_cms_peer_changed(cms, key, value, revision);
    } else if (strcmp(key, "presence/master") == 0) {
        if (cms->is_master_present && value == NULL) {
            cms->master_seen_ns = axi_cms_now(cms);
        }
        cms->is_master_present = value != NULL;
    }
}

static void changed(void *context, const struct axi_store_change *change)
{
    take(context, change->key, change->is_deleted ? NULL : change->value, change->revision);
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    take(context, key, value, value->revision);
    return 0;
}

struct visited {
    uint64_t *ids;
    size_t count, capacity;
};

static int note_id(void *context, const char *key, const struct axi_store_value *value)
{
    struct visited *seen = context;

    (void)value;
    if (seen->count == seen->capacity) {
        size_t capacity = seen->capacity * 2 + 64;
        uint64_t *grown = realloc(seen->ids, capacity * sizeof(*grown));

        if (grown == NULL) {
            return -AXC_ENOMEM;
        }
        seen->ids = grown;
        seen->capacity = capacity;
    }
    seen->ids[seen->count++] = strtoull(key + strlen("task/"), NULL, 16);
    return 0;
}

/* After a gap in the watch: tasks that the store does not list any more are gone. */
static int drop_unlisted(struct axi_cms *cms)
{
    struct visited seen = {0};
    int rc = axi_store_list(cms->config.store, "task/", note_id, &seen);

    for (size_t i = 0; rc == 0 && i < cms->task_count; i++) {
        bool is_listed = cms->tasks[i]->revision == 0;

        for (size_t k = 0; !is_listed && k < seen.count; k++) {
            is_listed = seen.ids[k] == cms->tasks[i]->record.id;
        }
        if (!is_listed) {
            task_gone(cms, cms->tasks[i]);
        }
    }
    free(seen.ids);
    return rc;
}

/* After the watch forgot: all that is of interest, node by node before task by task. */
static int list_all(struct axi_cms *cms)
{
    static const char *const prefixes[] = {"node/", "lease/", "task/", "manager/", "presence/"};
    int rc = 0;

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]) && rc == 0; i++) {
        rc = axi_store_list(cms->config.store, prefixes[i], visit, cms);
    }
    return rc == 0 ? drop_unlisted(cms) : rc;
}

/* One watch for everything: what is of no interest is rare. */
int axi_cms_view_poll(struct axi_cms *cms)
{
    uint64_t next = cms->watched;
    int rc = cms->is_crashed
                 ? -AXC_EUNAVAILABLE
                 : axi_store_changes(cms->config.store, "", cms->watched, changed, cms, &next);

    if (rc == -AXC_ECOMPACTED) {
        rc = list_all(cms);
    }
    if (rc == 0) {
        cms->watched = next;
    }
    return rc;
}

/* ---- one record ---- */

int axi_cms_view_read(struct axi_cms *cms, struct axi_cms_task *task)
{
    struct axi_store_value value = {0};
    struct axi_record record;
    char key[40];
    int rc;

    if (cms->is_crashed) {
        return -AXC_EUNAVAILABLE;
    }
    axi_cms_task_key(task->record.id, key);
    rc = axi_store_get(cms->config.store, key, &value);
    if (rc == -AXC_ENOENT) {
        if (task->revision != 0) {
            task_gone(cms, task);
        }
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    rc = decode(&value, &record);
    if (rc == 0 && value.revision != task->revision) {
        task_is(cms, task, &record, value.revision);
    } else if (rc == 0) {
        task->is_unsure = false;
    }
    axi_store_value_clear(&value);
    return rc;
}

int axi_cms_commit(struct axi_cms *cms, struct axi_cms_task *task, const struct axi_record *next,
                   const struct axi_store_op *also, size_t also_count)
{
    struct axi_store_op ops[3] = {{.kind = AXI_STORE_PUT}};
    bool is_blind = cms->config.plain_write_claim && next->claim.dead != 0;
    json_t *json = axi_record_to_json(next);
    char *text = json_dumps(json, JSON_COMPACT);
    uint64_t revision = 0;
    size_t count = 1;
    char key[40];
    int rc;

    json_decref(json);
    if (text == NULL || task->revision == 0) { /* gone: to write it would make it anew */
        free(text);
        return text == NULL ? -AXC_ENOMEM : -AXC_ENOENT;
    }
    axi_cms_task_key(task->record.id, key);
    ops[0].key = key;
    ops[0].value = text;
    ops[0].value_bytes = strlen(text);
    ops[0].expected = is_blind ? AXI_STORE_ANY : task->revision;
    for (size_t i = 0; i < also_count && i < 2 && !is_blind; i++) {
        ops[count++] = also[i];
    }
    rc = cms->is_crashed ? -AXC_EUNAVAILABLE
                         : axi_store_commit(cms->config.store, ops, count, &revision);
    free(text);
    if (rc == 0) {
        task->record = *next;
        task->revision = revision;
        task->changed_ns = axi_cms_now(cms);
    } else if (rc != -AXC_EUNAVAILABLE) {
        task->is_unsure = true;
    }
    return rc;
}
