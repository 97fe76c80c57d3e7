/* SPDX-License-Identifier: Apache-2.0 */
/* The slave against masters in virtual time: messages are built by the encoder, delayed, and given
 * with time stamps of a clock that is 5 s and 50 ppm off. */
#include "support/test.h"

#include "time/ptp_slave.h"

#include <string.h>

#define US 1000ull
#define MS 1000000ull
#define S 1000000000ull

struct master {
    uint8_t clock[8];
    uint8_t priority1, domain;
    int64_t offset; /* to true time */
    bool is_one_step, is_silent, is_announce_silent;
    uint16_t sync_sequence, announce_sequence;
    uint64_t sync_at, announce_at;
};

struct bench {
    struct axi_ptp_slave slave;
    uint64_t now, random;
    struct master masters[2];
    uint32_t did; /* all bits ever */
    uint8_t request[AXI_PTP_BYTES_MAX];
    size_t request_bytes;
    bool has_request, is_stamp_late, is_answer_foreign, is_follow_up_first;
    uint32_t requests;
};

static uint64_t random64(void *context)
{
    struct bench *b = context;

    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

static uint64_t local_of(uint64_t true_ns)
{
    return true_ns - 5 * S + (true_ns - 1000 * S) / 20000;
}

static void send(void *context, const uint8_t *bytes, size_t length, bool is_event)
{
    struct bench *b = context;

    assert_true(is_event);
    memcpy(b->request, bytes, length);
    b->request_bytes = length;
    b->has_request = true;
    b->requests++;
}

static void init(struct bench *b)
{
    const struct axi_ptp_slave_config config = {.clock = {1, 2, 3, 0xff, 0xfe, 4, 5, 6}};
    const struct axi_ptp_port_ops ops = {.context = b, .send = send, .random64 = random64};

    *b = (struct bench){.now = 1000 * S, .random = 123456789};
    b->masters[0] = (struct master){.clock = {9, 9, 9, 0xff, 0xfe, 9, 9, 1},
                                    .priority1 = 10,
                                    .sync_at = b->now + 3 * MS,
                                    .announce_at = b->now};
    b->masters[1] = (struct master){.clock = {9, 9, 9, 0xff, 0xfe, 9, 9, 2},
                                    .priority1 = 20,
                                    .is_silent = true,
                                    .is_announce_silent = true,
                                    .offset = (int64_t)(3 * S),
                                    .sync_at = b->now + 7 * MS,
                                    .announce_at = b->now};
    axi_ptp_slave_init(&b->slave, &config, &ops);
}

static struct axi_ptp_message message_of(const struct master *m, uint8_t type, uint16_t sequence)
{
    struct axi_ptp_message message = {.type = type,
                                      .domain = m->domain,
                                      .source = {.number = 1},
                                      .sequence = sequence,
                                      .log_interval = type == AXI_PTP_ANNOUNCE ? 0 : -3};

    memcpy(message.source.clock, m->clock, 8);
    return message;
}

static void give(struct bench *b, const struct axi_ptp_message *message, uint64_t at)
{
    uint8_t bytes[AXI_PTP_BYTES_MAX];
    size_t length = axi_ptp_encode(message, bytes);

    b->did |= axi_ptp_slave_message(&b->slave, bytes, length, local_of(at));
}

static uint64_t path(struct bench *b)
{
    return 15 * US + random64(b) % (3 * US);
}

static void announce(struct bench *b, struct master *m)
{
    struct axi_ptp_message message = message_of(m, AXI_PTP_ANNOUNCE, m->announce_sequence++);

    message.quality = (struct axi_ptp_quality){.priority1 = m->priority1, .clock_class = 6};
    memcpy(message.quality.identity, m->clock, 8);
    give(b, &message, b->now);
}

static void sync_now(struct bench *b, struct master *m)
{
    struct axi_ptp_message sync = message_of(m, AXI_PTP_SYNC, m->sync_sequence);
    struct axi_ptp_message follow_up = message_of(m, AXI_PTP_FOLLOW_UP, m->sync_sequence++);
    uint64_t t1 = b->now + (uint64_t)m->offset;

    if (m->is_one_step) {
        sync.timestamp_ns = t1;
        give(b, &sync, b->now + path(b));
        return;
    }
    sync.flags = AXI_PTP_FLAG_TWO_STEP;
    sync.correction = 2000 << 16; /* 2 us in a transparent clock ... */
    follow_up.timestamp_ns = t1;
    follow_up.correction = 1000 << 16;
    if (b->is_follow_up_first) {
        give(b, &follow_up, b->now + 3 * US + path(b));
    }
    give(b, &sync, b->now + 3 * US + path(b)); /* ... which the path has in it */
    if (!b->is_follow_up_first) {
        give(b, &follow_up, b->now + 200 * US);
    }
}

static void answer(struct bench *b)
{
    struct axi_ptp_message request;
    struct axi_ptp_message response;
    const struct axi_ptp_foreign *chosen = axi_ptp_slave_master(&b->slave);
    struct master *m =
        chosen != NULL && chosen->port.clock[7] == 2 ? &b->masters[1] : &b->masters[0];
    uint64_t t3 = b->now;

    b->has_request = false;
    assert_int_equal(axi_ptp_decode(b->request, b->request_bytes, &request), 0);
    response = message_of(m, AXI_PTP_DELAY_RESP, request.sequence);
    response.timestamp_ns = t3 + path(b) + (uint64_t)m->offset;
    response.requesting = request.source;
    if (!b->is_stamp_late) {
        axi_ptp_slave_sent(&b->slave, request.sequence, local_of(t3));
    }
    if (b->is_answer_foreign) {
        response.requesting.clock[0] ^= 1;
    }
    give(b, &response, t3 + 100 * US);
    if (b->is_stamp_late) {
        axi_ptp_slave_sent(&b->slave, request.sequence, local_of(t3));
    }
}

static void run(struct bench *b, uint64_t ns)
{
    uint64_t until = b->now + ns;

    for (; b->now < until; b->now += MS) {
        uint64_t next = 0;

        for (int i = 0; i < 2; i++) {
            struct master *m = &b->masters[i];

            if (b->now >= m->announce_at) {
                m->announce_at += S;
                if (!m->is_announce_silent) {
                    announce(b, m);
                }
            }
            if (b->now >= m->sync_at) {
                m->sync_at += 125 * MS;
                if (!m->is_silent) {
                    sync_now(b, m);
                }
            }
        }
        b->did |= axi_ptp_slave_tick(&b->slave, local_of(b->now), &next);
        if (b->has_request) {
            answer(b);
        }
    }
}

static int64_t error_of(struct bench *b, const struct master *m)
{
    struct axi_servo_estimate e;

    axi_servo_estimate(&b->slave.servo, local_of(b->now), &e);
    return (int64_t)(e.master_ns - b->now - (uint64_t)m->offset);
}

#define ASSERT_CLOSE(value, limit)                                                                 \
    assert_true((value) < (int64_t)(limit) && (value) > -(int64_t)(limit))

static void follows_a_two_step_master(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    run(&b, 1 * S);
    assert_null(axi_ptp_slave_master(&b.slave)); /* one Announce is not enough */
    run(&b, 6 * S);
    assert_non_null(axi_ptp_slave_master(&b.slave));
    assert_int_equal(b.slave.servo.state, AXI_SERVO_LOCKED);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 10 * US);
    assert_true((b.did & (AXI_PTP_MASTER_CHANGED | AXI_PTP_UPDATED)) != 0);
    assert_int_equal(b.did & AXI_PTP_JUMPED, 0);
    assert_true(b.requests > 30);
    assert_true(b.slave.counters.delays > 30);
}

static void follows_a_one_step_master_and_an_early_follow_up(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    b.masters[0].is_one_step = true;
    run(&b, 8 * S);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 10 * US);
    init(&b);
    b.is_follow_up_first = true;
    run(&b, 8 * S);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 10 * US);
}

static void takes_the_better_master_and_the_other_when_it_is_gone(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    b.masters[1].is_silent = b.masters[1].is_announce_silent = false;
    run(&b, 8 * S);
    assert_int_equal(axi_ptp_slave_master(&b.slave)->port.clock[7], 1);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 10 * US);
    b.did = 0;
    b.masters[0].is_silent = b.masters[0].is_announce_silent = true;
    run(&b, 12 * S);
    assert_true((b.did & AXI_PTP_MASTER_CHANGED) != 0);
    assert_true((b.did & AXI_PTP_JUMPED) != 0); /* it is 3 s away: said, not hidden */
    assert_int_equal(axi_ptp_slave_master(&b.slave)->port.clock[7], 2);
    ASSERT_CLOSE(error_of(&b, &b.masters[1]), 20 * US);
}

static void a_lost_master_is_told_and_held_over(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    run(&b, 20 * S);
    b.did = 0;
    b.masters[0].is_silent = b.masters[0].is_announce_silent = true;
    run(&b, 10 * S);
    assert_true((b.did & AXI_PTP_MASTER_LOST) != 0);
    assert_true((b.did & AXI_PTP_STATE_CHANGED) != 0);
    assert_null(axi_ptp_slave_master(&b.slave));
    assert_int_equal(b.slave.servo.state, AXI_SERVO_HOLDOVER);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 50 * US);
}

static void a_time_stamp_that_comes_late_is_not_paired(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    b.is_stamp_late = true;
    run(&b, 8 * S);
    assert_int_equal(b.slave.counters.delays, 0);
    assert_true(b.slave.counters.unmatched > 0);
    assert_true(b.slave.servo.state != AXI_SERVO_LOCKED);
}

static void answers_to_other_slaves_change_nothing(void **state)
{
    struct bench b;

    (void)state;
    init(&b);
    b.is_answer_foreign = true;
    run(&b, 8 * S);
    assert_int_equal(b.slave.counters.delays, 0);
    assert_int_equal(b.slave.counters.unmatched, 0);
}

static void foreign_domains_identities_and_replays_change_nothing(void **state)
{
    struct bench b;
    struct axi_servo before;
    uint64_t strangers;
    struct axi_ptp_message m;
    uint8_t bytes[AXI_PTP_BYTES_MAX];

    (void)state;
    init(&b);
    run(&b, 8 * S);
    before = b.slave.servo;
    strangers = b.slave.counters.foreign_master; /* before it was believed */
    m = message_of(&b.masters[0], AXI_PTP_SYNC, (uint16_t)(b.masters[0].sync_sequence - 1));
    m.timestamp_ns = 5;
    give(&b, &m, b.now); /* replayed */
    assert_int_equal(b.slave.counters.stale, 1);
    m.sequence += 5;
    m.domain = 3;
    give(&b, &m, b.now);
    assert_int_equal(b.slave.counters.foreign_domain, 1);
    m.domain = 0;
    m.source.clock[7] = 77;
    give(&b, &m, b.now);
    assert_int_equal(b.slave.counters.foreign_master, strangers + 1);
    m = message_of(&b.masters[0], AXI_PTP_FOLLOW_UP, (uint16_t)(b.masters[0].sync_sequence + 9));
    give(&b, &m, b.now); /* of no Sync */
    for (size_t n = 0; n < 44; n++) {
        memset(bytes, 0xa5, sizeof(bytes));
        b.did |= axi_ptp_slave_message(&b.slave, bytes, n, local_of(b.now));
    }
    assert_true(b.slave.counters.malformed > 0);
    assert_memory_equal(&before, &b.slave.servo, sizeof(before));
    run(&b, 2 * S);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 10 * US);
}

/* Whatever comes, in any order, the slave neither crashes nor loses a good master for good. */
static void noise_on_the_wire_is_survived(void **state)
{
    struct bench b;
    uint8_t bytes[AXI_PTP_BYTES_MAX];

    (void)state;
    init(&b);
    run(&b, 5 * S);
    for (int i = 0; i < 20000; i++) {
        struct axi_ptp_message m =
            message_of(&b.masters[random64(&b) % 2], (uint8_t[]){0, 1, 8, 9, 11}[random64(&b) % 5],
                       (uint16_t)random64(&b));
        size_t length = axi_ptp_encode(&m, bytes);

        bytes[random64(&b) % length] ^= (uint8_t)random64(&b);
        b.did |= axi_ptp_slave_message(&b.slave, bytes, length - random64(&b) % 4, local_of(b.now));
    }
    b.masters[0].sync_sequence = (uint16_t)(b.slave.sync_sequence + 1);
    run(&b, 30 * S);
    ASSERT_CLOSE(error_of(&b, &b.masters[0]), 20 * US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_two_step_master),
        cmocka_unit_test(follows_a_one_step_master_and_an_early_follow_up),
        cmocka_unit_test(takes_the_better_master_and_the_other_when_it_is_gone),
        cmocka_unit_test(a_lost_master_is_told_and_held_over),
        cmocka_unit_test(a_time_stamp_that_comes_late_is_not_paired),
        cmocka_unit_test(answers_to_other_slaves_change_nothing),
        cmocka_unit_test(foreign_domains_identities_and_replays_change_nothing),
        cmocka_unit_test(noise_on_the_wire_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
