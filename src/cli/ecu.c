/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ecu.h"

#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/os_files.h"
#include "cli/partition_node.h"
#include "image/boards.h"
#include "image/file.h"
#include "image/os_image.h"
#include "net/host.h"
#include "net/ports.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define QEMU "qemu-system-aarch64"
#define GUEST "10.0.2.15" /* QEMU's user network: the guest, and the host as the guest sees it */
#define HOST "10.0.2.2"
#define PEER_PORT 7402u

struct ecu {
    const char *dir, *name, *board, *master;
    uint32_t capacity_ppm;
    char image[PATH_MAX];
};

/* "127.0.0.1:7400" as the guest must write it. */
static int master_of_guest(const char *master, char ret_text[AXI_BOOT_TEXT_BYTES])
{
    const char *colon = strrchr(master, ':');

    if (colon == NULL || strncmp(master, "127.", 4) != 0) {
        return -AXC_EINVALID;
    }
    (void)snprintf(ret_text, AXI_BOOT_TEXT_BYTES, HOST "%s", colon);
    return 0;
}

/* Of a list the first; the kernel finds the host of the others by `loopback`. */
static int masters_of_guest(const char *list, struct axi_boot_config *config)
{
    char first[AXI_BOOT_TEXT_BYTES];
    size_t length = strcspn(list, ",");

    if (length >= sizeof(first) || strlen(list) >= sizeof(config->masters)) {
        return -AXC_EINVALID;
    }
    (void)snprintf(first, sizeof(first), "%.*s", (int)length, list);
    if (list[length] == ',') {
        (void)snprintf(config->masters, sizeof(config->masters), "%s", list + length + 1);
    }
    return master_of_guest(first, config->master);
}

/* The MAC of the image that is there; else a fresh one, locally administered. */
static int find_mac(const char *path, uint8_t ret_mac[6])
{
    static struct axi_boot_config old;
    struct axi_os_image image;
    uint8_t *file = NULL;
    size_t bytes = 0;
    bool is_there = axi_file_read(path, AXI_OS_IMAGE_BYTES_MAX, &file, &bytes) == 0 &&
                    axi_os_image_read(file, bytes, &image) == 0 && image.config != NULL &&
                    axi_boot_config_decode(image.config, image.config_bytes, &old) == 0 &&
                    old.has_mac;

    free(file);
    if (is_there) {
        memcpy(ret_mac, old.mac, sizeof(old.mac));
        return 0;
    }
    if (getrandom(ret_mac, sizeof(old.mac), 0) != (ssize_t)sizeof(old.mac)) {
        return -AXC_EIO;
    }
    ret_mac[0] = (uint8_t)((ret_mac[0] & 0xfc) | 0x02);
    return 0;
}

static int fill_config(const struct ecu *ecu, uint16_t port, struct axi_boot_config *config)
{
    char path[PATH_MAX];
    char token[AXI_TOKEN_BYTES];
    int r = 0;

    axi_boot_config_init(config);
    (void)snprintf(config->name, sizeof(config->name), "%s", ecu->name);
    (void)snprintf(path, sizeof(path), "%s/token", ecu->dir);
    r = axi_host_read_token(path, token);
    if (r < 0) {
        return r;
    }
    (void)snprintf(config->token, sizeof(config->token), "%s", token);
    if (getrandom(&config->seed, sizeof(config->seed), 0) != (ssize_t)sizeof(config->seed)) {
        return -AXC_EIO;
    }
    r = find_mac(ecu->image, config->mac);
    if (r < 0) {
        return r;
    }
    config->has_mac = true;
    config->network = AXI_BOOT_NETWORK_STATIC;
    config->prefix = 24;
    config->peer_port = PEER_PORT;
    (void)inet_pton(AF_INET, GUEST, config->address);
    (void)inet_pton(AF_INET, HOST, config->gateway);
    (void)inet_pton(AF_INET, HOST, config->loopback);
    (void)snprintf(config->advertise, sizeof(config->advertise), "127.0.0.1:%u", port);
    config->capacity_ppm = ecu->capacity_ppm;
    return masters_of_guest(ecu->master, config);
}

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
    (void)snprintf(text, sizeof(text), "user,id=n0,hostfwd=tcp:127.0.0.1:%u-" GUEST ":%u", port,
                   PEER_PORT);
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
        return axi_partition_node_argv(ecu->dir, ecu->name, ecu->board, ecu->image, config, port,
                                       PEER_PORT);
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
    struct ecu ecu = {.dir = dir,
                      .name = text_of(member, "name"),
                      .board = text_of(member, "board"),
                      .master = master,
                      .capacity_ppm =
                          (uint32_t)json_integer_value(json_object_get(member, "capacity_ppm"))};
    const struct axi_os_file file = {
        .command = "up", .board = ecu.board, .config = &config, .path = ecu.image};
    json_t *argv = NULL;
    size_t bytes = 0;
    uint16_t port = 0;
    int r = axi_ports_find(&port, 1);

    (void)snprintf(ecu.image, sizeof(ecu.image), "%s/%s.img", dir, ecu.name);
    if (r == 0) {
        r = fill_config(&ecu, port, &config);
    }
    if (r < 0) {
        return axi_cli_fail("up", "%s cannot be configured: %s", ecu.name, axi_error_text(r));
    }
    if (json_object_get(member, "removal") != NULL) {
        config.host_channel = axi_partition_node_channel(ecu.board);
    }
    r = axi_os_write(&file, &bytes);
    argv = r == 0 ? argv_of(&ecu, &config, port, member) : NULL;
    if (argv == NULL) {
        return r != 0 ? r : 1;
    }
    (void)json_object_set_new(member, "argv", argv);
    return 0;
}
