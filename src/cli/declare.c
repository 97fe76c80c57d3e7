/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/declare.h"

#include "cli/command.h"
#include "cli/output.h"
#include "manifest/manifest.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_US 200000u

const char *axi_declare_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void print_refused(const struct axi_client *client, const json_t *one)
{
    size_t i = 0;
    json_t *node = NULL;

    (void)axi_cli_fail(client->command, "%s '%s' is refused: %s (%s)",
                       axi_declare_text(one, "kind"), axi_declare_text(one, "name"),
                       axi_declare_text(one, "reason"), axi_declare_text(one, "error"));
    json_array_foreach (json_object_get(one, "nodes"), i, node) {
        (void)fprintf(stderr, "  %s: %s (%s)\n", axi_declare_text(node, "node"),
                      axi_declare_text(node, "reason"), axi_declare_text(node, "error"));
    }
}

int axi_declare_send(struct axi_client *client, const char *path, const json_t *objects,
                     bool is_dry_run, json_t **ret_answer)
{
    json_t *request = json_pack("{s:O, s:b}", "objects", objects, "dry_run", is_dry_run);
    json_t *answer = NULL;
    json_t *one = NULL;
    size_t i = 0;
    long status = 0;
    int code = axi_client_try(client, "POST", path, request, &status, &answer);

    json_decref(request);
    if (code != 0) {
        return axi_client_complain(client, code);
    }
    const json_t *refused = json_object_get(answer, "refused");

    json_array_foreach (refused, i, one) {
        print_refused(client, one);
    }
    if (json_array_size(refused) > 0) {
        const char *cure = axi_declare_text(json_object_get(answer, "error"), "cure");

        (void)fprintf(stderr, "axcan %s: nothing was changed%s%s\n", client->command,
                      *cure != '\0' ? "; " : "", cure);
        json_decref(answer);
        return AXI_EXIT_FAILED;
    }
    return axi_client_judge(client, status, answer, ret_answer);
}

static void print_value(const json_t *value)
{
    char *text =
        json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

    (void)fputs(text != NULL            ? text
                : json_is_string(value) ? json_string_value(value)
                                        : "?",
                stdout);
    free(text);
}

void axi_declare_print_fields(const json_t *fields)
{
    size_t i = 0;
    json_t *field = NULL;

    json_array_foreach (fields, i, field) {
        (void)printf("  %s: ", axi_declare_text(field, "path"));
        print_value(json_object_get(field, "from"));
        (void)fputs(" -> ", stdout);
        print_value(json_object_get(field, "to"));
        (void)fputc('\n', stdout);
    }
}

void axi_declare_print_changes(const json_t *changes, bool is_dry_run, bool with_fields)
{
    static const char *const past[][2] = {{"create", "created"},
                                          {"change", "changed"},
                                          {"unchanged", "unchanged"},
                                          {"delete", "deleted"}};
    size_t i = 0;
    json_t *change = NULL;

    json_array_foreach (changes, i, change) {
        const char *action = axi_declare_text(change, "action");
        const char *kind = axi_declare_text(change, "kind");

        for (size_t k = 0; k < sizeof(past) / sizeof(past[0]); k++) {
            action = strcmp(action, past[k][0]) == 0 ? past[k][1] : action;
        }
        (void)printf("%c%s/%s %s%s\n", tolower((unsigned char)kind[0]),
                     *kind != '\0' ? kind + 1 : "", axi_declare_text(change, "name"), action,
                     is_dry_run ? " (dry run)" : "");
        if (with_fields && strcmp(action, "changed") == 0) {
            axi_declare_print_fields(json_object_get(change, "fields"));
        }
    }
}

void axi_declare_print_plan(const json_t *plan)
{
    size_t i = 0;
    json_t *move = NULL;

    json_array_foreach (plan, i, move) {
        const char *from = axi_declare_text(move, "from");
        const char *to = axi_declare_text(move, "to");

        (void)printf("%s: %s -> %s: %s\n", axi_declare_text(move, "task"),
                     *from != '\0' ? from : "(nowhere)", *to != '\0' ? to : "(nowhere)",
                     axi_declare_text(move, "why"));
    }
}

/* 1: go on waiting; 0 or an exit code: done. */
static int look(struct axi_client *client, const char *name, bool wants_gone, json_t **declared)
{
    char path[128];
    json_t *service = NULL;
    long status = 0;

    (void)snprintf(path, sizeof(path), "/v1/services/%s", name);
    int code = axi_client_try(client, "GET", path, NULL, &status, &service);

    if (code != 0) {
        return axi_client_complain(client, code) + 1;
    }
    if (status == 404) {
        json_decref(service);
        return wants_gone ? 0 : axi_cli_fail(client->command, "service '%s' is gone", name) + 1;
    }
    json_t *now = json_object_get(service, "declared");
    bool is_ready = strcmp(axi_declare_text(service, "state"), "ready") == 0;
    int r = wants_gone || !is_ready ? 1 : 0;

    if (*declared == NULL) {
        *declared = json_incref(now);
    }
    json_t *differences = axi_manifest_diff(*declared, now);

    if (!wants_gone && json_array_size(differences) > 0) {
        const char *why = axi_declare_text(json_object_get(service, "rollout"), "reason");

        r = 1 + axi_cli_fail(client->command,
                             "service '%s': %s%s; 'axcan describe service %s' tells more", name,
                             *why != '\0' ? "the update was reverted: "
                                          : "declared otherwise meanwhile",
                             why, name);
    }
    if (r == 1 && axi_client_left_ms(client) == 0) {
        r = 1 + axi_cli_fail(client->command,
                             "service '%s' is %s after %" PRIu64 " ms: %s; it goes on, --timeout "
                             "waits longer",
                             name, axi_declare_text(service, "state"), client->timeout_ns / 1000000,
                             axi_declare_text(service, "condition"));
    }
    json_decref(differences);
    json_decref(service);
    return r;
}

static int wait_for(struct axi_client *client, const char *name, bool wants_gone)
{
    json_t *declared = NULL;
    int r = 1;

    while ((r = look(client, name, wants_gone, &declared)) == 1) {
        (void)usleep(POLL_US);
    }
    json_decref(declared);
    return r > 1 ? r - 1 : 0;
}

int axi_declare_wait_ready(struct axi_client *client, const char *service)
{
    return wait_for(client, service, false);
}

int axi_declare_wait_gone(struct axi_client *client, const char *service)
{
    return wait_for(client, service, true);
}
