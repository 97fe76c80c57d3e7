/* SPDX-License-Identifier: Apache-2.0 */
/* axcan offload: a task, or all tasks of a node, to the least loaded other nodes. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/operation.h"

#include <stdio.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "?";
}

static void print_done(const char *task, const json_t *op)
{
    const json_t *result = json_object_get(op, "result");

    (void)printf("%s moved from %s to %s\n", task, text_of(result, "from"), text_of(result, "to"));
}

static int offload_task(struct axi_client *client, const char *name)
{
    char path[160];
    json_t *op = NULL;

    (void)snprintf(path, sizeof(path), "/v1/tasks/%s/offload", name);
    int r = axi_operation_run(client, "POST", path, NULL, false, &op);

    if (r == 0 && op != NULL) {
        print_done(name, op);
    }
    json_decref(op);
    return r;
}

static int await(struct axi_client *client, const json_t *started)
{
    const char *task = text_of(started, "task");
    json_t *op = NULL;

    if (client->no_wait) {
        (void)printf("%s: operation %s started\n", task, text_of(started, "operation"));
        return 0;
    }
    int r = axi_operation_wait(client, text_of(started, "operation"), false, &op);

    if (r == 0) {
        print_done(task, op);
    }
    json_decref(op);
    return r;
}

/* All of them are tried; the exit code says whether the node is empty now. */
static int offload_node(struct axi_client *client, const char *name)
{
    char path[160];
    json_t *answer = NULL;
    json_t *one = NULL;
    size_t i = 0;

    (void)snprintf(path, sizeof(path), "/v1/nodes/%s/offload", name);
    int r = axi_client_call(client, "POST", path, NULL, &answer);

    json_array_foreach (json_object_get(answer, "operations"), i, one) {
        int each = await(client, one);

        r = each != 0 ? each : r;
    }
    json_array_foreach (json_object_get(answer, "refused"), i, one) {
        r = axi_cli_fail(client->command, "%s stays: %s (%s)", text_of(one, "task"),
                         text_of(one, "reason"), text_of(one, "error"));
    }
    json_decref(answer);
    return r;
}

static int run_offload(int argc, char **argv)
{
    struct axi_client client;
    const char *name = NULL;
    char path[160];
    long status = 0;
    json_t *node = NULL;

    axi_client_init(&client, "offload");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"no-wait", AXI_OPTION_FLAG, &client.no_wait},
    };
    int r = axi_options_parse("offload", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "TASK|NODE", 1, 1, &name, NULL);

    r = r == 0 ? axi_client_check_name(&client, name) : r;
    if (r != 0) {
        return r;
    }
    r = axi_client_open(&client);
    if (r == 0) {
        (void)snprintf(path, sizeof(path), "/v1/nodes/%s", name);
        (void)axi_client_try(&client, "GET", path, NULL, &status, &node);
        json_decref(node);
        r = status == 200 ? offload_node(&client, name) : offload_task(&client, name);
    }
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_offload = {
    .name = "offload",
    .summary = "move a task, or all tasks of a node, to less loaded nodes",
    .usage = "usage: axcan offload TASK|NODE [options]\n"
             "Moves a running task, or all of a node, to the other node with the least processor\n"
             "load, then the most free memory. Its state goes along, no job is lost.\n"
             "Exit code 1 when a task stays; a node's name is meant before a task's.\n"
             "  --no-wait         return when the operations have started\n" AXI_CLIENT_USAGE,
    .run = run_offload};
