/* SPDX-License-Identifier: Apache-2.0 */
#include "host/os_node.h"

#include "image/file.h"
#include "image/os_image.h"
#include "net/host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* "127.0.0.1:7400" as the guest must write it. */
static int master_of_guest(const char *master, char ret_text[AXI_BOOT_TEXT_BYTES])
{
    const char *colon = strrchr(master, ':');
    bool is_here = strncmp(master, "127.", 4) == 0;

    if (colon == NULL) {
        return -AXC_EINVALID;
    }
    return snprintf(ret_text, AXI_BOOT_TEXT_BYTES, "%s%s", is_here ? AXI_OS_NODE_HOST : "",
                    is_here ? colon : master) < (int)AXI_BOOT_TEXT_BYTES
               ? 0
               : -AXC_EINVALID;
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

static int fill_config(const struct axi_os_node *node, struct axi_boot_config *config)
{
    char token[AXI_TOKEN_BYTES];
    int r = axi_host_read_token(node->token_file, token);

    if (r < 0) {
        return r;
    }
    axi_boot_config_init(config);
    (void)snprintf(config->name, sizeof(config->name), "%s", node->name);
    (void)snprintf(config->token, sizeof(config->token), "%s", token);
    if (getrandom(&config->seed, sizeof(config->seed), 0) != (ssize_t)sizeof(config->seed)) {
        return -AXC_EIO;
    }
    r = find_mac(node->image, config->mac);
    if (r < 0) {
        return r;
    }
    config->has_mac = true;
    config->network = AXI_BOOT_NETWORK_STATIC;
    config->prefix = 24;
    config->peer_port = AXI_OS_NODE_PORT;
    (void)inet_pton(AF_INET, AXI_OS_NODE_GUEST, config->address);
    (void)inet_pton(AF_INET, AXI_OS_NODE_HOST, config->gateway);
    (void)inet_pton(AF_INET, AXI_OS_NODE_HOST, config->loopback);
    (void)snprintf(config->advertise, sizeof(config->advertise), "%s:%u", node->address,
                   node->port);
    config->capacity_ppm = node->capacity_ppm;
    config->host_channel = node->host_channel;
    return masters_of_guest(node->masters, config);
}

int axi_os_node_make(const struct axi_os_node *node, struct axi_boot_config *ret_config,
                     char *ret_reason)
{
    const struct axi_os_file file = {
        .board = node->board, .config = ret_config, .path = node->image};
    size_t bytes = 0;
    int r = fill_config(node, ret_config);

    if (r < 0) {
        (void)snprintf(ret_reason, AXI_OS_REASON_BYTES, "%s cannot be configured: %s", node->name,
                       axi_error_text(r));
        return r;
    }
    return axi_os_write(&file, &bytes, ret_reason);
}
