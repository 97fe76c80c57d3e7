/* SPDX-License-Identifier: Apache-2.0 */
/* Byte streams to the master and to peers, over lwIP's TCP: bytes in order, a bounded send queue,
 * one closing. A stream's number is its place in a fixed table, so the agent's port can use it as
 * the link's number. Server thread only; the handler is called from axi_streams_poll alone, never
 * from within another function here, so it may call any of them. */
#ifndef AXI_OS_NET_STREAM_H
#define AXI_OS_NET_STREAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_STREAMS_MAX 16u
#define AXI_STREAM_QUEUE_BYTES 32768u /* a power of two */
#define AXI_STREAM_BULK_BYTES 20480u  /* bulk data may fill the queue so far */

struct axi_stream_handler {
    void *context;
    /* Connected, or a peer did: `incoming`. */
    void (*up)(void *context, uint32_t stream, bool incoming);
    /* The peer closed (0) or it failed (-AXC_E*); the number is free afterwards. Not after _close.
     */
    void (*down)(void *context, uint32_t stream, int error);
    void (*received)(void *context, uint32_t stream, const uint8_t *bytes, size_t count);
    void (*writable)(void *context, uint32_t stream); /* room grew */
};

/* Accepts peers on `port`; 0: nobody. handler is borrowed for ever. -AXC_ENOMEM. */
AXC_MUST_USE int axi_streams_start(const struct axi_stream_handler *handler, uint16_t port);

/* Tells the handler what happened. Returns the local time by which it wants to be called again. */
uint64_t axi_streams_poll(uint64_t now_ns);

/* `up` or `down` follows. -AXC_EINVALID (address, see axi_net_resolve), -AXC_EFULL (no place),
 * -AXC_EUNAVAILABLE (no route, no memory). */
AXC_MUST_USE int axi_streams_connect(const char *address, uint32_t *ret_stream);
/* Copies all bytes or none. -AXC_EFULL, -AXC_EUNAVAILABLE (not connected). */
AXC_MUST_USE int axi_streams_send(uint32_t stream, const uint8_t *bytes, size_t count);
size_t axi_streams_room(uint32_t stream);
/* Sends what is queued, in bounded time, then closes; nothing is reported any more. */
void axi_streams_close(uint32_t stream);

#endif
