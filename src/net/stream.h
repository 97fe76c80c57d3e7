/* SPDX-License-Identifier: Apache-2.0 */
/* Byte streams between daemons. Whoever uses them sees bytes in order, a bounded send queue and one
 * closing; that TCP lies beneath (and TLS one day) stays behind this header.
 *
 * The program must ignore SIGPIPE. Everything here belongs to one libuv loop thread and never
 * blocks, except axi_listener_new, which may look a name up. Callbacks run from the loop, and also
 * from within axi_stream_connect's loop turn, never from within axi_stream_send or
 * axi_stream_close. */
#ifndef AXI_NET_STREAM_H
#define AXI_NET_STREAM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define AXI_NET_ADDRESS_BYTES 64u      /* "host:port" with the final NUL */
#define AXI_NET_QUEUE_BYTES (8u << 20) /* bytes one stream may hold back for a slow peer */

struct axi_stream;
struct axi_listener;

/* All optional but `closed`. */
struct axi_stream_handler {
    /* Connected (only for streams made by axi_stream_connect). */
    void (*connected)(void *context, struct axi_stream *stream);
    /* Bytes came; they are borrowed for the call. */
    void (*received)(void *context, struct axi_stream *stream, const uint8_t *bytes, size_t count);
    /* The send queue was longer than nothing and is empty now. */
    void (*drained)(void *context, struct axi_stream *stream);
    /* The peer closed (error 0), or it failed (-AXC_E*). The last call for this stream; the stream
     * is gone when it returns. Not called after axi_stream_close. */
    void (*closed)(void *context, struct axi_stream *stream, int error);
};

/* Connects to "host:port" ("127.0.0.1:7000", "[::1]:7000", "name:7000"). Returns at once:
 * `connected` or `closed` follows. handler is borrowed for the stream's life. timeout_ms bounds the
 * attempt. */
AXC_MUST_USE int axi_stream_connect(uv_loop_t *loop, const char *address, uint32_t timeout_ms,
                                    const struct axi_stream_handler *handler, void *context,
                                    struct axi_stream **ret_stream);

/* Takes over an accepted stream: its events go to handler from now on. */
void axi_stream_set_handler(struct axi_stream *stream, const struct axi_stream_handler *handler,
                            void *context);

/* Copies the bytes. -AXC_EFULL: the queue would pass its bound, nothing was taken.
 * -AXC_EUNAVAILABLE: not connected; `closed` follows or came. */
AXC_MUST_USE int axi_stream_send(struct axi_stream *stream, const void *bytes, size_t count);

/* Bytes accepted and not yet handed to the kernel. */
size_t axi_stream_queued_bytes(const struct axi_stream *stream);

/* Sends what is queued (bounded in time), then closes. No callback follows; the pointer is dead. */
void axi_stream_close(struct axi_stream *stream);

/* Gives the stream up from the owner's side: `closed` follows from the loop with this error. */
void axi_stream_abort(struct axi_stream *stream, int error);

/* "host:port" of the other end; "?" when unknown. Borrowed from the stream. */
const char *axi_stream_peer(const struct axi_stream *stream);

/* Called for each accepted stream; the callee must axi_stream_set_handler or axi_stream_close it.
 */
typedef void (*axi_accept)(void *context, struct axi_stream *stream);

/* Binds and listens on "host:port"; port 0 takes a free one. -AXC_EEXIST: address in use. */
AXC_MUST_USE int axi_listener_new(uv_loop_t *loop, const char *address, axi_accept accept,
                                  void *context, struct axi_listener **ret_listener);
/* The bound "host:port". Borrowed from the listener. */
const char *axi_listener_address(const struct axi_listener *listener);
void axi_listener_free(struct axi_listener *listener); /* NULL is fine */

/* True when the host of "host:port" is a loopback address. */
int axi_address_is_loopback(const char *address);

/* Blocking look-up of "host:port"; -AXC_EINVALID when it cannot be read, -AXC_ENOENT when unknown.
 */
AXC_MUST_USE int axi_address_resolve(const char *address, struct sockaddr_storage *ret_address);

/* A libuv status (or negative errno) as -AXC_E*. */
AXC_MUST_USE int axi_net_error(int uv_status);

#endif
