/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as the network interface of a bare-metal node hands them over: u16 length (little endian),
 * one byte of hints, bytes; and so on. Checksums are not looked at in a fuzzing build (lwipopts.h),
 * so that inputs get past them. Hint 1: for us, IPv4, from a peer to the listening port; hint 2: it
 * acknowledges what the node sent last. */
#include "fuzz/fuzz.h"

#include "os/net/wire_sim.h"
#include "time/ptp_message.h"

#define HEAD_BYTES 3u
#define HINT_IP 1u
#define HINT_ACKNOWLEDGE 2u
#define IP_OFFSET 14u
#define TCP_OFFSET 34u
#define TCP_BYTES 20u

static void on_up(void *context, uint32_t stream, bool incoming)
{
    (void)context;
    (void)incoming;
    FUZZ_CHECK(axi_streams_send(stream, (const uint8_t *)"hello", 5) == 0);
}

static void on_down(void *context, uint32_t stream, int error)
{
    (void)context;
    (void)stream;
    (void)error;
}

static void on_received(void *context, uint32_t stream, const uint8_t *bytes, size_t count)
{
    (void)context;
    FUZZ_CHECK(count > 0);
    if (axi_streams_send(stream, bytes, count) < 0 || bytes[0] == 'x') {
        axi_streams_close(stream);
    }
}

static void on_writable(void *context, uint32_t stream)
{
    (void)context;
    (void)stream;
}

static void on_ptp(void *context, const uint8_t *bytes, size_t length, uint64_t arrived_ns)
{
    struct axi_ptp_message message;

    (void)context;
    FUZZ_CHECK(length > 0 && arrived_ns == 0);
    if (axi_ptp_decode(bytes, length, &message) == 0) {
        FUZZ_CHECK(message.type <= AXI_PTP_ANNOUNCE);
    }
}

static const struct axi_stream_handler handler = {
    .up = on_up, .down = on_down, .received = on_received, .writable = on_writable};

/* The sequence number in the last frame on the wire, plus one, whatever that frame is. */
static void acknowledge(uint8_t *segment)
{
    const uint8_t *last = wire[(wire_head - 1) % FRAMES].bytes + TCP_OFFSET + 4;
    uint32_t sequence =
        (uint32_t)last[0] << 24 | (uint32_t)last[1] << 16 | (uint32_t)last[2] << 8 | last[3];

    sequence++;
    for (unsigned i = 0; i < 4; i++) {
        segment[8 + i] = (uint8_t)(sequence >> (24 - 8 * i));
    }
}

static void put_frame(const uint8_t *bytes, size_t count, unsigned hints)
{
    static const uint8_t addresses[8] = {10, 0, 2, 77, 10, 0, 2, 15};
    uint8_t *frame = wire_send_buffer();

    if (frame == NULL || count == 0) {
        return;
    }
    memcpy(frame, bytes, count);
    if ((hints & HINT_ACKNOWLEDGE) != 0 && count >= TCP_OFFSET + TCP_BYTES) {
        acknowledge(frame + TCP_OFFSET);
    }
    if ((hints & HINT_IP) != 0 && count >= TCP_OFFSET + TCP_BYTES) {
        axi_net_mac(frame);
        frame[12] = 8;
        frame[13] = 0;
        frame[IP_OFFSET] = 0x45;
        memcpy(frame + IP_OFFSET + 12, addresses, sizeof(addresses));
        frame[IP_OFFSET + 22] = WIRE_PORT >> 8;
        frame[IP_OFFSET + 23] = WIRE_PORT & 0xff;
    }
    wire[wire_head++ % FRAMES].count = count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_started;

    if (!is_started) {
        is_started = true;
        if (wire_start_network(&handler) < 0) {
            abort();
        }
        axi_net_take_ptp(on_ptp, NULL);
    }
    while (size > HEAD_BYTES) {
        size_t count = (size_t)(data[0] | data[1] << 8) % (AXI_NIC_FRAME_BYTES + 1);
        unsigned hints = data[2];

        data += HEAD_BYTES;
        size -= HEAD_BYTES;
        count = count < size ? count : size;
        put_frame(data, count, hints);
        (void)axi_net_poll();
        (void)axi_streams_poll(clock_ns);
        data += count;
        size -= count;
    }
    for (int i = 0; i < 60; i++) { /* whatever was begun times out before the next input */
        wire_run_ms(10);
        clock_ns += 1000 * NS_PER_MS;
    }
    return 0;
}
