/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/partition_node.h"

#include "cli/cluster.h"
#include "cli/command.h"
#include "core/host_channel.h"
#include "image/boards.h"
#include "image/file.h"
#include "image/os_image.h"
#include "net/host.h"
#include "runax/bri/bri.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEARTBEAT_MS 5000u       /* Axcan OS beats at least five times a second */
#define STOP_GRACE_MS "3000"     /* its tasks move away first */
#define CHANNEL_BYTES (2u << 20) /* memory is mapped in such blocks */
#define OS_PATH "boot/axcan.img"

uint64_t axi_partition_node_channel(const char *board)
{
    return axi_board_find(board)->ram + AXI_PARTITION_MEMORY_BYTES;
}

/* What the image needs, as runax reads it; the caller frees. */
static char *information(const char *board, uint64_t load_address)
{
    static struct axi_bri bri;
    struct axi_partition *partition = &bri.partition;

    memset(&bri, 0, sizeof(bri));
    (void)snprintf(partition->board, sizeof(partition->board), "%s", board);
    (void)snprintf(partition->isa, sizeof(partition->isa), "aarch64");
    partition->cpu_count = 1;
    partition->console.kind = AXI_CONSOLE_DEFAULT;
    partition->memory[partition->memory_count++] =
        (struct axi_memory){.pool = "ram",
                            .host_address = AXI_ANY,
                            .guest_address = axi_board_find(board)->ram,
                            .bytes = AXI_PARTITION_MEMORY_BYTES};
    partition->images[partition->image_count++] = (struct axi_partition_image){
        .path = OS_PATH, .fd = -1, .core = -1, .load_address = load_address, .entry = AXI_ANY};
    partition->channels[partition->channel_count++] =
        (struct axi_channel){.name = AXI_HOST_CHANNEL,
                             .host_address = AXI_ANY,
                             .guest_address = axi_partition_node_channel(board),
                             .bytes = CHANNEL_BYTES,
                             .peers = 1,
                             .irq = AXI_ANY};
    partition->watch.heartbeat_ms = HEARTBEAT_MS;
    partition->watch.is_fatal = true;
    return axi_bri_print(&bri);
}

static char *bundle_config(const struct axi_boot_config *config, uint16_t port, uint16_t guest_port)
{
    char forward[32];
    char mac[18];
    json_t *json;
    char *text;

    (void)snprintf(forward, sizeof(forward), "%u:%u", port, guest_port);
    (void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", config->mac[0],
                   config->mac[1], config->mac[2], config->mac[3], config->mac[4], config->mac[5]);
    json = json_pack("{s:s, s:{s:s}, s:{s:[s], s:s}, s:{}, s:{s:s, s:s, s:s, s:s, s:s}}",
                     "ociVersion", "1.0.2", "root", "path", "rootfs", "process", "args",
                     "/" OS_PATH, "cwd", "/", "linux", "annotations", "dev.axcan.hv", "qemu",
                     "dev.axcan.stop-grace-ms", STOP_GRACE_MS, "dev.axcan.hv.net", "user",
                     "dev.axcan.hv.mac", mac, "dev.axcan.hv.forward", forward);
    text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    return text;
}

static int write_text(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX + 64];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return text != NULL ? axi_host_write_file(path, text) : -AXC_ENOMEM;
}

static int make_bundle(const char *bundle, const char *board, const char *image,
                       const struct axi_boot_config *config, uint16_t port, uint16_t guest_port)
{
    char boot[PATH_MAX + 16];
    char path[PATH_MAX + 32];
    struct axi_os_image os;
    uint8_t *file = NULL;
    size_t bytes = 0;
    char *bri = NULL;
    char *text = bundle_config(config, port, guest_port);
    int r = axi_file_read(image, AXI_OS_IMAGE_BYTES_MAX, &file, &bytes);

    (void)snprintf(boot, sizeof(boot), "%s/rootfs/boot", bundle);
    (void)snprintf(path, sizeof(path), "%s/axcan.img", boot);
    if (r == 0) {
        r = axi_os_image_read(file, bytes, &os);
    }
    if (r == 0) {
        bri = information(board, axi_board_find(board)->ram + os.text_offset);
        r = axi_host_make_directory(boot);
    }
    if (r == 0) {
        (void)unlink(path);
        r = link(image, path) == 0 ? 0 : -AXC_EIO;
    }
    if (r == 0) {
        r = write_text(boot, "axcan.json", bri);
    }
    if (r == 0) {
        r = write_text(bundle, "config.json", text);
    }
    free(file);
    free(bri);
    free(text);
    return r;
}

/* runax with state and resources of this cluster's own. */
static json_t *runax(const char *dir, const char *name, const char *program)
{
    return json_pack("[s, s, s+, s, s+, s, s++]", program, "--root", dir, "/runax", "--resources",
                     dir, "/runax-resources", "--log", dir, "/", name, ".runax.log");
}

/* Waits for the end of a short command; what it says goes nowhere. */
static void run_quietly(const json_t *argv)
{
    char *words[16] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    for (size_t i = 0; i < json_array_size(argv) && i < 15; i++) {
        words[i] = (char *)json_string_value(json_array_get(argv, i));
    }
    if (words[0] == NULL || posix_spawn_file_actions_init(&actions) != 0) {
        return;
    }
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, words[0], &actions, NULL, words, environ) == 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    (void)posix_spawn_file_actions_destroy(&actions);
}

void axi_partition_node_remove(const json_t *member)
{
    const json_t *removal = json_object_get(member, "removal");

    if (removal != NULL) {
        run_quietly(removal);
    }
}

json_t *axi_partition_node_removal(const char *dir, const char *name)
{
    char program[PATH_MAX];
    json_t *argv = NULL;

    if (axi_find_program("runax", program, sizeof(program)) == 0) {
        argv = runax(dir, name, program);
        (void)json_array_append_new(argv, json_string("delete"));
        (void)json_array_append_new(argv, json_string("--force"));
        (void)json_array_append_new(argv, json_string(name));
    }
    return argv;
}

json_t *axi_partition_node_argv(const char *dir, const char *name, const char *board,
                                const char *image, const struct axi_boot_config *config,
                                uint16_t port, uint16_t guest_port)
{
    char program[PATH_MAX];
    char bundle[PATH_MAX];
    json_t *argv;
    int r;

    if (axi_find_program("runax", program, sizeof(program)) < 0) {
        (void)axi_cli_fail("up", "runax is not there; build or install it");
        return NULL;
    }
    (void)snprintf(bundle, sizeof(bundle), "%s/%s.bundle", dir, name);
    r = make_bundle(bundle, board, image, config, port, guest_port);
    if (r < 0) {
        (void)axi_cli_fail("up", "%s cannot be made: %s", bundle, axi_error_text(r));
        return NULL;
    }
    argv = runax(dir, name, program);
    (void)json_array_append_new(argv, json_string("run"));
    (void)json_array_append_new(argv, json_string("--bundle"));
    (void)json_array_append_new(argv, json_string(bundle));
    (void)json_array_append_new(argv, json_string(name));
    return argv;
}
