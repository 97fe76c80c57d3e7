/* SPDX-License-Identifier: Apache-2.0 */
/* Where values go out: a file they are appended to, or a UDP socket. For simulated actuators of a
 * node and for the agreed values of a voter. */
#ifndef AXI_NET_SINK_H
#define AXI_NET_SINK_H

#include "base/error.h"
#include "core/gate.h"

#include <netinet/in.h>
#include <stdbool.h>

struct axi_sink {
    int fd; /* -1 = none */
    bool is_udp;
    bool is_stamped; /* node: datagrams as in docs/formats/stamped-value.md */
};

/* "file:PATH", "udp:HOST:PORT" or "node:HOST:PORT". May block on the disk or a name. -AXC_EINVALID:
 * it cannot be understood; -AXC_EIO. */
AXC_MUST_USE int axi_sink_open(const char *text, struct axi_sink *ret_sink);
void axi_sink_close(struct axi_sink *target);

/* Puts one value out; a datagram is sent or dropped, a file may block. -AXC_EIO: a file did not
 * take it. */
AXC_MUST_USE int axi_sink_put(const struct axi_sink *target, const struct axi_stamp *stamp,
                              const void *value, uint32_t bytes);

/* The numeric IPv4 address of "A.B.C.D:PORT", port not 0; names are not looked up: never blocks.
 * -AXC_EINVALID. */
AXC_MUST_USE int axi_sink_address(const char *text, struct sockaddr_in *ret_address);
/* Sends or drops a stamped value. */
void axi_sink_send_to(int fd, const struct sockaddr_in *address, const struct axi_stamp *stamp,
                      const void *value, uint32_t bytes);

#endif
