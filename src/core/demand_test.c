/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <stdbool.h>

#include "core/demand.h"

static void refuses_a_task_without_wcet(void **state)
{
    const struct axi_demand_task task = {.period_ns = 10, .deadline_ns = 10};

    (void)state;
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 1000000, NULL), -AXC_EADMIT_NO_WCET);
}

static void refuses_a_deadline_below_the_wcet(void **state)
{
    const struct axi_demand_task task = {.wcet_ns = 6, .period_ns = 10, .deadline_ns = 5};

    (void)state;
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 1000000, NULL), -AXC_EADMIT_DEADLINE);
}

static void thirds_fill_the_processor_exactly(void **state)
{
    const struct axi_demand_task third = {.wcet_ns = 1, .period_ns = 3, .deadline_ns = 3};
    const struct axi_demand_task tasks[] = {third, third, third};
    const struct axi_demand_task more = {
        .wcet_ns = 1, .period_ns = 1000000000000, .deadline_ns = 1000000000000};
    struct axi_demand_verdict verdict;

    (void)state;
    assert_int_equal(axi_demand_admit(tasks, 2, &third, 1000000, &verdict), 0);
    assert_int_equal(verdict.density_ppm, 1000000 + 1); /* rounded up */
    assert_int_equal(axi_demand_admit(tasks, 3, &more, 1000000, &verdict), -AXC_EADMIT_LOAD);
}

static void counts_the_deadline_when_it_is_shorter(void **state)
{
    const struct axi_demand_task task = {.wcet_ns = 5, .period_ns = 100, .deadline_ns = 10};
    struct axi_demand_verdict verdict;

    (void)state;
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 500000, &verdict), 0);
    assert_int_equal(verdict.density_ppm, 500000);
    assert_int_equal(axi_demand_admit(NULL, 0, &task, 499999, &verdict), -AXC_EADMIT_LOAD);
}

static void large_numbers_do_not_overflow(void **state)
{
    const struct axi_demand_task task = {
        .wcet_ns = UINT64_MAX, .period_ns = 1, .deadline_ns = UINT64_MAX};
    struct axi_demand_verdict verdict;

    (void)state;
    assert_int_equal(axi_demand_admit(&task, 1, &task, 1000000, &verdict), -AXC_EADMIT_LOAD);
    assert_true(verdict.density_ppm > 1000000);
}

/* tests/model/vectors/edf.json: every case, its verdict confirmed there by simulation. */
static const struct vector {
    const char *id;
    struct axi_demand_task tasks[4]; /* C, T, D' */
    uint32_t count;
    int load_sign;
    bool schedulable;
    uint64_t violation_ns;
    uint64_t busy_ns;
} vectors[] = {
    {"E01", {{2, 6, 4}, {2, 8, 5}, {3, 9, 7}}, 3, -1, true, 0, 16},
    {"E02", {{2, 6, 3}, {2, 8, 4}, {3, 9, 6}}, 3, -1, false, 15, 16},
    {"E03",
     {{2000, 6000, 3500}, {2000, 8000, 4500}, {3000, 9000, 6500}},
     3,
     -1,
     false,
     15500,
     16000},
    {"E04", {{1, 2, 2}, {1, 3, 3}, {1, 6, 6}}, 3, 0, true, 0, 6},
    {"E05b", {{2, 4, 3}, {2, 8, 7}, {3, 12, 11}}, 3, 0, false, 23, 24},
    {"E07a", {{1, 30, 30}, {3, 15, 8}, {4, 20, 17}, {4, 8, 5}}, 4, -1, true, 0, 39},
    {"E07b", {{1, 30, 30}, {3, 15, 7}, {4, 20, 17}, {4, 8, 5}}, 4, -1, false, 37, 39},
};

static void golden_vectors_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *v = &vectors[i];
        struct axi_demand_verdict verdict;
        int error =
            axi_demand_admit(v->tasks, v->count - 1, &v->tasks[v->count - 1], 1000000, &verdict);

        assert_int_equal(error, v->schedulable ? 0 : -AXC_EADMIT_LOAD);
        assert_int_equal(verdict.load_sign, v->load_sign);
        assert_int_equal(verdict.violation_ns, v->violation_ns);
        assert_true(verdict.busy_ns == 0 || verdict.busy_ns == v->busy_ns);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Compares the loads over the common multiple 120 of the periods and walks every window up to a
 * time by which every excess has shown. */
static bool walk_admits(const struct axi_demand_task *tasks, uint32_t n, uint64_t capacity_ppm)
{
    uint64_t load = 0;

    for (uint32_t i = 0; i < n; i++) {
        load += tasks[i].wcet_ns * (120 / tasks[i].period_ns);
    }
    if (load * 1000000 > capacity_ppm * 120) {
        return false;
    }
    for (uint64_t t = 1; t <= 500; t++) {
        uint64_t work = 0;

        for (uint32_t i = 0; i < n; i++) {
            if (t >= tasks[i].deadline_ns) {
                work += ((t - tasks[i].deadline_ns) / tasks[i].period_ns + 1) * tasks[i].wcet_ns;
            }
        }
        if (work * 1000000 > capacity_ppm * t) {
            return false;
        }
    }
    return true;
}

static void agrees_with_walking_every_window(void **state)
{
    static const uint64_t periods[] = {2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30};
    uint64_t seed = 1;
    uint32_t admitted = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct axi_demand_task tasks[4];
        uint32_t n = 1 + (uint32_t)(next_random(&seed) % 4);
        uint64_t capacity_ppm = next_random(&seed) % 2 ? 1000000 : 700000;
        bool fits = true;
        bool wanted = false;
        int error = 0;

        for (uint32_t i = 0; i < n; i++) {
            uint64_t period = periods[next_random(&seed) % 12];

            tasks[i] = (struct axi_demand_task){.wcet_ns = 1 + next_random(&seed) % (period / 2),
                                                .period_ns = period,
                                                .deadline_ns = 1 + next_random(&seed) % 40};
            fits = fits && tasks[i].deadline_ns >= tasks[i].wcet_ns;
        }
        if (!fits) {
            continue;
        }
        error = axi_demand_admit(tasks, n - 1, &tasks[n - 1], capacity_ppm, NULL);
        wanted = walk_admits(tasks, n, capacity_ppm);
        assert_int_equal(error == 0, wanted);
        admitted += wanted;
    }
    assert_in_range(admitted, 1000, 19000);
}

static void full_load_is_compared_exactly(void **state)
{
    /* 1/p + (p-1)/p with p near 2^61: one unit more in 2^61 is too much */
    const uint64_t p = ((uint64_t)1 << 61) - 1;
    const struct axi_demand_task one = {1, p, p};
    const struct axi_demand_task rest = {p - 1, p, p};
    const struct axi_demand_task full = {p, p, p};

    (void)state;
    assert_int_equal(axi_demand_admit(&one, 1, &rest, 1000000, NULL), 0);
    assert_int_equal(axi_demand_admit(&one, 1, &full, 1000000, NULL), -AXC_EADMIT_LOAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_task_without_wcet),
        cmocka_unit_test(refuses_a_deadline_below_the_wcet),
        cmocka_unit_test(thirds_fill_the_processor_exactly),
        cmocka_unit_test(counts_the_deadline_when_it_is_shorter),
        cmocka_unit_test(large_numbers_do_not_overflow),
        cmocka_unit_test(golden_vectors_match),
        cmocka_unit_test(agrees_with_walking_every_window),
        cmocka_unit_test(full_load_is_compared_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
