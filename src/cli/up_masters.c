/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up_masters.h"

#include "cli/client.h"
#include "cli/command.h"
#include "cli/member.h"

#include <stdio.h>
#include <string.h>

#define LIST_BYTES 512u

static json_t *make(const json_t *cluster, const char *dir, size_t number, uint64_t lease_ms)
{
    const char *store = json_string_value(json_object_get(cluster, "store"));
    char name[32];
    char ready[64];

    (void)snprintf(name, sizeof(name), "master%zu", number);
    (void)snprintf(ready, sizeof(ready), "%s.ready", name);
    json_t *member = axi_member_new(dir, name, "axcan-master");

    if (member == NULL) {
        return NULL;
    }
    axi_member_add(member, "--name", name);
    axi_member_add_path(member, "--dir", dir, name);
    axi_member_add_path(member, "--token-file", dir, "token");
    axi_member_add_path(member, "--ready-file", dir, ready);
    axi_member_add(member, "--listen", "127.0.0.1:0");
    axi_member_add(member, "--api", "127.0.0.1:0");
    axi_member_add(member, "--history-dir", dir);
    if (store != NULL) {
        axi_member_add(member, "--store", store);
    } else {
        axi_member_add_path(member, "--store", dir, "master/store.db");
    }
    if (lease_ms > 0) {
        axi_member_add_number(member, "--lease-ms", lease_ms);
    }
    return member;
}

/* "A,B,C": the addresses under `key` of all masters. */
static void note_list(json_t *cluster, const char *key)
{
    const json_t *first = json_array_get(json_object_get(cluster, "members"), 0);
    const char *address = json_string_value(json_object_get(first, key));
    char text[LIST_BYTES];
    size_t index = 0;
    const json_t *member = NULL;

    (void)snprintf(text, sizeof(text), "%s", address != NULL ? address : "");
    json_array_foreach (json_object_get(cluster, "masters"), index, member) {
        size_t used = strlen(text);

        address = json_string_value(json_object_get(member, key));
        (void)snprintf(text + used, sizeof(text) - used, ",%s", address != NULL ? address : "");
    }
    (void)json_object_set_new(cluster, key, json_string(text));
}

int axi_up_masters_start(struct axi_up_masters *masters, json_t *cluster, const char *dir,
                         uint64_t lease_ms, uint64_t deadline_ns)
{
    json_t *list = json_object_get(cluster, "masters");
    size_t there = json_array_size(list) + 1;

    if (!masters->is_new && masters->count > there) {
        return axi_cli_fail("up",
                            "this cluster has %zu master%s, and its nodes know no others; "
                            "--masters is for a new one",
                            there, there == 1 ? "" : "s");
    }
    if (list == NULL && masters->count > 1) {
        list = json_array();
        (void)json_object_set_new(cluster, "masters", list);
    }
    while (json_array_size(list) + 1 < masters->count) {
        json_t *member = make(cluster, dir, json_array_size(list) + 2, lease_ms);

        if (member == NULL) {
            return axi_cli_fail("up", "axcan-master is not there; build or install it");
        }
        (void)json_array_append_new(list, member);
    }
    int r =
        axi_members_start_bound(list, dir, deadline_ns, masters->is_started, AXI_UP_MASTERS_MAX);

    if (r == 0) {
        note_list(cluster, "listen");
        note_list(cluster, "api");
    }
    return r;
}

void axi_up_masters_undo(const struct axi_up_masters *masters, json_t *cluster)
{
    axi_members_stop(json_object_get(cluster, "masters"), masters->is_started, AXI_UP_MASTERS_MAX);
}
