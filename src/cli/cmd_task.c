/* SPDX-License-Identifier: Apache-2.0 */
/* axcan migrate, start, stop, delete: one task, one operation. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/operation.h"
#include "cli/output.h"
#include "cli/undeclare.h"

#include <stdio.h>
#include <string.h>

struct act {
    struct axi_client client;
    const char *name; /* of the task */
    const char *node;
    bool is_watched;
};

/* verb NULL: DELETE of path itself. */
static int act(struct act *act, const char *kind, const char *verb, json_t **ret_op)
{
    char path[160];
    int r = axi_client_check_name(&act->client, act->name);

    if (r != 0) {
        return r;
    }
    json_t *body = act->node != NULL ? json_pack("{s:s}", "node", act->node) : NULL;

    (void)snprintf(path, sizeof(path), "/v1/%s/%s%s%s", kind, act->name, verb != NULL ? "/" : "",
                   verb != NULL ? verb : "");
    r = axi_client_open(&act->client);
    if (r == 0) {
        r = axi_operation_run(&act->client, verb != NULL ? "POST" : "DELETE", path, body,
                              act->is_watched, ret_op);
    }
    axi_client_close(&act->client);
    json_decref(body);
    return r;
}

static int parse(struct act *act, const char *command, int argc, char **argv, const char *node_name)
{
    axi_client_init(&act->client, command);
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&act->client),
        {"no-wait", AXI_OPTION_FLAG, &act->client.no_wait},
        {"watch", AXI_OPTION_FLAG, &act->is_watched},
        {node_name, AXI_OPTION_TEXT, &act->node},
    };

    return axi_options_parse(command, argc, argv, options,
                             sizeof(options) / sizeof(options[0]) - (node_name == NULL), "TASK", 1,
                             1, &act->name, NULL);
}

static void print_migration(const struct act *act, const json_t *op)
{
    const json_t *result = json_object_get(op, "result");
    const char *from = json_string_value(json_object_get(result, "from"));
    const char *to = json_string_value(json_object_get(result, "to"));
    char blackout[32];

    axi_print_time(blackout, sizeof(blackout),
                   (uint64_t)json_integer_value(json_object_get(result, "blackout_ns")));
    (void)printf("%s migrated from %s to %s, blackout %s, attempts %" JSON_INTEGER_FORMAT "\n",
                 act->name, from != NULL ? from : "?", to != NULL ? to : "?", blackout,
                 json_integer_value(json_object_get(result, "attempts")));
}

static int run_migrate(int argc, char **argv)
{
    struct act what = {0};
    json_t *op = NULL;
    int r = parse(&what, "migrate", argc, argv, "to");

    if (r == 0) {
        r = act(&what, "tasks", "migrate", &op);
    }
    if (r == 0 && op != NULL) {
        print_migration(&what, op);
    }
    json_decref(op);
    return r;
}

static int run_simple(const char *command, const char *verb, const char *past, const char *node,
                      int argc, char **argv)
{
    struct act what = {0};
    json_t *op = NULL;
    int r = parse(&what, command, argc, argv, node);

    if (r == 0) {
        r = act(&what, "tasks", verb, &op);
    }
    if (r == 0 && op != NULL) {
        (void)printf("%s %s\n", what.name, past);
    }
    json_decref(op);
    return r;
}

static int run_start(int argc, char **argv)
{
    return run_simple("start", "start", "started", "node", argc, argv);
}

static int run_stop(int argc, char **argv)
{
    return run_simple("stop", "stop", "stopped", NULL, argc, argv);
}

/* `axcan delete NAME`, `axcan delete image|host|service|node NAME`, `axcan delete -f FILE`. */
static int run_delete(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") == 0 || strncmp(argv[i], "-f=", 3) == 0 ||
            strcmp(argv[i], "service") == 0 || strcmp(argv[i], "node") == 0) {
            return axi_undeclare_run(argc, argv);
        }
    }
    bool is_host = argc > 2 && strcmp(argv[1], "host") == 0;

    if (!is_host && (argc < 2 || strcmp(argv[1], "image") != 0)) {
        return run_simple("delete", NULL, "deleted", NULL, argc, argv);
    }
    struct act what = {0};
    char path[160];
    int r = parse(&what, "delete", argc - 1, argv + 1, NULL);

    if (r == 0) {
        r = axi_client_check_name(&what.client, what.name);
    }
    if (r == 0) {
        r = axi_client_open(&what.client);
    }
    if (r == 0) {
        (void)snprintf(path, sizeof(path), "/v1/%s/%s", is_host ? "hosts" : "images", what.name);
        r = axi_client_call(&what.client, "DELETE", path, NULL, NULL);
    }
    if (r == 0) {
        (void)printf("%s %s deleted\n", argv[1], what.name);
    }
    axi_client_close(&what.client);
    return r;
}

#define WAIT_USAGE                                                                                 \
    "  --no-wait         return when the operation has started\n"                                  \
    "  --watch           print each step with its time\n" AXI_CLIENT_USAGE

const struct axi_command axi_command_migrate = {
    .name = "migrate",
    .summary = "move a running task to another node, with its state",
    .usage = "usage: axcan migrate TASK [--to NODE] [options]\n"
             "  --to NODE         the target (default: the best other node)\n" WAIT_USAGE,
    .run = run_migrate};

const struct axi_command axi_command_start = {
    .name = "start",
    .summary = "start a stopped task again from its last checkpoint",
    .usage = "usage: axcan start TASK [--node NODE] [options]\n" WAIT_USAGE,
    .run = run_start};

const struct axi_command axi_command_stop = {.name = "stop",
                                             .summary = "stop a task and keep its state",
                                             .usage =
                                                 "usage: axcan stop TASK [options]\n" WAIT_USAGE,
                                             .run = run_stop};

const struct axi_command axi_command_delete = {
    .name = "delete",
    .summary = "remove a task and its state, an image, or what is declared",
    .usage =
        "usage: axcan delete TASK [options]\n"
        "       axcan delete image IMAGE\n"
        "       axcan delete host HOST           one whose axcan-host is gone for good\n"
        "       axcan delete service|node NAME   what is declared of it, and what runs for it\n"
        "       axcan delete -f FILE             everything that the manifest "
        "declares\n" WAIT_USAGE,
    .run = run_delete};
