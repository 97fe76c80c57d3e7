/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/ptp_socket.h"

#include "time/ptp_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SENT_MAX 16u /* event messages whose stamp may still come */

struct axi_ptp_socket {
    enum axi_ptp_transport transport;
    int event_fd, general_fd; /* L2: the same socket */
    int interface;
    uint8_t mac[6];
    uint32_t sent_count;         /* event messages sent: the kernel's own numbering of stamps */
    int32_t sequences[SENT_MAX]; /* -1: not an event message */
};

static int open_error(void)
{
    return errno == EPERM || errno == EACCES ? -AXC_EPERM : -AXC_EIO;
}

static int enable_stamps(int fd)
{
    int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE |
                SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_ID;

    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)) < 0 ? -AXC_EIO : 0;
}

static int join_group(int fd, int interface)
{
    struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(AXI_PTP_GROUP),
                             .imr_ifindex = interface};
    int off = 0;
    int ttl = 1;

    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) < 0) {
        return open_error();
    }
    return 0;
}

/* One UDP port on one interface. */
static int open_udp(const char *name, int interface, uint16_t port, int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0) {
        return open_error();
    }
    *ret_fd = fd;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        return open_error();
    }
    r = join_group(fd, interface);
    return r;
}

static void group_mac(uint8_t mac[6])
{
    static const uint8_t group[6] = {0x01, 0x1b, 0x19, 0x00, 0x00, 0x00};

    memcpy(mac, group, sizeof(group));
}

static int open_l2(struct axi_ptp_socket *s)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(AXI_PTP_ETHERTYPE),
                                  .sll_ifindex = s->interface};
    struct packet_mreq group = {
        .mr_ifindex = s->interface, .mr_type = PACKET_MR_MULTICAST, .mr_alen = 6};

    s->event_fd =
        socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(AXI_PTP_ETHERTYPE));
    if (s->event_fd < 0) {
        return open_error();
    }
    s->general_fd = s->event_fd;
    group_mac(group.mr_address);
    if (bind(s->event_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(s->event_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
        return open_error();
    }
    return 0;
}

static int read_interface(struct axi_ptp_socket *s, const char *name)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int r = 0;

    if (fd < 0) {
        return open_error();
    }
    memcpy(request.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0) {
        r = errno == ENODEV ? -AXC_ENOENT : -AXC_EIO;
    } else {
        s->interface = request.ifr_ifindex;
        r = ioctl(fd, SIOCGIFHWADDR, &request) < 0 ? -AXC_EIO : 0;
        memcpy(s->mac, request.ifr_hwaddr.sa_data, sizeof(s->mac));
    }
    (void)close(fd);
    return r;
}

static int open_all(struct axi_ptp_socket *s, const char *name)
{
    int r = read_interface(s, name);

    if (r == 0 && s->transport == AXI_PTP_L2) {
        r = open_l2(s);
    } else if (r == 0) {
        r = open_udp(name, s->interface, AXI_PTP_EVENT_PORT, &s->event_fd);
        r = r == 0 ? open_udp(name, s->interface, AXI_PTP_GENERAL_PORT, &s->general_fd) : r;
    }
    return r == 0 ? enable_stamps(s->event_fd) : r;
}

int axi_ptp_socket_new(const char *interface, enum axi_ptp_transport transport,
                       struct axi_ptp_socket **ret_socket)
{
    struct axi_ptp_socket *s = calloc(1, sizeof(*s));
    int r;

    if (s == NULL) {
        return -AXC_ENOMEM;
    }
    *s = (struct axi_ptp_socket){.transport = transport, .event_fd = -1, .general_fd = -1};
    r = strlen(interface) < IFNAMSIZ ? open_all(s, interface) : -AXC_ENOENT;
    if (r < 0) {
        axi_ptp_socket_free(s);
        return r;
    }
    *ret_socket = s;
    return 0;
}

void axi_ptp_socket_free(struct axi_ptp_socket *s)
{
    if (s == NULL) {
        return;
    }
    if (s->general_fd >= 0 && s->general_fd != s->event_fd) {
        (void)close(s->general_fd);
    }
    if (s->event_fd >= 0) {
        (void)close(s->event_fd);
    }
    free(s);
}

void axi_ptp_socket_mac(const struct axi_ptp_socket *s, uint8_t ret_mac[6])
{
    memcpy(ret_mac, s->mac, sizeof(s->mac));
}

size_t axi_ptp_socket_fds(const struct axi_ptp_socket *s, int ret_fds[AXI_PTP_FDS])
{
    ret_fds[0] = s->event_fd;
    ret_fds[1] = s->general_fd;
    return s->general_fd != s->event_fd ? 2 : 1;
}

int axi_ptp_socket_send(struct axi_ptp_socket *s, const uint8_t *bytes, size_t length,
                        bool is_event)
{
    struct sockaddr_in udp = {
        .sin_family = AF_INET,
        .sin_port = htons(is_event ? AXI_PTP_EVENT_PORT : AXI_PTP_GENERAL_PORT),
        .sin_addr.s_addr = htonl(AXI_PTP_GROUP),
    };
    struct sockaddr_ll l2 = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(AXI_PTP_ETHERTYPE),
                             .sll_ifindex = s->interface,
                             .sll_halen = 6};
    bool is_l2 = s->transport == AXI_PTP_L2;
    const struct sockaddr *to = is_l2 ? (const void *)&l2 : (const void *)&udp;
    int fd = is_event ? s->event_fd : s->general_fd;

    group_mac(l2.sll_addr);
    if (sendto(fd, bytes, length, 0, to, is_l2 ? sizeof(l2) : sizeof(udp)) != (ssize_t)length) {
        return -AXC_EIO;
    }
    if (fd == s->event_fd) { /* on one L2 socket the kernel numbers general messages too */
        s->sequences[s->sent_count++ % SENT_MAX] =
            is_event && length > 31 ? bytes[30] << 8 | bytes[31] : -1;
    }
    return 0;
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

/* Reads the stamp, and the kernel's number of a sent message, from what came beside the data. */
static bool read_control(struct msghdr *message, uint64_t *ret_ns, uint32_t *ret_number)
{
    bool has_stamp = false;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
            struct scm_timestamping stamps;

            memcpy(&stamps, CMSG_DATA(c), sizeof(stamps));
            *ret_ns = ns_of((const struct timespec *)&stamps.ts[0]);
            has_stamp = *ret_ns != 0;
        } else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
                   (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_TX_TIMESTAMP)) {
            struct sock_extended_err error;

            memcpy(&error, CMSG_DATA(c), sizeof(error));
            *ret_number = error.ee_data;
        }
    }
    return has_stamp;
}

static bool receive(int fd, int flags, struct axi_ptp_arrival *ret, uint32_t *ret_number)
{
    _Alignas(struct cmsghdr) char control[512];
    struct iovec data = {.iov_base = ret->bytes, .iov_len = sizeof(ret->bytes)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &message, flags | MSG_DONTWAIT);

    if (n < 0) {
        return false;
    }
    ret->length = (size_t)n;
    if (!read_control(&message, &ret->realtime_ns, ret_number)) {
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        ret->realtime_ns = ns_of(&now);
    }
    return true;
}

bool axi_ptp_socket_receive(struct axi_ptp_socket *s, struct axi_ptp_arrival *ret)
{
    uint32_t number = 0;

    *ret = (struct axi_ptp_arrival){0};
    while (receive(s->event_fd, MSG_ERRQUEUE, ret, &number)) {
        int32_t sequence = s->sequences[number % SENT_MAX];

        if (sequence >= 0) {
            ret->is_sent_stamp = true;
            ret->length = 0;
            ret->sequence = (uint16_t)sequence;
            return true;
        }
    }
    return receive(s->event_fd, 0, ret, &number) ||
           (s->general_fd != s->event_fd && receive(s->general_fd, 0, ret, &number));
}
