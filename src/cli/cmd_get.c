/* SPDX-License-Identifier: Apache-2.0 */
/* axcan get, describe, status, top: what there is. */
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/describe_service.h"
#include "cli/managers.h"
#include "cli/output.h"
#include "cli/resource.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MS 1000u

static const struct axi_column node_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"STATE", "state", AXI_CELL_TEXT, false},
    {"TIER", "tier", AXI_CELL_TEXT, true},
    {"BOARD", "board", AXI_CELL_TEXT, true},
    {"PLATFORM", "platforms", AXI_CELL_LIST, false},
    {"ASSURANCE", "assurance", AXI_CELL_TEXT, false},
    {"TASKS", "tasks", AXI_CELL_COUNT, false},
    {"DENSITY", "density_ppm", AXI_CELL_SHARE, false},
    {"CAPACITY", "capacity_ppm", AXI_CELL_SHARE, false},
    {"CPU", "cpu_load_ppm", AXI_CELL_SHARE, false},
    {"LOAD", "task_load_ppm", AXI_CELL_SHARE, true},
    {"PREDICTED", "prediction.predicted_ppm", AXI_CELL_SHARE, true},
    {"HOST", "host", AXI_CELL_TEXT, true},
    {"ID", "id", AXI_CELL_TEXT, true},
    {"ADDRESS", "address", AXI_CELL_TEXT, true},
    {"SLOTS", "free_slots", AXI_CELL_TEXT, true},
    {"MEMORY", "memory_free_bytes", AXI_CELL_BYTES, true},
    {"CLOCK", "clock.state", AXI_CELL_TEXT, false},
    {"OFFSET", "clock.offset_ns", AXI_CELL_SIGNED_TIME, false},
    {"BOUND", "clock.bound_ns", AXI_CELL_TIME, true},
    {"DELTA", "clock.delta_ns", AXI_CELL_TIME, true},
    {"AGE", "joined_ns", AXI_CELL_AGE, false},
};

static const struct axi_column task_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"STATE", "state", AXI_CELL_TEXT, false},
    {"NODE", "node", AXI_CELL_TEXT, false},
    {"PERIOD", "spec.period_ns", AXI_CELL_TIME, false},
    {"JOB", "instance.next_job", AXI_CELL_TEXT, false},
    {"P99", "instance.response_p99_ns", AXI_CELL_TIME, false},
    {"MISSED", "instance.missed", AXI_CELL_TEXT, false},
    {"KILLED", "instance.killed", AXI_CELL_TEXT, false},
    {"EPOCH", "epoch", AXI_CELL_TEXT, true},
    {"DEADLINE", "spec.deadline_ns", AXI_CELL_TIME, true},
    {"EXEC-MAX", "instance.exec_max_ns", AXI_CELL_TIME, true},
    {"P50", "instance.response_p50_ns", AXI_CELL_TIME, true},
    {"MAX", "instance.response_max_ns", AXI_CELL_TIME, true},
    {"LATE", "instance.late", AXI_CELL_TEXT, true},
    {"RELEASED", "instance.released", AXI_CELL_TEXT, true},
    {"SKIPPED", "instance.skipped", AXI_CELL_TEXT, true},
    {"OVERRUNS", "instance.overruns", AXI_CELL_TEXT, true},
    {"CAUSE", "instance.last_cause", AXI_CELL_TEXT, true},
    {"IMAGE", "image", AXI_CELL_DIGEST, true},
    {"AGE", "created_ns", AXI_CELL_AGE, false},
};

static const struct axi_column image_columns[] = {
    {"NAME", "reference", AXI_CELL_TEXT, false},
    {"DIGEST", "digest", AXI_CELL_DIGEST, false},
    {"PLATFORMS", "entries", AXI_CELL_LIST, false},
    {"PERIOD", "spec.period_ns", AXI_CELL_TIME, false},
    {"STATE", "spec.state_bytes", AXI_CELL_BYTES, false},
    {"AGE", "created_ns", AXI_CELL_AGE, false},
};

static const struct axi_column event_columns[] = {
    {"NAME", "number", AXI_CELL_TEXT, false}, {"LEVEL", "level", AXI_CELL_TEXT, false},
    {"TYPE", "type", AXI_CELL_TEXT, false},   {"TASK", "task", AXI_CELL_TEXT, false},
    {"NODE", "node", AXI_CELL_TEXT, false},   {"TEXT", "text", AXI_CELL_TEXT, false},
    {"AGE", "time_ns", AXI_CELL_AGE, false},
};

static const struct axi_column master_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false}, {"ROLE", "role", AXI_CELL_TEXT, false},
    {"API", "api", AXI_CELL_TEXT, false},   {"ADDRESS", "address", AXI_CELL_TEXT, false},
    {"ID", "id", AXI_CELL_TEXT, true},
};

static const struct axi_column manager_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"STATE", "state", AXI_CELL_TEXT, false},
    {"STORE", "store", AXI_CELL_TEXT, false},
    {"NODES", "linked_nodes", AXI_CELL_TEXT, false},
    {"STORED", "stored", AXI_CELL_TEXT, false},
    {"AGE-P50", "age_p50_ns", AXI_CELL_TIME, false},
    {"AGE-P99", "age_p99_ns", AXI_CELL_TIME, false},
    {"RESTORES", "restores", AXI_CELL_TEXT, false},
    {"OVERTAKEN", "overtaken", AXI_CELL_TEXT, true},
    {"PEERS", "peers", AXI_CELL_LIST, true},
    {"ADDRESS", "address", AXI_CELL_TEXT, true},
    {"API", "api", AXI_CELL_TEXT, true},
    {"ID", "id", AXI_CELL_TEXT, true},
};

static const struct axi_column newest_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"MANAGER", "manager", AXI_CELL_TEXT, false},
    {"NODE", "node", AXI_CELL_TEXT, false},
    {"EPOCH", "epoch", AXI_CELL_TEXT, false},
    {"JOB", "job", AXI_CELL_TEXT, false},
    {"BEHIND-JOBS", "age_jobs", AXI_CELL_TEXT, false},
    {"BEHIND", "age_ns", AXI_CELL_TIME, false},
    {"KEPT", "kept", AXI_CELL_TEXT, false},
    {"SIZE", "bytes", AXI_CELL_BYTES, false},
    {"STEP", "step", AXI_CELL_TEXT, true},
    {"STORED", "stored_bytes", AXI_CELL_BYTES, true},
    {"PINNED", "pinned", AXI_CELL_TEXT, true},
    {"TASK", "task", AXI_CELL_TEXT, true},
};

static const struct axi_column checkpoint_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},     {"MANAGER", "manager", AXI_CELL_TEXT, false},
    {"NODE", "node", AXI_CELL_TEXT, false},     {"EPOCH", "epoch", AXI_CELL_TEXT, false},
    {"JOB", "job", AXI_CELL_TEXT, false},       {"STEP", "step", AXI_CELL_TEXT, false},
    {"SIZE", "bytes", AXI_CELL_BYTES, false},   {"STORED", "stored_bytes", AXI_CELL_BYTES, false},
    {"PINNED", "pinned", AXI_CELL_TEXT, false}, {"AGE", "stored_ns", AXI_CELL_AGE, false},
};

static const struct axi_column service_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"MODE", "mode", AXI_CELL_TEXT, false},
    {"STATE", "state", AXI_CELL_TEXT, false},
    {"READY", "ready", AXI_CELL_TEXT, false},
    {"REPLICAS", "replicas", AXI_CELL_TEXT, false},
    {"MINIMUM", "minimum", AXI_CELL_TEXT, false},
    {"AGREED", "votes.agreed", AXI_CELL_TEXT, false},
    {"GENERATION", "generation", AXI_CELL_TEXT, true},
    {"REVISION", "revision", AXI_CELL_TEXT, true},
    {"IMAGE", "image", AXI_CELL_DIGEST, true},
    {"CONDITION", "condition", AXI_CELL_TEXT, false},
};

static const struct axi_column voter_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},         {"STATE", "state", AXI_CELL_TEXT, false},
    {"SERVICES", "services", AXI_CELL_LIST, false}, {"AGREED", "agreed", AXI_CELL_TEXT, false},
    {"FAILED", "failed", AXI_CELL_TEXT, false},     {"ADDRESS", "address", AXI_CELL_TEXT, false},
    {"VERSION", "version", AXI_CELL_TEXT, true},    {"ID", "id", AXI_CELL_TEXT, true},
};

static const struct axi_column host_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"STATE", "state", AXI_CELL_TEXT, false},
    {"PLATFORM", "platform", AXI_CELL_TEXT, false},
    {"HYPERVISOR", "hypervisor", AXI_CELL_TEXT, false},
    {"USED", "used", AXI_CELL_TEXT, false},
    {"MAX", "max", AXI_CELL_TEXT, false},
    {"FAILURES", "failures", AXI_CELL_TEXT, false},
    {"PARTITIONS", "partitions", AXI_CELL_LIST, false},
    {"ID", "id", AXI_CELL_TEXT, true},
    {"VERSION", "version", AXI_CELL_TEXT, true},
};

static const struct axi_column declared_columns[] = {
    {"NAME", "name", AXI_CELL_TEXT, false},
    {"KIND", "kind", AXI_CELL_TEXT, false},
    {"REVISION", "revision", AXI_CELL_TEXT, false},
};

#define COLUMNS(list) list, sizeof(list) / sizeof((list)[0])

static const struct axi_resource resources[] = {
    {"nodes", "node", "/v1/nodes", COLUMNS(node_columns)},
    {"tasks", "task", "/v1/tasks", COLUMNS(task_columns)},
    {"images", "image", "/v1/images", COLUMNS(image_columns)},
    {"events", "event", "/v1/events", COLUMNS(event_columns)},
    {"masters", "master", "/v1/masters", COLUMNS(master_columns)},
    {"services", "service", "/v1/services", COLUMNS(service_columns)},
    {"voters", "voter", "/v1/voters", COLUMNS(voter_columns)},
    {"hosts", "host", "/v1/hosts", COLUMNS(host_columns)},
    {"declared", "declared", "/v1/declared", COLUMNS(declared_columns)},
    {"managers", "manager", NULL, COLUMNS(manager_columns)},
    {"checkpoints", "checkpoint", NULL, COLUMNS(newest_columns)},
};

/* Of one task: asked for by its name. */
static const struct axi_resource task_checkpoints = {"checkpoints", "checkpoint", NULL,
                                                     COLUMNS(checkpoint_columns)};

const struct axi_resource *axi_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        if (strcmp(name, resources[i].plural) == 0 || strcmp(name, resources[i].singular) == 0) {
            return &resources[i];
        }
    }
    return NULL;
}

static const char *name_of(const struct axi_resource *resource, const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, resource->columns[0].key));

    return name != NULL && *name != '\0' ? name : json_string_value(json_object_get(item, "name"));
}

static void print_names(const struct axi_resource *resource, const json_t *items)
{
    size_t index = 0;
    const json_t *item = NULL;

    json_array_foreach (items, index, item) {
        const char *name = name_of(resource, item);

        if (name != NULL) {
            (void)printf("%s/%s\n", resource->singular, name);
        } else {
            (void)printf("%s/%" JSON_INTEGER_FORMAT "\n", resource->singular,
                         json_integer_value(json_object_get(item, resource->columns[0].key)));
        }
    }
}

/* By name; an insertion sort, as lists are short. */
static void sort(const struct axi_resource *resource, json_t *items)
{
    for (size_t i = 1; i < json_array_size(items); i++) {
        json_t *item = json_incref(json_array_get(items, i));
        const char *name = name_of(resource, item);
        size_t at = i;

        while (at > 0 && name != NULL) {
            const char *before = name_of(resource, json_array_get(items, at - 1));

            if (before == NULL || strcmp(before, name) <= 0) {
                break;
            }
            at--;
        }
        (void)json_array_remove(items, i);
        (void)json_array_insert_new(items, at, item);
    }
}

void axi_kind_print(const struct axi_resource *resource, json_t *answer, enum axi_format format,
                    bool with_title)
{
    json_t *items = json_object_get(answer, "items");
    uint64_t now_ns = (uint64_t)json_integer_value(json_object_get(answer, "now_ns"));

    if (strcmp(resource->plural, "events") != 0) {
        sort(resource, items);
    }
    switch (format) {
    case AXI_FORMAT_JSON:
        axi_print_json(stdout, items);
        break;
    case AXI_FORMAT_YAML:
        axi_print_yaml(stdout, items);
        break;
    case AXI_FORMAT_NAME:
        print_names(resource, items);
        break;
    case AXI_FORMAT_TABLE:
    case AXI_FORMAT_WIDE:
        axi_print_table(stdout, resource->columns, resource->column_count, items, now_ns,
                        format == AXI_FORMAT_WIDE, with_title);
    }
    (void)fflush(stdout);
}

/* Keeps the one item with this name. */
static int keep_named(struct axi_client *client, const struct axi_resource *resource,
                      json_t *answer, const char *name)
{
    json_t *kept = json_array();
    size_t index = 0;
    json_t *item = NULL;

    json_array_foreach (json_object_get(answer, "items"), index, item) {
        const char *other = name_of(resource, item);

        if (other != NULL && strcmp(other, name) == 0) {
            (void)json_array_append(kept, item);
        }
    }
    (void)json_object_set(answer, "items", kept);
    size_t count = json_array_size(kept);

    json_decref(kept);
    return count > 0 ? 0
                     : axi_cli_fail(client->command, "no %s '%s'; 'axcan get %s' lists them",
                                    resource->singular, name, resource->plural);
}

/* Events: all pages there are. Others: the list. name: of the task whose checkpoints are wanted. */
static int fetch(struct axi_client *client, const struct axi_resource *resource, const char *name,
                 uint64_t since, uint64_t wait_ms, json_t **ret_answer)
{
    char path[96];

    if (resource->path == NULL) {
        return strcmp(resource->plural, "managers") == 0
                   ? axi_managers_get(client, ret_answer)
                   : axi_managers_checkpoints(client, name, ret_answer);
    }

    if (strcmp(resource->plural, "events") != 0) {
        return axi_client_call(client, "GET", resource->path, NULL, ret_answer);
    }
    json_t *all = NULL;

    for (;;) {
        json_t *page = NULL;

        (void)snprintf(path, sizeof(path), "/v1/events?since=%" PRIu64 "&wait_ms=%" PRIu64, since,
                       wait_ms);
        int r = axi_client_call(client, "GET", path, NULL, &page);

        if (r != 0) {
            json_decref(all);
            return r;
        }
        bool is_empty = json_array_size(json_object_get(page, "items")) == 0;

        if (all == NULL) {
            all = page;
        } else {
            (void)json_array_extend(json_object_get(all, "items"), json_object_get(page, "items"));
            (void)json_object_set(all, "next", json_object_get(page, "next"));
            json_decref(page);
        }
        if (is_empty || wait_ms > 0) {
            *ret_answer = all;
            return 0;
        }
        since = (uint64_t)json_integer_value(json_object_get(all, "next"));
    }
}

/* Events: prints what comes. Others: prints the list each time it looks different. */
static int watch(struct axi_client *client, const struct axi_resource *resource, const char *name,
                 enum axi_format format)
{
    uint64_t since = 0;
    bool is_events = strcmp(resource->plural, "events") == 0;

    for (bool is_first = true;; is_first = false) {
        json_t *answer = NULL;

        client->http.deadline_ns = axi_cli_now_ns() + client->timeout_ns;
        int r = fetch(client, resource, name, since, is_first || !is_events ? 0 : 10000, &answer);

        if (r != 0) {
            return r;
        }
        if (is_events) {
            since = (uint64_t)json_integer_value(json_object_get(answer, "next"));
        } else {
            (void)fputs(axi_terminal_home_and_clear(), stdout);
        }
        axi_kind_print(resource, answer, format, !is_events || is_first);
        json_decref(answer);
        if (!is_events) {
            (void)usleep(WATCH_MS * 1000);
        }
    }
}

static int get(struct axi_client *client, const struct axi_resource *resource, const char *name,
               enum axi_format format)
{
    json_t *answer = NULL;
    int r = fetch(client, resource, name, 0, 0, &answer);

    if (r == 0 && name != NULL && resource != &task_checkpoints) {
        r = keep_named(client, resource, answer, name);
    }
    if (r == 0) {
        axi_kind_print(resource, answer, format, true);
    }
    json_decref(answer);
    return r;
}

static int run_get(int argc, char **argv)
{
    struct axi_client client;
    const char *arguments[2] = {0};
    const char *output = NULL;
    bool is_watched = false;
    size_t count = 0;
    enum axi_format format = AXI_FORMAT_TABLE;

    axi_client_init(&client, "get");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"o", AXI_OPTION_TEXT, &output},
        {"output", AXI_OPTION_TEXT, &output},
        {"w", AXI_OPTION_FLAG, &is_watched},
        {"watch", AXI_OPTION_FLAG, &is_watched},
    };
    int r = axi_options_parse("get", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "what to list", 1, 2, arguments, &count);

    if (r != 0) {
        return r;
    }
    const struct axi_resource *resource = axi_kind_find(arguments[0]);

    if (resource == NULL) {
        return axi_cli_usage("get",
                             "'%s' is none of nodes, tasks, services, voters, hosts, declared, "
                             "images, events, masters, managers, checkpoints",
                             arguments[0]);
    }
    if (!axi_parse_format(output, &format)) {
        return axi_cli_usage("get", "-o: '%s' is none of wide, json, yaml, name", output);
    }
    if (count == 2 && strcmp(resource->plural, "checkpoints") == 0) {
        resource = &task_checkpoints;
    }
    r = axi_client_open(&client);
    if (r == 0) {
        r = is_watched ? watch(&client, resource, arguments[1], format)
                       : get(&client, resource, arguments[1], format);
    }
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_get = {
    .name = "get",
    .summary = "list nodes, tasks, services, hosts, images, events, masters, managers, checkpoints",
    .usage = "usage: axcan get "
             "nodes|tasks|services|voters|hosts|declared|images|events|masters|managers\n"
             "                 [NAME] [-o wide|json|yaml|name] [-w]\n"
             "       axcan get checkpoints [TASK] [-o ...] [-w]\n"
             "declared: services, nodes and policy as manifests ('-o yaml' is what apply takes).\n"
             "Checkpoints: the newest durable one of each task at each manager, and how far it is\n"
             "behind the newest that was made; with TASK: all that are kept of it.\n"
             "  -o FORMAT         wide: more columns; json, yaml: everything; name: KIND/NAME\n"
             "  -w, --watch       go on showing it\n" AXI_CLIENT_USAGE,
    .run = run_get};

/* ---- describe ---- */

static int describe(struct axi_client *client, const struct axi_resource *resource,
                    const char *name, enum axi_format format)
{
    char path[256];
    json_t *answer = NULL;

    if (strlen(name) > 120 || strpbrk(name, "/?#% ") != NULL) {
        return axi_cli_usage("describe", "'%s' is no name", name);
    }
    (void)snprintf(path, sizeof(path), "%s/%s", resource->path, name);
    int r = axi_client_call(client, "GET", path, NULL, &answer);

    if (r == 0) {
        (void)json_object_del(answer, "now_ns");
        if (format == AXI_FORMAT_TABLE) {
            r = axi_describe_service(client, answer);
        } else if (format == AXI_FORMAT_JSON) {
            axi_print_json(stdout, answer);
        } else {
            axi_print_yaml(stdout, answer);
        }
    }
    json_decref(answer);
    return r;
}

static int run_describe(int argc, char **argv)
{
    struct axi_client client;
    const char *arguments[2] = {0};
    const char *output = NULL;
    size_t count = 0;
    enum axi_format format = AXI_FORMAT_YAML;

    axi_client_init(&client, "describe");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"o", AXI_OPTION_TEXT, &output},
        {"output", AXI_OPTION_TEXT, &output},
    };
    int r = axi_options_parse("describe", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "KIND or NAME", 1, 2, arguments, &count);

    if (r != 0) {
        return r;
    }
    const struct axi_resource *resource = axi_kind_find(count == 2 ? arguments[0] : "task");

    if (resource == NULL || resource->path == NULL || strcmp(resource->plural, "events") == 0 ||
        strcmp(resource->plural, "declared") == 0 || strcmp(resource->plural, "voters") == 0) {
        return axi_cli_usage("describe", "'%s' is none of node, task, service, host, image",
                             arguments[0]);
    }
    if (output != NULL && strcmp(output, "json") != 0 && strcmp(output, "yaml") != 0) {
        return axi_cli_usage("describe", "-o: '%s' is none of json, yaml", output);
    }
    if (output != NULL) {
        (void)axi_parse_format(output, &format);
    } else if (strcmp(resource->plural, "services") == 0) {
        format = AXI_FORMAT_TABLE;
    }
    r = axi_client_open(&client);
    if (r == 0) {
        r = describe(&client, resource, arguments[count - 1], format);
    }
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_describe = {
    .name = "describe",
    .summary = "everything about one task, node, service, host or image",
    .usage = "usage: axcan describe [task|node|service|host|image] NAME [-o "
             "yaml|json]\n" AXI_CLIENT_USAGE,
    .run = run_describe};
