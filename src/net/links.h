/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered links over streams, for daemons whose core knows links by numbers only (master,
 * checkpoint manager). Numbers are never used twice. One libuv loop thread; never blocks. */
#ifndef AXI_NET_LINKS_H
#define AXI_NET_LINKS_H

#include "net/stream.h"

#include <stdbool.h>

struct axi_link;

#define AXI_LINKS_BUCKETS 64u

/* Called from the loop, never from within a function below. */
struct axi_links_handler {
    /* An accepted link, or one that axi_links_connect began. peer is borrowed for the call. */
    void (*up)(void *context, uint64_t link, bool is_incoming, const char *peer);
    void (*bytes)(void *context, uint64_t link, const uint8_t *bytes, size_t count);
    /* The last call for this link; 0: the peer closed it. Not after axi_links_close. */
    void (*down)(void *context, uint64_t link, int code);
};

struct axi_links {
    uv_loop_t *loop;
    const struct axi_links_handler *handler; /* borrowed */
    void *context;
    struct axi_link *buckets[AXI_LINKS_BUCKETS]; /* by number */
    uint64_t last_number;
};

/* `up` or `down` follows. Errors of axi_stream_connect. */
AXC_MUST_USE int axi_links_connect(struct axi_links *links, const char *address,
                                   uint32_t timeout_ms, uint64_t *ret_link);
/* For axi_listener_new; context is a struct axi_links. */
void axi_links_accept(void *context, struct axi_stream *stream);
/* Sends a whole frame. A frame lost inside a stream would break it: a link that cannot take one is
 * ended, and `down` says so. An unknown link is ignored. */
void axi_links_send(struct axi_links *links, uint64_t link, const uint8_t *frame, size_t bytes);
void axi_links_close(struct axi_links *links, uint64_t link);
void axi_links_close_all(struct axi_links *links);

#endif
