/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <pb_decode.h>
#include <pb_encode.h>
#include <string.h>

enum {
    OFFSET_VERSION = 2,
    OFFSET_FLAGS = 3,
    OFFSET_TYPE = 4,
    OFFSET_BODY = 6,
    OFFSET_TAIL = 8,
    OFFSET_CRC = 12
};

struct wire_type {
    const char *name;
    const pb_msgdesc_t *descriptor;
    bool has_tail;
};

static const struct wire_type wire_types[AXI_WIRE_TYPE_END] = {
#define WIRE_ENTRY(NAME, number, message, tail)                                                    \
    [number] = {.name = #message, .descriptor = axi_##message##_fields, .has_tail = (tail) != 0},
    AXI_WIRE_LIST(WIRE_ENTRY)
#undef WIRE_ENTRY
};

#define WIRE_ASSERT(NAME, number, message, tail)                                                   \
    _Static_assert(axi_##message##_size <= AXI_WIRE_BODY_BYTES_MAX, "a body has a fixed bound");
AXI_WIRE_LIST(WIRE_ASSERT)
#undef WIRE_ASSERT

static const struct wire_type *find_type(uint32_t type)
{
    if (type >= AXI_WIRE_TYPE_END || wire_types[type].descriptor == NULL) {
        return NULL;
    }
    return &wire_types[type];
}

const char *axi_wire_type_name(uint32_t type)
{
    const struct wire_type *entry = find_type(type);

    return entry != NULL ? entry->name : "UNKNOWN";
}

static uint32_t frame_crc(const uint8_t *frame, size_t bytes)
{
    uint32_t crc = axi_crc32c(0, frame, OFFSET_CRC);

    return axi_crc32c(crc, frame + AXI_WIRE_HEADER_BYTES, bytes - AXI_WIRE_HEADER_BYTES);
}

int axi_wire_encode(uint32_t type, const void *message, const void *tail, size_t tail_bytes,
                    uint8_t *buffer, size_t capacity, size_t *ret_bytes)
{
    const struct wire_type *entry = find_type(type);
    size_t body_bytes = 0;
    size_t bytes = 0;

    if (entry == NULL) {
        return -AXC_EWIRE_TYPE;
    }
    if (tail_bytes > (entry->has_tail ? AXI_WIRE_TAIL_BYTES_MAX : 0)) {
        return -AXC_EWIRE_TAIL;
    }
    if (!pb_get_encoded_size(&body_bytes, entry->descriptor, message) ||
        body_bytes > AXI_WIRE_BODY_BYTES_MAX) {
        return -AXC_EWIRE_BODY;
    }
    bytes = AXI_WIRE_HEADER_BYTES + body_bytes + tail_bytes;
    if (bytes > capacity) {
        return -AXC_EFULL;
    }
    pb_ostream_t stream = pb_ostream_from_buffer(buffer + AXI_WIRE_HEADER_BYTES, body_bytes);
    if (!pb_encode(&stream, entry->descriptor, message)) {
        return -AXC_EWIRE_BODY;
    }
    if (tail_bytes > 0) {
        memcpy(buffer + AXI_WIRE_HEADER_BYTES + body_bytes, tail, tail_bytes);
    }
    buffer[0] = 'A';
    buffer[1] = 'X';
    buffer[OFFSET_VERSION] = AXI_WIRE_VERSION;
    buffer[OFFSET_FLAGS] = 0;
    axi_put_le16(buffer + OFFSET_TYPE, (uint16_t)type);
    axi_put_le16(buffer + OFFSET_BODY, (uint16_t)body_bytes);
    axi_put_le32(buffer + OFFSET_TAIL, (uint32_t)tail_bytes);
    axi_put_le32(buffer + OFFSET_CRC, frame_crc(buffer, bytes));
    *ret_bytes = bytes;
    return 0;
}

void axi_wire_parser_init(struct axi_wire_parser *parser, uint8_t *buffer, size_t capacity)
{
    *parser = (struct axi_wire_parser){.buffer = buffer, .capacity = capacity};
}

/* Judges a header and returns the whole frame's length, or a negative error. */
static int check_header(const uint8_t *header, size_t capacity, size_t *ret_bytes)
{
    size_t body_bytes = axi_get_le16(header + OFFSET_BODY);
    size_t tail_bytes = axi_get_le32(header + OFFSET_TAIL);
    const struct wire_type *entry = find_type(axi_get_le16(header + OFFSET_TYPE));

    if (header[0] != 'A' || header[1] != 'X') {
        return -AXC_EWIRE_MAGIC;
    }
    if (header[OFFSET_VERSION] != AXI_WIRE_VERSION) {
        return -AXC_EWIRE_VERSION;
    }
    if (header[OFFSET_FLAGS] != 0) {
        return -AXC_EWIRE_FLAGS;
    }
    if (entry == NULL) {
        return -AXC_EWIRE_TYPE;
    }
    if (body_bytes > AXI_WIRE_BODY_BYTES_MAX) {
        return -AXC_EWIRE_LENGTH;
    }
    if (tail_bytes > (entry->has_tail ? AXI_WIRE_TAIL_BYTES_MAX : 0)) {
        return -AXC_EWIRE_TAIL;
    }
    if (AXI_WIRE_HEADER_BYTES + body_bytes + tail_bytes > capacity) {
        return -AXC_EWIRE_LENGTH;
    }
    *ret_bytes = AXI_WIRE_HEADER_BYTES + body_bytes + tail_bytes;
    return 0;
}

/* Copies input until the buffer holds `goal` bytes; true when it does. */
static bool fill_to(struct axi_wire_parser *parser, size_t goal, const uint8_t **bytes,
                    size_t *count)
{
    size_t missing = goal - parser->fill;
    size_t taken = *count < missing ? *count : missing;

    if (taken > 0) {
        memcpy(parser->buffer + parser->fill, *bytes, taken);
        parser->fill += taken;
        *bytes += taken;
        *count -= taken;
    }
    return parser->fill == goal;
}

int axi_wire_feed(struct axi_wire_parser *parser, const uint8_t **bytes, size_t *count,
                  struct axi_wire_frame *ret_frame)
{
    const uint8_t *frame = parser->buffer;

    if (parser->error != 0) {
        return parser->error;
    }
    if (parser->frame_bytes == 0) {
        if (!fill_to(parser, AXI_WIRE_HEADER_BYTES, bytes, count)) {
            return 0;
        }
        parser->error = check_header(frame, parser->capacity, &parser->frame_bytes);
        if (parser->error != 0) {
            return parser->error;
        }
    }
    if (!fill_to(parser, parser->frame_bytes, bytes, count)) {
        return 0;
    }
    if (frame_crc(frame, parser->frame_bytes) != axi_get_le32(frame + OFFSET_CRC)) {
        parser->error = -AXC_EWIRE_CRC;
        return parser->error;
    }
    *ret_frame = (struct axi_wire_frame){
        .type = axi_get_le16(frame + OFFSET_TYPE),
        .body = frame + AXI_WIRE_HEADER_BYTES,
        .body_bytes = axi_get_le16(frame + OFFSET_BODY),
        .tail_bytes = axi_get_le32(frame + OFFSET_TAIL),
    };
    ret_frame->tail = ret_frame->body + ret_frame->body_bytes;
    parser->fill = 0;
    parser->frame_bytes = 0;
    return 1;
}

int axi_wire_decode(const struct axi_wire_frame *frame, union axi_wire_message *ret)
{
    const struct wire_type *entry = find_type(frame->type);
    pb_istream_t stream = pb_istream_from_buffer(frame->body, frame->body_bytes);

    if (entry == NULL) {
        return -AXC_EWIRE_TYPE;
    }
    if (!pb_decode(&stream, entry->descriptor, ret)) {
        return -AXC_EWIRE_BODY;
    }
    return 0;
}
