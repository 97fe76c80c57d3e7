/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up_voters.h"

#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/member.h"

#include <stdio.h>

static json_t *make(const struct axi_up_voters *voters, const json_t *cluster, const char *dir,
                    size_t index)
{
    char name[32];
    char ready[64];

    (void)snprintf(name, sizeof(name), "voter%zu", index + 1);
    (void)snprintf(ready, sizeof(ready), "%s.ready", name);
    json_t *member = axi_member_new(dir, name, "axcan-voter");

    if (member == NULL) {
        return NULL;
    }
    axi_member_add(member, "--name", name);
    axi_member_add_path(member, "--token-file", dir, "token");
    axi_member_add_path(member, "--ready-file", dir, ready);
    axi_member_add(member, "--listen", "127.0.0.1:0");
    axi_member_add(member, "--master", json_string_value(json_object_get(cluster, "listen")));
    if (voters->out != NULL) {
        axi_member_add(member, "--out", voters->out);
    }
    return member;
}

int axi_up_voters_start(struct axi_up_voters *voters, json_t *cluster, const char *dir,
                        uint64_t deadline_ns)
{
    json_t *list = json_object_get(cluster, "voters");

    if (list == NULL && voters->count > 0) {
        list = json_array();
        (void)json_object_set_new(cluster, "voters", list);
    }
    voters->there = json_array_size(list);
    while (json_array_size(list) < voters->count) {
        json_t *member = make(voters, cluster, dir, json_array_size(list));

        if (member == NULL) {
            return axi_cli_fail("up", "axcan-voter is not there; build or install it");
        }
        (void)json_array_append_new(list, member);
    }
    return axi_members_start_bound(list, dir, deadline_ns, voters->is_started, AXI_UP_VOTERS_MAX);
}

void axi_up_voters_undo(struct axi_up_voters *voters, json_t *cluster)
{
    json_t *list = json_object_get(cluster, "voters");

    axi_members_stop(list, voters->is_started, AXI_UP_VOTERS_MAX);
    while (json_array_size(list) > voters->there) {
        (void)json_array_remove(list, json_array_size(list) - 1);
    }
}
