/* SPDX-License-Identifier: Apache-2.0 */
/* The admission test against two judges that share no code with it, on a million random sets. */
#include "core/demand_sim.h"
#include "support/test.h"

#define SETS 1000000u

static uint64_t draw(void *context, uint64_t below)
{
    uint64_t *seed = context;

    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 33) % below;
}

static void print_set(const struct demand_sim_set *set)
{
    for (uint32_t i = 0; i < set->n; i++) {
        print_error("C %u T %u D' %u\n", (unsigned)set->tasks[i].wcet_ns,
                    (unsigned)set->tasks[i].period_ns, (unsigned)set->tasks[i].deadline_ns);
    }
}

static void qpa_brute_force_and_simulation_never_disagree(void **state)
{
    uint64_t seed = 20260;
    uint32_t admitted = 0;

    (void)state;
    for (uint32_t i = 0; i < SETS; i++) {
        struct demand_sim_set set;
        enum demand_sim_result result;

        demand_sim_make(&set, draw, &seed);
        result = demand_sim_compare(&set);
        if (result == DEMAND_SIM_DISAGREE) {
            print_set(&set);
            fail_msg("set %u, capacity %u ppm: the judges disagree", i, (unsigned)set.capacity_ppm);
        }
        admitted += result == DEMAND_SIM_ADMITTED;
    }
    assert_in_range(admitted, SETS / 5, SETS - SETS / 5); /* both verdicts are met often */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qpa_brute_force_and_simulation_never_disagree),
    };

    return cmocka_run_group_tests_name("demand_random", tests, NULL, NULL);
}
