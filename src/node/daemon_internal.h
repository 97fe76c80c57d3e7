/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the node daemon: daemon.c (life), links.c (streams), agent_port.c (runtime and images).
 */
#ifndef AXI_NODE_DAEMON_INTERNAL_H
#define AXI_NODE_DAEMON_INTERNAL_H

#include "core/agent.h"
#include "net/host.h"
#include "net/stream.h"
#include "node/daemon.h"
#include "node/images.h"
#include "sync/clock_loop.h"

#define AXI_NODE_LINKS 16u
#define AXI_NODE_BULK_BYTES (1u << 20) /* bulk data may fill a queue so far */
#define AXI_NODE_LOAD_WAIT_NS 2000000000ull

struct axi_node_daemon;

struct axi_node_link {
    struct axi_node_daemon *daemon;
    struct axi_stream *stream; /* NULL = free */
    uint32_t number;
};

/* A load that waits for its slot's runner. */
struct axi_node_load {
    bool is_pending;
    uint64_t until_ns;
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    char output_address[sizeof(((axi_TaskSpec *)0)->output_address)];
};

struct axi_node_daemon {
    const struct axi_node_options *options;
    struct axi_runtime *runtime;
    struct axi_agent *agent;
    struct axi_images *images;
    struct axi_node_load *loads; /* one per slot */
    uint32_t slots;
    uint32_t pending_loads;
    uint32_t log_slot; /* next slot to drain */
    bool is_stopping;
    bool is_draining; /* asked to end: its tasks move away first */
    uint64_t drain_until_ns, drain_ask_ns;
    uint64_t node_id, boot_id;
    char region_path[64];
    int notify_fd; /* -1 = none */
    uv_loop_t loop;
    uv_timer_t tick;
    uv_poll_t events;
    uv_signal_t on_term, on_int;
    struct axi_clock_loop *clock; /* NULL = none */
    struct axi_listener *listener;
    struct axi_node_link links[AXI_NODE_LINKS];
    char token[AXI_TOKEN_BYTES];
};

/* Ticks the agent soon: something happened. */
void axi_node_poke(struct axi_node_daemon *daemon);

/* clock.c: makes the PTP source, when one is configured. -AXC_E*, logged. */
int axi_node_clock_open(struct axi_node_daemon *daemon);

/* links.c: the port's functions and the listener's callback (context: the daemon). */
int axi_node_link_connect(void *context, const char *address, uint32_t *ret_link);
int axi_node_link_send(void *context, uint32_t link, const uint8_t *frame, size_t bytes);
size_t axi_node_link_send_room(void *context, uint32_t link);
void axi_node_link_close(void *context, uint32_t link);
void axi_node_link_accept(void *context, struct axi_stream *stream);

/* agent_port.c */
void axi_node_fill_port(struct axi_node_daemon *daemon, struct axi_agent_port *ret_port);
void axi_node_retry_loads(struct axi_node_daemon *daemon, uint64_t now_ns);

#endif
