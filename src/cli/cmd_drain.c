/* SPDX-License-Identifier: Apache-2.0 */
/* axcan drain, cordon, uncordon, rebalance: what nodes shall carry. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/declare.h"
#include "cli/operation.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

#define DEADLINE_NS_DEFAULT 60000000000ull
#define ANSWER_NS 5000000000ull /* of the master, after the deadline */

static void print_stayed(const char *node, const json_t *stayed)
{
    size_t i = 0;
    json_t *one = NULL;

    json_array_foreach (stayed, i, one) {
        (void)printf("%s stays on %s: %s\n", axi_declare_text(one, "task"), node,
                     axi_declare_text(one, "reason"));
    }
}

static int drain(struct axi_client *client, const char *node, uint64_t deadline_ns)
{
    char path[128];
    json_t *op = NULL;
    json_t *body = json_pack("{s:f}", "deadline_s", (double)deadline_ns / 1e9);

    (void)snprintf(path, sizeof(path), "/v1/nodes/%s/drain", node);
    int r = axi_operation_run(client, "POST", path, body, false, &op);

    if (op != NULL) {
        print_stayed(node, json_object_get(json_object_get(op, "result"), "stayed"));
    }
    if (r == 0 && op != NULL) {
        (void)printf("%s is drained and cordoned\n", node);
    }
    json_decref(op);
    json_decref(body);
    return r;
}

static int run_drain(int argc, char **argv)
{
    struct axi_client client;
    const char *node = NULL;
    uint64_t deadline_ns = DEADLINE_NS_DEFAULT;

    axi_client_init(&client, "drain");
    client.timeout_ns = 0;
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"no-wait", AXI_OPTION_FLAG, &client.no_wait},
        {"deadline", AXI_OPTION_TIME, &deadline_ns},
    };
    int r = axi_options_parse("drain", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "NODE", 1, 1, &node, NULL);

    if (client.timeout_ns == 0) {
        client.timeout_ns = deadline_ns + ANSWER_NS;
    }
    r = r == 0 ? axi_client_check_name(&client, node) : r;
    if (r != 0) {
        return r;
    }
    r = axi_client_open(&client);
    r = r == 0 ? drain(&client, node, deadline_ns) : r;
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_drain = {
    .name = "drain",
    .summary = "move everything off a node and keep it free",
    .usage =
        "usage: axcan drain NODE [--deadline TIME] [options]\n"
        "Cordons the node, then moves all tasks elsewhere with their state. What has found no\n"
        "other place by the deadline stays where it is: exit code 1. 'axcan uncordon' opens "
        "the\n"
        "node again.\n"
        "  --deadline TIME   default 60s\n"
        "  --no-wait         return when the operation has started\n" AXI_CLIENT_USAGE,
    .run = run_drain};

static int run_cordoning(const char *command, int argc, char **argv)
{
    struct axi_client client;
    const char *node = NULL;
    char path[128];

    axi_client_init(&client, command);
    const struct axi_option options[] = {AXI_CLIENT_OPTIONS(&client)};
    int r = axi_options_parse(command, argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "NODE", 1, 1, &node, NULL);

    r = r == 0 ? axi_client_check_name(&client, node) : r;
    if (r != 0) {
        return r;
    }
    r = axi_client_open(&client);
    if (r == 0) {
        (void)snprintf(path, sizeof(path), "/v1/nodes/%s/%s", node, command);
        r = axi_client_call(&client, "POST", path, NULL, NULL);
    }
    if (r == 0) {
        (void)printf("%s %sed\n", node, command);
    }
    axi_client_close(&client);
    return r;
}

static int run_cordon(int argc, char **argv)
{
    return run_cordoning("cordon", argc, argv);
}

static int run_uncordon(int argc, char **argv)
{
    return run_cordoning("uncordon", argc, argv);
}

const struct axi_command axi_command_cordon = {
    .name = "cordon",
    .summary = "place nothing new on a node",
    .usage = "usage: axcan cordon NODE [options]\n"
             "What runs there stays. Kept over restarts of node and master.\n" AXI_CLIENT_USAGE,
    .run = run_cordon};

const struct axi_command axi_command_uncordon = {
    .name = "uncordon",
    .summary = "let a cordoned node be used again",
    .usage = "usage: axcan uncordon NODE [options]\n" AXI_CLIENT_USAGE,
    .run = run_uncordon};

static int await_all(struct axi_client *client, const json_t *operations)
{
    size_t i = 0;
    json_t *one = NULL;
    int r = 0;

    json_array_foreach (operations, i, one) {
        json_t *op = NULL;
        const char *id =
            json_is_string(one) ? json_string_value(one) : axi_declare_text(one, "operation");
        int each = axi_operation_wait(client, id, false, &op);

        r = each != 0 ? each : r;
        json_decref(op);
    }
    return r;
}

static int run_rebalance(int argc, char **argv)
{
    struct axi_client client;
    bool is_dry_run = false;
    json_t *answer = NULL;

    axi_client_init(&client, "rebalance");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&client),
        {"dry-run", AXI_OPTION_FLAG, &is_dry_run},
        {"no-wait", AXI_OPTION_FLAG, &client.no_wait},
    };
    int r =
        axi_options_parse("rebalance", argc, argv, options, sizeof(options) / sizeof(options[0]),
                          "no argument", 0, 0, NULL, NULL);

    if (r != 0) {
        return r;
    }
    json_t *body = json_pack("{s:b}", "dry_run", is_dry_run);

    r = axi_client_open(&client);
    r = r == 0 ? axi_client_call(&client, "POST", "/v1/rebalance", body, &answer) : r;
    if (r == 0) {
        const json_t *plan = json_object_get(answer, "plan");

        axi_declare_print_plan(plan);
        if (json_array_size(plan) == 0) {
            (void)puts("nothing to move");
        }
    }
    if (r == 0 && !is_dry_run && !client.no_wait) {
        r = await_all(&client, json_object_get(answer, "operations"));
    }
    json_decref(answer);
    json_decref(body);
    axi_client_close(&client);
    return r;
}

const struct axi_command axi_command_rebalance = {
    .name = "rebalance",
    .summary = "move tasks so that the predicted load spreads better",
    .usage = "usage: axcan rebalance [--dry-run] [options]\n"
             "Prints each move with its reason; exit code 1 when one of them failed.\n"
             "  --dry-run         move nothing\n"
             "  --no-wait         return when the moves have started\n" AXI_CLIENT_USAGE,
    .run = run_rebalance};
