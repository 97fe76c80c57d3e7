/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's links are streams; a link's number is its place in the table. */
#include "node/daemon_internal.h"

#define CONNECT_MS 3000u

static struct axi_node_link *find(struct axi_node_daemon *daemon, uint32_t number)
{
    return number < AXI_NODE_LINKS && daemon->links[number].stream != NULL ? &daemon->links[number]
                                                                           : NULL;
}

static struct axi_node_link *take_free(struct axi_node_daemon *daemon)
{
    for (uint32_t i = 0; i < AXI_NODE_LINKS; i++) {
        if (daemon->links[i].stream == NULL) {
            daemon->links[i].daemon = daemon;
            daemon->links[i].number = i;
            return &daemon->links[i];
        }
    }
    return NULL;
}

static void on_connected(void *context, struct axi_stream *stream)
{
    struct axi_node_link *link = context;

    (void)stream;
    axi_agent_link_up(link->daemon->agent, link->number, false);
    axi_node_poke(link->daemon);
}

static void on_received(void *context, struct axi_stream *stream, const uint8_t *bytes,
                        size_t count)
{
    struct axi_node_link *link = context;

    (void)stream;
    axi_agent_link_bytes(link->daemon->agent, link->number, bytes, count);
    axi_node_poke(link->daemon);
}

static void on_drained(void *context, struct axi_stream *stream)
{
    struct axi_node_link *link = context;

    (void)stream;
    axi_agent_link_writable(link->daemon->agent, link->number);
    axi_node_poke(link->daemon);
}

static void on_closed(void *context, struct axi_stream *stream, int error)
{
    struct axi_node_link *link = context;

    axi_log(AXI_LOG_INFO, "link-down", "link=%u peer=%s error=%s", link->number,
            axi_stream_peer(stream), axi_error_name(error));
    link->stream = NULL;
    axi_agent_link_down(link->daemon->agent, link->number, error);
    axi_node_poke(link->daemon);
}

static const struct axi_stream_handler handler = {
    .connected = on_connected, .received = on_received, .drained = on_drained, .closed = on_closed};

int axi_node_link_connect(void *context, const char *address, uint32_t *ret_link)
{
    struct axi_node_daemon *daemon = context;
    struct axi_node_link *link = take_free(daemon);

    if (link == NULL) {
        return -AXC_EFULL;
    }
    if (!daemon->options->allow_remote && !axi_address_is_loopback(address)) {
        return -AXC_EPERM;
    }
    int r = axi_stream_connect(&daemon->loop, address, CONNECT_MS, &handler, link, &link->stream);

    if (r == 0) {
        *ret_link = link->number;
    }
    return r;
}

int axi_node_link_send(void *context, uint32_t number, const uint8_t *frame, size_t bytes)
{
    struct axi_node_link *link = find(context, number);

    return link != NULL ? axi_stream_send(link->stream, frame, bytes) : -AXC_EUNAVAILABLE;
}

size_t axi_node_link_send_room(void *context, uint32_t number)
{
    struct axi_node_link *link = find(context, number);
    size_t queued = link != NULL ? axi_stream_queued_bytes(link->stream) : AXI_NODE_BULK_BYTES;

    return queued < AXI_NODE_BULK_BYTES ? AXI_NODE_BULK_BYTES - queued : 0;
}

void axi_node_link_close(void *context, uint32_t number)
{
    struct axi_node_link *link = find(context, number);

    if (link != NULL) {
        axi_stream_close(link->stream);
        link->stream = NULL;
    }
}

void axi_node_link_accept(void *context, struct axi_stream *stream)
{
    struct axi_node_daemon *daemon = context;
    struct axi_node_link *link = take_free(daemon);

    if (link == NULL) {
        axi_log(AXI_LOG_WARN, "link-refused", "peer=%s reason=\"no link left\"",
                axi_stream_peer(stream));
        axi_stream_close(stream);
        return;
    }
    link->stream = stream;
    axi_stream_set_handler(stream, &handler, link);
    axi_agent_link_up(daemon->agent, link->number, true);
    axi_node_poke(daemon);
}
