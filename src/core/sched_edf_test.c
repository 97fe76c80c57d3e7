/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler against a second, naive EDF that decides anew in every time unit. */
#include "support/test.h"

#include "core/sched_sim.h"

#define JOBS_MAX 128u
#define HORIZON 400u

struct naive_task {
    uint64_t release, period, deadline;
    uint64_t exec[JOBS_MAX];
    uint64_t end[JOBS_MAX];
    uint64_t job, left;
    bool has_started;
};

static struct naive_task naive[SIM_SLOTS];
static uint32_t naive_count;
static uint64_t seed_state;

static uint64_t draw(uint64_t low, uint64_t high)
{
    seed_state = seed_state * 6364136223846793005ull + 1442695040888963407ull;
    return low + (seed_state >> 33) % (high - low + 1);
}

static void make_random_set(uint64_t seed)
{
    seed_state = seed;
    naive_count = (uint32_t)draw(1, 8);
    memset(naive, 0, sizeof(naive));
    for (uint32_t i = 0; i < naive_count; i++) {
        naive[i].release = draw(0, 20);
        naive[i].period = draw(4, 60);
        naive[i].deadline = draw(2, naive[i].period);
        for (uint32_t k = 0; k < JOBS_MAX; k++) {
            naive[i].exec[k] = draw(1, 1 + naive[i].period / 3); /* overload happens */
        }
        naive[i].left = naive[i].exec[0];
    }
}

static uint64_t naive_deadline(const struct naive_task *task)
{
    return task->release + task->job * task->period + task->deadline;
}

/* Earliest deadline; among equals a started job goes on, else the lower number. */
static int naive_choose(uint64_t now)
{
    int best = -1;

    for (uint32_t i = 0; i < naive_count; i++) {
        const struct naive_task *task = &naive[i];
        uint64_t mine = naive_deadline(task);

        if (task->release + task->job * task->period > now) {
            continue;
        }
        if (best < 0 || mine < naive_deadline(&naive[best]) ||
            (mine == naive_deadline(&naive[best]) && task->has_started &&
             !naive[best].has_started)) {
            best = (int)i;
        }
    }
    return best;
}

static void naive_run(void)
{
    for (uint64_t now = 0; now < HORIZON; now++) {
        int best = naive_choose(now);

        if (best < 0) {
            continue;
        }
        naive[best].has_started = true;
        naive[best].left--;
        if (naive[best].left == 0) {
            naive[best].end[naive[best].job] = now + 1;
            naive[best].job++;
            naive[best].left = naive[best].exec[naive[best].job];
            naive[best].has_started = false;
        }
    }
}

static uint64_t exec_of_set(struct sim *sim, uint32_t slot, uint64_t job)
{
    (void)sim;
    return naive[slot].exec[job];
}

static void compare(struct sim *sim, uint64_t seed)
{
    uint64_t completed[SIM_SLOTS] = {0};

    for (uint32_t i = 0; i < sim->trace_count; i++) {
        const struct axi_trace *record = &sim->traces[i];

        if (record->kind != AXI_TRACE_COMPLETED) {
            continue;
        }
        if (record->job != completed[record->slot] ||
            record->master_ns != naive[record->slot].end[record->job]) {
            fail_msg("seed %llu slot %u job %llu: ends at %llu, not %llu", (unsigned long long)seed,
                     record->slot, (unsigned long long)record->job,
                     (unsigned long long)record->master_ns,
                     (unsigned long long)naive[record->slot].end[record->job]);
        }
        completed[record->slot]++;
    }
    for (uint32_t i = 0; i < naive_count; i++) {
        assert_int_equal(completed[i], naive[i].job);
    }
}

static void random_sets_run_as_the_naive_edf_runs_them(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        struct sim *sim = sim_new();

        make_random_set(seed);
        for (uint32_t i = 0; i < naive_count; i++) {
            struct axi_instance_config config = sim_config(sim, i);

            config.release_ns = naive[i].release;
            config.period_ns = naive[i].period;
            config.deadline_ns = naive[i].deadline;
            sim->tasks[i].exec_ns = exec_of_set;
            sim_post(sim, AXI_SCHED_INSTALL, i, &config);
            sim_post(sim, AXI_SCHED_ACTIVATE, i, &config);
        }
        sim_run(sim, HORIZON);
        naive_run();
        compare(sim, seed);
        sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sets_run_as_the_naive_edf_runs_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
