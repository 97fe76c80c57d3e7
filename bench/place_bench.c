/* SPDX-License-Identifier: Apache-2.0 */
/* Placement: one core, medians of several runs, one JSON object a line (bench/run). Clusters are
 * drawn with a fixed seed: three platforms, two ISAs, capacity 0.8; tasks with periods of 1 to 100
 * ms, deadlines of 0.5 to 1 period, a load so that the cluster is filled by as much as said; every
 * fifth belongs to a service of three diverse replicas with a target. */
#include "manifest/spec.h"
#include "place/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NODES = 1000, EACH = 10, TASKS = NODES * EACH, SERVICES = TASKS / 15, RUNS = 5 };

static uint64_t state = 88172645463325252u;
static struct axi_plan_node nodes[NODES];
static struct axi_plan_task tasks[TASKS + 1];
static struct axi_place_entry entries[TASKS + 1][3];
static struct axi_plan_service services[SERVICES];
static const struct axi_plan_problem problem = {nodes, tasks, services, NODES, TASKS + 1, SERVICES};
static const char *const platforms[] = {"linux-x86_64", "linux-aarch64", "axcan-virt"};

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static void draw_task(size_t i, uint64_t load_ppm)
{
    uint64_t period = 1000000 * (1 + draw(100));
    uint64_t mean = period / 1000000 * load_ppm * 8 / 10 / EACH;

    for (int p = 0; p < 3; p++) {
        entries[i][p] =
            (struct axi_place_entry){platforms[p], mean / 2 + draw(mean + 1), 10000 + draw(90000)};
    }
    tasks[i] = (struct axi_plan_task){.id = i,
                                      .name = "task",
                                      .what = {.deadline_ns = period / 2 + draw(period / 2),
                                               .period_ns = period,
                                               .needs = 1,
                                               .state_bytes = 1024,
                                               .entries = entries[i],
                                               .entry_count = 3},
                                      .service = AXI_PLAN_NONE,
                                      .node = AXI_PLAN_NONE,
                                      .criticality = (uint32_t)draw(4),
                                      .is_movable = true};
}

static void draw_cluster(uint64_t load_ppm, size_t asking)
{
    state = 88172645463325252u;
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = (struct axi_plan_node){.place = {.id = i + 1,
                                                    .name = "node",
                                                    .platforms = {platforms[i % 3]},
                                                    .platform_count = 1,
                                                    .services = 7,
                                                    .assurance = 1,
                                                    .capacity_ppm = 800000,
                                                    .free_slots = 64,
                                                    .memory_free_bytes = 64 << 20,
                                                    .is_ready = true,
                                                    .margin = {draw(20000), draw(20000)}},
                                          .isa = i % 3 == 0 ? "x86_64" : "aarch64",
                                          .latency_ns = draw(1000000),
                                          .fail_per_hour = 1e-5 * (double)(1 + draw(9)),
                                          .platform_fail_per_hour = 1e-9};
    }
    for (size_t i = 0; i <= TASKS; i++) {
        draw_task(i, load_ppm);
    }
    for (size_t i = 0; i < SERVICES; i++) {
        services[i] =
            (struct axi_plan_service){.name = "service",
                                      .needed = 2,
                                      .diversity = AXI_DIVERSE_PLATFORM | AXI_DIVERSE_REQUIRED,
                                      .fail_per_hour_max = 1e-7,
                                      .survives_node_loss = i < asking};
        for (size_t r = 0; r < 3; r++) {
            size_t t = i * 15 + r;

            tasks[t].what = tasks[i * 15].what;
            tasks[t].criticality = tasks[i * 15].criticality;
            tasks[t].service = (uint32_t)i;
        }
    }
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print(const char *name, double *runs, const char *goal, const char *note)
{
    qsort(runs, RUNS, sizeof(*runs), by_value);
    (void)printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"ms\", \"goal\": \"%s\", "
                 "\"note\": \"%s\"}\n",
                 name, runs[RUNS / 2], goal, note);
    (void)fflush(stdout);
}

static void check(int error, const char *what)
{
    if (error != 0) {
        (void)fprintf(stderr, "place_bench: %s: %s\n", what, axi_error_text(error));
        exit(1);
    }
}

/* The cluster's plan; all but the last task stay where it puts them when is_kept. */
static void measure_plan(const char *name, uint64_t load_ppm, size_t asking, const char *goal,
                         bool is_kept)
{
    struct axi_plan plan = {0};
    double runs[RUNS];
    char note[128];

    for (int run = 0; run < RUNS; run++) {
        double start = 0;

        draw_cluster(load_ppm, asking);
        start = now_ms();
        check(axi_plan_make(&problem, NULL, &plan), name);
        runs[run] = now_ms() - start;
        (void)snprintf(note, sizeof(note), "%zu placed, %zu refused; score %.4g", plan.placed,
                       plan.refused, plan.score);
        for (size_t i = 0; is_kept && i < TASKS; i++) {
            tasks[i].node = plan.choices[i].node;
        }
        axi_plan_clear(&plan);
    }
    print(name, runs, goal, note);
}

static void measure_best(void)
{
    struct axi_planner *planner = NULL;
    struct axi_plan_choice choice;
    double whole[RUNS];
    double again[RUNS];

    for (int run = 0; run < RUNS; run++) {
        double start = now_ms();

        check(axi_plan_best(&problem, TASKS, NULL, 0, &choice), "best");
        whole[run] = now_ms() - start;
        check(axi_planner_new(&problem, &planner), "planner");
        start = now_ms();
        check(axi_planner_best(planner, TASKS, NULL, 0, &choice), "best");
        again[run] = now_ms() - start;
        axi_planner_free(planner);
    }
    print("one task, 1000 nodes with 10 tasks each", whole, "<= 5 ms", "the snapshot is read anew");
    print("one task more of the same snapshot", again, "<= 5 ms", "");
}

static void measure_rebalance(void)
{
    const struct axi_plan_options options = {.is_rebalancing = true};
    struct axi_plan plan = {0};
    double runs[RUNS];
    char note[128];

    for (int run = 0; run < RUNS; run++) {
        double start = 0;

        for (size_t i = 0; i < NODES; i++) { /* every tenth will be overloaded */
            nodes[i].predicted_ppm = i % 10 == 0 ? 780000 : 0;
        }
        start = now_ms();
        check(axi_plan_make(&problem, &options, &plan), "rebalance");
        runs[run] = now_ms() - start;
        (void)snprintf(note, sizeof(note), "%zu moves", plan.moved);
        axi_plan_clear(&plan);
    }
    print("rebalance 10000 tasks on 1000 nodes", runs, "<= 10000 ms", note);
}

int main(void)
{
    measure_plan("plan 10000 tasks on 1000 nodes, 50 % full", 500000, 0, "<= 10000 ms", true);
    measure_best();
    measure_rebalance();
    measure_plan("plan 10000 tasks on 1000 nodes, 85 % full", 850000, 0, "<= 10000 ms", false);
    measure_plan("plan 10000 tasks on 1000 nodes, overfull", 1300000, 0, "<= 10000 ms", false);
    measure_plan("the same, 50 % full, 2000 of the tasks surviving the loss of a node", 500000,
                 SERVICES, "<= 10000 ms", false);
    return 0;
}
