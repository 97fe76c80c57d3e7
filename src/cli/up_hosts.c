/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/up_hosts.h"

#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/member.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define POLL_US 20000

/* Its own end ends its partitions; what a killed one leaves is removed by "removal". */
static json_t *make(const struct axi_up_hosts *hosts, const json_t *cluster, const char *dir,
                    size_t index)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "host%zu", index + 1);
    json_t *member = axi_member_new(dir, name, "axcan-host");

    if (member == NULL) {
        return NULL;
    }
    axi_member_add(member, "--name", name);
    axi_member_add_path(member, "--token-file", dir, "token");
    axi_member_add_path(member, "--dir", dir, name);
    json_t *removal = json_deep_copy(json_object_get(member, "argv"));

    (void)json_array_append_new(removal, json_string("--remove"));
    (void)json_object_set_new(member, "removal", removal);
    axi_member_add(member, "--api", json_string_value(json_object_get(cluster, "api")));
    axi_member_add(member, "--max", AXI_UP_HOST_PARTITIONS);
    axi_member_add(member, "--board", hosts->board);
    (void)json_array_append_new(json_object_get(member, "argv"), json_string("--end-partitions"));
    return member;
}

static bool is_known(struct axi_client *client, const char *name)
{
    char path[64];
    json_t *host = NULL;
    long status = 0;
    bool is_ready = false;

    (void)snprintf(path, sizeof(path), "/v1/hosts/%s", name);
    if (axi_client_try(client, "GET", path, NULL, &status, &host) == 0 && status == 200) {
        const char *state = json_string_value(json_object_get(host, "state"));

        is_ready = state != NULL && strcmp(state, "lost") != 0;
    }
    json_decref(host);
    return is_ready;
}

static int wait_known(struct axi_client *client, const json_t *member)
{
    const char *name = json_string_value(json_object_get(member, "name"));

    while (!is_known(client, name)) {
        if (axi_member_is_dead_child(member)) {
            return axi_member_say_dead(member);
        }
        if (axi_client_left_ms(client) == 0) {
            axi_member_show_log(member);
            return axi_cli_fail("up", "%s is not ready in time; its log above says why", name);
        }
        (void)usleep(POLL_US);
    }
    return 0;
}

int axi_up_hosts_start(struct axi_up_hosts *hosts, json_t *cluster, const char *dir,
                       struct axi_client *client)
{
    json_t *list = json_object_get(cluster, "hosts");
    int r = 0;

    if (list == NULL && hosts->count > 0) {
        list = json_array();
        (void)json_object_set_new(cluster, "hosts", list);
    }
    hosts->there = json_array_size(list);
    while (json_array_size(list) < hosts->count) {
        json_t *member = make(hosts, cluster, dir, json_array_size(list));

        if (member == NULL) {
            return axi_cli_fail("up", "axcan-host is not there; build or install it");
        }
        (void)json_array_append_new(list, member);
    }
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        json_t *member = json_array_get(list, i);

        if (axi_member_is_alive(member)) {
            continue;
        }
        hosts->is_started[i % AXI_UP_HOSTS_MAX] = true;
        r = axi_member_start(member) < 0
                ? axi_cli_fail("up", "a host cannot be started: out of processes or memory")
                : wait_known(client, member);
    }
    return r;
}

void axi_up_hosts_undo(struct axi_up_hosts *hosts, json_t *cluster)
{
    json_t *list = json_object_get(cluster, "hosts");

    axi_members_stop(list, hosts->is_started, AXI_UP_HOSTS_MAX);
    while (json_array_size(list) > hosts->there) {
        (void)json_array_remove(list, json_array_size(list) - 1);
    }
}
