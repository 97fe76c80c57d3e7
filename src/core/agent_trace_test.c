/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a node without a disk, as its master hears of it. */
#include "core/agent_sim.h"

static struct fake_node *node;

static int setup(void **state)
{
    (void)state;
    node = fake_new(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_free(node);
    return 0;
}

static void join_traced(void)
{
    settle(node, NULL);
    axi_agent_link_up(node->agent, node->master_link, false);
    assert_int_equal(node->frames[0].m.Hello.features & AXI_FEATURE_TRACE, AXI_FEATURE_TRACE);
    say(node, AXI_WIRE_HELLO_REPLY,
        &(axi_HelloReply){.protocol = 1, .heartbeat_ns = 100 * MS, .features = AXI_FEATURE_TRACE},
        NULL, 0);
    settle(node, NULL);
}

static void record(uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        axi_agent_trace(node->agent,
                        &(struct axi_trace){.job = i, .kind = AXI_TRACE_RELEASED, .slot = 0xffff});
    }
}

/* The last TraceRecords that was sent; asserts what it holds. */
static void expect(uint64_t first, uint64_t count)
{
    const struct fake_frame *frame = heard(node, AXI_WIRE_TRACE_RECORDS);
    struct axi_trace got;

    assert_non_null(frame);
    assert_int_equal(frame->m.TraceRecords.first, first);
    assert_int_equal(frame->tail_bytes, count * sizeof(got));
    for (uint64_t i = 0; i < count; i++) {
        memcpy(&got, frame->tail + i * sizeof(got), sizeof(got));
        assert_int_equal(got.job, first + i);
    }
}

static void records_go_out_in_order_and_once(void **state)
{
    (void)state;
    join_traced();
    record(0, 5);
    pass_time(node, NULL, 50 * MS);
    expect(0, 5);
    record(5, 3);
    pass_time(node, NULL, 50 * MS);
    expect(5, 3);
}

static void nothing_goes_out_unasked(void **state)
{
    (void)state;
    join(node);
    record(0, 5);
    pass_time(node, NULL, 50 * MS);
    assert_null(heard(node, AXI_WIRE_TRACE_RECORDS));
}

static void what_was_not_acknowledged_comes_again_after_a_reconnect(void **state)
{
    (void)state;
    join_traced();
    record(0, 5);
    pass_time(node, NULL, 50 * MS);
    say(node, AXI_WIRE_TRACE_ACK, &(axi_TraceAck){.next = 2}, NULL, 0);
    axi_agent_link_down(node->agent, node->master_link, -AXC_EIO);
    record(5, 1);
    pass_time(node, NULL, 1000 * MS);
    forget_heard(node);
    join_traced();
    pass_time(node, NULL, 50 * MS);
    expect(2, 4);
}

static void an_overflow_shows_as_a_gap(void **state)
{
    (void)state;
    record(0, FAKE_TRACES + 30);
    join_traced();
    pass_time(node, NULL, 50 * MS);
    expect(30, FAKE_TRACES);
}

static void a_false_acknowledgement_changes_nothing(void **state)
{
    (void)state;
    join_traced();
    record(0, 5);
    pass_time(node, NULL, 50 * MS);
    expect(0, 5);
    say(node, AXI_WIRE_TRACE_ACK, &(axi_TraceAck){.next = 6}, NULL, 0);
    say(node, AXI_WIRE_TRACE_ACK, &(axi_TraceAck){.next = UINT64_MAX}, NULL, 0);
    record(5, 1);
    pass_time(node, NULL, 50 * MS);
    expect(5, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_go_out_in_order_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_goes_out_unasked, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_acknowledged_comes_again_after_a_reconnect,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_overflow_shows_as_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(a_false_acknowledgement_changes_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
