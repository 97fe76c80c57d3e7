/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/member.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "host/programs.h"
#include "net/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

json_t *axi_member_new(const char *dir, const char *name, const char *program)
{
    char path[AXI_CLI_PATH_BYTES];
    char log[AXI_CLI_PATH_BYTES + 64];

    if (axi_find_program(program, path, sizeof(path)) < 0) {
        return NULL;
    }
    (void)snprintf(log, sizeof(log), "%s/%s.log", dir, name);
    return json_pack("{s:s,s:s,s:[s]}", "name", name, "log", log, "argv", path);
}

void axi_member_add(json_t *member, const char *option, const char *value)
{
    json_t *argv = json_object_get(member, "argv");

    (void)json_array_append_new(argv, json_string(option));
    (void)json_array_append_new(argv, json_string(value));
}

void axi_member_add_path(json_t *member, const char *option, const char *dir, const char *name)
{
    char path[AXI_CLI_PATH_BYTES + 64];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    axi_member_add(member, option, path);
}

void axi_member_add_number(json_t *member, const char *option, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    axi_member_add(member, option, text);
}

bool axi_member_is_dead_child(const json_t *member)
{
    (void)waitpid((pid_t)json_integer_value(json_object_get(member, "pid")), NULL, WNOHANG);
    return !axi_member_is_alive(member);
}

int axi_member_say_dead(const json_t *member)
{
    axi_member_show_log(member);
    return axi_cli_fail("up", "%s ended at once; its log above says why",
                        json_string_value(json_object_get(member, "name")));
}

static void keep_ports(json_t *member, const char *listen, const char *api)
{
    json_t *argv = json_object_get(member, "argv");

    for (size_t i = 0; i + 1 < json_array_size(argv); i++) {
        const char *option = json_string_value(json_array_get(argv, i));

        if (strcmp(option, "--listen") == 0) {
            (void)json_array_set_new(argv, i + 1, json_string(listen));
        } else if (strcmp(option, "--api") == 0) {
            (void)json_array_set_new(argv, i + 1, json_string(api));
        }
    }
    (void)json_object_set_new(member, "listen", json_string(listen));
    (void)json_object_set_new(member, "api", json_string(api));
}

int axi_member_start_bound(json_t *member, const char *dir, uint64_t deadline_ns)
{
    const char *name = json_string_value(json_object_get(member, "name"));
    char path[AXI_CLI_PATH_BYTES + 64];
    char line[160];
    char listen[80];
    char api[80];

    (void)snprintf(path, sizeof(path), "%s/%s.ready", dir, name);
    (void)unlink(path);
    if (axi_member_start(member) < 0) {
        return axi_cli_fail("up", "%s cannot be started: out of processes or memory", name);
    }
    while (axi_host_read_line(path, line, sizeof(line)) < 0) {
        if (axi_member_is_dead_child(member)) {
            return axi_member_say_dead(member);
        }
        if (axi_cli_now_ns() > deadline_ns) {
            (void)axi_member_stop(member, 1000);
            axi_member_show_log(member);
            return axi_cli_fail("up", "%s is not ready in time; its log above says why", name);
        }
        (void)usleep(10000);
    }
    if (sscanf(line, "%79s %79s", listen, api) != 2) {
        return axi_cli_fail("up", "%s: not what %s writes", path, name);
    }
    keep_ports(member, listen, api);
    return 0;
}

int axi_members_start_bound(json_t *members, const char *dir, uint64_t deadline_ns,
                            bool *ret_started, size_t started_max)
{
    size_t index = 0;
    json_t *member = NULL;

    json_array_foreach (members, index, member) {
        if (axi_member_is_alive(member)) {
            continue;
        }
        ret_started[index % started_max] = true;
        int r = axi_member_start_bound(member, dir, deadline_ns);

        if (r != 0) {
            return r;
        }
    }
    return 0;
}

void axi_members_stop(json_t *members, const bool *started, size_t started_max)
{
    size_t index = 0;
    json_t *member = NULL;

    json_array_foreach (members, index, member) {
        if (started[index % started_max]) {
            (void)axi_member_stop(member, 3000);
        }
    }
}
