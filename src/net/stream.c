/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include "net/address.h"

#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A peer that takes nothing for so long is gone; it also bounds the flush of a closing stream. */
#define STALL_MS 10000u
#define READ_BYTES 65536u

struct axi_stream {
    uv_tcp_t tcp;
    uv_timer_t timer; /* bounds connecting; calls an abort from the loop */
    uv_connect_t connect;
    uv_getaddrinfo_t lookup;
    uv_shutdown_t shutdown;
    const struct axi_stream_handler *handler;
    void *context;
    size_t queued_bytes;
    int timer_error;       /* what the timer reports */
    uint32_t open_handles; /* tcp and timer not yet closed */
    bool is_connected, is_dead /* no more callbacks */, is_looking_up;
    char port[8];
    char peer[AXI_NET_ADDRESS_BYTES];
    uint8_t buffer[READ_BYTES];
};

struct pending_write {
    uv_write_t request;
    size_t count;
    uint8_t bytes[];
};

struct axi_listener {
    uv_tcp_t tcp;
    axi_accept accept;
    void *context;
    char address[AXI_NET_ADDRESS_BYTES];
};

static void release(struct axi_stream *stream)
{
    if (stream->open_handles == 0 && !stream->is_looking_up) {
        free(stream);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct axi_stream *stream = handle->data;

    stream->open_handles--;
    release(stream);
}

static void close_handles(struct axi_stream *stream)
{
    stream->is_dead = true;
    if (!uv_is_closing((uv_handle_t *)&stream->tcp)) {
        uv_close((uv_handle_t *)&stream->tcp, on_handle_closed);
    }
    if (!uv_is_closing((uv_handle_t *)&stream->timer)) {
        uv_close((uv_handle_t *)&stream->timer, on_handle_closed);
    }
    if (stream->is_looking_up) {
        (void)uv_cancel((uv_req_t *)&stream->lookup);
    }
}

/* Tells the owner and closes; does nothing the second time. */
static void fail(struct axi_stream *stream, int error)
{
    if (stream->is_dead) {
        return;
    }
    stream->is_dead = true;
    if (stream->handler != NULL) {
        stream->handler->closed(stream->context, stream, error);
    }
    close_handles(stream);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct axi_stream *stream = handle->data;

    (void)suggested;
    *ret_buffer = uv_buf_init((char *)stream->buffer, READ_BYTES);
}

static void on_read(uv_stream_t *handle, ssize_t count, const uv_buf_t *buffer)
{
    struct axi_stream *stream = handle->data;

    (void)buffer;
    if (count < 0) {
        fail(stream, axi_net_error((int)count));
        return;
    }
    if (count > 0 && !stream->is_dead && stream->handler != NULL &&
        stream->handler->received != NULL) {
        stream->handler->received(stream->context, stream, stream->buffer, (size_t)count);
    }
}

static void set_options(struct axi_stream *stream)
{
    unsigned stall_ms = STALL_MS;
    uv_os_fd_t fd = -1;

    (void)uv_tcp_nodelay(&stream->tcp, 1);
    (void)uv_tcp_keepalive(&stream->tcp, 1, 5);
    if (uv_fileno((uv_handle_t *)&stream->tcp, &fd) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof(stall_ms));
    }
}

static void remember_peer(struct axi_stream *stream)
{
    struct sockaddr_storage peer = {0};
    int bytes = sizeof(peer);

    if (uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&peer, &bytes) == 0) {
        axi_address_print((struct sockaddr *)&peer, stream->peer);
    }
}

static int start(struct axi_stream *stream)
{
    set_options(stream);
    remember_peer(stream);
    stream->is_connected = true;
    return axi_net_error(uv_read_start((uv_stream_t *)&stream->tcp, on_allocate, on_read));
}

static void on_connect(uv_connect_t *request, int status)
{
    struct axi_stream *stream = request->data;

    if (stream->is_dead) {
        return;
    }
    (void)uv_timer_stop(&stream->timer);
    int r = status < 0 ? axi_net_error(status) : start(stream);

    if (r < 0) {
        fail(stream, r);
    } else if (stream->handler->connected != NULL) {
        stream->handler->connected(stream->context, stream);
    }
}

static int connect_to(struct axi_stream *stream, const struct sockaddr *address)
{
    stream->connect.data = stream;
    return axi_net_error(uv_tcp_connect(&stream->connect, &stream->tcp, address, on_connect));
}

static void on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct axi_stream *stream = request->data;

    stream->is_looking_up = false;
    if (stream->is_dead) {
        uv_freeaddrinfo(found);
        release(stream);
        return;
    }
    int r = status < 0 ? -AXC_ENOENT : connect_to(stream, found->ai_addr);

    uv_freeaddrinfo(found);
    if (r < 0) {
        fail(stream, r);
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct axi_stream *stream = timer->data;

    fail(stream, stream->timer_error);
}

static struct axi_stream *stream_new(uv_loop_t *loop)
{
    struct axi_stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL) {
        return NULL;
    }
    (void)uv_tcp_init(loop, &stream->tcp);
    (void)uv_timer_init(loop, &stream->timer);
    stream->tcp.data = stream;
    stream->timer.data = stream;
    stream->open_handles = 2;
    (void)snprintf(stream->peer, sizeof(stream->peer), "?");
    return stream;
}

static int begin_connect(uv_loop_t *loop, struct axi_stream *stream, const char *host)
{
    struct sockaddr_storage numeric = {0};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

    if (axi_address_numeric(host, stream->port, &numeric) == 0) {
        return connect_to(stream, (struct sockaddr *)&numeric);
    }
    stream->lookup.data = stream;
    int r = uv_getaddrinfo(loop, &stream->lookup, on_lookup, host, stream->port, &hints);

    stream->is_looking_up = r == 0;
    return axi_net_error(r);
}

int axi_stream_connect(uv_loop_t *loop, const char *address, uint32_t timeout_ms,
                       const struct axi_stream_handler *handler, void *context,
                       struct axi_stream **ret_stream)
{
    char host[AXI_NET_ADDRESS_BYTES];
    char port[8];
    int r = axi_address_split(address, host, port);

    if (r < 0) {
        return r;
    }
    struct axi_stream *stream = stream_new(loop);

    if (stream == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(stream->port, port, sizeof(port));
    stream->handler = handler;
    stream->context = context;
    (void)snprintf(stream->peer, sizeof(stream->peer), "%s", address);
    r = begin_connect(loop, stream, host);
    if (r < 0) {
        close_handles(stream);
        return r;
    }
    stream->timer_error = -AXC_ETIMEOUT;
    (void)uv_timer_start(&stream->timer, on_timeout, timeout_ms, 0);
    *ret_stream = stream;
    return 0;
}

void axi_stream_set_handler(struct axi_stream *stream, const struct axi_stream_handler *handler,
                            void *context)
{
    stream->handler = handler;
    stream->context = context;
}

static void on_written(uv_write_t *request, int status)
{
    struct pending_write *write = request->data;
    struct axi_stream *stream = request->handle->data;

    stream->queued_bytes -= write->count;
    free(write);
    if (stream->is_dead) {
        return;
    }
    if (status < 0) {
        fail(stream, axi_net_error(status));
    } else if (stream->queued_bytes == 0 && stream->handler != NULL &&
               stream->handler->drained != NULL) {
        stream->handler->drained(stream->context, stream);
    }
}

static int enqueue(struct axi_stream *stream, const uint8_t *bytes, size_t count)
{
    struct pending_write *write = malloc(sizeof(*write) + count);

    if (write == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(write->bytes, bytes, count);
    write->count = count;
    write->request.data = write;
    uv_buf_t buffer = uv_buf_init((char *)write->bytes, (unsigned)count);
    int r = uv_write(&write->request, (uv_stream_t *)&stream->tcp, &buffer, 1, on_written);

    if (r < 0) {
        free(write);
        return axi_net_error(r);
    }
    stream->queued_bytes += count;
    return 0;
}

int axi_stream_send(struct axi_stream *stream, const void *bytes, size_t count)
{
    if (!stream->is_connected || stream->is_dead) {
        return -AXC_EUNAVAILABLE;
    }
    if (count > AXI_NET_QUEUE_BYTES - stream->queued_bytes) {
        return -AXC_EFULL;
    }
    size_t done = 0;

    if (stream->queued_bytes == 0 && count > 0) {
        uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)count);
        int r = uv_try_write((uv_stream_t *)&stream->tcp, &buffer, 1);

        done = r > 0 ? (size_t)r : 0; /* an error shows again, and is reported, in the write */
    }
    return done == count ? 0 : enqueue(stream, (const uint8_t *)bytes + done, count - done);
}

size_t axi_stream_queued_bytes(const struct axi_stream *stream)
{
    return stream->queued_bytes;
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status;
    close_handles(request->handle->data);
}

void axi_stream_close(struct axi_stream *stream)
{
    bool was_dead = stream->is_dead;

    stream->is_dead = true;
    if (was_dead) {
        return; /* called from within `closed` */
    }
    stream->shutdown.data = stream;
    if (stream->queued_bytes == 0 ||
        uv_shutdown(&stream->shutdown, (uv_stream_t *)&stream->tcp, on_shutdown) < 0) {
        close_handles(stream);
        return;
    }
    (void)uv_read_stop((uv_stream_t *)&stream->tcp);
}

void axi_stream_abort(struct axi_stream *stream, int error)
{
    if (!stream->is_dead) {
        stream->timer_error = error;
        (void)uv_timer_start(&stream->timer, on_timeout, 0, 0);
    }
}

const char *axi_stream_peer(const struct axi_stream *stream)
{
    return stream->peer;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct axi_listener *listener = server->data;

    if (status < 0) {
        return;
    }
    struct axi_stream *stream = stream_new(server->loop);

    if (stream == NULL) {
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&stream->tcp) < 0 || start(stream) < 0) {
        close_handles(stream);
        return;
    }
    listener->accept(listener->context, stream);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int bind_and_listen(struct axi_listener *listener, const struct sockaddr *address)
{
    struct sockaddr_storage bound = {0};
    int bytes = sizeof(bound);
    int r = uv_tcp_bind(&listener->tcp, address, 0);

    if (r == 0) {
        r = uv_listen((uv_stream_t *)&listener->tcp, 64, on_connection);
    }
    if (r == 0) {
        r = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &bytes);
    }
    if (r == 0) {
        axi_address_print((struct sockaddr *)&bound, listener->address);
    }
    return axi_net_error(r);
}

int axi_listener_new(uv_loop_t *loop, const char *address, axi_accept accept, void *context,
                     struct axi_listener **ret_listener)
{
    struct sockaddr_storage where = {0};
    int r = axi_address_resolve(address, &where);

    if (r < 0) {
        return r;
    }
    struct axi_listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL) {
        return -AXC_ENOMEM;
    }
    listener->accept = accept;
    listener->context = context;
    (void)uv_tcp_init(loop, &listener->tcp);
    listener->tcp.data = listener;
    r = bind_and_listen(listener, (struct sockaddr *)&where);
    if (r < 0) {
        axi_listener_free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

const char *axi_listener_address(const struct axi_listener *listener)
{
    return listener->address;
}

void axi_listener_free(struct axi_listener *listener)
{
    if (listener != NULL) {
        uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
    }
}
