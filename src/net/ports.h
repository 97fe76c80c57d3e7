/* SPDX-License-Identifier: Apache-2.0 */
/* Ports for servers that must come back on the same one after a restart. */
#ifndef AXI_NET_PORTS_H
#define AXI_NET_PORTS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* `count` different TCP ports of 127.0.0.1 that are free now, outside the range from which the
 * kernel gives ports to connections: one of those could hold a server's port while the server is
 * away. Others may take them before the caller does. -AXC_EFULL: none found. Any thread. */
AXC_MUST_USE int axi_ports_find(uint16_t *ret_ports, size_t count);

#endif
