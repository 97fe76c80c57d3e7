/* SPDX-License-Identifier: Apache-2.0 */
/* axcan down: ends what 'axcan up' started. */
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/partition_node.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Running tasks are stopped first, so that their state is kept: what runs on a node ends with it.
 */
static void stop_tasks(struct axi_client *client)
{
    json_t *tasks = NULL;
    json_t *op = NULL;
    long status = 0;
    char path[256];
    size_t index = 0;
    const json_t *task = NULL;

    if (axi_client_open(client) != 0 ||
        axi_client_try(client, "GET", "/v1/tasks", NULL, &status, &tasks) != 0) {
        return; /* no master: there is nobody to keep anything */
    }
    json_array_foreach (json_object_get(tasks, "items"), index, task) {
        const char *name = json_string_value(json_object_get(task, "name"));
        const char *state = json_string_value(json_object_get(task, "state"));

        if (name == NULL || state == NULL || strcmp(state, "running") != 0 ||
            json_object_get(task, "replica") != NULL) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "/v1/tasks/%s/stop", name);
        if (axi_client_try(client, "POST", path, NULL, &status, &op) == 0 && status == 202) {
            (void)snprintf(path, sizeof(path), "/v1/operations/%s?wait_ms=3000",
                           json_string_value(json_object_get(op, "operation")));
            json_decref(op);
            (void)axi_client_try(client, "GET", path, NULL, &status, &op);
        }
        state = json_string_value(json_object_get(op, "state"));
        if (state == NULL || strcmp(state, "done") != 0) {
            (void)fprintf(
                stderr,
                "axcan down: %s could not be stopped; it goes on from the managers' newest "
                "checkpoint\n",
                name);
        }
        json_decref(op);
        op = NULL;
    }
    json_decref(tasks);
}

/* One that 'axcan up' has made, though no cluster came of it. */
static bool is_state_directory(const char *dir)
{
    char path[AXI_CLI_PATH_BYTES + 8];
    bool has_lock = false;

    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    has_lock = access(path, F_OK) == 0;
    (void)snprintf(path, sizeof(path), "%s/token", dir);
    return has_lock && access(path, F_OK) == 0;
}

static bool has_master(const json_t *cluster)
{
    bool is_alive = axi_member_is_alive(json_array_get(json_object_get(cluster, "members"), 0));
    size_t index = 0;
    const json_t *member = NULL;

    json_array_foreach (json_object_get(cluster, "masters"), index, member) {
        is_alive |= axi_member_is_alive(member);
    }
    return is_alive;
}

static int take_down(struct axi_client *client, const char *dir, bool purge)
{
    json_t *cluster = axi_cluster_load(dir);
    json_t *processes = NULL;
    size_t stopped = 0;

    if (cluster == NULL) {
        bool is_left = purge && is_state_directory(dir);

        (void)printf("down: no cluster in %s%s\n", dir, is_left ? ", state removed" : "");
        return !is_left || axi_cluster_remove_tree(dir) == 0
                   ? 0
                   : axi_cli_fail("down", "%s cannot be removed altogether", dir);
    }
    if (axi_cluster_lock(dir) < 0) {
        json_decref(cluster);
        return axi_cli_fail("down", "another axcan up or down works on %s; wait for it", dir);
    }
    if (!purge && has_master(cluster)) {
        stop_tasks(client);
        axi_client_close(client);
    }
    processes = axi_cluster_processes(cluster);
    for (size_t i = json_array_size(processes); i > 0; i--) {
        const json_t *member = json_array_get(processes, i - 1);

        bool was_alive = axi_member_is_alive(member);

        stopped += was_alive;
        if (!was_alive) {
            axi_partition_node_remove(member); /* what a killed one has left */
        } else if (axi_member_stop(member, 5000)) {
            (void)fprintf(stderr, "axcan down: %s did not end by itself and was killed\n",
                          json_string_value(json_object_get(member, "name")));
            axi_partition_node_remove(member);
        }
    }
    json_decref(processes);
    json_decref(cluster);
    if (purge && axi_cluster_remove_tree(dir) < 0) {
        return axi_cli_fail("down", "%s cannot be removed altogether", dir);
    }
    (void)printf("down: %zu processes ended%s\n", stopped, purge ? ", state removed" : "");
    return 0;
}

static int run_down(int argc, char **argv)
{
    struct axi_client client;
    char dir[AXI_CLI_PATH_BYTES];
    bool purge = false;

    axi_client_init(&client, "down");
    client.timeout_ns = 10000000000ull;
    const struct axi_option options[] = {
        {"dir", AXI_OPTION_TEXT, &client.dir},
        {"timeout", AXI_OPTION_TIME, &client.timeout_ns},
        {"purge", AXI_OPTION_FLAG, &purge},
    };
    int r = axi_options_parse("down", argc, argv, options, 3, "", 0, 0, NULL, NULL);

    if (r == 0) {
        r = axi_client_dir(&client, dir);
    }
    return r == 0 ? take_down(&client, dir, purge) : r;
}

const struct axi_command axi_command_down = {
    .name = "down",
    .summary = "end the cluster that 'axcan up' started",
    .usage = "usage: axcan down [--dir DIR] [--purge]\n"
             "Stops the tasks, so that their state is kept, then ends all processes of the "
             "cluster.\n"
             "After the next 'axcan up', 'axcan start TASK' goes on with a task.\n"
             "  --dir DIR         the cluster's state directory\n"
             "  --purge           keep nothing: remove the state directory, too\n"
             "  --timeout TIME    for stopping the tasks (default 10s)\n",
    .run = run_down};
