/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operation.h"

#include "cli/command.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 10000u

static void print_step(const json_t *step, uint64_t started_ns)
{
    char since[32];
    uint64_t at_ns = (uint64_t)json_integer_value(json_object_get(step, "at_ns"));
    const char *name = json_string_value(json_object_get(step, "name"));
    const char *detail = json_string_value(json_object_get(step, "detail"));

    axi_print_time(since, sizeof(since), at_ns > started_ns ? at_ns - started_ns : 0);
    (void)printf("%10s  %-12s %s\n", since, name != NULL ? name : "?",
                 detail != NULL ? detail : "");
}

/* One line on a terminal, rewritten; nothing in a pipe. */
static void print_progress(const struct axi_client *client, const json_t *steps)
{
    const json_t *step = json_array_get(steps, json_array_size(steps) - 1);
    const char *name = json_string_value(json_object_get(step, "name"));

    if (isatty(STDERR_FILENO)) {
        (void)fprintf(stderr, "\r\033[Kaxcan %s: %s ...", client->command,
                      name != NULL ? name : "working");
        (void)fflush(stderr);
    }
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO)) {
        (void)fputs("\r\033[K", stderr);
    }
}

static size_t show_steps(const struct axi_client *client, const json_t *op, size_t shown,
                         bool every_step)
{
    const json_t *steps = json_object_get(op, "steps");
    uint64_t started_ns = (uint64_t)json_integer_value(json_object_get(op, "started_ns"));

    if (!every_step) {
        print_progress(client, steps);
        return json_array_size(steps);
    }
    for (; shown < json_array_size(steps); shown++) {
        print_step(json_array_get(steps, shown), started_ns);
    }
    (void)fflush(stdout);
    return shown;
}

static int judge(const struct axi_client *client, const json_t *op)
{
    const char *state = json_string_value(json_object_get(op, "state"));
    const char *reason = json_string_value(json_object_get(op, "reason"));
    const char *error = json_string_value(json_object_get(op, "error"));

    if (state != NULL && strcmp(state, "done") == 0) {
        return AXI_EXIT_OK;
    }
    return axi_cli_fail(client->command, "%s (%s); 'axcan get events' tells the story",
                        reason != NULL && *reason != '\0' ? reason : "it failed",
                        error != NULL ? error : "?");
}

static int wait_for(struct axi_client *client, const char *id, bool every_step, json_t **ret_op)
{
    size_t shown = 0;
    uint32_t changes = client->http.changes;

    for (;;) {
        char path[128];
        json_t *op = NULL;
        uint64_t left_ms = axi_client_left_ms(client);
        uint64_t wait_ms = left_ms > 200 ? left_ms - 100 : 0;

        if (left_ms == 0) {
            return axi_cli_fail(client->command,
                                "not done within %" PRIu64 " ms; it goes on: 'axcan get events' "
                                "shows how, --timeout waits longer",
                                client->timeout_ns / 1000000);
        }
        (void)snprintf(path, sizeof(path), "/v1/operations/%s?steps=%zu&wait_ms=%" PRIu64, id,
                       shown, wait_ms < POLL_MS ? wait_ms : POLL_MS);
        int r = axi_client_call(client, "GET", path, NULL, &op);

        if (r != 0) {
            if (client->http.changes != changes) {
                (void)fprintf(stderr,
                              "the master that began operation %s leads no more; what it began "
                              "goes on under the present one: 'axcan get tasks' and 'axcan get "
                              "events' show how\n",
                              id);
            }
            return r;
        }
        shown = show_steps(client, op, shown, every_step);
        const char *state = json_string_value(json_object_get(op, "state"));

        if (state == NULL || strcmp(state, "running") != 0) {
            *ret_op = op;
            return 0;
        }
        json_decref(op);
    }
}

int axi_operation_wait(struct axi_client *client, const char *id, bool every_step, json_t **ret_op)
{
    int r = wait_for(client, id, every_step, ret_op);

    end_progress();
    return r == 0 ? judge(client, *ret_op) : r;
}

int axi_operation_run(struct axi_client *client, const char *method, const char *path,
                      const json_t *body, bool every_step, json_t **ret_op)
{
    json_t *answer = NULL;
    json_t *op = NULL;

    if (ret_op != NULL) {
        *ret_op = NULL;
    }
    int r = axi_client_call(client, method, path, body, &answer);

    if (r != 0) {
        return r;
    }
    const char *id = json_string_value(json_object_get(answer, "operation"));

    if (client->no_wait || id == NULL) {
        (void)printf("operation %s started\n", id != NULL ? id : "?");
    } else {
        r = axi_operation_wait(client, id, every_step, &op);
    }
    json_decref(answer);
    if (ret_op != NULL) {
        *ret_op = op;
    } else {
        json_decref(op);
    }
    return r;
}
