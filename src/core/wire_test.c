/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "support/test.h"

#include <string.h>

static uint8_t stream[2 * AXI_WIRE_FRAME_BYTES_MAX];
static uint8_t parser_buffer[AXI_WIRE_FRAME_BYTES_MAX];
static uint8_t tail_data[AXI_WIRE_TAIL_BYTES_MAX + 1];

static size_t make_halt(uint8_t *to)
{
    axi_Halt halt = {.request = 7, .task_id = 9, .epoch = 3, .want_checkpoint = true};
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(AXI_WIRE_HALT, &halt, NULL, 0, to, 64, &bytes), 0);
    return bytes;
}

static size_t make_chunk(uint8_t *to, size_t tail_bytes)
{
    axi_Chunk chunk = {.transfer = 1, .kind = AXI_CHUNK_ELF, .total = tail_bytes, .crc = 5};
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(AXI_WIRE_CHUNK, &chunk, tail_data, tail_bytes, to,
                                     AXI_WIRE_FRAME_BYTES_MAX, &bytes),
                     0);
    return bytes;
}

/* Feeds all bytes at once; returns what the parser says first. */
static int feed(const uint8_t *bytes, size_t count, size_t capacity, struct axi_wire_frame *frame)
{
    struct axi_wire_parser parser;

    axi_wire_parser_init(&parser, parser_buffer, capacity);
    return axi_wire_feed(&parser, &bytes, &count, frame);
}

static void message_survives_encode_and_decode(void **state)
{
    union axi_wire_message message;
    struct axi_wire_frame frame;
    size_t bytes = make_halt(stream);

    (void)state;
    assert_int_equal(feed(stream, bytes, sizeof parser_buffer, &frame), 1);
    assert_int_equal(frame.type, AXI_WIRE_HALT);
    assert_int_equal(axi_wire_decode(&frame, &message), 0);
    assert_int_equal(message.Halt.request, 7);
    assert_int_equal(message.Halt.task_id, 9);
    assert_int_equal(message.Halt.epoch, 3);
    assert_true(message.Halt.want_checkpoint);
}

static void frames_survive_any_cut(void **state)
{
    size_t first = make_halt(stream);
    size_t bytes = first + make_chunk(stream + first, 100);

    (void)state;
    bytes += make_halt(stream + bytes);
    for (size_t piece = 1; piece <= bytes; piece++) {
        struct axi_wire_parser parser;
        struct axi_wire_frame frame;
        uint32_t types[4] = {0};
        size_t found = 0;

        axi_wire_parser_init(&parser, parser_buffer, sizeof parser_buffer);
        for (size_t at = 0; at < bytes; at += piece) {
            const uint8_t *p = stream + at;
            size_t n = bytes - at < piece ? bytes - at : piece;
            int result = 0;

            while ((result = axi_wire_feed(&parser, &p, &n, &frame)) == 1) {
                assert_true(found < 3);
                types[found++] = frame.type;
            }
            assert_int_equal(result, 0);
            assert_int_equal(n, 0);
        }
        assert_int_equal(found, 3);
        assert_int_equal(types[0], AXI_WIRE_HALT);
        assert_int_equal(types[1], AXI_WIRE_CHUNK);
        assert_int_equal(types[2], AXI_WIRE_HALT);
    }
}

static void largest_tail_passes_and_one_more_is_refused(void **state)
{
    axi_Chunk chunk = {.transfer = 1};
    struct axi_wire_frame frame;
    size_t bytes = make_chunk(stream, AXI_WIRE_TAIL_BYTES_MAX);

    (void)state;
    assert_int_equal(feed(stream, bytes, sizeof parser_buffer, &frame), 1);
    assert_int_equal(frame.tail_bytes, AXI_WIRE_TAIL_BYTES_MAX);
    assert_int_equal(axi_wire_encode(AXI_WIRE_CHUNK, &chunk, tail_data, sizeof tail_data, stream,
                                     sizeof stream, &bytes),
                     -AXC_EWIRE_TAIL);
}

static void encode_refuses_what_does_not_fit(void **state)
{
    axi_Halt halt = {.request = 1};
    size_t bytes = 0;

    (void)state;
    assert_int_equal(axi_wire_encode(99, &halt, NULL, 0, stream, 64, &bytes), -AXC_EWIRE_TYPE);
    assert_int_equal(axi_wire_encode(0, &halt, NULL, 0, stream, 64, &bytes), -AXC_EWIRE_TYPE);
    assert_int_equal(axi_wire_encode(AXI_WIRE_HALT, &halt, tail_data, 1, stream, 64, &bytes),
                     -AXC_EWIRE_TAIL);
    assert_int_equal(axi_wire_encode(AXI_WIRE_HALT, &halt, NULL, 0, stream, 17, &bytes),
                     -AXC_EFULL);
}

static void put_crc(uint8_t *frame, size_t bytes)
{
    uint32_t crc = axi_crc32c(0, frame, 12);

    axi_put_le32(frame + 12, axi_crc32c(crc, frame + 16, bytes - 16));
}

static void each_damage_has_its_own_error(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
        int error;
    } cases[] = {
        {0, 'B', AXC_EWIRE_MAGIC},  {1, 'Y', AXC_EWIRE_MAGIC},   {2, 2, AXC_EWIRE_VERSION},
        {3, 1, AXC_EWIRE_FLAGS},    {4, 0, AXC_EWIRE_TYPE},      {4, 200, AXC_EWIRE_TYPE},
        {5, 1, AXC_EWIRE_TYPE},     {7, 0x80, AXC_EWIRE_LENGTH}, {8, 1, AXC_EWIRE_TAIL},
        {11, 0x80, AXC_EWIRE_TAIL}, {12, 0x55, AXC_EWIRE_CRC},   {20, 0xff, AXC_EWIRE_CRC},
    };
    struct axi_wire_frame frame;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = make_halt(stream);

        stream[cases[i].offset] = cases[i].value;
        assert_int_equal(feed(stream, bytes, sizeof parser_buffer, &frame), -cases[i].error);
    }
}

static void every_flipped_bit_is_noticed(void **state)
{
    size_t bytes = make_halt(stream);

    (void)state;
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        struct axi_wire_frame frame;
        int result = 0;

        make_halt(stream);
        stream[bit / 8] ^= (uint8_t)(1u << bit % 8);
        result = feed(stream, bytes, sizeof parser_buffer, &frame);
        assert_true(result <= 0); /* an error, or waiting for bytes that never come */
    }
}

static void wrong_header_is_refused_before_the_body_arrives(void **state)
{
    struct axi_wire_frame frame;

    (void)state;
    make_chunk(stream, 1000);
    axi_put_le32(stream + 8, AXI_WIRE_TAIL_BYTES_MAX + 1);
    assert_int_equal(feed(stream, 16, sizeof parser_buffer, &frame), -AXC_EWIRE_TAIL);
}

static void frame_beyond_the_buffer_is_refused(void **state)
{
    struct axi_wire_frame frame;
    size_t bytes = make_chunk(stream, 20000);

    (void)state;
    assert_int_equal(feed(stream, bytes, 8192, &frame), -AXC_EWIRE_LENGTH);
}

static void broken_stream_stays_broken(void **state)
{
    struct axi_wire_parser parser;
    struct axi_wire_frame frame;
    const uint8_t *p = stream;
    size_t bytes = make_halt(stream);
    size_t n = bytes;

    (void)state;
    stream[12] ^= 1;
    axi_wire_parser_init(&parser, parser_buffer, sizeof parser_buffer);
    assert_int_equal(axi_wire_feed(&parser, &p, &n, &frame), -AXC_EWIRE_CRC);
    bytes = make_halt(stream);
    p = stream;
    n = bytes;
    assert_int_equal(axi_wire_feed(&parser, &p, &n, &frame), -AXC_EWIRE_CRC);
}

static void body_that_is_no_message_is_refused(void **state)
{
    static const uint8_t bodies[][4] = {
        {0xff, 0xff, 0xff, 0xff}, /* endless varint */
        {0x09, 1, 2, 3},          /* fixed64 cut short */
        {0x0b, 0x0b, 0x0b, 0x0b}, /* group */
        {0x12, 0x7f, 0, 0},       /* length beyond the body */
    };
    struct axi_wire_frame frame;
    union axi_wire_message message;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        make_halt(stream);
        axi_put_le16(stream + 6, 4);
        memcpy(stream + 16, bodies[i], 4);
        put_crc(stream, 20);
        assert_int_equal(feed(stream, 20, sizeof parser_buffer, &frame), 1);
        assert_int_equal(axi_wire_decode(&frame, &message), -AXC_EWIRE_BODY);
    }
}

static void string_beyond_its_bound_is_refused(void **state)
{
    struct axi_wire_frame frame;
    union axi_wire_message message;

    (void)state;
    make_halt(stream);
    axi_put_le16(stream + 4, AXI_WIRE_GOODBYE);
    axi_put_le16(stream + 6, 203);
    stream[16] = 0x12; /* reason, 200 bytes */
    stream[17] = 0xc8;
    stream[18] = 0x01;
    memset(stream + 19, 'x', 200);
    put_crc(stream, 219);
    assert_int_equal(feed(stream, 219, sizeof parser_buffer, &frame), 1);
    assert_int_equal(axi_wire_decode(&frame, &message), -AXC_EWIRE_BODY);
}

static void unknown_field_is_skipped(void **state)
{
    struct axi_wire_frame frame;
    union axi_wire_message message;
    size_t bytes = make_halt(stream);

    (void)state;
    stream[bytes] = 0xf8; /* field 127, varint 1 */
    stream[bytes + 1] = 0x07;
    stream[bytes + 2] = 0x01;
    axi_put_le16(stream + 6, (uint16_t)(bytes + 3 - 16));
    put_crc(stream, bytes + 3);
    assert_int_equal(feed(stream, bytes + 3, sizeof parser_buffer, &frame), 1);
    assert_int_equal(axi_wire_decode(&frame, &message), 0);
    assert_int_equal(message.Halt.task_id, 9);
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(axi_wire_type_name(AXI_WIRE_MIGRATE_IN), "MigrateIn");
    assert_string_equal(axi_wire_type_name(0), "UNKNOWN");
    assert_string_equal(axi_wire_type_name(1000), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_survives_encode_and_decode),
        cmocka_unit_test(frames_survive_any_cut),
        cmocka_unit_test(largest_tail_passes_and_one_more_is_refused),
        cmocka_unit_test(encode_refuses_what_does_not_fit),
        cmocka_unit_test(each_damage_has_its_own_error),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(wrong_header_is_refused_before_the_body_arrives),
        cmocka_unit_test(frame_beyond_the_buffer_is_refused),
        cmocka_unit_test(broken_stream_stays_broken),
        cmocka_unit_test(body_that_is_no_message_is_refused),
        cmocka_unit_test(string_beyond_its_bound_is_refused),
        cmocka_unit_test(unknown_field_is_skipped),
        cmocka_unit_test(types_have_names),
    };

    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
