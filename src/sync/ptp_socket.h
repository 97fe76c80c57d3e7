/* SPDX-License-Identifier: Apache-2.0 */
/* PTP messages on Linux sockets, with the kernel's time stamps of sending and receiving: UDP over
 * IPv4 multicast, or Ethernet frames of type 0x88F7. Never blocks. One thread. */
#ifndef AXI_SYNC_PTP_SOCKET_H
#define AXI_SYNC_PTP_SOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PTP_FDS 2u

enum axi_ptp_transport { AXI_PTP_UDP4 = 0, AXI_PTP_L2 };

struct axi_ptp_socket;

/* What came: either a message, or the time stamp of one that was sent. */
struct axi_ptp_arrival {
    bool is_sent_stamp;
    uint16_t sequence;    /* of the message that left */
    uint64_t realtime_ns; /* CLOCK_REALTIME; of a message without a stamp: when it was read */
    size_t length;
    uint8_t bytes[256];
};

/* Opens the sockets on one interface. -AXC_ENOENT: no such interface; -AXC_EPERM: needs
 * CAP_NET_RAW (L2) or CAP_NET_BIND_SERVICE (ports 319, 320); -AXC_EIO. */
AXC_MUST_USE int axi_ptp_socket_new(const char *interface, enum axi_ptp_transport transport,
                                    struct axi_ptp_socket **ret_socket);
void axi_ptp_socket_free(struct axi_ptp_socket *socket); /* NULL is fine */

/* MAC address of the interface: the clock's identity. */
void axi_ptp_socket_mac(const struct axi_ptp_socket *socket, uint8_t ret_mac[6]);

/* Fills fds to wait on (readable, or with an error pending); returns their number. */
size_t axi_ptp_socket_fds(const struct axi_ptp_socket *socket, int ret_fds[AXI_PTP_FDS]);

/* Event messages are stamped when they leave; the stamp comes by _receive. -AXC_EIO. */
int axi_ptp_socket_send(struct axi_ptp_socket *socket, const uint8_t *bytes, size_t length,
                        bool is_event);

/* Next arrival; false: nothing is there. Stamps of sent messages come before any message, so that
 * an answer never overtakes the stamp of its request. */
bool axi_ptp_socket_receive(struct axi_ptp_socket *socket, struct axi_ptp_arrival *ret);

#endif
