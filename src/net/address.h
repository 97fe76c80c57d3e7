/* SPDX-License-Identifier: Apache-2.0 */
/* "host:port" texts, inside src/net. */
#ifndef AXI_NET_ADDRESS_H
#define AXI_NET_ADDRESS_H

#include "net/stream.h"

/* -AXC_EINVALID unless the text is "host:port" or "[host]:port". */
AXC_MUST_USE int axi_address_split(const char *address, char host[AXI_NET_ADDRESS_BYTES],
                                   char port[8]);
/* -AXC_ENOENT when host is no numeric address. */
AXC_MUST_USE int axi_address_numeric(const char *host, const char *port,
                                     struct sockaddr_storage *ret_address);
void axi_address_print(const struct sockaddr *address, char text[AXI_NET_ADDRESS_BYTES]);

#endif
