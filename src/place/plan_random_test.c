/* SPDX-License-Identifier: Apache-2.0 */
/* The planner against an exact solver on small random clusters, and properties that hold of every
 * plan. The seeds are fixed; a failing one is printed. */
#include "place/plan_sim.h"
#include "place/planner.h"

enum { SEEDS = 3000 };

/* ---- the exact solver ---- */

struct solver {
    const struct sim *sim;
    uint32_t where[SIM_TASKS];
    uint32_t most;               /* tasks placed in the best assignment */
    double score;                /* the least of those that place as many */
    struct axi_planner *planner; /* only adds up scores */
};

static double score_of(struct solver *solver)
{
    for (uint32_t t = 0; t < solver->sim->problem.task_count; t++) {
        axi_planner_take(solver->planner, t);
        if (solver->where[t] != AXI_PLAN_NONE) {
            axi_planner_put(solver->planner, t, solver->where[t]);
        }
    }
    return axi_score_total(solver->planner);
}

/* Depth first over all assignments; a partial one that does not hold is not continued, since
 * adding tasks heals nothing (targets are judged at the end). */
static void solve(struct solver *solver, uint32_t t, uint32_t placed)
{
    uint32_t left = (uint32_t)solver->sim->problem.task_count - t;

    if (placed + left < solver->most) {
        return;
    }
    if (left == 0) {
        if (sim_holds(solver->sim, solver->where)) {
            double score = score_of(solver);

            if (placed > solver->most || score < solver->score) {
                solver->score = score;
            }
            solver->most = placed;
        }
        return;
    }
    for (uint32_t n = 0; n < solver->sim->problem.node_count; n++) {
        if (sim_task_may(solver->sim, t, n)) {
            solver->where[t] = n;
            if (sim_holds_without_loss(solver->sim, solver->where)) {
                solve(solver, t + 1, placed + 1);
            }
            solver->where[t] = AXI_PLAN_NONE;
        }
    }
    solve(solver, t + 1, placed);
}

static void solve_all(struct solver *solver, const struct sim *sim)
{
    *solver = (struct solver){.sim = sim, .score = INFINITY};
    memset(solver->where, 0xff, sizeof(solver->where));
    assert_int_equal(axi_planner_new(&sim->problem, &solver->planner), 0);
    solver->planner->has_spares = false;
    solve(solver, 0, 0);
    axi_planner_free(solver->planner);
}

/* ---- */

static void collect(const struct sim *sim, const struct axi_plan *plan, uint32_t *where)
{
    memset(where, 0xff, SIM_TASKS * sizeof(*where));
    for (uint32_t t = 0; t < sim->problem.task_count; t++) {
        where[t] = plan->choices[t].node;
        assert_true((where[t] == AXI_PLAN_NONE) == (plan->choices[t].code != 0));
        assert_true(plan->choices[t].reason[0] != '\0');
    }
}

/* Of what can all be placed, nearly all is; what is placed holds; and it is placed well. */
static void plans_hold_and_come_near_the_best(void **state)
{
    uint32_t feasible = 0;
    uint32_t found = 0;
    uint32_t most = 0;
    uint32_t placed = 0;
    double worst = 0;
    double sum = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct axi_plan plan = {0};
        struct solver solver;
        struct sim sim;
        uint32_t where[SIM_TASKS];

        sim_make(&sim, seed);
        assert_int_equal(axi_plan_make(&sim.problem, NULL, &plan), 0);
        collect(&sim, &plan, where);
        if (!sim_holds(&sim, where)) {
            fail_msg("seed %llu: the plan breaks a filter", (unsigned long long)seed);
        }
        solve_all(&solver, &sim);
        if (plan.placed > solver.most) {
            fail_msg("seed %llu: the solver is no oracle", (unsigned long long)seed);
        }
        most += solver.most;
        placed += (uint32_t)plan.placed;
        if (solver.most == sim.problem.task_count) {
            feasible++;
            if (plan.refused == 0) {
                double gap = plan.score - solver.score;

                found++;
                sum += gap / (solver.score + 1);
                worst = fmax(worst, gap / (solver.score + 1));
            } else {
                print_message("seed %llu: %zu refused\n", (unsigned long long)seed, plan.refused);
            }
        }
        axi_plan_clear(&plan);
    }
    print_message("%u of %u feasible found; %u of %u tasks placed; score above the least: mean "
                  "%.4f, worst %.3f of (it + 1)\n",
                  found, feasible, placed, most, sum / found, worst);
    assert_true(feasible > SEEDS / 5);
    assert_true(found * 1000 >= feasible * 995);
    assert_true(placed * 1000 >= most * 990);
    assert_true(sum / found < 0.01 && worst < 0.5);
}

/* Some tasks are where a plan has put them; the planner's verdict on one more is the judge's. */
static void each_verdict_is_that_of_the_whole_assignment(void **state)
{
    uint32_t verdicts[2] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct axi_plan plan = {0};
        struct sim sim;
        uint32_t where[SIM_TASKS];
        uint32_t last = 0;

        sim_make(&sim, seed);
        last = (uint32_t)sim.problem.task_count - 1;
        sim.problem.task_count -= sim.tasks[last].service == AXI_PLAN_NONE;
        assert_int_equal(axi_plan_make(&sim.problem, NULL, &plan), 0);
        collect(&sim, &plan, where);
        axi_plan_clear(&plan);
        sim.problem.task_count = last + 1;
        where[last] = AXI_PLAN_NONE;
        for (uint32_t t = 0; t <= last; t++) {
            sim.tasks[t].node = where[t];
        }
        for (uint32_t n = 0; n < sim.problem.node_count; n++) {
            double score = 0;
            int code = axi_plan_judge(&sim.problem, last, n, &score, NULL);
            bool holds = false;

            where[last] = n;
            holds = sim_entry(&sim, last, n) >= 0 && sim_holds(&sim, where);
            if (holds != (code == 0)) {
                fail_msg("seed %llu: %d on node %u", (unsigned long long)seed, code, n);
            }
            verdicts[holds]++;
        }
    }
    assert_true(verdicts[0] > SEEDS / 2 && verdicts[1] > SEEDS / 2);
}

/* Tasks that run somewhere, some of which must leave: those that stay without a word are right
 * where they are, nothing unmovable moves, no more move than may; and the same comes twice. */
static void plans_for_what_runs_keep_the_rules(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct axi_plan plans[2] = {{0}, {0}};
        struct axi_plan_options options = {.is_rebalancing = seed % 3 == 0,
                                           .moves_max = (uint32_t)(seed % 4)};
        struct axi_plan plan = {0};
        struct sim sim;
        uint32_t where[SIM_TASKS];
        bool is_clean = true;

        sim_make(&sim, seed);
        assert_int_equal(axi_plan_make(&sim.problem, NULL, &plan), 0);
        for (uint32_t t = 0; t < sim.problem.task_count; t++) {
            sim.tasks[t].node = sim_draw(&sim, 4) != 0 ? plan.choices[t].node : AXI_PLAN_NONE;
            sim.tasks[t].is_movable = sim_draw(&sim, 5) != 0;
        }
        axi_plan_clear(&plan);
        sim.nodes[sim_draw(&sim, sim.problem.node_count)].is_leaving = sim_draw(&sim, 2) == 0;
        assert_int_equal(axi_plan_make(&sim.problem, &options, &plans[0]), 0);
        assert_int_equal(axi_plan_make(&sim.problem, &options, &plans[1]), 0);
        assert_memory_equal(plans[0].choices, plans[1].choices,
                            sim.problem.task_count * sizeof(*plans[0].choices));
        assert_true(options.moves_max == 0 || plans[0].moved <= options.moves_max);
        memset(where, 0xff, sizeof(where));
        for (uint32_t t = 0; t < sim.problem.task_count; t++) {
            where[t] = plans[0].choices[t].node;
            is_clean = is_clean && plans[0].choices[t].code == 0 &&
                       (where[t] == AXI_PLAN_NONE || !sim.nodes[where[t]].is_leaving);
            assert_true(sim.tasks[t].is_movable || sim.tasks[t].node == AXI_PLAN_NONE ||
                        where[t] == sim.tasks[t].node);
        }
        if (is_clean && !sim_holds_without_loss(&sim, where)) {
            fail_msg("seed %llu: the plan breaks a filter", (unsigned long long)seed);
        }
        axi_plan_clear(&plans[0]);
        axi_plan_clear(&plans[1]);
    }
}

static uint32_t count_nodes(const struct sim *sim, uint32_t task)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < sim->problem.node_count; n++) {
        double score = 0;

        count += axi_plan_judge(&sim->problem, task, n, &score, NULL) == 0;
    }
    return count;
}

/* One more node takes no feasible node away; more work or less time makes no node feasible. */
static void verdicts_follow_the_problem(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct axi_place_entry heavier[SIM_PLATFORMS];
        struct axi_plan plan = {0};
        struct sim sim;
        uint32_t last = 0;
        uint32_t before = 0;

        sim_make(&sim, seed);
        last = (uint32_t)sim.problem.task_count - 1;
        assert_int_equal(axi_plan_make(&sim.problem, NULL, &plan), 0);
        for (uint32_t t = 0; t < last; t++) {
            sim.tasks[t].node = plan.choices[t].node;
        }
        axi_plan_clear(&plan);
        before = count_nodes(&sim, last);
        sim.problem.node_count++;
        assert_true(count_nodes(&sim, last) >= before);
        before = count_nodes(&sim, last);
        memcpy(heavier, sim.tasks[last].what.entries, sizeof(heavier));
        for (int p = 0; p < SIM_PLATFORMS; p++) {
            heavier[p].wcet_ns += heavier[p].wcet_ns / 8;
            heavier[p].elf_bytes += 20;
        }
        sim.tasks[last].what.entries = heavier;
        sim.tasks[last].what.deadline_ns -= sim.tasks[last].what.deadline_ns / 8;
        assert_true(count_nodes(&sim, last) <= before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_hold_and_come_near_the_best),
        cmocka_unit_test(each_verdict_is_that_of_the_whole_assignment),
        cmocka_unit_test(plans_for_what_runs_keep_the_rules),
        cmocka_unit_test(verdicts_follow_the_problem),
    };

    return cmocka_run_group_tests_name("plan_random", tests, NULL, NULL);
}
