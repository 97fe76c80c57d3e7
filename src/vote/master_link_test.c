/* SPDX-License-Identifier: Apache-2.0 */
/* A voter's link over a scripted connection: master time, and what a lost master leaves. */
#include "vote/master_link.h"

#include "support/test.h"

#include <string.h>

#define MS 1000000ull
#define S (1000 * MS)
#define MASTER_AHEAD (5000 * S)

struct rig {
    struct axi_vote *vote;
    struct axi_vote_link link;
    uint64_t now_ns; /* local; the master's is MASTER_AHEAD more */
    uint64_t number; /* of the present connection */
    uint32_t connects;
    uint8_t sent[1 << 16];
    size_t sent_bytes;
};

static uint64_t port_local_ns(void *context)
{
    return ((struct rig *)context)->now_ns;
}

static int port_connect(void *context, const char *address, uint64_t *ret_number)
{
    struct rig *rig = context;

    (void)address;
    rig->connects++;
    *ret_number = ++rig->number;
    return 0;
}

static void port_send(void *context, uint64_t number, const uint8_t *frame, size_t bytes)
{
    struct rig *rig = context;

    (void)number;
    rig->sent_bytes = bytes <= sizeof(rig->sent) ? bytes : 0;
    memcpy(rig->sent, frame, rig->sent_bytes);
}

static void port_close(void *context, uint64_t number)
{
    (void)context;
    (void)number;
}

static void put(void *context, const char *service, const struct axi_stamp *stamp,
                const uint8_t *value, uint32_t bytes)
{
    (void)context;
    (void)service;
    (void)stamp;
    (void)value;
    (void)bytes;
}

static void say(struct rig *rig, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes), 0);
    axi_vote_link_bytes(&rig->link, rig->number, frame, bytes);
}

/* The answer to the join took away_ns on its way here, none on the way there. */
static void join(struct rig *rig, uint64_t away_ns)
{
    axi_HelloReply reply = {.protocol = AXI_WIRE_VERSION, .master_ns = rig->now_ns + MASTER_AHEAD};

    (void)axi_vote_link_tick(&rig->link);
    axi_vote_link_up(&rig->link, rig->number);
    rig->now_ns += away_ns;
    say(rig, AXI_WIRE_HELLO_REPLY, &reply);
    assert_true(rig->link.has_joined);
}

/* Asks for the time and gets an answer 1 ms later. */
static void ask(struct rig *rig)
{
    axi_ManagerStatusAck ack = {0};

    rig->now_ns += 2 * S;
    for (int i = 0; i < 60; i++) { /* urgent ones come first */
        (void)axi_vote_link_tick(&rig->link);
        rig->now_ns += rig->link.asked_ns == rig->now_ns ? 0 : 20 * MS;
    }
    ack.sequence = rig->link.sequence;
    rig->now_ns = rig->link.asked_ns + MS;
    ack.send_local_ns = rig->link.asked_ns;
    ack.receive_master_ns = ack.reply_master_ns = rig->now_ns - MS / 2 + MASTER_AHEAD;
    say(rig, AXI_WIRE_MANAGER_STATUS_ACK, &ack);
}

static int setup(void **state)
{
    static const struct axi_vote_port vote_port = {.put = put};
    static const struct axi_vote_link_config config = {.name = "eye",
                                                       .token = "",
                                                       .version = "test",
                                                       .output_address = "10.0.0.9:7404",
                                                       .masters = "a:1",
                                                       .boot_id = 7};
    static struct rig rig;
    const struct axi_vote_link_port port = {.context = &rig,
                                            .local_ns = port_local_ns,
                                            .connect = port_connect,
                                            .send = port_send,
                                            .close = port_close};

    rig = (struct rig){.now_ns = 100 * S};
    rig.vote = axi_vote_new(&vote_port);
    assert_non_null(rig.vote);
    axi_vote_link_init(&rig.link, rig.vote, &config, &port);
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    axi_vote_free(((struct rig *)*state)->vote);
    return 0;
}

static int64_t error_ns(struct rig *rig)
{
    return (int64_t)(axi_vote_link_now(&rig->link) - rig->now_ns - MASTER_AHEAD);
}

static void follows_the_masters_time(void **state)
{
    struct rig *rig = *state;

    join(rig, MS);
    assert_in_range((uint64_t)(error_ns(rig) + (int64_t)MS), 0, 2 * MS);
}

static void a_slow_first_answer_is_made_good_by_the_next(void **state)
{
    struct rig *rig = *state;

    join(rig, 200 * MS);
    assert_true(error_ns(rig) < -(int64_t)(90 * MS));
    ask(rig);
    assert_in_range((uint64_t)(error_ns(rig) + (int64_t)MS), 0, 2 * MS);
}

static void bad_time_is_asked_for_soon(void **state)
{
    struct rig *rig = *state;
    uint64_t sequence;

    join(rig, 200 * MS);
    (void)axi_vote_link_tick(&rig->link);
    sequence = rig->link.sequence;
    rig->now_ns += 300 * MS; /* unanswered */
    (void)axi_vote_link_tick(&rig->link);
    assert_int_equal(rig->link.sequence, sequence + 1);
    rig->now_ns += 30 * MS;
    (void)axi_vote_link_tick(&rig->link);
    assert_int_equal(rig->link.sequence, sequence + 1);
}

static void time_never_goes_back(void **state)
{
    struct rig *rig = *state;
    uint64_t before_ns;

    join(rig, 200 * MS);
    rig->link.now_ns = rig->now_ns + MASTER_AHEAD + 5 * S; /* as if it had been ahead */
    before_ns = axi_vote_link_now(&rig->link);
    ask(rig);
    assert_int_equal(axi_vote_link_now(&rig->link), before_ns);
    rig->now_ns += 10 * S;
    assert_true(axi_vote_link_now(&rig->link) > before_ns);
}

static void a_lost_master_is_tried_again(void **state)
{
    struct rig *rig = *state;

    join(rig, MS);
    axi_vote_link_down(&rig->link, rig->number, -AXC_EUNAVAILABLE);
    assert_false(rig->link.has_joined);
    rig->now_ns += S;
    (void)axi_vote_link_tick(&rig->link);
    assert_int_equal(rig->connects, 2);
    axi_vote_link_up(&rig->link, rig->number - 1); /* not the present one */
    assert_false(rig->link.is_up);
    axi_vote_link_up(&rig->link, rig->number);
    assert_true(rig->link.is_up);
    assert_true(rig->sent_bytes > 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(follows_the_masters_time),     CASE(a_slow_first_answer_is_made_good_by_the_next),
        CASE(bad_time_is_asked_for_soon),   CASE(time_never_goes_back),
        CASE(a_lost_master_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
