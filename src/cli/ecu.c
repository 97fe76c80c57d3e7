/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ecu.h"

#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/partition_node.h"
#include "host/bundle.h"
#include "host/os_node.h"
#include "host/programs.h"
#include "image/boards.h"
#include "net/ports.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QEMU "qemu-system-aarch64"

struct ecu {
    const char *dir, *name, *board;
    char image[PATH_MAX];
};

/* Appends "option value", or a lone option when value is NULL. */
static void add(json_t *argv, const char *option, const char *value)
{
    (void)json_array_append_new(argv, json_string(option));
    if (value != NULL) {
        (void)json_array_append_new(argv, json_string(value));
    }
}

static void add_machine(json_t *argv, const char *board, const char *mac)
{
    const struct axi_board_facts *facts = axi_board_find(board);
    char device[96];

    for (const char *const *word = facts->qemu; *word != NULL; word++) {
        (void)json_array_append_new(argv, json_string(*word));
    }
    (void)snprintf(device, sizeof(device), facts->qemu_nic_format, mac);
    add(argv, facts->qemu_nic_option, device);
}

/* The command line of QEMU; NULL when it is not installed. */
static json_t *make_argv(const struct ecu *ecu, const struct axi_boot_config *config, uint16_t port,
                         const char *console)
{
    char program[PATH_MAX];
    char text[PATH_MAX + 64];
    char mac[18];
    json_t *argv = NULL;

    if (axi_find_program(QEMU, program, sizeof(program)) < 0) {
        return NULL;
    }
    argv = json_array();
    (void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", config->mac[0],
                   config->mac[1], config->mac[2], config->mac[3], config->mac[4], config->mac[5]);
    add(argv, program, NULL);
    (void)snprintf(text, sizeof(text),
                   "user,id=n0,hostfwd=tcp:127.0.0.1:%u-" AXI_OS_NODE_GUEST ":%u", port,
                   AXI_OS_NODE_PORT);
    add(argv, "-netdev", text);
    add_machine(argv, ecu->board, mac);
    add(argv, "-nodefaults", NULL);
    add(argv, "-display", "none");
    (void)snprintf(text, sizeof(text), "file,id=console,append=on,path=%s", console);
    add(argv, "-chardev", text);
    add(argv, "-serial", "chardev:console");
    add(argv, "-kernel", ecu->image);
    return argv;
}

json_t *axi_ecu_member(const char *dir, const char *name, const char *board, uint64_t capacity_ppm,
                       bool is_partition)
{
    char log[PATH_MAX];
    char console[PATH_MAX];
    json_t *member;

    (void)snprintf(log, sizeof(log), "%s/%s.log", dir, name);
    (void)snprintf(console, sizeof(console), "%s/%s.%s", dir, name,
                   is_partition ? "log" : "console");
    member = json_pack("{s:s,s:s,s:s,s:s,s:I,s:[]}", "name", name, "log", log, "board", board,
                       "console", console, "capacity_ppm", (json_int_t)capacity_ppm, "argv");
    if (is_partition) {
        (void)json_object_set_new(member, "removal", axi_partition_node_removal(dir, name));
    }
    return member;
}

bool axi_ecu_is_member(const json_t *member)
{
    return json_is_string(json_object_get(member, "board"));
}

static const char *text_of(const json_t *member, const char *key)
{
    const char *text = json_string_value(json_object_get(member, key));

    return text != NULL ? text : "";
}

static json_t *argv_of(const struct ecu *ecu, const struct axi_boot_config *config, uint16_t port,
                       const json_t *member)
{
    json_t *argv = NULL;

    if (json_object_get(member, "removal") != NULL) {
        axi_partition_node_remove(member); /* what is left of its former run */
        return axi_partition_node_argv(ecu->dir, ecu->name, ecu->board, ecu->image, config, port);
    }
    argv = make_argv(ecu, config, port, text_of(member, "console"));
    if (argv == NULL) {
        (void)axi_cli_fail("up", QEMU " is not installed; apt-get install qemu-system-arm");
    }
    return argv;
}

int axi_ecu_prepare(const char *dir, const char *master, json_t *member)
{
    static struct axi_boot_config config;
    struct ecu ecu = {
        .dir = dir, .name = text_of(member, "name"), .board = text_of(member, "board")};
    char token[PATH_MAX];
    char reason[AXI_OS_REASON_BYTES];
    json_t *argv = NULL;
    uint16_t port = 0;
    int r = axi_ports_find(&port, 1);

    (void)snprintf(ecu.image, sizeof(ecu.image), "%s/%s.img", dir, ecu.name);
    (void)snprintf(token, sizeof(token), "%s/token", dir);
    if (r < 0) {
        return axi_cli_fail("up", "%s finds no free port: %s", ecu.name, axi_error_text(r));
    }
    const struct axi_os_node node = {
        .name = ecu.name,
        .board = ecu.board,
        .image = ecu.image,
        .masters = master,
        .token_file = token,
        .address = "127.0.0.1",
        .port = port,
        .capacity_ppm = (uint32_t)json_integer_value(json_object_get(member, "capacity_ppm")),
        .host_channel =
            json_object_get(member, "removal") != NULL ? axi_bundle_channel(ecu.board) : 0};

    if (axi_os_node_make(&node, &config, reason) < 0) {
        return axi_cli_fail("up", "%s", reason);
    }
    argv = argv_of(&ecu, &config, port, member);
    if (argv == NULL) {
        return AXI_EXIT_FAILED;
    }
    (void)json_object_set_new(member, "argv", argv);
    return 0;
}
