/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/describe_service.h"

#include "cli/declare.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_SHOWN 10u

static const struct axi_column member_columns[] = {
    {"TASK", "task", AXI_CELL_TEXT, false},
    {"NODE", "node", AXI_CELL_TEXT, false},
    {"PLATFORM", "platform", AXI_CELL_TEXT, false},
    {"ROLE", "role", AXI_CELL_TEXT, false},
    {"STATE", "state", AXI_CELL_TEXT, false},
    {"OUTPUT", "output", AXI_CELL_TEXT, false},
    {"IMAGE", "image", AXI_CELL_DIGEST, false},
    {"DEGRADED", "degraded", AXI_CELL_TEXT, false},
    {"GOOD", "votes.good", AXI_CELL_TEXT, false},
    {"WRONG", "votes.wrong", AXI_CELL_TEXT, false},
    {"SILENT", "votes.silent", AXI_CELL_TEXT, false},
};

static const struct axi_column event_columns[] = {
    {"AGE", "time_ns", AXI_CELL_AGE, false}, {"TYPE", "type", AXI_CELL_TEXT, false},
    {"TASK", "task", AXI_CELL_TEXT, false},  {"NODE", "node", AXI_CELL_TEXT, false},
    {"TEXT", "text", AXI_CELL_TEXT, false},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void print_line(const char *title, const char *text)
{
    if (*text != '\0') {
        (void)printf("%-11s %s\n", title, text);
    }
}

/* Does the text name the service, as a word of its own? */
static bool is_named(const char *text, const char *name)
{
    static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t length = strlen(name);

    for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name)) {
        bool begins = at == text || strchr(inner, at[-1]) == NULL;

        if (begins && (at[length] == '\0' || strchr(inner, at[length]) == NULL)) {
            return true;
        }
    }
    return false;
}

/* The service's own, or of one of its replicas: NAME-NUMBER. */
static bool is_about(const json_t *event, const char *name)
{
    size_t length = strlen(name);
    const char *task = axi_declare_text(event, "task");
    const char *text = axi_declare_text(event, "text");

    if (strcmp(axi_declare_text(event, "service"), name) == 0) {
        return true;
    }
    if (strncmp(task, name, length) == 0 && task[length] == '-') {
        size_t digits = strspn(task + length + 1, "0123456789");

        return digits > 0 && task[length + 1 + digits] == '\0';
    }
    return *task == '\0' && is_named(text, name);
}

/* The last ones there are: pages until the end. */
static int events_about(struct axi_client *client, const char *name, json_t *events,
                        uint64_t *ret_now_ns)
{
    char path[64];
    uint64_t since = 0;
    bool is_end = false;
    int r = 0;

    while (!is_end) {
        json_t *page = NULL;
        json_t *event = NULL;
        size_t i = 0;

        (void)snprintf(path, sizeof(path), "/v1/events?since=%" PRIu64, since);
        r = axi_client_call(client, "GET", path, NULL, &page);
        if (r != 0) {
            break;
        }
        json_array_foreach (json_object_get(page, "items"), i, event) {
            if (is_about(event, name)) {
                (void)json_array_append(events, event);
            }
        }
        while (json_array_size(events) > EVENTS_SHOWN) {
            (void)json_array_remove(events, 0);
        }
        is_end = json_array_size(json_object_get(page, "items")) == 0;
        since = (uint64_t)json_integer_value(json_object_get(page, "next"));
        *ret_now_ns = (uint64_t)json_integer_value(json_object_get(page, "now_ns"));
        json_decref(page);
    }
    return r;
}

static void print_head(const json_t *service)
{
    const json_t *votes = json_object_get(service, "votes");

    print_line("name", axi_declare_text(service, "name"));
    print_line("mode", axi_declare_text(service, "mode"));
    print_line("image", axi_declare_text(service, "image"));
    print_line("state", axi_declare_text(service, "state"));
    print_line("condition", axi_declare_text(service, "condition"));
    (void)printf("%-11s %lld of %lld ready, minimum %lld\n", "replicas", number(service, "ready"),
                 number(service, "replicas"), number(service, "minimum"));
    (void)printf("%-11s %lld, revision %lld\n", "generation", number(service, "generation"),
                 number(service, "revision"));
    if (json_is_object(votes)) {
        (void)printf("%-11s %lld agreed, %lld failed, last agreed job %lld, at %s\n", "votes",
                     number(votes, "agreed"), number(votes, "failed"),
                     number(votes, "last_agreed_job"), axi_declare_text(votes, "voter"));
    }
}

int axi_describe_service(struct axi_client *client, const json_t *service)
{
    const json_t *rollout = json_object_get(service, "rollout");
    json_t *events = json_array();
    uint64_t now_ns = 0;
    int r = events_about(client, axi_declare_text(service, "name"), events, &now_ns);

    if (r == 0) {
        print_head(service);
        if (json_object_size(rollout) > 0) {
            (void)puts("\nrollout:");
            axi_print_yaml(stdout, rollout);
        }
        (void)putchar('\n');
        axi_print_table(stdout, member_columns, COUNT(member_columns),
                        json_object_get(service, "members"), now_ns, false, true);
        (void)puts("\nlast events:");
        axi_print_table(stdout, event_columns, COUNT(event_columns), events, now_ns, false, true);
    }
    json_decref(events);
    return r;
}
