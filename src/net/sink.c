/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sink.h"

#include "axcan/task.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_BYTES 256u

/* Splits at the last colon; the port's text, or NULL. */
static const char *split(const char *text, char host[HOST_BYTES])
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL || colon == text || (size_t)(colon - text) >= HOST_BYTES) {
        return NULL;
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    return colon + 1;
}

static int open_udp(const char *host_and_port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char host[HOST_BYTES];
    const char *port = split(host_and_port, host);
    int fd = -1;

    if (port == NULL || getaddrinfo(host, port, &hints, &found) != 0) {
        return -AXC_EINVALID;
    }
    fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd < 0 ? -AXC_EIO : fd;
}

int axi_sink_open(const char *text, struct axi_sink *ret_sink)
{
    struct axi_sink target = {.is_stamped = strncmp(text, "node:", 5) == 0};

    target.is_udp = target.is_stamped || strncmp(text, "udp:", 4) == 0;
    if (target.is_udp) {
        target.fd = open_udp(strchr(text, ':') + 1);
    } else if (strncmp(text, "file:", 5) == 0) {
        target.fd = open(text + 5, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        target.fd = target.fd < 0 ? -AXC_EIO : target.fd;
    } else {
        target.fd = -AXC_EINVALID;
    }
    if (target.fd < 0) {
        return target.fd;
    }
    *ret_sink = target;
    return 0;
}

void axi_sink_close(struct axi_sink *target)
{
    if (target->fd >= 0) {
        (void)close(target->fd);
    }
    target->fd = -1;
}

int axi_sink_put(const struct axi_sink *target, const struct axi_stamp *stamp, const void *value,
                 uint32_t bytes)
{
    uint8_t datagram[AXI_STAMP_BYTES + AXC_VALUE_BYTES_MAX];
    size_t count = 0;

    if (!target->is_udp) {
        return write(target->fd, value, bytes) == (ssize_t)bytes ? 0 : -AXC_EIO;
    }
    if (!target->is_stamped) {
        (void)send(target->fd, value, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (axi_stamp_encode(stamp, value, bytes, datagram, sizeof(datagram), &count) == 0) {
        (void)send(target->fd, datagram, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return 0;
}

int axi_sink_address(const char *text, struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[HOST_BYTES];
    const char *port = split(text, host);
    char *end = NULL;
    unsigned long number = port != NULL ? strtoul(port, &end, 10) : 0;

    if (number == 0 || number > 65535 || *end != '\0' || *port < '0' || *port > '9' ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        return -AXC_EINVALID;
    }
    address.sin_port = htons((uint16_t)number);
    *ret_address = address;
    return 0;
}

void axi_sink_send_to(int fd, const struct sockaddr_in *address, const struct axi_stamp *stamp,
                      const void *value, uint32_t bytes)
{
    uint8_t datagram[AXI_STAMP_BYTES + AXC_VALUE_BYTES_MAX];
    size_t count = 0;

    if (axi_stamp_encode(stamp, value, bytes, datagram, sizeof(datagram), &count) == 0) {
        (void)sendto(fd, datagram, count, MSG_DONTWAIT | MSG_NOSIGNAL,
                     (const struct sockaddr *)address, sizeof(*address));
    }
}
