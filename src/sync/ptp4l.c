/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/ptp4l.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEADER_BYTES 34u
#define DATA_AT 54u /* header, target port, hops, action, TLV header, management id */
#define REQUEST_BYTES 54u
#define TYPE_MANAGEMENT 13u
#define ACTION_GET 0u
#define ACTION_RESPONSE 2u
#define TLV_MANAGEMENT 1u

enum management_id {
    CURRENT_DATA_SET = 0x2001,
    TIME_PROPERTIES_DATA_SET = 0x2003,
    TIME_STATUS_NP = 0xc000, /* linuxptp's own */
};

struct axi_ptp4l {
    int fd;
    struct sockaddr_un own, peer;
    uint16_t sequence;
    uint8_t domain;
    struct axi_ptp4l_status status;
};

static uint64_t get_be(const uint8_t *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

int axi_ptp4l_new(const char *path, uint8_t domain, struct axi_ptp4l **ret_ptp4l)
{
    static unsigned counter;
    const char *folder = getenv("TMPDIR");
    struct axi_ptp4l *p = calloc(1, sizeof(*p));
    int n;

    if (p == NULL) {
        return -AXC_ENOMEM;
    }
    p->domain = domain;
    p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    p->own.sun_family = p->peer.sun_family = AF_UNIX;
    n = snprintf(p->own.sun_path, sizeof(p->own.sun_path), "%s/axcan-ptp4l.%ld.%u",
                 folder != NULL ? folder : "/tmp", (long)getpid(), counter++);
    if (n >= (int)sizeof(p->own.sun_path) || strlen(path) >= sizeof(p->peer.sun_path)) {
        p->own.sun_path[0] = '\0';
        axi_ptp4l_free(p);
        return -AXC_EINVALID;
    }
    memcpy(p->peer.sun_path, path, strlen(path) + 1);
    (void)unlink(p->own.sun_path);
    if (p->fd < 0 || bind(p->fd, (const struct sockaddr *)&p->own, sizeof(p->own)) < 0) {
        axi_ptp4l_free(p);
        return -AXC_EIO;
    }
    *ret_ptp4l = p;
    return 0;
}

void axi_ptp4l_free(struct axi_ptp4l *p)
{
    if (p == NULL) {
        return;
    }
    if (p->fd >= 0) {
        (void)close(p->fd);
    }
    if (p->own.sun_path[0] != '\0') {
        (void)unlink(p->own.sun_path);
    }
    free(p);
}

int axi_ptp4l_fd(const struct axi_ptp4l *p)
{
    return p->fd;
}

static int ask(struct axi_ptp4l *p, uint16_t id)
{
    uint8_t b[REQUEST_BYTES] = {TYPE_MANAGEMENT, 2, 0, REQUEST_BYTES};

    p->sequence++;
    b[4] = p->domain;
    b[30] = (uint8_t)(p->sequence >> 8);
    b[31] = (uint8_t)p->sequence;
    b[32] = 4;                /* control: management */
    b[33] = 0x7f;             /* no interval */
    memset(b + 34, 0xff, 10); /* to any port */
    b[46] = ACTION_GET;
    b[49] = TLV_MANAGEMENT;
    b[51] = 2; /* length of what follows */
    b[52] = (uint8_t)(id >> 8);
    b[53] = (uint8_t)id;
    if (sendto(p->fd, b, sizeof(b), 0, (const struct sockaddr *)&p->peer, sizeof(p->peer)) < 0) {
        return -AXC_EUNAVAILABLE;
    }
    return 0;
}

int axi_ptp4l_ask(struct axi_ptp4l *p)
{
    int r = ask(p, TIME_PROPERTIES_DATA_SET);

    r = r == 0 ? ask(p, CURRENT_DATA_SET) : r;
    return r == 0 ? ask(p, TIME_STATUS_NP) : r;
}

bool axi_ptp4l_parse(const uint8_t *b, size_t length, struct axi_ptp4l_status *status)
{
    const uint8_t *data = b + DATA_AT;
    size_t bytes;

    if (length < DATA_AT || (b[0] & 15) != TYPE_MANAGEMENT || (b[1] & 15) != 2 ||
        (b[46] & 15) != ACTION_RESPONSE || get_be(b + 48, 2) != TLV_MANAGEMENT) {
        return false;
    }
    bytes = length - DATA_AT;
    switch (get_be(b + 52, 2)) {
    case TIME_STATUS_NP:
        if (bytes < 50) {
            return false;
        }
        status->master_offset_ns = (int64_t)get_be(data, 8);
        status->has_master = get_be(data + 38, 4) != 0;
        memcpy(status->grandmaster, data + 42, 8);
        status->is_new = true;
        return true;
    case CURRENT_DATA_SET:
        if (bytes < 18) {
            return false;
        }
        status->path_delay_ns = (int64_t)get_be(data + 10, 8) / 65536;
        return true;
    case TIME_PROPERTIES_DATA_SET:
        if (bytes < 4) {
            return false;
        }
        status->utc_offset_s = (int16_t)get_be(data, 2);
        status->is_ptp_scale = (data[2] & 8) != 0;
        return true;
    default:
        return false;
    }
}

bool axi_ptp4l_take(struct axi_ptp4l *p, struct axi_ptp4l_status *ret)
{
    uint8_t bytes[512];
    bool has_changed = false;
    ssize_t n;

    p->status.is_new = false;
    while ((n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) >= 0 || errno == EINTR) {
        has_changed |= n > 0 && axi_ptp4l_parse(bytes, (size_t)n, &p->status);
    }
    *ret = p->status;
    return has_changed;
}
