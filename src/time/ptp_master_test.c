/* SPDX-License-Identifier: Apache-2.0 */
/* The grandmaster against this project's own slave, in virtual time. */
#include "support/test.h"

#include "time/ptp_master.h"
#include "time/ptp_slave.h"

#include <string.h>

#define US 1000ull
#define MS 1000000ull
#define S 1000000000ull
#define FRAMES 16u

struct frame {
    uint8_t bytes[AXI_PTP_BYTES_MAX];
    size_t length;
    bool is_event;
};

struct bench {
    struct axi_ptp_master master;
    struct axi_ptp_slave slave;
    uint64_t now, random;
    struct frame down[FRAMES], up[FRAMES]; /* on the wire: master to slave, slave to master */
    uint32_t down_count, up_count, announces;
};

static uint64_t local_of(uint64_t true_ns)
{
    return true_ns + 9 * S - (true_ns - 1000 * S) / 40000;
}

static void put(struct frame *wire, uint32_t *count, const uint8_t *bytes, size_t length,
                bool is_event)
{
    assert_true(*count < FRAMES);
    memcpy(wire[*count].bytes, bytes, length);
    wire[*count].length = length;
    wire[(*count)++].is_event = is_event;
}

static void from_master(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    struct bench *b = context;

    b->announces += (bytes[0] & 15) == AXI_PTP_ANNOUNCE;
    put(b->down, &b->down_count, bytes, length, is_event);
}

static void from_slave(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    struct bench *b = context;

    put(b->up, &b->up_count, bytes, length, is_event);
}

static uint64_t random64(void *context)
{
    struct bench *b = context;

    b->random = b->random * 6364136223846793005ull + 1442695040888963407ull;
    return b->random >> 16;
}

static void init(struct bench *b)
{
    const struct axi_ptp_master_config master = {.clock = {1, 1, 1, 0xff, 0xfe, 1, 1, 1},
                                                 .quality = {.priority1 = 128, .clock_class = 248},
                                                 .log_sync = -3};
    const struct axi_ptp_slave_config slave = {.clock = {2, 2, 2, 0xff, 0xfe, 2, 2, 2}};

    *b = (struct bench){.now = 1000 * S, .random = 5};
    assert_int_equal(
        axi_ptp_master_init(&b->master, &master, &(struct axi_ptp_master_ops){b, from_master}), 0);
    axi_ptp_slave_init(&b->slave, &slave, &(struct axi_ptp_port_ops){b, from_slave, random64});
}

static uint16_t sequence_of(const struct frame *frame)
{
    return (uint16_t)(frame->bytes[30] << 8 | frame->bytes[31]);
}

static void step(struct bench *b)
{
    uint64_t next = 0;
    uint64_t path = 20 * US;

    (void)axi_ptp_master_tick(&b->master, b->now);
    (void)axi_ptp_slave_tick(&b->slave, local_of(b->now), &next);
    for (uint32_t i = 0; i < b->down_count; i++) { /* grows: a Sync that left has its Follow_Up */
        if (b->down[i].is_event) {
            axi_ptp_master_sent(&b->master, sequence_of(&b->down[i]), b->now);
        }
        (void)axi_ptp_slave_message(&b->slave, b->down[i].bytes, b->down[i].length,
                                    local_of(b->now + path));
    }
    b->down_count = 0;
    for (uint32_t i = 0; i < b->up_count; i++) {
        axi_ptp_slave_sent(&b->slave, sequence_of(&b->up[i]), local_of(b->now));
        axi_ptp_master_message(&b->master, b->up[i].bytes, b->up[i].length, b->now + path);
    }
    b->up_count = 0;
    b->now += MS;
}

static void the_own_slave_locks_to_it(void **state)
{
    struct axi_servo_estimate e;
    struct bench b;

    (void)state;
    init(&b);
    for (int i = 0; i < 8000; i++) {
        step(&b);
    }
    axi_servo_estimate(&b.slave.servo, local_of(b.now), &e);
    assert_int_equal(e.state, AXI_SERVO_LOCKED);
    assert_true(e.master_ns + 5 * US > b.now && e.master_ns < b.now + 5 * US);
    assert_int_equal(b.announces, 8);
    assert_true(b.master.requests > 30);
    assert_true(b.slave.counters.delays >= b.master.requests - 1);
}

static void a_late_tick_sends_once(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    (void)axi_ptp_master_tick(&b.master, b.now);
    b.down_count = 0;
    b.now += 10 * S;
    assert_true(axi_ptp_master_tick(&b.master, b.now) > b.now);
    assert_int_equal(b.down_count, 2);
}

static void foreign_messages_are_not_answered(void **state)
{
    struct axi_ptp_message m = {
        .type = AXI_PTP_DELAY_REQ, .domain = 1, .source = {.clock = {3}, .number = 1}};
    uint8_t bytes[AXI_PTP_BYTES_MAX];
    struct bench b;

    (void)state;
    init(&b);
    axi_ptp_master_message(&b.master, bytes, axi_ptp_encode(&m, bytes), b.now);
    m.domain = 0;
    m.type = AXI_PTP_SYNC;
    axi_ptp_master_message(&b.master, bytes, axi_ptp_encode(&m, bytes), b.now);
    axi_ptp_master_message(&b.master, bytes, 20, b.now);
    assert_int_equal(b.down_count, 0);
    assert_int_equal(b.master.malformed, 1);
    m.type = AXI_PTP_DELAY_REQ;
    m.correction = 77 << 16;
    axi_ptp_master_message(&b.master, bytes, axi_ptp_encode(&m, bytes), b.now);
    assert_int_equal(b.down_count, 1);
    assert_int_equal(axi_ptp_decode(b.down[0].bytes, b.down[0].length, &m), 0);
    assert_int_equal(m.type, AXI_PTP_DELAY_RESP);
    assert_int_equal(m.correction, 77 << 16);
    assert_true(m.timestamp_ns == b.now);
}

static void intervals_out_of_range_are_refused(void **state)
{
    struct axi_ptp_master_config config = {.clock = {1}, .log_sync = -8};
    struct axi_ptp_master master;

    (void)state;
    assert_int_equal(axi_ptp_master_init(&master, &config, &(struct axi_ptp_master_ops){0}),
                     -AXC_EINVALID);
    config.log_sync = 0;
    config.log_announce = 5;
    assert_int_equal(axi_ptp_master_init(&master, &config, &(struct axi_ptp_master_ops){0}),
                     -AXC_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_own_slave_locks_to_it),
        cmocka_unit_test(a_late_tick_sends_once),
        cmocka_unit_test(foreign_messages_are_not_answered),
        cmocka_unit_test(intervals_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
