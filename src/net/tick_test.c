/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tick.h"

#include "net/host.h"
#include "support/test.h"

#include <time.h>

#define MS UINT64_C(1000000)

struct rig {
    uv_loop_t loop;
    struct axi_tick tick;
    uv_async_t first, second;
    uint64_t next_ns;
    unsigned wanted, ran, ran_before;
};

static uint64_t run(void *context)
{
    struct rig *rig = context;

    rig->ran++;
    return rig->next_ns;
}

static void setup(struct rig *rig, uint64_t next_ns)
{
    *rig = (struct rig){.next_ns = next_ns};
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    axi_tick_init(&rig->tick, &rig->loop, run, rig);
}

static void teardown(struct rig *rig)
{
    axi_tick_close(&rig->tick);
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static void want(uv_async_t *async)
{
    struct rig *rig = async->data;

    rig->wanted++;
    rig->ran_before = rig->ran;
    axi_tick_want(&rig->tick);
}

static void runs_once_after_all_that_one_turn_brought(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, UINT64_MAX);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_int_equal(rig.ran, 1); /* due from the start */
    (void)uv_async_init(&rig.loop, &rig.first, want);
    (void)uv_async_init(&rig.loop, &rig.second, want);
    rig.first.data = rig.second.data = &rig;
    (void)uv_async_send(&rig.first);
    (void)uv_async_send(&rig.second);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_int_equal(rig.wanted, 2);
    assert_int_equal(rig.ran_before, 1);
    assert_int_equal(rig.ran, 2);
    uv_close((uv_handle_t *)&rig.first, NULL);
    uv_close((uv_handle_t *)&rig.second, NULL);
    teardown(&rig);
}

static void the_loop_does_not_wait_while_it_is_due(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, UINT64_MAX);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_true(uv_backend_timeout(&rig.loop) > 0);
    axi_tick_want(&rig.tick);
    assert_int_equal(uv_backend_timeout(&rig.loop), 0);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_int_equal(rig.ran, 2);
    assert_true(uv_backend_timeout(&rig.loop) > 0);
    teardown(&rig);
}

/* Its time has come, and a message, too: the message first. */
static void reads_before_it_runs(void **state)
{
    struct rig rig;

    (void)state;
    setup(&rig, 0);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_int_equal(rig.ran, 1);
    (void)uv_async_init(&rig.loop, &rig.first, want);
    rig.first.data = &rig;
    (void)uv_async_send(&rig.first);
    while (rig.wanted == 0) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    assert_int_equal(rig.ran_before, 1);
    uv_close((uv_handle_t *)&rig.first, NULL);
    teardown(&rig);
}

static void runs_when_its_time_has_come(void **state)
{
    uint64_t start_ns = axi_host_clock_ns(CLOCK_BOOTTIME);
    struct rig rig;

    (void)state;
    setup(&rig, start_ns + 20 * MS);
    while (rig.ran < 2) {
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    assert_true(axi_host_clock_ns(CLOCK_BOOTTIME) >= start_ns + 20 * MS);
    teardown(&rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_once_after_all_that_one_turn_brought),
        cmocka_unit_test(the_loop_does_not_wait_while_it_is_due),
        cmocka_unit_test(reads_before_it_runs),
        cmocka_unit_test(runs_when_its_time_has_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
