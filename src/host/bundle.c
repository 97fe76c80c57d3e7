/* SPDX-License-Identifier: Apache-2.0 */
#include "host/bundle.h"

#include "core/host_channel.h"
#include "host/os_node.h"
#include "image/boards.h"
#include "image/file.h"
#include "image/os_image.h"
#include "net/host.h"
#include "runax/bri/bri.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEARTBEAT_MS 5000u       /* Axcan OS beats at least five times a second */
#define STOP_GRACE_MS "3000"     /* its tasks move away first */
#define CHANNEL_BYTES (2u << 20) /* memory is mapped in such blocks */
#define OS_PATH "boot/axcan.img"

uint64_t axi_bundle_channel(const char *board)
{
    return axi_board_find(board)->ram + AXI_BUNDLE_MEMORY_BYTES;
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
                            .bytes = AXI_BUNDLE_MEMORY_BYTES};
    partition->images[partition->image_count++] = (struct axi_partition_image){
        .path = OS_PATH, .fd = -1, .core = -1, .load_address = load_address, .entry = AXI_ANY};
    partition->channels[partition->channel_count++] =
        (struct axi_channel){.name = AXI_HOST_CHANNEL,
                             .host_address = AXI_ANY,
                             .guest_address = axi_bundle_channel(board),
                             .bytes = CHANNEL_BYTES,
                             .peers = 1,
                             .irq = AXI_ANY};
    partition->watch.heartbeat_ms = HEARTBEAT_MS;
    partition->watch.is_fatal = true;
    return axi_bri_print(&bri);
}

static char *bundle_config(const struct axi_bundle *bundle)
{
    const struct axi_boot_config *config = bundle->config;
    char forward[64];
    char mac[18];
    json_t *json;
    char *text;

    (void)snprintf(forward, sizeof(forward), "%s:%u:%u", bundle->address, bundle->port,
                   AXI_OS_NODE_PORT);
    (void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", config->mac[0],
                   config->mac[1], config->mac[2], config->mac[3], config->mac[4], config->mac[5]);
    json = json_pack(
        "{s:s, s:{s:s}, s:{s:[s], s:s}, s:{}, s:{s:s, s:s, s:s, s:s, s:s}}", "ociVersion", "1.0.2",
        "root", "path", "rootfs", "process", "args", "/" OS_PATH, "cwd", "/", "linux",
        "annotations", "dev.axcan.hv", bundle->hypervisor, "dev.axcan.stop-grace-ms", STOP_GRACE_MS,
        "dev.axcan.hv.net", "user", "dev.axcan.hv.mac", mac, "dev.axcan.hv.forward", forward);
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

int axi_bundle_make(const struct axi_bundle *bundle, char *ret_reason)
{
    char boot[PATH_MAX + 16];
    char path[PATH_MAX + 32];
    struct axi_os_image os;
    uint8_t *file = NULL;
    size_t bytes = 0;
    char *bri = NULL;
    char *text = bundle_config(bundle);
    int r = axi_file_read(bundle->image, AXI_OS_IMAGE_BYTES_MAX, &file, &bytes);

    (void)snprintf(boot, sizeof(boot), "%s/rootfs/boot", bundle->dir);
    (void)snprintf(path, sizeof(path), "%s/axcan.img", boot);
    if (r == 0) {
        r = axi_os_image_read(file, bytes, &os);
    }
    if (r == 0) {
        bri = information(bundle->board, axi_board_find(bundle->board)->ram + os.text_offset);
        r = axi_host_make_directory(boot);
    }
    if (r == 0) {
        (void)unlink(path);
        r = link(bundle->image, path) == 0 ? 0 : -AXC_EIO;
    }
    if (r == 0) {
        r = write_text(boot, "axcan.json", bri);
    }
    if (r == 0) {
        r = write_text(bundle->dir, "config.json", text);
    }
    if (r < 0) {
        (void)snprintf(ret_reason, AXI_OS_REASON_BYTES, "%.300s cannot be made: %s", bundle->dir,
                       axi_error_text(r));
    }
    free(file);
    free(bri);
    free(text);
    return r;
}
