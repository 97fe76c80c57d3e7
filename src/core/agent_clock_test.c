/* SPDX-License-Identifier: Apache-2.0 */
/* Who steers master time, what bound is declared, and what it does to admission. */
#include "core/agent_sim.h"

#define US UINT64_C(1000)
#define SECOND (1000 * MS)

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

static uint64_t master_ns(void)
{
    return axi_time_to_master(&node->timebase, (struct axc_time_local){node->now_ns}).ns;
}

/* The source says: master time is `ahead_ns` before local time, within bound_ns. */
static void clock_says(uint32_t servo_state, int64_t ahead_ns, uint64_t bound_ns)
{
    const struct axi_servo_estimate estimate = {
        .state = servo_state,
        .master_ns = node->now_ns + (uint64_t)ahead_ns,
        .bound_ns = bound_ns,
        .growth_ppm = 1,
        .offset_ns = 42,
    };

    axi_agent_clock(node->agent, (struct axc_time_local){node->now_ns}, &estimate, 0xabcdef,
                    AXI_PTP_UPDATED | AXI_PTP_STATE_CHANGED);
}

static const axi_Heartbeat *next_heartbeat(void)
{
    struct fake_frame *frame;

    forget_heard(node);
    pass_time(node, NULL, 100 * MS);
    frame = heard(node, AXI_WIRE_HEARTBEAT);
    assert_non_null(frame);
    renew(node, 600 * MS);
    return &frame->m.Heartbeat;
}

static void join_as(struct axi_agent_config config)
{
    struct axi_agent_port port = fake_port;

    fake_free(node);
    node = fake_new(1);
    node->now_ns = 100 * SECOND;
    config.timebase = &node->timebase;
    port.context = node;
    node->agent = axi_agent_init(node->memory, &config, &port);
    join(node);
    renew(node, 600 * MS);
}

static void join_with_clock(uint64_t clock_bound_ns, uint64_t latency_ns)
{
    struct axi_agent_config config = fake_config(node, 1);

    config.has_clock = true;
    config.clock_bound_ns = clock_bound_ns;
    config.latency_ns = latency_ns;
    join_as(config);
}

static void load_and_start(void)
{
    node->has_image = true;
    load(node, 1, 5);
    expect_result(node, 1, 0);
    start(node, 2, 5);
    expect_result(node, 2, 0);
}

static void a_node_without_a_source_makes_no_claim(void **state)
{
    struct axi_agent_status status;

    (void)state;
    join(node);
    renew(node, 600 * MS);
    load_and_start();
    axi_agent_get_status(node->agent, &status);
    assert_int_equal(status.delta_ns, 0);
    assert_int_equal(axi_timebase_compensation_ns(&node->timebase), 0);
    assert_false(next_heartbeat()->has_clock);
}

static void the_source_steers_from_its_first_lock_on(void **state)
{
    const axi_Heartbeat *heartbeat;

    (void)state;
    join_with_clock(0, 0);
    clock_says(AXI_SERVO_LOCKING, (int64_t)(5 * SECOND), 30 * US);
    assert_int_equal(master_ns(), node->now_ns);
    clock_says(AXI_SERVO_LOCKED, (int64_t)(5 * SECOND), 30 * US);
    assert_int_equal(master_ns(), node->now_ns + 5 * SECOND); /* nobody could see the step */
    heartbeat = next_heartbeat();
    assert_true(heartbeat->has_clock);
    assert_int_equal(heartbeat->clock_state, AXI_SERVO_LOCKED);
    assert_int_equal(heartbeat->clock_steps, 1);
    assert_int_equal(heartbeat->clock_jumps, 0);
    assert_int_equal(heartbeat->clock_offset_ns, 42);
    assert_int_equal(heartbeat->grandmaster, 0xabcdef);
    assert_int_equal(heartbeat->delta_ns, 50 * US);
    assert_int_equal(master_ns(), node->now_ns + 5 * SECOND); /* the ack did not move it */
    heartbeat = next_heartbeat();
    assert_int_equal(heartbeat->master_offset_ns, 5 * SECOND); /* ... but is compared with */
}

static void master_time_never_steps_under_an_instance(void **state)
{
    const axi_Heartbeat *heartbeat;

    (void)state;
    join_with_clock(0, 0);
    clock_says(AXI_SERVO_LOCKED, 0, 10 * US);
    load_and_start();
    clock_says(AXI_SERVO_LOCKED, (int64_t)(3600 * SECOND), 10 * US);
    assert_int_equal(master_ns(), node->now_ns);
    clock_says(AXI_SERVO_LOCKED, (int64_t)(3600 * SECOND), 10 * US);
    heartbeat = next_heartbeat();
    assert_int_equal(heartbeat->clock_steps, 0);
    assert_int_equal(heartbeat->clock_jumps, 1); /* one event, however often it is said */
    assert_true(heartbeat->clock_bound_ns > 3599 * SECOND);
    assert_in_range(master_ns(), node->now_ns + 49 * US, node->now_ns + 51 * US);
    assert_int_equal(heartbeat->victim, 77);
}

static void heartbeats_take_over_when_the_source_is_silent_for_long(void **state)
{
    struct axi_agent_status status;

    (void)state;
    join_with_clock(0, 0);
    clock_says(AXI_SERVO_LOCKED, 0, 10 * US);
    for (int i = 0; i < 590; i++) {
        (void)next_heartbeat();
    }
    axi_agent_get_status(node->agent, &status);
    assert_true(status.is_clocked);
    for (int i = 0; i < 20; i++) {
        clock_says(AXI_SERVO_LOCKING, 0, 10 * US); /* it lives: the silence counts from here */
    }
    for (int i = 0; i < 590; i++) {
        (void)next_heartbeat();
    }
    axi_agent_get_status(node->agent, &status);
    assert_true(status.is_clocked);
    for (int i = 0; i < 20; i++) {
        (void)next_heartbeat();
    }
    axi_agent_get_status(node->agent, &status);
    assert_false(status.is_clocked);
}

static void delta_rises_at_once_and_falls_after_a_while(void **state)
{
    (void)state;
    join_with_clock(0, 0);
    clock_says(AXI_SERVO_LOCKED, 0, 3 * US);
    assert_int_equal(next_heartbeat()->delta_ns, 5 * US);
    clock_says(AXI_SERVO_LOCKED, 0, 5 * US);
    assert_int_equal(next_heartbeat()->delta_ns, 10 * US);
    for (int i = 0; i < 90; i++) {
        clock_says(AXI_SERVO_LOCKED, 0, 3 * US);
        assert_int_equal(next_heartbeat()->delta_ns, 10 * US);
    }
    for (int i = 0; i < 20; i++) {
        clock_says(AXI_SERVO_LOCKED, 0, 3 * US);
        (void)next_heartbeat();
    }
    assert_int_equal(next_heartbeat()->delta_ns, 5 * US);
}

static void a_configured_bound_is_declared_until_it_is_exceeded(void **state)
{
    (void)state;
    join_with_clock(100 * US, 0);
    clock_says(AXI_SERVO_LOCKED, 0, 3 * US);
    assert_int_equal(next_heartbeat()->delta_ns, 100 * US);
    clock_says(AXI_SERVO_LOCKED, 0, 150 * US);
    assert_int_equal(next_heartbeat()->delta_ns, 200 * US);
}

static void admission_takes_clock_error_and_latency_off_the_deadline(void **state)
{
    struct fake_frame *frame;

    (void)state;
    join_with_clock(7 * MS, 1001 * US); /* D 10 ms - 8.001 ms < C 2 ms */
    clock_says(AXI_SERVO_LOCKED, 0, 1 * US);
    forget_heard(node);
    load(node, 1, 5);
    frame = heard(node, AXI_WIRE_RESULT);
    assert_non_null(frame);
    assert_int_equal(frame->m.Result.code, -AXC_EADMIT_DEADLINE);
    assert_string_equal(frame->m.Result.reason,
                        "D 10000 - Delta_max 7000 - d 1001 us is less than C 2000 us: needs "
                        "better sync or D >= 10001 us");
    join_with_clock(7 * MS, 500 * US);
    clock_says(AXI_SERVO_LOCKED, 0, 1 * US);
    load_and_start();
    assert_int_equal(axi_timebase_compensation_ns(&node->timebase), 7500 * US);
}

static void measured_latency_is_the_longest_recent_round_trip(void **state)
{
    struct axi_agent_config config = fake_config(node, 1);

    (void)state;
    config.is_latency_measured = true;
    join_as(config);
    assert_int_equal(next_heartbeat()->latency_ns, 0); /* no time passes in here */
    forget_heard(node);
    pass_time(node, NULL, 100 * MS);
    assert_non_null(heard(node, AXI_WIRE_HEARTBEAT));
    node->now_ns += 3 * MS;
    renew(node, 600 * MS);
    assert_int_equal(next_heartbeat()->latency_ns, 5 * MS);
    assert_int_equal(next_heartbeat()->delta_ns, 0);
    for (int i = 0; i < 200; i++) {
        (void)next_heartbeat();
    }
    assert_int_equal(next_heartbeat()->latency_ns, 0);
}

static void worse_sync_names_the_task_that_should_go(void **state)
{
    (void)state;
    join_with_clock(0, 0);
    clock_says(AXI_SERVO_LOCKED, 0, 1 * MS);
    load_and_start();
    assert_int_equal(next_heartbeat()->victim, 0);
    clock_says(AXI_SERVO_HOLDOVER, 0, 9 * MS); /* D' = 10 - 20 ms */
    assert_int_equal(next_heartbeat()->victim, 77);
    clock_says(AXI_SERVO_LOCKED, 0, 1 * MS); /* a new lock is taken at its word */
    assert_int_equal(next_heartbeat()->victim, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_node_without_a_source_makes_no_claim, setup, teardown),
        cmocka_unit_test_setup_teardown(the_source_steers_from_its_first_lock_on, setup, teardown),
        cmocka_unit_test_setup_teardown(master_time_never_steps_under_an_instance, setup, teardown),
        cmocka_unit_test_setup_teardown(heartbeats_take_over_when_the_source_is_silent_for_long,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(delta_rises_at_once_and_falls_after_a_while, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_configured_bound_is_declared_until_it_is_exceeded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(admission_takes_clock_error_and_latency_off_the_deadline,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(measured_latency_is_the_longest_recent_round_trip, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(worse_sync_names_the_task_that_should_go, setup, teardown),
    };

    return cmocka_run_group_tests_name("agent_clock", tests, NULL, NULL);
}
