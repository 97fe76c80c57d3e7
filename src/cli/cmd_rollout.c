/* SPDX-License-Identifier: Apache-2.0 */
/* axcan rollout: how an update goes on. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/declare.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_US 300000u

struct rollout {
    struct axi_client client;
    const char *service;
    bool is_watched, is_json;
};

static long long number(const json_t *service, const char *key)
{
    return (long long)json_integer_value(json_object_get(service, key));
}

static void print_status(const json_t *service)
{
    const char *condition = axi_declare_text(service, "condition");

    (void)printf("%s: %s, %lld of %lld ready, generation %lld%s%s\n",
                 axi_declare_text(service, "name"), axi_declare_text(service, "state"),
                 number(service, "ready"), number(service, "replicas"),
                 number(service, "generation"), *condition != '\0' ? ": " : "", condition);
    (void)fflush(stdout);
}

static bool is_moving(const json_t *service)
{
    return strcmp(axi_declare_text(service, "state"), "progressing") == 0;
}

static bool is_new(const json_t *last, const json_t *service)
{
    static const char *const keys[] = {"state", "ready", "replicas", "generation", "condition"};

    for (size_t i = 0; last != NULL && i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!json_equal(json_object_get(last, keys[i]), json_object_get(service, keys[i]))) {
            return true;
        }
    }
    return last == NULL;
}

static int status(struct rollout *rollout)
{
    char path[128];
    json_t *last = NULL;
    bool goes_on = true;
    int r = 0;

    (void)snprintf(path, sizeof(path), "/v1/services/%s", rollout->service);
    while (goes_on && r == 0) {
        json_t *service = NULL;

        r = axi_client_call(&rollout->client, "GET", path, NULL, &service);
        if (r != 0) {
            break;
        }
        if (rollout->is_json) {
            axi_print_json(stdout, service);
        } else if (is_new(last, service)) {
            print_status(service);
        }
        goes_on = rollout->is_watched && is_moving(service);
        if (goes_on && axi_client_left_ms(&rollout->client) == 0) {
            r = axi_cli_fail("rollout", "'%s' is still on its way; --timeout waits longer",
                             rollout->service);
        }
        json_decref(last);
        last = service;
        (void)usleep(goes_on ? WATCH_US : 0);
    }
    if (r == 0 && rollout->is_watched && strcmp(axi_declare_text(last, "state"), "ready") != 0) {
        r = AXI_EXIT_FAILED;
    }
    json_decref(last);
    return r;
}

static int act(struct rollout *rollout, const char *action)
{
    static const char *const past[][2] = {{"undo", "goes back to its former declaration"},
                                          {"pause", "paused"},
                                          {"resume", "resumed"}};
    char path[128];
    json_t *body = json_pack("{s:s}", "action", action);

    (void)snprintf(path, sizeof(path), "/v1/services/%s/rollout", rollout->service);
    int r = axi_client_call(&rollout->client, "POST", path, body, NULL);

    json_decref(body);
    for (size_t i = 0; r == 0 && i < 3; i++) {
        if (strcmp(action, past[i][0]) == 0) {
            (void)printf("%s %s\n", rollout->service, past[i][1]);
        }
    }
    return r == 0 && rollout->is_watched ? status(rollout) : r;
}

static int run_rollout(int argc, char **argv)
{
    struct rollout rollout = {0};
    const char *arguments[2] = {0};
    const char *output = NULL;

    axi_client_init(&rollout.client, "rollout");
    const struct axi_option options[] = {
        AXI_CLIENT_OPTIONS(&rollout.client),
        {"watch", AXI_OPTION_FLAG, &rollout.is_watched},
        {"o", AXI_OPTION_TEXT, &output},
    };
    int r = axi_options_parse("rollout", argc, argv, options, sizeof(options) / sizeof(options[0]),
                              "status|undo|pause|resume SERVICE", 2, 2, arguments, NULL);

    if (r != 0) {
        return r;
    }
    bool is_status = strcmp(arguments[0], "status") == 0;

    if (!is_status && strcmp(arguments[0], "undo") != 0 && strcmp(arguments[0], "pause") != 0 &&
        strcmp(arguments[0], "resume") != 0) {
        return axi_cli_usage("rollout", "'%s' is none of status, undo, pause, resume",
                             arguments[0]);
    }
    if (output != NULL && strcmp(output, "json") != 0) {
        return axi_cli_usage("rollout", "-o: '%s' is not json", output);
    }
    rollout.service = arguments[1];
    rollout.is_json = output != NULL;
    r = axi_client_check_name(&rollout.client, rollout.service);
    r = r == 0 ? axi_client_open(&rollout.client) : r;
    if (r == 0) {
        r = is_status ? status(&rollout) : act(&rollout, arguments[0]);
    }
    axi_client_close(&rollout.client);
    return r;
}

const struct axi_command axi_command_rollout = {
    .name = "rollout",
    .summary = "how a service's update goes on; undo, pause or resume it",
    .usage =
        "usage: axcan rollout status SERVICE [--watch] [-o json] [options]\n"
        "       axcan rollout undo|pause|resume SERVICE [--watch] [options]\n"
        "undo: the former declaration holds again. pause: no round of an update begins.\n"
        "  --watch           until nothing is on its way; exit code 1 when the service is not\n"
        "                    ready then\n" AXI_CLIENT_USAGE,
    .run = run_rollout};
