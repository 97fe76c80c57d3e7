/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds a stream in pieces (the first byte is their size), once as it is and once with repaired
 * headers and checksums, which no fuzzer guesses. What decodes must encode again. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "core/wire.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_frame(const struct axi_wire_frame *frame)
{
    static uint8_t again[AXI_WIRE_FRAME_BYTES_MAX];
    static union axi_wire_message message;
    size_t bytes = 0;

    FUZZ_CHECK(frame->body_bytes <= AXI_WIRE_BODY_BYTES_MAX);
    FUZZ_CHECK(frame->tail_bytes <= AXI_WIRE_TAIL_BYTES_MAX);
    FUZZ_CHECK(axi_wire_type_name(frame->type) != NULL);
    if (axi_wire_decode(frame, &message) != 0) {
        return;
    }
    FUZZ_CHECK(axi_wire_encode(frame->type, &message, frame->tail, frame->tail_bytes, again,
                               sizeof(again), &bytes) == 0);
    FUZZ_CHECK(bytes <= sizeof(again));
}

static void feed(const uint8_t *data, size_t size, size_t piece)
{
    uint8_t *buffer = malloc(AXI_WIRE_FRAME_BYTES_MAX); /* the sanitizer watches its ends */
    struct axi_wire_parser parser;
    struct axi_wire_frame frame;
    int r = 0;

    FUZZ_CHECK(buffer != NULL);
    axi_wire_parser_init(&parser, buffer, AXI_WIRE_FRAME_BYTES_MAX);
    while (size > 0 && r >= 0) {
        size_t count = size < piece ? size : piece;
        const uint8_t *bytes = data;

        data += count;
        size -= count;
        while ((r = axi_wire_feed(&parser, &bytes, &count, &frame)) == 1) {
            check_frame(&frame);
        }
        FUZZ_CHECK(r < 0 || count == 0);
    }
    if (r < 0) { /* a broken stream stays broken */
        const uint8_t *bytes = buffer;
        size_t count = 0;

        FUZZ_CHECK(axi_wire_feed(&parser, &bytes, &count, &frame) == r);
    }
    free(buffer);
}

static void repair(uint8_t *data, size_t size)
{
    while (size >= AXI_WIRE_HEADER_BYTES) {
        uint64_t room = size - AXI_WIRE_HEADER_BYTES;
        uint64_t body = axi_get_le16(data + 6) % (AXI_WIRE_BODY_BYTES_MAX + 1);
        uint64_t tail = axi_get_le32(data + 8) % (AXI_WIRE_TAIL_BYTES_MAX + 1);
        size_t bytes;

        body = body < room ? body : room;
        tail = tail < room - body ? tail : room - body;
        memcpy(data, "AX\x01\x00", 4);
        axi_put_le16(data + 4, (uint16_t)(axi_get_le16(data + 4) % AXI_WIRE_TYPE_END));
        axi_put_le16(data + 6, (uint16_t)body);
        axi_put_le32(data + 8, (uint32_t)tail);
        bytes = AXI_WIRE_HEADER_BYTES + (size_t)(body + tail);
        axi_put_le32(data + 12, axi_crc32c(axi_crc32c(0, data, 12), data + AXI_WIRE_HEADER_BYTES,
                                           (size_t)(body + tail)));
        data += bytes;
        size -= bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *repaired;

    if (size < 2) {
        return 0;
    }
    feed(data + 1, size - 1, (size_t)data[0] * 16 + 1);
    repaired = malloc(size - 1);
    FUZZ_CHECK(repaired != NULL);
    memcpy(repaired, data + 1, size - 1);
    repair(repaired, size - 1);
    feed(repaired, size - 1, (size_t)data[0] * 16 + 1);
    free(repaired);
    return 0;
}
