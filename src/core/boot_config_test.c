/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot_config.h"

#include "base/bytes.h"
#include "support/test.h"

#include <string.h>

static struct axi_boot_config made, got;
static _Alignas(AXI_BOOT_ALIGN) uint8_t blob[1 << 16];
static const uint8_t elf[] = {0x7f, 'E', 'L', 'F', 1, 2, 3};

static void make_node(void)
{
    axi_boot_config_init(&made);
    strcpy(made.name, "ecu1");
    made.node_id = UINT64_C(0x8899aabbccddeeff);
    made.seed = 99;
    made.has_mac = true;
    memcpy(made.mac, "\x52\x54\x00\x12\x34\x56", 6);
    made.network = AXI_BOOT_NETWORK_STATIC;
    memcpy(made.address, "\x0a\x00\x02\x0f", 4);
    memcpy(made.gateway, "\x0a\x00\x02\x02", 4);
    memcpy(made.loopback, "\x0a\x00\x02\x02", 4);
    made.prefix = 24;
    made.peer_port = 7401;
    strcpy(made.master, "10.0.2.2:7400");
    strcpy(made.advertise, "127.0.0.1:40123");
    strcpy(made.masters, "10.0.2.2:7402,10.0.2.2:7404");
    strcpy(made.token, "0123456789abcdef");
    made.channel_count = 1;
    strcpy(made.channels[0].name, "throttle");
    made.channels[0].is_output = true;
    strcpy(made.channels[0].target, "udp:10.0.2.2:9000");
    made.clock = AXI_BOOT_CLOCK_PTP;
    made.clock_domain = 7;
    made.clock_flags = AXI_BOOT_CLOCK_FLAG_LINES;
    made.clock_bound_ns = 50000;
    made.latency_ns = 200000;
}

static void make_standalone(void)
{
    axi_boot_config_init(&made);
    made.flags = AXI_BOOT_FLAG_TRACE;
    made.exit = AXI_BOOT_EXIT_SEMIHOSTING;
    made.time_limit_ns = 5000000000;
    made.host_channel = 0x44000000;
    made.slots = 4;
    made.capacity_ppm = 1000000;
    made.task_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        made.tasks[i] = (struct axi_boot_task){.jobs = 10 + i,
                                               .wcet_ns = 1000 * i,
                                               .offset_ns = 7 * i,
                                               .elf = elf,
                                               .elf_bytes = (uint32_t)sizeof(elf) - i};
        strcpy(made.tasks[i].name, i == 0 ? "first" : "second");
    }
}

static size_t encode(void)
{
    size_t bytes = 0;

    assert_int_equal(axi_boot_config_encode(&made, blob, sizeof(blob), &bytes), 0);
    assert_int_equal(bytes, axi_boot_config_bytes(&made));
    assert_int_equal(bytes % AXI_BOOT_ALIGN, 0);
    return bytes;
}

static void round_trips_a_networked_node(void **unused)
{
    (void)unused;
    make_node();
    assert_int_equal(axi_boot_config_decode(blob, encode(), &got), 0);
    assert_memory_equal(&got, &made, sizeof(made));
}

static void round_trips_packed_tasks(void **unused)
{
    (void)unused;
    make_standalone();
    assert_int_equal(axi_boot_config_decode(blob, encode(), &got), 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(got.tasks[i].elf > blob && got.tasks[i].elf < blob + sizeof(blob));
        assert_int_equal((uintptr_t)got.tasks[i].elf % AXI_BOOT_ALIGN, 0);
        assert_memory_equal(got.tasks[i].elf, elf, got.tasks[i].elf_bytes);
        got.tasks[i].elf = elf;
    }
    assert_memory_equal(&got, &made, sizeof(made));
}

static void reads_its_length_and_ignores_what_follows(void **unused)
{
    size_t bytes = 0;
    size_t length = 0;

    (void)unused;
    make_node();
    bytes = encode();
    blob[bytes] = 0x55;
    assert_int_equal(axi_boot_config_length(blob, sizeof(blob), &length), 0);
    assert_int_equal(length, bytes);
    assert_int_equal(axi_boot_config_decode(blob, sizeof(blob), &got), 0);
}

static void refuses_every_cut(void **unused)
{
    (void)unused;
    make_standalone();
    size_t bytes = encode();

    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(axi_boot_config_decode(blob, i, &got), -AXC_EBOOT_TRUNCATED);
    }
}

static void finds_every_changed_byte(void **unused)
{
    (void)unused;
    make_node();
    size_t bytes = encode();

    for (size_t i = 0; i < bytes; i++) {
        blob[i] ^= 0x10;
        assert_true(axi_boot_config_decode(blob, bytes, &got) < 0);
        blob[i] ^= 0x10;
    }
    blob[bytes - 1] ^= 1;
    assert_int_equal(axi_boot_config_decode(blob, bytes, &got), -AXC_EBOOT_CRC);
}

static void refuses_bad_headers(void **unused)
{
    static const struct {
        size_t at;
        uint8_t value;
        int error;
    } cases[] = {{0, 'B', AXC_EBOOT_MAGIC}, {4, 2, AXC_EBOOT_VERSION}, {6, 24, AXC_EBOOT_VERSION},
                 {8, 8, AXC_EBOOT_SIZE},    {8, 33, AXC_EBOOT_SIZE},   {11, 0x7f, AXC_EBOOT_SIZE}};

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        axi_boot_config_init(&made);
        size_t bytes = encode();

        blob[9] = 0;
        blob[cases[i].at] = cases[i].value;
        assert_int_equal(axi_boot_config_decode(blob, bytes, &got), -cases[i].error);
    }
}

/* One record written by hand behind the header. */
static int decode_record(uint32_t type, const void *value, uint32_t bytes)
{
    uint32_t whole = AXI_BOOT_HEADER_BYTES + 8 + (bytes + 7) / 8 * 8;

    memset(blob, 0, whole);
    axi_put_le32(blob, AXI_BOOT_MAGIC);
    axi_put_le16(blob + 4, AXI_BOOT_VERSION);
    axi_put_le16(blob + 6, AXI_BOOT_HEADER_BYTES);
    axi_put_le32(blob + 8, whole);
    axi_put_le32(blob + 16, type);
    axi_put_le32(blob + 20, bytes);
    memcpy(blob + 24, value, bytes);
    axi_boot_config_seal(blob, whole);
    return axi_boot_config_decode(blob, whole, &got);
}

static void refuses_bad_records(void **unused)
{
    static const struct {
        uint32_t type, bytes;
        const char *value;
        int error;
    } cases[] = {
        {0, 8, "12345678", AXC_EBOOT_TYPE},
        {17, 8, "12345678", AXC_EBOOT_TYPE},
        {16, 7, "1.2.3.4", AXC_EBOOT_VALUE},   /* no port */
        {16, 9, "1.2.3.4:1", AXC_EBOOT_VALUE}, /* of no first master */
        {0x10001, 8, "12345678", AXC_EBOOT_TYPE},
        {1, 0, "", AXC_EBOOT_VALUE},
        {1, 4, "ecu\0", AXC_EBOOT_VALUE},
        {1, 4, "Ecu1", AXC_EBOOT_VALUE},
        {1, 32, "abcdefghijklmnopqrstuvwxyzabcdef", AXC_EBOOT_VALUE},
        {2, 7, "1234567", AXC_EBOOT_RECORD},
        {3, 8, "12345678", AXC_EBOOT_RECORD},
        {3, 6, "\x01\0\0\0\0\0", AXC_EBOOT_VALUE},
        {4, 16, "\x03\x18\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {4, 16, "\x01\x1f\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {4, 16, "\x02\x18\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_MODE},
        {5, 3, "a b", AXC_EBOOT_VALUE},
        {15, 8, "\x01\x10\0\0\0\0\0", AXC_EBOOT_VALUE}, /* no page */
        {8, 16, "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {8, 16, "\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {9, 8, "\0\0\0\0\1\0\0", AXC_EBOOT_VALUE},
        {9, 8, "\1\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {9, 8, "\1\4\0\0\1\0\0", AXC_EBOOT_VALUE},
        {10, 16, "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {10, 16, "\0\0\0\0\3\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {14, 8, "12345678", AXC_EBOOT_RECORD},
        {14, 24, "\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {14, 24, "\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {14, 24, "\1\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {14, 24, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", AXC_EBOOT_VALUE},
        {14, 24, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", AXC_EBOOT_VALUE},
        {12, 4, "task", AXC_EBOOT_RECORD},
        {12, 56,
         "task\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
         AXC_EBOOT_RECORD},
        {13, 40,
         "in\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "\0\0\0\0\0",
         AXC_EBOOT_RECORD},
        {13, 41,
         "in\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0"
         "\0\0\0\0\0\0x",
         AXC_EBOOT_VALUE},
        {13, 41,
         "1n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0"
         "\0\0\0\0\0\0x",
         AXC_EBOOT_VALUE},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = decode_record(cases[i].type, cases[i].value, cases[i].bytes);

        if (r != -cases[i].error) {
            fail_msg("case %zu: %d, not %d", i, r, -cases[i].error);
        }
    }
    assert_int_equal(decode_record(11, "12345678", 8), 0);
}

static void refuses_a_record_that_runs_out(void **unused)
{
    (void)unused;
    assert_int_equal(decode_record(11, "12345678", 8), 0);
    axi_put_le32(blob + 20, 9);
    axi_boot_config_seal(blob, 32);
    assert_int_equal(axi_boot_config_decode(blob, 32, &got), -AXC_EBOOT_RECORD);
}

static void refuses_the_same_record_or_name_twice(void **unused)
{
    size_t bytes = 0;

    (void)unused;
    assert_int_equal(decode_record(11, "12345678", 8), 0);
    memcpy(blob + 32, blob + 16, 16);
    axi_put_le32(blob + 8, 48);
    axi_boot_config_seal(blob, 48);
    assert_int_equal(axi_boot_config_decode(blob, 48, &got), -AXC_EBOOT_DUPLICATE);

    make_standalone();
    strcpy(made.tasks[1].name, "first");
    assert_int_equal(axi_boot_config_encode(&made, blob, sizeof(blob), &bytes),
                     -AXC_EBOOT_DUPLICATE);
}

static void refuses_settings_that_exclude_each_other(void **unused)
{
    size_t bytes = 0;

    (void)unused;
    make_standalone();
    made.network = AXI_BOOT_NETWORK_DHCP;
    strcpy(made.master, "10.0.2.2:7400");
    strcpy(made.name, "ecu1");
    assert_int_equal(axi_boot_config_check(&made), -AXC_EBOOT_MODE);
    made.task_count = 0;
    assert_int_equal(axi_boot_config_check(&made), 0);
    made.master[0] = '\0';
    assert_int_equal(axi_boot_config_check(&made), -AXC_EBOOT_MODE);
    make_node();
    made.name[0] = '\0';
    assert_int_equal(axi_boot_config_check(&made), -AXC_EBOOT_MODE);
    made.task_count = AXI_BOOT_TASKS_MAX + 1;
    assert_int_equal(axi_boot_config_check(&made), -AXC_EBOOT_COUNT);
    made.task_count = 0;
    made.channel_count = AXI_BOOT_CHANNELS_MAX + 1;
    assert_int_equal(axi_boot_config_check(&made), -AXC_EBOOT_COUNT);
    make_node();
    assert_int_equal(axi_boot_config_encode(&made, blob, 100, &bytes), -AXC_EFULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_a_networked_node),
        cmocka_unit_test(round_trips_packed_tasks),
        cmocka_unit_test(reads_its_length_and_ignores_what_follows),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(finds_every_changed_byte),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(refuses_bad_records),
        cmocka_unit_test(refuses_a_record_that_runs_out),
        cmocka_unit_test(refuses_the_same_record_or_name_twice),
        cmocka_unit_test(refuses_settings_that_exclude_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
