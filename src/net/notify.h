/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to whoever listens: the optional multicast of checkpoint notices. "udp:HOST:PORT", HOST
 * a multicast group (IPv4) or one receiver. Nobody is authenticated and nothing arrives for sure:
 * what they say is a hint. */
#ifndef AXI_NET_NOTIFY_H
#define AXI_NET_NOTIFY_H

#include "base/error.h"

#include <stdbool.h>

/* Non-blocking sockets, for send() and recv(); the caller closes them. Without allow_remote a host
 * must be loopback, and a group does not leave this machine. -AXC_EINVALID (text), -AXC_EPERM
 * (beyond this machine), -AXC_EIO. */
AXC_MUST_USE int axi_notify_open_sender(const char *text, bool allow_remote, int *ret_fd);
/* Several receivers of one group may share a machine. */
AXC_MUST_USE int axi_notify_open_receiver(const char *text, bool allow_remote, int *ret_fd);

#endif
