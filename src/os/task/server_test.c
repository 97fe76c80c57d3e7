/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "os/task/server.h"

#define Q 10u
#define T 100u

static struct axi_server server_at(uint64_t now_ns)
{
    struct axi_server server;

    axi_server_init(&server, Q, T);
    axi_server_wake(&server, now_ns);
    return server;
}

static void wakes_with_a_full_budget_and_a_fresh_deadline(void **state)
{
    struct axi_server server = server_at(1000);

    (void)state;
    assert_int_equal(server.deadline_ns, 1100);
    assert_int_equal(server.left_ns, Q);
}

static void keeps_its_deadline_when_the_rest_fits(void **state)
{
    struct axi_server server = server_at(1000);

    (void)state;
    axi_server_charge(&server, 6, 1010);
    axi_server_sleep(&server);
    axi_server_wake(&server, 1050); /* 4 left in 50: less than its share */
    assert_int_equal(server.deadline_ns, 1100);
    assert_int_equal(server.left_ns, 4);
    axi_server_sleep(&server);
    axi_server_wake(&server, 1061); /* 4 left in 39: more than its share */
    assert_int_equal(server.deadline_ns, 1161);
    assert_int_equal(server.left_ns, Q);
}

static void waking_an_awake_server_changes_nothing(void **state)
{
    struct axi_server server = server_at(1000);

    (void)state;
    axi_server_charge(&server, 9, 1090);
    axi_server_wake(&server, 1099);
    assert_int_equal(server.left_ns, 1);
    assert_int_equal(server.deadline_ns, 1100);
}

static void out_of_budget_it_waits_one_period_more(void **state)
{
    struct axi_server server = server_at(1000);

    (void)state;
    axi_server_charge(&server, Q, 1010);
    assert_int_equal(server.deadline_ns, 1200);
    assert_int_equal(server.left_ns, Q);
    axi_server_charge(&server, 2 * Q + 3, 1040); /* overdrawn: every budget costs a period */
    assert_int_equal(server.deadline_ns, 1400);
    assert_int_equal(server.left_ns, Q - 3);
    axi_server_charge(&server, Q, 5000); /* the clock was set forward meanwhile */
    assert_int_equal(server.deadline_ns, 5100);
}

static void runs_before_later_jobs_and_when_there_are_none(void **state)
{
    struct axi_server server = server_at(1000);

    (void)state;
    assert_true(axi_server_is_first(&server, UINT64_MAX));
    assert_true(axi_server_is_first(&server, 1101));
    assert_false(axi_server_is_first(&server, 1100));
    axi_server_sleep(&server);
    assert_false(axi_server_is_first(&server, UINT64_MAX));
}

/* The free time would otherwise be owed a second time, to a job that is due just before. */
static void after_free_time_it_starts_anew(void **state)
{
    struct axi_server server = server_at(1000);

    (void)state;
    axi_server_rejoin(&server, 1095); /* ran all the time, alone */
    assert_int_equal(server.deadline_ns, 1195);
    axi_server_charge(&server, 6, 1110);
    axi_server_rejoin(&server, 1120); /* its share for the 75 left is 7.5; 4 are left */
    assert_int_equal(server.deadline_ns, 1195);
    assert_int_equal(server.left_ns, 4);
}

/* Awake for ever beside a job that is always ready and due late: its share is Q of every T. */
static void a_flood_gets_no_more_than_its_share(void **state)
{
    struct axi_server server = server_at(0);
    uint64_t ran = 0;
    uint64_t job_deadline = T;

    (void)state;
    for (uint64_t now = 0; now < 100 * T; now++) {
        job_deadline = now / T * T + T; /* an implicit-deadline job in each period */
        if (axi_server_is_first(&server, job_deadline)) {
            ran++;
            axi_server_charge(&server, 1, now + 1);
        }
    }
    assert_in_range(ran, 0, 100 * Q + Q);
    (void)job_deadline;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_with_a_full_budget_and_a_fresh_deadline),
        cmocka_unit_test(keeps_its_deadline_when_the_rest_fits),
        cmocka_unit_test(waking_an_awake_server_changes_nothing),
        cmocka_unit_test(out_of_budget_it_waits_one_period_more),
        cmocka_unit_test(runs_before_later_jobs_and_when_there_are_none),
        cmocka_unit_test(after_free_time_it_starts_anew),
        cmocka_unit_test(a_flood_gets_no_more_than_its_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
