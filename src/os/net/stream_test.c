/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over the real TCP/IP stack; see wire_sim.h. */
#include "os/net/stream.h"

#include "os/net/wire_sim.h"
#include "support/test.h"

#include <string.h>

/* ---- both ends ---- */

#define STREAM_BYTES 1000000u

static struct end {
    bool is_known, is_down, is_incoming;
    int error;
    uint32_t writables;
    size_t count; /* received; byte i is i * 7 */
    bool is_garbled;
} ends[AXI_STREAMS_MAX];

static void on_up(void *context, uint32_t stream, bool incoming)
{
    (void)context;
    ends[stream] = (struct end){.is_known = true, .is_incoming = incoming};
}

static void on_down(void *context, uint32_t stream, int error)
{
    (void)context;
    ends[stream].is_down = true;
    ends[stream].error = error;
}

static void on_received(void *context, uint32_t stream, const uint8_t *bytes, size_t count)
{
    struct end *end = &ends[stream];

    (void)context;
    for (size_t i = 0; i < count; i++) {
        end->is_garbled = end->is_garbled || bytes[i] != (uint8_t)((end->count + i) * 7);
    }
    end->count += count;
}

static void on_writable(void *context, uint32_t stream)
{
    (void)context;
    ends[stream].writables++;
}

static const struct axi_stream_handler handler = {
    .up = on_up, .down = on_down, .received = on_received, .writable = on_writable};

static int start_network(void **state)
{
    (void)state;
    return wire_start_network(&handler);
}

static uint32_t find_end(bool is_incoming)
{
    for (uint32_t i = 0; i < AXI_STREAMS_MAX; i++) {
        if (ends[i].is_known && !ends[i].is_down && ends[i].is_incoming == is_incoming) {
            return i;
        }
    }
    fail_msg("no such stream");
    return 0;
}

static void connect_both(uint32_t *ret_here, uint32_t *ret_there)
{
    memset(ends, 0, sizeof(ends));
    assert_int_equal(axi_streams_connect(WIRE_SELF, ret_here), 0);
    wire_run_ms(100);
    assert_int_equal(find_end(false), *ret_here);
    *ret_there = find_end(true);
}

static void close_both(uint32_t here, uint32_t there)
{
    axi_streams_close(here);
    axi_streams_close(there);
    wire_run_ms(20000);
    lose_every = 0;
    wire_run_ms(20000);
}

/* Sends as room allows; the end's count is what was sent so far. */
static void send_all(uint32_t from, uint32_t to, size_t total)
{
    uint8_t piece[3000];
    size_t done = 0;

    for (uint32_t turn = 0; ends[to].count < total; turn++) {
        assert_in_range(turn, 0, 100000);
        size_t count = total - done < sizeof(piece) ? total - done : sizeof(piece);

        if (count > 0 && axi_streams_room(from) >= count) {
            for (size_t i = 0; i < count; i++) {
                piece[i] = (uint8_t)((done + i) * 7);
            }
            assert_int_equal(axi_streams_send(from, piece, count), 0);
            done += count;
        } else {
            wire_run_ms(10);
        }
    }
    assert_int_equal(ends[to].count, total);
    assert_false(ends[to].is_garbled);
}

static void bytes_arrive_in_order(void **state)
{
    uint32_t here = 0;
    uint32_t there = 0;

    (void)state;
    connect_both(&here, &there);
    send_all(here, there, STREAM_BYTES);
    send_all(there, here, 100000);
    assert_true(ends[here].writables > 0);
    assert_true(is_irq_on);
    close_both(here, there);
}

static void lost_frames_are_sent_again(void **state)
{
    uint32_t here = 0;
    uint32_t there = 0;

    (void)state;
    connect_both(&here, &there);
    lose_every = 7;
    send_all(here, there, 200000);
    close_both(here, there);
}

static void what_is_queued_goes_out_before_the_close(void **state)
{
    static uint8_t bytes[AXI_STREAM_QUEUE_BYTES];
    uint32_t here = 0;
    uint32_t there = 0;

    (void)state;
    connect_both(&here, &there);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    assert_int_equal(axi_streams_send(here, bytes, sizeof(bytes)), 0);
    assert_int_equal(axi_streams_send(here, bytes, 1), -AXC_EFULL);
    assert_int_equal(axi_streams_room(here), 0);
    axi_streams_close(here);
    assert_int_equal(axi_streams_send(here, bytes, 1), -AXC_EUNAVAILABLE);
    wire_run_ms(1000);
    assert_int_equal(ends[there].count, sizeof(bytes));
    assert_false(ends[there].is_garbled);
    assert_true(ends[there].is_down);
    assert_int_equal(ends[there].error, 0);
    assert_false(ends[here].is_down); /* who closes hears no more of it */
    close_both(here, there);
}

static void a_silent_peer_is_given_up(void **state)
{
    uint32_t here = 0;
    uint32_t there = 0;

    (void)state;
    connect_both(&here, &there);
    lose_every = UINT32_MAX;
    assert_int_equal(axi_streams_send(here, (const uint8_t *)"", 1), 0);
    wire_run_ms(11000);
    assert_true(ends[here].is_down);
    assert_int_equal(ends[here].error, -AXC_ETIMEOUT);
    wire_run_ms(10000); /* the other end sent nothing: keepalive finds out */
    assert_true(ends[there].is_down);
    close_both(here, there);
}

static void a_connection_that_nobody_answers_ends(void **state)
{
    uint32_t stream = 0;

    (void)state;
    memset(ends, 0, sizeof(ends));
    lose_every = UINT32_MAX;
    assert_int_equal(axi_streams_connect("10.0.2.99:1", &stream), 0);
    assert_int_equal(axi_streams_send(stream, (const uint8_t *)"", 1), -AXC_EUNAVAILABLE);
    assert_int_equal(axi_streams_room(stream), 0);
    wire_run_ms(5000);
    assert_true(ends[stream].is_down);
    assert_int_equal(ends[stream].error, -AXC_ETIMEOUT);
    lose_every = 0;
    assert_int_equal(axi_streams_connect("10.0.2.15:7101", &stream), 0); /* nobody listens */
    memset(ends, 0, sizeof(ends));
    wire_run_ms(1000);
    assert_true(ends[stream].is_down);
    assert_int_equal(ends[stream].error, -AXC_EUNAVAILABLE);
}

static void places_are_bounded(void **state)
{
    uint32_t stream = 0;
    uint32_t made = 0;

    (void)state;
    memset(ends, 0, sizeof(ends));
    while (axi_streams_connect("10.0.2.99:1", &stream) == 0) {
        made++;
    }
    assert_int_equal(made, AXI_STREAMS_MAX);
    assert_int_equal(axi_streams_connect(WIRE_SELF, &stream), -AXC_EFULL);
    for (uint32_t i = 0; i < AXI_STREAMS_MAX; i++) {
        axi_streams_close(i);
        axi_streams_close(i);
    }
    assert_int_equal(axi_streams_connect(WIRE_SELF, &stream), 0);
    wire_run_ms(100);
    close_both(stream, find_end(true));
}

static void addresses_are_read_strictly(void **state)
{
    static const char *const bad[] = {"",
                                      "1.2.3.4",
                                      "1.2.3.4:",
                                      "1.2.3.4:0",
                                      "1.2.3:4",
                                      "1.2.3.256:1",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:1x",
                                      "host:1",
                                      "1.2.3.4.5:1",
                                      ":1",
                                      "1..2.3:4",
                                      " 1.2.3.4:1",
                                      "[::1]:1",
                                      "-1.2.3.4:1",
                                      "1.2.3.4 :1"};
    uint32_t address = 0;
    uint16_t port = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(axi_net_resolve(bad[i], &address, &port), -AXC_EINVALID);
    }
    assert_int_equal(axi_net_resolve("192.168.0.1:65535", &address, &port), 0);
    assert_int_equal(address, 0xc0a80001);
    assert_int_equal(port, 65535);
    assert_int_equal(axi_net_resolve("127.0.0.1:80", &address, &port), 0);
    assert_int_equal(address, 0x0a00020f); /* the configured stand-in */
}

/* Frames of every length and random content, to the node and past it. */
static void garbage_is_counted_and_dropped(void **state)
{
    struct axi_net_drops before;
    struct axi_net_drops after;
    uint32_t here = 0;
    uint32_t there = 0;
    uint8_t mac[AXI_NIC_MAC_BYTES];

    (void)state;
    axi_net_mac(mac);
    axi_net_drops(&before);
    connect_both(&here, &there);
    for (uint32_t i = 0; i < 50000; i++) {
        uint8_t *frame = wire_send_buffer();
        size_t bytes = (size_t)(axi_net_random64() % AXI_NIC_FRAME_BYTES) + 1;

        for (size_t k = 0; k < 64; k++) {
            frame[k] = (uint8_t)axi_net_random64();
        }
        if (i % 8 != 0) {
            memcpy(frame, mac, sizeof(mac));
            frame[12] = 8;
            frame[13] = i % 8 == 1 ? 6 : 0;
            frame[14] = i % 8 == 2 ? frame[14] : 0x45;
        }
        wire[wire_head++ % FRAMES].count = bytes;
        (void)axi_net_poll();
    }
    axi_net_drops(&after);
    assert_true(after.foreign - before.foreign >= 6250);
    assert_true(after.malformed - before.malformed >= 10000);
    send_all(here, there, 100000);
    close_both(here, there);
}

static struct {
    uint32_t count;
    uint8_t first;
    size_t length;
    uint64_t arrived_ns;
} ptp;

static void on_ptp(void *context, const uint8_t *bytes, size_t length, uint64_t arrived_ns)
{
    (void)context;
    ptp.count++;
    ptp.first = bytes[0];
    ptp.length = length;
    ptp.arrived_ns = arrived_ns;
}

/* The node's own message comes back to it. */
static void expect_ptp(uint8_t first, uint64_t arrived_ns)
{
    (void)axi_net_poll();
    assert_int_equal(ptp.count, 1);
    assert_int_equal(ptp.first, first);
    assert_int_equal(ptp.length, 46); /* padded */
    assert_int_equal(ptp.arrived_ns, arrived_ns);
    ptp.count = 0;
}

/* Only the frame that raised the line has a time; one that was found before the interrupt came, or
 * behind another, has none, and leaves none to the next. */
static void ptp_frames_have_the_time_of_their_interrupt(void **state)
{
    uint8_t message[44] = {0};

    (void)state;
    wire_run_ms(10);
    (void)axi_net_send_ptp(message, sizeof(message));
    (void)axi_net_poll();
    assert_int_equal(ptp.count, 0); /* nobody wants them yet */
    axi_net_take_ptp(on_ptp, NULL);
    message[0] = 1;
    assert_int_equal(axi_net_send_ptp(message, sizeof(message)), clock_ns);
    irq_handler(NULL);
    assert_false(is_irq_on);
    clock_ns += 5000;
    expect_ptp(1, clock_ns - 5000);
    assert_true(is_irq_on);

    message[0] = 2;
    assert_int_equal(axi_net_send_ptp(message, sizeof(message)), clock_ns);
    expect_ptp(2, 0);
    irq_handler(NULL); /* for a frame of others, after which ours comes */
    clock_ns += 5000;
    wire[wire_head++ % FRAMES].count = 1;
    message[0] = 3;
    (void)axi_net_send_ptp(message, sizeof(message));
    expect_ptp(3, 0);
    lose_every = UINT32_MAX;
    (void)axi_net_send_ptp(message, sizeof(message));
    (void)axi_net_poll();
    assert_int_equal(ptp.count, 0);
    lose_every = 0;
    axi_net_take_ptp(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_in_order),
        cmocka_unit_test(lost_frames_are_sent_again),
        cmocka_unit_test(what_is_queued_goes_out_before_the_close),
        cmocka_unit_test(a_silent_peer_is_given_up),
        cmocka_unit_test(a_connection_that_nobody_answers_ends),
        cmocka_unit_test(places_are_bounded),
        cmocka_unit_test(addresses_are_read_strictly),
        cmocka_unit_test(garbage_is_counted_and_dropped),
        cmocka_unit_test(ptp_frames_have_the_time_of_their_interrupt),
    };

    return cmocka_run_group_tests(tests, start_network, NULL);
}
