/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up_managers.h"

#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/member.h"

#include <stdio.h>
#include <string.h>

static json_t *make(const json_t *cluster, const char *dir, size_t index, uint64_t lease_ms)
{
    const char *store = json_string_value(json_object_get(cluster, "store"));
    char name[32];

    (void)snprintf(name, sizeof(name), "manager%zu", index + 1);
    json_t *member = axi_member_new(dir, name, "axcan-cms");
    char ready[64];

    if (member == NULL) {
        return NULL;
    }
    (void)snprintf(ready, sizeof(ready), "%s.ready", name);
    axi_member_add(member, "--name", name);
    axi_member_add_path(member, "--dir", dir, name);
    axi_member_add_path(member, "--token-file", dir, "token");
    axi_member_add_path(member, "--ready-file", dir, ready);
    axi_member_add(member, "--listen", "127.0.0.1:0");
    axi_member_add(member, "--api", "127.0.0.1:0");
    axi_member_add(member, "--master", json_string_value(json_object_get(cluster, "listen")));
    axi_member_add(member, "--master-api", json_string_value(json_object_get(cluster, "api")));
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

int axi_up_managers_start(json_t *cluster, const char *dir, uint64_t count, uint64_t lease_ms,
                          uint64_t deadline_ns, bool ret_started[AXI_UP_MANAGERS_MAX])
{
    json_t *managers = json_object_get(cluster, "managers");
    json_t *member = NULL;

    if (managers == NULL) {
        managers = json_array();
        (void)json_object_set_new(cluster, "managers", managers);
    }
    while (json_array_size(managers) < count) {
        member = make(cluster, dir, json_array_size(managers), lease_ms);
        if (member == NULL) {
            return axi_cli_fail("up", "axcan-cms is not there; build or install it");
        }
        (void)json_array_append_new(managers, member);
    }
    return axi_members_start_bound(managers, dir, deadline_ns, ret_started, AXI_UP_MANAGERS_MAX);
}

void axi_up_managers_stop(json_t *cluster, const bool started[AXI_UP_MANAGERS_MAX])
{
    axi_members_stop(json_object_get(cluster, "managers"), started, AXI_UP_MANAGERS_MAX);
}
