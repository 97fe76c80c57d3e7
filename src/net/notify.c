/* SPDX-License-Identifier: Apache-2.0 */
#include "net/notify.h"

#include "net/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_group(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

    return address->ss_family == AF_INET && IN_MULTICAST(ntohl(in->sin_addr.s_addr));
}

static int resolve(const char *text, bool allow_remote, struct sockaddr_storage *ret_address)
{
    int r =
        strncmp(text, "udp:", 4) == 0 ? axi_address_resolve(text + 4, ret_address) : -AXC_EINVALID;

    if (r < 0) {
        return -AXC_EINVALID;
    }
    return allow_remote || is_group(ret_address) || axi_address_is_loopback(text + 4) ? 0
                                                                                      : -AXC_EPERM;
}

static socklen_t length_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* Kept on this machine: over the loopback interface, and by a hop count of 0. */
static int keep_local(int fd)
{
    const struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    const unsigned char hops = 0;

    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback)) != 0 ||
                   setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops)) != 0
               ? -AXC_EIO
               : 0;
}

static int open_socket(const struct sockaddr_storage *address)
{
    return socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int axi_notify_open_sender(const char *text, bool allow_remote, int *ret_fd)
{
    struct sockaddr_storage address;
    int r = resolve(text, allow_remote, &address);
    int fd = r < 0 ? -1 : open_socket(&address);

    if (r < 0) {
        return r;
    }
    r = fd < 0 ? -AXC_EIO : 0;
    if (r == 0 && is_group(&address) && !allow_remote) {
        r = keep_local(fd);
    }
    if (r == 0 && connect(fd, (const struct sockaddr *)&address, length_of(&address)) != 0) {
        r = -AXC_EIO;
    }
    if (r < 0 && fd >= 0) {
        (void)close(fd);
    }
    if (r == 0) {
        *ret_fd = fd;
    }
    return r;
}

static int join_group(int fd, const struct sockaddr_storage *address, bool allow_remote)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct ip_mreq request = {
        .imr_multiaddr = in->sin_addr,
        .imr_interface = {.s_addr = htonl(allow_remote ? INADDR_ANY : INADDR_LOOPBACK)},
    };

    return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) != 0 ? -AXC_EIO
                                                                                         : 0;
}

int axi_notify_open_receiver(const char *text, bool allow_remote, int *ret_fd)
{
    const int yes = 1;
    struct sockaddr_storage address;
    int r = resolve(text, allow_remote, &address);
    int fd = r < 0 ? -1 : open_socket(&address);

    if (r < 0) {
        return r;
    }
    r = fd < 0 ? -AXC_EIO : 0;
    if (r == 0 && is_group(&address)) { /* every receiver of a group gets its own copy */
        r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0
                ? -AXC_EIO
                : join_group(fd, &address, allow_remote);
    }
    if (r == 0 && bind(fd, (const struct sockaddr *)&address, length_of(&address)) != 0) {
        r = -AXC_EIO;
    }
    if (r < 0 && fd >= 0) {
        (void)close(fd);
    }
    if (r == 0) {
        *ret_fd = fd;
    }
    return r;
}
