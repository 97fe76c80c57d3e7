/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include "net/host.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BULK_BYTES (3u << 20)

struct end {
    struct axi_stream *stream;
    size_t received_bytes;
    uint32_t sum;
    int closed_count, connected_count, error;
};

struct pair {
    uv_loop_t loop;
    struct axi_listener *listener;
    struct end client, server;
};

static void on_connected(void *context, struct axi_stream *stream)
{
    struct end *end = context;

    (void)stream;
    end->connected_count++;
}

static void on_received(void *context, struct axi_stream *stream, const uint8_t *bytes,
                        size_t count)
{
    struct end *end = context;

    (void)stream;
    for (size_t i = 0; i < count; i++) {
        end->sum = end->sum * 31 + bytes[i];
    }
    end->received_bytes += count;
}

static void on_closed(void *context, struct axi_stream *stream, int error)
{
    struct end *end = context;

    (void)stream;
    end->closed_count++;
    end->error = error;
    end->stream = NULL;
}

static const struct axi_stream_handler handler = {
    .connected = on_connected, .received = on_received, .closed = on_closed};

static void on_accept(void *context, struct axi_stream *stream)
{
    struct pair *pair = context;

    pair->server.stream = stream;
    axi_stream_set_handler(stream, &handler, &pair->server);
}

static void spin_until(uv_loop_t *loop, const int *counter)
{
    while (*counter == 0) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
}

static void open_pair(struct pair *pair)
{
    memset(pair, 0, sizeof(*pair));
    assert_int_equal(uv_loop_init(&pair->loop), 0);
    assert_int_equal(axi_listener_new(&pair->loop, "127.0.0.1:0", on_accept, pair, &pair->listener),
                     0);
    assert_int_equal(axi_stream_connect(&pair->loop, axi_listener_address(pair->listener), 2000,
                                        &handler, &pair->client, &pair->client.stream),
                     0);
    spin_until(&pair->loop, &pair->client.connected_count);
    while (pair->server.stream == NULL) {
        (void)uv_run(&pair->loop, UV_RUN_ONCE);
    }
}

static void close_pair(struct pair *pair)
{
    axi_listener_free(pair->listener);
    if (pair->client.stream != NULL) {
        axi_stream_close(pair->client.stream);
    }
    if (pair->server.stream != NULL) {
        axi_stream_close(pair->server.stream);
    }
    (void)uv_run(&pair->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&pair->loop), 0);
}

static void carries_bytes_in_order_beyond_the_socket_buffer(void **state)
{
    struct pair pair;
    uint8_t *bulk = malloc(BULK_BYTES);
    uint32_t sum = 0;

    (void)state;
    open_pair(&pair);
    for (size_t i = 0; i < BULK_BYTES; i++) {
        bulk[i] = (uint8_t)(i * 7 + (i >> 9));
        sum = sum * 31 + bulk[i];
    }
    for (size_t i = 0; i < BULK_BYTES; i += BULK_BYTES / 3) {
        assert_int_equal(axi_stream_send(pair.client.stream, bulk + i, BULK_BYTES / 3), 0);
    }
    while (pair.server.received_bytes < BULK_BYTES) {
        (void)uv_run(&pair.loop, UV_RUN_ONCE);
    }
    assert_int_equal(pair.server.sum, sum);
    free(bulk);
    close_pair(&pair);
}

static void close_flushes_and_the_peer_hears_of_it_once(void **state)
{
    struct pair pair;
    uint8_t *bulk = calloc(1, BULK_BYTES);

    (void)state;
    open_pair(&pair);
    assert_int_equal(axi_stream_send(pair.client.stream, bulk, BULK_BYTES), 0);
    axi_stream_close(pair.client.stream);
    pair.client.stream = NULL;
    spin_until(&pair.loop, &pair.server.closed_count);
    assert_int_equal(pair.server.received_bytes, BULK_BYTES);
    assert_int_equal(pair.server.error, 0);
    assert_int_equal(pair.client.closed_count, 0);
    free(bulk);
    close_pair(&pair);
    assert_int_equal(pair.server.closed_count, 1);
}

static void refuses_what_the_queue_cannot_hold(void **state)
{
    struct pair pair;
    uint8_t *bulk = calloc(1, BULK_BYTES);
    int r = 0;

    (void)state;
    open_pair(&pair);
    for (int i = 0; i < 20 && r == 0; i++) {
        r = axi_stream_send(pair.client.stream, bulk, BULK_BYTES);
    }
    assert_int_equal(r, -AXC_EFULL);
    assert_true(axi_stream_queued_bytes(pair.client.stream) <= AXI_NET_QUEUE_BYTES);
    free(bulk);
    close_pair(&pair);
}

static void connecting_to_nobody_is_reported(void **state)
{
    struct end end = {0};
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(axi_stream_connect(&loop, "127.0.0.1:1", 2000, &handler, &end, &end.stream),
                     0);
    spin_until(&loop, &end.closed_count);
    assert_int_equal(end.error, -AXC_EUNAVAILABLE);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {"",        "127.0.0.1", "127.0.0.1:", ":1",
                                      "h:99999", "h:1x",      "::1:5"};
    struct sockaddr_storage found;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(axi_address_resolve(bad[i], &found), -AXC_EINVALID);
    }
    assert_true(axi_address_is_loopback("127.0.0.1:5"));
    assert_true(axi_address_is_loopback("[::1]:5"));
    assert_false(axi_address_is_loopback("0.0.0.0:5"));
}

static void a_token_file_others_can_read_is_refused(void **state)
{
    char token[AXI_TOKEN_BYTES];
    char path[] = "/tmp/axi-token-XXXXXX";

    (void)state;
    assert_true(close(mkstemp(path)) == 0);
    assert_int_equal(axi_host_read_token(path, token), -AXC_EINVALID);
    assert_int_equal(axi_host_write_file(path, "secret\n"), 0);
    assert_int_equal(axi_host_read_token(path, token), 0);
    assert_string_equal(token, "secret");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(axi_host_read_token(path, token), -AXC_EPERM);
    assert_int_equal(unlink(path), 0);
    assert_true(axi_host_token_matches("abc", "abc"));
    assert_false(axi_host_token_matches("abc", "abd"));
    assert_false(axi_host_token_matches("abc", "ab"));
    assert_false(axi_host_token_matches("abc", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_in_order_beyond_the_socket_buffer),
        cmocka_unit_test(close_flushes_and_the_peer_hears_of_it_once),
        cmocka_unit_test(refuses_what_the_queue_cannot_hold),
        cmocka_unit_test(connecting_to_nobody_is_reported),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(a_token_file_others_can_read_is_refused),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
