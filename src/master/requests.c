/* SPDX-License-Identifier: Apache-2.0 */
/* What a user asks for: each request is judged here, once, with a reason; then a flow does it. */
#include "core/meta.h"
#include "master/internal.h"
#include "master/service/service.h"

#include <string.h>

#define ROOM_NS 10000000000ull /* so long a task waits for the moves that make room for it */

static int internal(char *ret_reason, int rc)
{
    return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
}

static int find_task(struct axi_master *m, const char *name, struct axi_task **ret_task,
                     char *ret_reason)
{
    struct axi_task *task = axi_task_lookup(m, name);

    if (task == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no task %.31s; see: axcan get tasks", name);
    }
    *ret_task = task;
    return 0;
}

static int find_node(struct axi_master *m, const char *name, struct axi_node **ret_node,
                     char *ret_reason)
{
    struct axi_node *node = axi_node_lookup(m, name);

    if (node == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no node %.31s; see: axcan get nodes", name);
    }
    *ret_node = node;
    return 0;
}

static int check_idle(const struct axi_task *task, char *ret_reason)
{
    if (task->record.migration.phase != AXI_MIGRATION_NONE || axi_flow_is_migration(&task->flow)) {
        return axi_refuse(ret_reason, AXC_EIN_MIGRATION, "%s is being migrated", task->record.name);
    }
    if (task->flow.step != AXI_STEP_IDLE) {
        return axi_refuse(ret_reason, AXC_EBUSY, "%s is %s", task->record.name,
                          axi_task_state_name(task->record.state));
    }
    return 0;
}

static int check_state(const struct axi_task *task, enum axi_task_state state, char *ret_reason)
{
    if (task->record.state != state) {
        return axi_refuse(ret_reason, AXC_ESTATE, "%s is %s, not %s", task->record.name,
                          axi_task_state_name(task->record.state), axi_task_state_name(state));
    }
    return 0;
}

/* An operation on a task that is there. */
struct beginning {
    const char *kind;
    enum axi_task_state state;
    enum axi_step step;
    uint64_t wanted;  /* node; 0 = any */
    uint64_t room_ns; /* local: so long no node is no failure */
};

/* Records the new state, then the flow begins. */
static int begin(struct axi_master *m, struct axi_task *task, const struct beginning *what,
                 uint64_t *ret_op, char *ret_reason)
{
    struct axi_record next = task->record;
    struct axi_op *op;
    int rc = 0;

    next.state = what->state;
    if (what->state != task->record.state) {
        rc = axi_task_commit(m, task, &next, NULL, 0);
    }
    if (rc != 0) {
        return internal(ret_reason, rc);
    }
    op = axi_op_new(m, what->kind, next.name);
    if (op == NULL) {
        return internal(ret_reason, -AXC_ENOMEM);
    }
    *ret_op = op->id;
    axi_flow_clear(&task->flow);
    task->flow.op = op->id;
    task->flow.wanted = what->wanted;
    task->flow.room_ns = what->room_ns;
    axi_flow_go(m, task, what->step);
    return 0;
}

/* ---- deploy ---- */

static int check_members(const json_t *request, char *ret_reason)
{
    static const char *const known[] = {"image",     "name",        "node",
                                        "jobs",      "wcet_us",     "assurance",
                                        "isolation", "backlog_max", "standby"};
    const char *key;
    json_t *value;

    if (!json_is_object(request)) {
        return axi_refuse(ret_reason, AXC_EINVALID, "the request is no JSON object");
    }
    json_object_foreach ((json_t *)request, key, value) {
        size_t i = 0;

        while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i], key) != 0) {
            i++;
        }
        if (i == sizeof(known) / sizeof(known[0])) {
            return axi_refuse(ret_reason, AXC_EINVALID, "unknown member \"%.40s\"", key);
        }
    }
    return 0;
}

static int apply_wcets(const json_t *wcets, struct axi_record *record, char *ret_reason)
{
    const char *platform;
    json_t *value;

    if (wcets != NULL && !json_is_object(wcets)) {
        return axi_refuse(ret_reason, AXC_EINVALID, "wcet_us must be {\"platform\": microseconds}");
    }
    json_object_foreach ((json_t *)wcets, platform, value) {
        uint32_t i = 0;

        while (i < record->entry_count && strcmp(record->entries[i].platform, platform) != 0) {
            i++;
        }
        if (i == record->entry_count) {
            return axi_refuse(ret_reason, AXC_EADMIT_PLATFORM, "wcet_us: no entry for %.23s",
                              platform);
        }
        if (!json_is_integer(value) || json_integer_value(value) <= 0 ||
            json_integer_value(value) > 3600000000ll) {
            return axi_refuse(ret_reason, AXC_EINVALID, "wcet_us: %.23s must be 1 to 3600000000",
                              platform);
        }
        record->entries[i].wcet_ns = (uint64_t)json_integer_value(value) * 1000;
    }
    return 0;
}

static int apply_number(const json_t *request, const char *key, json_int_t max, uint64_t *value,
                        char *ret_reason)
{
    const json_t *number = json_object_get(request, key);

    if (number == NULL) {
        return 0;
    }
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        json_integer_value(number) > max) {
        return axi_refuse(ret_reason, AXC_EINVALID, "%s must be a number from 0 to %lld", key,
                          (long long)max);
    }
    *value = (uint64_t)json_integer_value(number);
    return 0;
}

static int apply_choice(const json_t *request, const char *key, const char *const *choices,
                        uint32_t *value, char *ret_reason)
{
    const json_t *text = json_object_get(request, key);

    if (text == NULL) {
        return 0;
    }
    for (uint32_t i = 0; choices[i] != NULL; i++) {
        if (json_is_string(text) && strcmp(json_string_value(text), choices[i]) == 0) {
            *value = i;
            return 0;
        }
    }
    return axi_refuse(ret_reason, AXC_EINVALID, "%s: unknown value", key);
}

static int apply_name(struct axi_master *m, const json_t *request, struct axi_record *record,
                      char *ret_reason)
{
    const json_t *name = json_object_get(request, "name");
    const char *text = name != NULL ? json_string_value(name) : record->spec.name;

    if (text == NULL || strlen(text) >= sizeof(record->name) || !axi_meta_is_name(text)) {
        return axi_refuse(ret_reason, AXC_EINVALID,
                          "name must be [a-z][a-z0-9-]*, at most 31 characters");
    }
    axi_copy_text(record->name, sizeof(record->name), text);
    if (axi_task_lookup(m, record->name) != NULL) {
        return axi_refuse(ret_reason, AXC_EEXIST, "task %s exists already", record->name);
    }
    return 0;
}

static int make_record(struct axi_master *m, const json_t *request, struct axi_record *record,
                       char *ret_reason)
{
    static const char *const assurances[] = {"shared", "realtime", "isolated", "partition", NULL};
    static const char *const isolations[] = {"fence", "continue", NULL};
    const json_t *standby = json_object_get(request, "standby");
    struct axi_image_info *info = NULL;
    struct axi_node *node = NULL;
    uint32_t isolation;
    uint64_t backlog;
    int rc = check_members(request, ret_reason);

    if (rc == 0 && axi_json_get_text(request, "image")[0] == '\0') {
        rc = axi_refuse(ret_reason, AXC_EINVALID, "member \"image\" is missing");
    }
    if (rc == 0) {
        info = axi_image_lookup(m, axi_json_get_text(request, "image"), ret_reason);
        rc = info == NULL ? -AXC_ENOENT : 0;
    }
    if (rc != 0) {
        return rc;
    }
    record->spec = info->spec;
    record->entry_count = info->entry_count;
    memcpy(record->image, info->digest, 32);
    memcpy(record->entries, info->entries, sizeof(record->entries));
    isolation = record->spec.continue_isolated;
    backlog = record->spec.backlog_max;
    rc = apply_name(m, request, record, ret_reason);
    if (rc == 0 && json_object_get(request, "node") != NULL) {
        rc = find_node(m, axi_json_get_text(request, "node"), &node, ret_reason);
        record->pin = node != NULL ? node->id : 0;
    }
    if (rc == 0) {
        rc = apply_number(request, "jobs", INT64_MAX, &record->spec.jobs, ret_reason);
    }
    if (rc == 0) {
        rc = apply_wcets(json_object_get(request, "wcet_us"), record, ret_reason);
    }
    if (rc == 0) {
        rc = apply_choice(request, "assurance", assurances, &record->assurance_min, ret_reason);
    }
    if (rc == 0) {
        rc = apply_choice(request, "isolation", isolations, &isolation, ret_reason);
    }
    if (rc == 0) {
        rc = apply_number(request, "backlog_max", 1000000, &backlog, ret_reason);
    }
    if (rc == 0 && standby != NULL && !json_is_boolean(standby)) {
        rc = axi_refuse(ret_reason, AXC_EINVALID, "standby must be true or false");
    }
    record->wants_standby = json_is_true(standby);
    record->spec.continue_isolated = isolation != 0;
    record->spec.backlog_max = backlog != 0 ? (uint32_t)backlog : AXI_BACKLOG_DEFAULT;
    return rc;
}

int axi_master_deploy(struct axi_master *m, const json_t *request, uint64_t *ret_op,
                      char *ret_reason)
{
    struct axi_record record = {.state = AXI_TASK_PLACING};
    struct axi_task probe = {0};
    struct axi_node *node = NULL;
    struct axi_task *task;
    struct axi_op *op;
    uint64_t room_ns = 0; /* so long it is waited for */
    int rc = make_record(m, request, &record, ret_reason);

    if (rc != 0) {
        return rc;
    }
    probe.record = record;
    rc = axi_task_place(m, &probe, record.pin, NULL, 0, &node, ret_reason);
    if (rc != 0 && record.pin == 0) {
        room_ns = axi_room_for_task(m, &record)        ? ROOM_NS
                  : axi_partition_for_task(m, &record) ? axi_policy(m)->partition_start_ns
                                                       : 0;
    }
    if (rc != 0 && room_ns == 0) {
        return rc; /* nobody would take it: nothing is recorded */
    }
    record.id = m->port.random64(m->port.context) | 1;
    record.created_ns = axi_now_master(m);
    axi_copy_text(record.restorer, sizeof(record.restorer), "managers");
    task = axi_task_add(m, &record, 0);
    op = axi_op_new(m, "deploy", record.name);
    if (task == NULL || op == NULL) {
        return internal(ret_reason, -AXC_ENOMEM);
    }
    rc = axi_task_commit(m, task, &record, NULL, 0);
    if (rc != 0 && rc != -AXC_ETIMEOUT) { /* unknown: placing it settles that */
        axi_task_drop(m, task);
        axi_op_end(m, op->id, rc, axi_error_text(rc), NULL);
        return internal(ret_reason, rc);
    }
    axi_event(m, AXI_INFO, "deploy", task, NULL, "asked for");
    *ret_op = op->id;
    task->flow.op = op->id;
    task->flow.room_ns = room_ns != 0 ? axi_now(m) + room_ns : 0;
    axi_flow_go(m, task, AXI_STEP_LAUNCH_PLACE);
    return 0;
}

/* ---- the other operations ---- */

/* None takes it: so long a partition is waited for that does; 0 = there is none. */
static uint64_t wait_for_partition(struct axi_master *m, const struct axi_task *task)
{
    return task->record.pin == 0 && axi_partition_for_task(m, &task->record)
               ? axi_policy(m)->partition_start_ns
               : 0;
}

int axi_master_start(struct axi_master *m, const char *name, const char *node_name,
                     uint64_t *ret_op, char *ret_reason)
{
    struct axi_task *task = NULL;
    struct axi_node *node = NULL;
    struct axi_node *best = NULL;
    uint64_t room_ns = 0;
    int rc = find_task(m, name, &task, ret_reason);

    if (rc == 0) {
        rc = check_idle(task, ret_reason);
    }
    if (rc == 0) {
        rc = check_state(task, AXI_TASK_STOPPED, ret_reason);
    }
    if (rc == 0 && node_name != NULL) {
        rc = find_node(m, node_name, &node, ret_reason);
    }
    if (rc == 0) {
        rc = axi_task_place(m, task, node != NULL ? node->id : task->record.pin, NULL, 0, &best,
                            ret_reason);
        room_ns = rc != 0 && node == NULL ? wait_for_partition(m, task) : 0;
        rc = room_ns != 0 ? 0 : rc;
    }
    const struct beginning what = {.kind = "start",
                                   .state = AXI_TASK_PLACING,
                                   .step = AXI_STEP_LAUNCH_PLACE,
                                   .wanted = node != NULL ? node->id : 0,
                                   .room_ns = room_ns != 0 ? axi_now(m) + room_ns : 0};

    return rc != 0 ? rc : begin(m, task, &what, ret_op, ret_reason);
}

int axi_master_stop(struct axi_master *m, const char *name, uint64_t *ret_op, char *ret_reason)
{
    struct axi_task *task = NULL;
    int rc = find_task(m, name, &task, ret_reason);

    if (rc == 0) {
        rc = check_idle(task, ret_reason);
    }
    if (rc == 0) {
        rc = check_state(task, AXI_TASK_RUNNING, ret_reason);
    }
    const struct beginning what = {
        .kind = "stop", .state = AXI_TASK_STOPPING, .step = AXI_STEP_STOP_HALT};

    return rc != 0 ? rc : begin(m, task, &what, ret_op, ret_reason);
}

int axi_master_delete(struct axi_master *m, const char *name, uint64_t *ret_op, char *ret_reason)
{
    struct axi_task *task = NULL;
    int rc = find_task(m, name, &task, ret_reason);

    if (rc != 0) {
        return rc;
    }
    /* A restore that waits for a node may be given up; anything else is let finish first. */
    if (!task->record.is_restore && task->record.state != AXI_TASK_RESTORING) {
        rc = check_idle(task, ret_reason);
    }
    if (rc != 0) {
        return rc;
    }
    axi_op_end(m, task->flow.op, -AXC_ECANCELLED, "the task is deleted", NULL);
    const struct beginning what = {
        .kind = "delete", .state = AXI_TASK_DELETING, .step = AXI_STEP_DELETE_REMOVE};

    return begin(m, task, &what, ret_op, ret_reason);
}

int axi_master_migrate(struct axi_master *m, const char *name, const char *node_name,
                       uint64_t *ret_op, char *ret_reason)
{
    struct axi_task *task = NULL;
    struct axi_node *node = NULL;
    struct axi_node *best = NULL;
    int rc = find_task(m, name, &task, ret_reason);

    if (rc == 0) {
        rc = check_idle(task, ret_reason);
    }
    if (rc == 0) {
        rc = check_state(task, AXI_TASK_RUNNING, ret_reason);
    }
    if (rc == 0 && node_name != NULL) {
        rc = find_node(m, node_name, &node, ret_reason);
    }
    if (rc == 0 && node != NULL && node->id == task->record.owner) {
        rc = axi_refuse(ret_reason, AXC_ESTATE, "%s runs on %s already", task->record.name,
                        node->hello.name);
    }
    if (rc == 0) {
        rc = axi_task_place(m, task, node != NULL ? node->id : 0, &task->record.owner, 1, &best,
                            ret_reason);
    }
    const struct beginning what = {.kind = "migrate",
                                   .state = AXI_TASK_RUNNING,
                                   .step = AXI_STEP_MIGRATE_RESERVE,
                                   .wanted = node != NULL ? node->id : 0};

    return rc != 0 ? rc : begin(m, task, &what, ret_op, ret_reason);
}
