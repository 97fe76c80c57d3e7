/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP's callbacks only note what happened, for axi_streams_poll. The queue's memory goes to lwIP
 * without a copy: bytes stay in place until the peer acknowledged them.
 *
 *   FREE -connect-> CONNECTING -> UP -close-> CLOSING (queue drains) -> FREE
 *   FREE -accept-> ACCEPTED (not told) -> UP        any -failure-> DOWN (not told) -> FREE */
#include "os/net/stream.h"

#include "os/kernel/kernel.h"
#include "os/net/net.h"

#include <lwip/tcp.h>
#include <string.h>

#define NS_PER_MS 1000000ull
#define CONNECT_NS (3000 * NS_PER_MS)
#define STALL_NS (10000 * NS_PER_MS) /* a peer that takes nothing for so long is gone */
#define KEEP_IDLE_MS 5000u
#define KEEP_INTERVAL_MS 2000u
#define KEEP_COUNT 3u
#define RECEIVED_AT_ONCE (64u * 1024u)

enum state {
    STREAM_FREE = 0,
    STREAM_CONNECTING,
    STREAM_ACCEPTED,
    STREAM_UP,
    STREAM_CLOSING,
    STREAM_DOWN
};

struct stream {
    enum state state;
    struct tcp_pcb *pcb; /* NULL: gone */
    struct pbuf *input;  /* received, not yet told */
    bool is_incoming;
    bool has_ended;    /* the peer closed its side */
    bool has_drained;  /* since the last poll */
    int error;         /* STREAM_DOWN: why */
    uint64_t until_ns; /* STREAM_CONNECTING, or bytes are queued: given up at this time */
    /* Bytes ever queued, given to lwIP, acknowledged; places in the queue modulo its size. */
    uint32_t queued, given, acknowledged;
    uint8_t queue[AXI_STREAM_QUEUE_BYTES];
};

static struct {
    const struct axi_stream_handler *handler;
    struct tcp_pcb *listener;
    struct stream streams[AXI_STREAMS_MAX];
} table;

static struct stream *find(uint32_t number)
{
    return number < AXI_STREAMS_MAX ? &table.streams[number] : NULL;
}

static struct stream *take_free(void)
{
    for (uint32_t i = 0; i < AXI_STREAMS_MAX; i++) {
        struct stream *stream = &table.streams[i];

        if (stream->state == STREAM_FREE) {
            memset(stream, 0, offsetof(struct stream, queue));
            return stream;
        }
    }
    return NULL;
}

/* ---- lwIP's side ---- */

static int error_of(err_t error)
{
    switch (error) {
    case ERR_OK:
        return 0;
    case ERR_MEM:
    case ERR_BUF:
        return -AXC_ENOMEM;
    case ERR_TIMEOUT:
        return -AXC_ETIMEOUT;
    case ERR_ABRT:
    case ERR_RST:
    case ERR_CLSD:
    case ERR_CONN:
    case ERR_RTE:
        return -AXC_EUNAVAILABLE;
    default:
        return -AXC_EIO;
    }
}

static void drop_input(struct stream *stream)
{
    if (stream->input != NULL) {
        (void)pbuf_free(stream->input);
        stream->input = NULL;
    }
}

/* The connection is gone for lwIP already. */
static void on_error(void *argument, err_t error)
{
    struct stream *stream = argument;

    stream->pcb = NULL;
    stream->error = error_of(error);
    if (stream->state == STREAM_CLOSING ||
        (stream->state == STREAM_ACCEPTED && stream->is_incoming)) {
        drop_input(stream);
        stream->state = STREAM_FREE; /* nobody waits to hear of it */
    } else {
        stream->state = STREAM_DOWN;
    }
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
    struct stream *stream = argument;

    (void)error;
    if (packet == NULL) {
        stream->has_ended = true;
        return ERR_OK;
    }
    if (stream->state == STREAM_CLOSING) {
        tcp_recved(pcb, packet->tot_len);
        (void)pbuf_free(packet);
    } else if (stream->input == NULL) {
        stream->input = packet;
    } else {
        pbuf_cat(stream->input, packet);
    }
    return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t count)
{
    struct stream *stream = argument;

    (void)pcb;
    stream->acknowledged += count;
    stream->has_drained = true;
    stream->until_ns = axi_clock_ns() + STALL_NS;
    return ERR_OK;
}

static void attach(struct stream *stream, struct tcp_pcb *pcb)
{
    stream->pcb = pcb;
    tcp_arg(pcb, stream);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb);
    ip_set_option(pcb, SOF_KEEPALIVE);
    pcb->keep_idle = KEEP_IDLE_MS;
    pcb->keep_intvl = KEEP_INTERVAL_MS;
    pcb->keep_cnt = KEEP_COUNT;
    tcp_setprio(pcb, TCP_PRIO_MAX); /* never given up for a newcomer */
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct stream *stream = argument;

    (void)pcb;
    (void)error;
    stream->state = stream->state == STREAM_CONNECTING ? STREAM_ACCEPTED : stream->state;
    return ERR_OK;
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct stream *stream = NULL;

    (void)argument;
    if (error == ERR_OK && pcb != NULL) {
        stream = take_free();
    }
    if (stream == NULL) {
        return ERR_MEM; /* lwIP resets the connection */
    }
    stream->state = STREAM_ACCEPTED;
    stream->is_incoming = true;
    attach(stream, pcb);
    return ERR_OK;
}

/* Ends the connection for lwIP, without callbacks. */
static void let_go(struct stream *stream, bool is_orderly)
{
    struct tcp_pcb *pcb = stream->pcb;

    stream->pcb = NULL;
    drop_input(stream);
    if (pcb == NULL) {
        return;
    }
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    if (!is_orderly || tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
    }
}

/* Gives lwIP what it can take of the queue. */
static void give(struct stream *stream)
{
    bool has_given = false;

    while (stream->pcb != NULL && stream->given != stream->queued) {
        uint32_t at = stream->given % AXI_STREAM_QUEUE_BYTES;
        uint32_t count = stream->queued - stream->given;
        uint32_t most = tcp_sndbuf(stream->pcb);

        count = count < AXI_STREAM_QUEUE_BYTES - at ? count : AXI_STREAM_QUEUE_BYTES - at;
        count = count < most ? count : most;
        if (count == 0 || tcp_write(stream->pcb, stream->queue + at, (u16_t)count, 0) != ERR_OK) {
            break; /* goes on when the peer acknowledged some */
        }
        stream->given += count;
        has_given = true;
    }
    if (has_given) {
        (void)tcp_output(stream->pcb);
    }
}

/* ---- telling ---- */

static void tell_down(struct stream *stream, uint32_t number, int error)
{
    let_go(stream, false);
    stream->state = STREAM_FREE;
    table.handler->down(table.handler->context, number, error);
}

static void tell_input(struct stream *stream, uint32_t number)
{
    uint32_t told = 0;

    while (stream->state == STREAM_UP && stream->input != NULL && told < RECEIVED_AT_ONCE) {
        struct pbuf *packet = stream->input;

        stream->input = packet->next;
        if (packet->next != NULL) {
            packet->next->tot_len = (u16_t)(packet->tot_len - packet->len);
            packet->next = NULL;
            packet->tot_len = packet->len;
        }
        told += packet->len;
        if (stream->pcb != NULL) {
            tcp_recved(stream->pcb, packet->len);
        }
        table.handler->received(table.handler->context, number, packet->payload, packet->len);
        (void)pbuf_free(packet);
    }
}

static void poll_up(struct stream *stream, uint32_t number, uint64_t now_ns)
{
    tell_input(stream, number);
    if (stream->state == STREAM_UP && stream->has_drained) {
        stream->has_drained = false;
        give(stream);
        table.handler->writable(table.handler->context, number);
    }
    if (stream->state != STREAM_UP) {
        return;
    }
    if (stream->input == NULL && stream->has_ended) {
        tell_down(stream, number, 0);
    } else if (stream->acknowledged != stream->queued && now_ns >= stream->until_ns) {
        tell_down(stream, number, -AXC_ETIMEOUT);
    }
}

static void poll_closing(struct stream *stream, uint64_t now_ns)
{
    give(stream);
    if (stream->acknowledged == stream->queued || now_ns >= stream->until_ns) {
        let_go(stream, stream->acknowledged == stream->queued);
        stream->state = STREAM_FREE;
    }
}

static void poll_one(struct stream *stream, uint32_t number, uint64_t now_ns)
{
    if (stream->state == STREAM_ACCEPTED) {
        stream->state = STREAM_UP;
        table.handler->up(table.handler->context, number, stream->is_incoming);
    }
    switch (stream->state) {
    case STREAM_CONNECTING:
        if (now_ns >= stream->until_ns) {
            tell_down(stream, number, -AXC_ETIMEOUT);
        }
        break;
    case STREAM_UP:
        poll_up(stream, number, now_ns);
        break;
    case STREAM_CLOSING:
        poll_closing(stream, now_ns);
        break;
    case STREAM_DOWN:
        stream->state = STREAM_UP; /* what came before it ended is still good */
        tell_input(stream, number);
        if (stream->state == STREAM_UP) {
            tell_down(stream, number, stream->error);
        }
        break;
    case STREAM_FREE:
    case STREAM_ACCEPTED:
        break;
    }
}

uint64_t axi_streams_poll(uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < AXI_STREAMS_MAX; i++) {
        struct stream *stream = &table.streams[i];

        poll_one(stream, i, now_ns);
        if (stream->state == STREAM_CONNECTING || stream->state == STREAM_CLOSING ||
            (stream->state == STREAM_UP && stream->acknowledged != stream->queued)) {
            next_ns = stream->until_ns < next_ns ? stream->until_ns : next_ns;
        }
        if (stream->input != NULL || stream->state == STREAM_DOWN ||
            stream->state == STREAM_ACCEPTED) {
            next_ns = 0;
        }
    }
    return next_ns;
}

/* ---- the owner's side ---- */

int axi_streams_start(const struct axi_stream_handler *handler, uint16_t port)
{
    table.handler = handler;
    if (port == 0) {
        return 0;
    }
    struct tcp_pcb *pcb = tcp_new();

    if (pcb == NULL) {
        return -AXC_ENOMEM;
    }
    tcp_setprio(pcb, TCP_PRIO_MIN); /* half-open connections give way to anything else */
    if (tcp_bind(pcb, IP_ANY_TYPE, port) != ERR_OK) {
        tcp_abort(pcb);
        return -AXC_ENOMEM;
    }
    table.listener = tcp_listen_with_backlog(pcb, AXI_STREAMS_MAX);
    if (table.listener == NULL) {
        tcp_abort(pcb);
        return -AXC_ENOMEM;
    }
    tcp_accept(table.listener, on_accept);
    return 0;
}

int axi_streams_connect(const char *address, uint32_t *ret_stream)
{
    ip_addr_t to = {0};
    uint16_t port = 0;
    uint32_t host = 0;
    int r = axi_net_resolve(address, &host, &port);
    struct stream *stream = r == 0 ? take_free() : NULL;

    if (stream == NULL) {
        return r < 0 ? r : -AXC_EFULL;
    }
    struct tcp_pcb *pcb = tcp_new();

    if (pcb == NULL) {
        return -AXC_EUNAVAILABLE;
    }
    to.addr = lwip_htonl(host);
    attach(stream, pcb);
    if (tcp_connect(pcb, &to, port, on_connected) != ERR_OK) {
        let_go(stream, false);
        return -AXC_EUNAVAILABLE;
    }
    stream->state = STREAM_CONNECTING;
    stream->until_ns = axi_clock_ns() + CONNECT_NS;
    *ret_stream = (uint32_t)(stream - table.streams);
    return 0;
}

int axi_streams_send(uint32_t number, const uint8_t *bytes, size_t count)
{
    struct stream *stream = find(number);

    if (stream == NULL || stream->state != STREAM_UP) {
        return -AXC_EUNAVAILABLE;
    }
    if (count > AXI_STREAM_QUEUE_BYTES - (stream->queued - stream->acknowledged)) {
        return -AXC_EFULL;
    }
    if (stream->queued == stream->acknowledged) {
        stream->until_ns = axi_clock_ns() + STALL_NS;
    }
    uint32_t at = stream->queued % AXI_STREAM_QUEUE_BYTES;
    size_t first = count < AXI_STREAM_QUEUE_BYTES - at ? count : AXI_STREAM_QUEUE_BYTES - at;

    memcpy(stream->queue + at, bytes, first);
    memcpy(stream->queue, bytes + first, count - first);
    stream->queued += (uint32_t)count;
    give(stream);
    return 0;
}

size_t axi_streams_room(uint32_t number)
{
    const struct stream *stream = find(number);

    if (stream == NULL || stream->state != STREAM_UP) {
        return 0;
    }
    uint32_t queued = stream->queued - stream->acknowledged;

    return queued < AXI_STREAM_BULK_BYTES ? AXI_STREAM_BULK_BYTES - queued : 0;
}

void axi_streams_close(uint32_t number)
{
    struct stream *stream = find(number);

    if (stream == NULL || stream->state == STREAM_FREE || stream->state == STREAM_CLOSING) {
        return;
    }
    drop_input(stream);
    if (stream->pcb == NULL || stream->state != STREAM_UP) {
        let_go(stream, false);
        stream->state = STREAM_FREE;
        return;
    }
    stream->state = STREAM_CLOSING;
    stream->until_ns = axi_clock_ns() + STALL_NS;
}
