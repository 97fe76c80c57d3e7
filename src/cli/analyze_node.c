/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze edf --node N: the case that the master and the node judge, made from what the
 * master knows of the node. Times in ns. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/client.h"
#include "cli/command.h"

static const json_t *entry_for(const json_t *task, const json_t *platforms)
{
    size_t p = 0;
    size_t e = 0;
    const json_t *platform = NULL;
    const json_t *entry = NULL;

    json_array_foreach (platforms, p, platform) {
        json_array_foreach (json_object_get(task, "entries"), e, entry) {
            if (json_equal(json_object_get(entry, "platform"), platform)) {
                return entry;
            }
        }
    }
    return NULL;
}

static void add_task(json_t *tasks, const json_t *node, const json_t *task)
{
    const json_t *clock = json_object_get(node, "clock");
    const json_t *spec = json_object_get(task, "spec");
    const json_t *entry = entry_for(task, json_object_get(node, "platforms"));

    if (entry != NULL) {
        (void)json_array_append_new(
            tasks,
            json_pack("{s:O, s:O, s:O, s:O, s:O, s:O}", "name", json_object_get(task, "name"), "C",
                      json_object_get(entry, "wcet_ns"), "T", json_object_get(spec, "period_ns"),
                      "D", json_object_get(spec, "deadline_ns"), "Delta_max",
                      json_object_get(clock, "delta_ns"), "d",
                      json_object_get(clock, "latency_ns")));
    }
}

static json_t *servers_of(const json_t *node)
{
    json_t *servers = json_array();
    json_t *budget = json_object_get(node, "server_budget_ns");
    json_t *period = json_object_get(node, "server_period_ns");

    if (json_integer_value(budget) > 0) {
        (void)json_array_append_new(
            servers, json_pack("{s:s, s:O, s:O}", "name", "node", "C", budget, "T", period));
    }
    return servers;
}

static json_t *make_case(const json_t *node, const json_t *list)
{
    json_t *tasks = json_array();
    const json_t *task = NULL;
    size_t i = 0;

    json_array_foreach (list, i, task) {
        if (json_equal(json_object_get(task, "node"), json_object_get(node, "name"))) {
            add_task(tasks, node, task);
        }
    }
    return json_pack("{s:O, s:s, s:O, s:o, s:o}", "id", json_object_get(node, "name"), "time_unit",
                     "ns", "capacity_ppm", json_object_get(node, "capacity_ppm"), "tasks", tasks,
                     "servers", servers_of(node));
}

int axi_analyze_node(struct axi_client *client, const char *name, json_t **ret_case)
{
    json_t *node = NULL;
    json_t *tasks = NULL;
    char path[128];
    int r;

    if (strlen(name) > 64 || strpbrk(name, "/?#% &") != NULL) {
        return axi_cli_usage("analyze", "--node: '%s' is no name", name);
    }
    (void)snprintf(path, sizeof(path), "/v1/nodes/%s", name);
    r = axi_client_open(client);
    if (r == 0) {
        r = axi_client_call(client, "GET", path, NULL, &node);
    }
    if (r == 0) {
        r = axi_client_call(client, "GET", "/v1/tasks", NULL, &tasks);
    }
    if (r == 0 && !json_is_integer(json_object_get(json_object_get(node, "clock"), "delta_ns"))) {
        r = axi_cli_fail("analyze", "%s: its clock has no bound yet, so no deadline can be kept",
                         name);
    }
    if (r == 0) {
        *ret_case = make_case(node, json_object_get(tasks, "items"));
    }
    json_decref(node);
    json_decref(tasks);
    axi_client_close(client);
    return r;
}
