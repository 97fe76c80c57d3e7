/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/managers.h"

#include "cli/cluster.h"
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALL_MS 3000u

static void use(struct axi_client *client, const char *api)
{
    axi_api_client_use(&client->http, api);
}

/* A manager that hangs must not cost the whole command. Returns the deadline to set again. */
static uint64_t shorten_deadline(struct axi_client *client)
{
    uint64_t deadline_ns = client->http.deadline_ns;
    uint64_t bound_ns = axi_cli_now_ns() + CALL_MS * 1000000ull;

    client->http.deadline_ns = deadline_ns < bound_ns ? deadline_ns : bound_ns;
    return deadline_ns;
}

static json_t *list_of_master(struct axi_client *client)
{
    json_t *answer = NULL;
    json_t *items = NULL;
    long status = 0;

    uint64_t deadline_ns = shorten_deadline(client);

    if (axi_client_try(client, "GET", "/v1/managers", NULL, &status, &answer) == 0 &&
        status == 200) {
        items = json_incref(json_object_get(answer, "items"));
    }
    client->http.deadline_ns = deadline_ns;
    json_decref(answer);
    return items;
}

json_t *axi_managers_list(struct axi_client *client)
{
    char dir[AXI_CLI_PATH_BYTES];
    json_t *items = list_of_master(client);

    if (items != NULL) {
        return items;
    }
    items = json_array();
    if (client->api == NULL && axi_client_dir(client, dir) == 0) {
        json_t *cluster = axi_cluster_load(dir);
        size_t index = 0;
        const json_t *member = NULL;

        json_array_foreach (json_object_get(cluster, "managers"), index, member) {
            json_t *item = json_object();

            (void)json_object_set(item, "name", json_object_get(member, "name"));
            (void)json_object_set(item, "api", json_object_get(member, "api"));
            (void)json_array_append_new(items, item);
        }
        json_decref(cluster);
    }
    return items;
}

int axi_manager_bytes(struct axi_client *client, const char *api, const char *method,
                      const char *path, const void *body, size_t body_bytes, uint8_t **ret_bytes,
                      size_t *ret_count, char *ret_reason)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    long status = 0;
    uint64_t deadline_ns = shorten_deadline(client);

    use(client, api);
    int r = axi_client_raw(client, method, path, body, body_bytes, &status, &bytes, &count);

    client->http.deadline_ns = deadline_ns;
    if (r != 0) {
        (void)snprintf(ret_reason, 200, "the manager at %s does not answer", api);
        return -1;
    }
    if (status >= 200 && status < 300) {
        *ret_bytes = bytes;
        *ret_count = count;
        return 0;
    }
    json_t *answer = json_loadb((const char *)bytes, count, 0, NULL);
    const char *reason =
        json_string_value(json_object_get(json_object_get(answer, "error"), "reason"));

    (void)snprintf(ret_reason, 200, "%s", reason != NULL ? reason : "the answer cannot be read");
    json_decref(answer);
    free(bytes);
    return -1;
}

int axi_manager_call(struct axi_client *client, const char *api, const char *method,
                     const char *path, json_t **ret_json, char *ret_reason)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    const char *body = strcmp(method, "GET") == 0 ? NULL : "";

    if (axi_manager_bytes(client, api, method, path, body, 0, &bytes, &count, ret_reason) < 0) {
        return -1;
    }
    json_t *answer = json_loadb((const char *)bytes, count, 0, NULL);

    free(bytes);
    if (answer == NULL) {
        (void)snprintf(ret_reason, 200, "the manager at %s answers something else than JSON", api);
        return -1;
    }
    *ret_json = answer;
    return 0;
}

static uint64_t now_realtime_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static json_t *answer_of(json_t *takes_items)
{
    return json_pack("{s:o,s:I}", "items", takes_items, "now_ns", (json_int_t)now_realtime_ns());
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* "x_ms" as a number of ns in "x_ns", for the tables. */
static void add_ns(json_t *object, const char *key, double ms)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)(ms * 1e6)));
}

static json_t *manager_item(struct axi_client *client, const json_t *manager)
{
    char reason[200] = "";
    json_t *item = NULL;
    const char *api = text_of(manager, "api");

    if (axi_manager_call(client, api, "GET", "/v1/status", &item, reason) < 0) {
        return json_pack("{s:s,s:s,s:s,s:s}", "name", text_of(manager, "name"), "state", "silent",
                         "api", api, "reason", reason);
    }
    const json_t *age = json_object_get(item, "durable_age");
    const json_t *node = NULL;
    size_t index = 0;
    json_int_t linked = 0;

    json_array_foreach (json_object_get(item, "nodes"), index, node) {
        linked += json_is_true(json_object_get(node, "linked"));
    }
    (void)json_object_set_new(item, "state", json_string("ready"));
    (void)json_object_set_new(item, "linked_nodes", json_integer(linked));
    add_ns(item, "age_p50_ns", json_number_value(json_object_get(age, "p50_ms")));
    add_ns(item, "age_p99_ns", json_number_value(json_object_get(age, "p99_ms")));
    return item;
}

int axi_managers_get(struct axi_client *client, json_t **ret_answer)
{
    json_t *managers = axi_managers_list(client);
    json_t *items = json_array();
    size_t index = 0;
    const json_t *manager = NULL;

    json_array_foreach (managers, index, manager) {
        (void)json_array_append_new(items, manager_item(client, manager));
    }
    json_decref(managers);
    *ret_answer = answer_of(items);
    return 0;
}

/* Adds who holds it; of a single task, its name as well. */
static void add_rows(json_t *items, const json_t *manager, const json_t *list, const char *task)
{
    size_t index = 0;
    json_t *row = NULL;

    json_array_foreach ((json_t *)(uintptr_t)list, index, row) {
        if (task != NULL) {
            (void)json_object_set_new(row, "name", json_string(task));
        } else {
            add_ns(row, "age_ns", json_number_value(json_object_get(row, "age_ms")));
        }
        (void)json_object_set(row, "manager", json_object_get(manager, "name"));
        (void)json_array_append(items, row);
    }
}

int axi_managers_checkpoints(struct axi_client *client, const char *task, json_t **ret_answer)
{
    json_t *managers = axi_managers_list(client);
    json_t *items = json_array();
    char path[200] = "/v1/checkpoints";
    char reason[200] = "there is no checkpoint manager; 'axcan up --managers 2' starts two";
    size_t index = 0;
    size_t answered = 0;
    const json_t *manager = NULL;

    if (task != NULL) {
        (void)snprintf(path, sizeof(path), "/v1/checkpoints/%s", task);
    }
    json_array_foreach (managers, index, manager) {
        json_t *answer = NULL;

        if (axi_manager_call(client, text_of(manager, "api"), "GET", path, &answer, reason) == 0) {
            answered++;
            add_rows(items, manager,
                     json_object_get(answer, task != NULL ? "checkpoints" : "items"), task);
            json_decref(answer);
        }
    }
    json_decref(managers);
    *ret_answer = answer_of(items);
    return answered > 0 ? 0 : axi_cli_fail(client->command, "%s", reason);
}
