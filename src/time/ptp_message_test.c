/* SPDX-License-Identifier: Apache-2.0 */
/* Golden frames: as ptp4l 3.1.1 sends them. */
#include "support/test.h"

#include "time/ptp_message.h"

#include <stdio.h>
#include <string.h>

static const char announce_hex[] =
    "0b020040000000000000000000000000000000004e7ae9fffe4d02cd0001000005000000000000000000000000250"
    "00a06feffff804e7ae9fffe4d02cd0000a0";
static const char sync_hex[] =
    "0002002c000002000000000000000000000000004e7ae9fffe4d02cd0001000000fd00000000000000000000";
static const char follow_up_hex[] =
    "0802002c000000000000000000000000000000004e7ae9fffe4d02cd0001000002fd00006b00ab0b0f1720e1";
static const char delay_req_hex[] =
    "0102002c00000000000000000000000000000000c2659bfffe62049e00010000017f00000000000000000000";
static const char delay_resp_hex[] =
    "09020036000000000000000000000000000000004e7ae9fffe4d02cd0001000003fd00006b00ab0d13b4a4c8c2659"
    "bfffe62049e0001";

static size_t unhex(const char *hex, uint8_t *bytes)
{
    size_t count = strlen(hex) / 2;

    for (size_t i = 0; i < count; i++) {
        unsigned value = 0;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        bytes[i] = (uint8_t)value;
    }
    return count;
}

static void golden_frames_are_read_and_written_back(void **state)
{
    static const struct {
        const char *hex;
        uint8_t type;
    } frames[] = {{announce_hex, AXI_PTP_ANNOUNCE},
                  {sync_hex, AXI_PTP_SYNC},
                  {follow_up_hex, AXI_PTP_FOLLOW_UP},
                  {delay_req_hex, AXI_PTP_DELAY_REQ},
                  {delay_resp_hex, AXI_PTP_DELAY_RESP}};

    (void)state;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        uint8_t bytes[AXI_PTP_BYTES_MAX] = {0};
        uint8_t again[AXI_PTP_BYTES_MAX];
        size_t length = unhex(frames[i].hex, bytes);
        struct axi_ptp_message m;

        assert_int_equal(axi_ptp_decode(bytes, length, &m), 0);
        assert_int_equal(m.type, frames[i].type);
        assert_int_equal(axi_ptp_encode(&m, again), length);
        assert_memory_equal(bytes, again, length);
    }
}

static void fields_are_where_the_standard_has_them(void **state)
{
    static const uint8_t grandmaster[8] = {0x4e, 0x7a, 0xe9, 0xff, 0xfe, 0x4d, 0x02, 0xcd};
    uint8_t bytes[AXI_PTP_BYTES_MAX];
    uint8_t identity[8];
    struct axi_ptp_message m;

    (void)state;
    assert_int_equal(axi_ptp_decode(bytes, unhex(announce_hex, bytes), &m), 0);
    assert_int_equal(m.quality.priority1, 10);
    assert_int_equal(m.quality.clock_class, 6);
    assert_int_equal(m.quality.accuracy, 0xfe);
    assert_int_equal(m.quality.variance, 0xffff);
    assert_int_equal(m.quality.priority2, 128);
    assert_int_equal(m.utc_offset_s, 37);
    assert_int_equal(m.time_source, 0xa0);
    assert_memory_equal(m.quality.identity, grandmaster, 8);
    assert_int_equal(axi_ptp_decode(bytes, unhex(follow_up_hex, bytes), &m), 0);
    assert_true(m.timestamp_ns == 0x6b00ab0bull * 1000000000u + 0x0f1720e1u);
    assert_int_equal(m.sequence, 0);
    assert_int_equal(m.log_interval, -3);
    assert_int_equal(axi_ptp_decode(bytes, unhex(delay_resp_hex, bytes), &m), 0);
    assert_int_equal(m.requesting.clock[0], 0xc2);
    assert_int_equal(m.requesting.number, 1);
    axi_ptp_identity((const uint8_t[6]){0x4e, 0x7a, 0xe9, 0x4d, 0x02, 0xcd}, identity);
    assert_memory_equal(identity, grandmaster, 8);
}

static void each_damage_has_its_own_error(void **state)
{
    uint8_t good[AXI_PTP_BYTES_MAX];
    uint8_t bytes[AXI_PTP_BYTES_MAX];
    struct axi_ptp_message m = {.type = 0x55};
    size_t length = unhex(delay_resp_hex, good);

    (void)state;
    for (size_t n = 0; n < length; n++) {
        assert_int_equal(axi_ptp_decode(good, n, &m), -AXC_EPTP_TRUNCATED);
    }
#define DAMAGED(offset, value, error)                                                              \
    do {                                                                                           \
        memcpy(bytes, good, sizeof(bytes));                                                        \
        bytes[offset] = (value);                                                                   \
        assert_int_equal(axi_ptp_decode(bytes, length, &m), -(error));                             \
    } while (0)
    DAMAGED(1, 1, AXC_EPTP_VERSION);
    DAMAGED(0, 2, AXC_EPTP_TYPE);          /* Pdelay_Req */
    DAMAGED(3, 44, AXC_EPTP_TRUNCATED);    /* shorter than its type */
    DAMAGED(3, 200, AXC_EPTP_TRUNCATED);   /* longer than the datagram */
    DAMAGED(34, 0xff, AXC_EPTP_TIMESTAMP); /* seconds beyond 64 bits of ns */
    DAMAGED(40, 0x7f, AXC_EPTP_TIMESTAMP); /* more than 10^9 ns */
    memcpy(bytes, good, sizeof(bytes));
    memset(bytes + 20, 0, 8);
    assert_int_equal(axi_ptp_decode(bytes, length, &m), -AXC_EPTP_IDENTITY);
    memcpy(bytes, good, sizeof(bytes));
    memset(bytes + 44, 0xff, 8);
    assert_int_equal(axi_ptp_decode(bytes, length, &m), -AXC_EPTP_IDENTITY);
    assert_int_equal(m.type, 0x55); /* untouched */
}

static void better_masters_compare_field_by_field(void **state)
{
    struct axi_ptp_quality a = {.priority1 = 10, .clock_class = 6, .identity = {1}};
    struct axi_ptp_quality b = a;

    (void)state;
    assert_int_equal(axi_ptp_compare(&a, &b), 0);
    b.steps_removed = 1;
    assert_true(axi_ptp_compare(&a, &b) < 0);
    b.identity[0] = 0;
    assert_true(axi_ptp_compare(&a, &b) > 0);
    b.priority2 = 1;
    assert_true(axi_ptp_compare(&a, &b) < 0);
    a.variance = 1;
    assert_true(axi_ptp_compare(&a, &b) > 0);
    b.accuracy = 2;
    assert_true(axi_ptp_compare(&a, &b) < 0);
    a.clock_class = 7;
    assert_true(axi_ptp_compare(&a, &b) > 0);
    b.priority1 = 11;
    assert_true(axi_ptp_compare(&a, &b) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_frames_are_read_and_written_back),
        cmocka_unit_test(fields_are_where_the_standard_has_them),
        cmocka_unit_test(each_damage_has_its_own_error),
        cmocka_unit_test(better_masters_compare_field_by_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
