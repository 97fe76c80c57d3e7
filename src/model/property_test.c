/* SPDX-License-Identifier: Apache-2.0 */
/* Random small task sets against an enumeration of every combination of execution times, each run
 * through a schedule in long double; and a Monte-Carlo simulation of larger ones. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/random_set.h"

enum { MAX_JOBS = 24, MAX_TASKS = 4, SETS = 1000 };

struct job {
    uint32_t task;
    int64_t release;
    int64_t left;
    uint32_t choice; /* index into the pmf; count = never completes (infinite) */
    bool own;        /* execution from `ok` instead of the interference pmf */
    int64_t done_at; /* -1 while unfinished */
};

struct scene {
    const struct axi_model_task *tasks;
    const struct axi_model *model;
    uint32_t subject;  /* task whose jobs are judged */
    bool abort_others; /* jobs of other tasks end at their deadlines */
    size_t count;
    struct job jobs[MAX_JOBS];
};

static const struct axi_pmf *pmf_of(const struct scene *scene, const struct job *job)
{
    return job->own ? &scene->tasks[job->task].ok : axi_model_interference(scene->model, job->task);
}

static bool add_job(struct scene *scene, uint32_t task, int64_t release, bool own)
{
    if (scene->count == MAX_JOBS) {
        return false;
    }
    scene->jobs[scene->count++] = (struct job){.task = task, .release = release, .own = own};
    return true;
}

/* Highest priority ready job; first released first within a task. */
static struct job *pick(struct scene *scene, int64_t now)
{
    struct job *best = NULL;

    for (size_t i = 0; i < scene->count; i++) {
        struct job *job = &scene->jobs[i];

        if (job->release > now || job->done_at >= 0) {
            continue;
        }
        if (scene->abort_others && job->task != scene->subject &&
            now >= job->release + (int64_t)scene->tasks[job->task].deadline) {
            continue;
        }
        if (best == NULL || job->task < best->task ||
            (job->task == best->task && job->release < best->release)) {
            best = job;
        }
    }
    return best;
}

/* Runs tick by tick until `end`. */
static void schedule(struct scene *scene, int64_t start, int64_t end)
{
    for (size_t i = 0; i < scene->count; i++) {
        struct job *job = &scene->jobs[i];

        job->left = (int64_t)pmf_of(scene, job)->values[job->choice];
        job->done_at = -1;
    }
    for (int64_t now = start; now < end; now++) {
        struct job *job = pick(scene, now);

        if (job != NULL && --job->left == 0) {
            job->done_at = now + 1;
        }
    }
}

/* Sum of the probabilities of all combinations in which job `judged` is late. */
static long double enumerate(struct scene *scene, size_t judged, int64_t start)
{
    int64_t end = scene->jobs[judged].release + (int64_t)scene->tasks[scene->subject].deadline;
    long double miss = 0;

    for (size_t i = 0; i < scene->count; i++) {
        scene->jobs[i].choice = 0;
    }
    for (;;) {
        size_t i = 0;

        schedule(scene, start, end);
        if (scene->jobs[judged].done_at < 0) {
            long double p = 1;

            for (i = 0; i < scene->count; i++) {
                p *= pmf_of(scene, &scene->jobs[i])->probs[scene->jobs[i].choice];
            }
            miss += p;
        }
        for (i = 0; i < scene->count; i++) {
            if (++scene->jobs[i].choice < pmf_of(scene, &scene->jobs[i])->count) {
                break;
            }
            scene->jobs[i].choice = 0;
        }
        if (i == scene->count) {
            return miss;
        }
    }
}

static double combinations(const struct scene *scene)
{
    double product = 1;

    for (size_t i = 0; i < scene->count; i++) {
        product *= (double)pmf_of(scene, &scene->jobs[i])->count;
    }
    return product;
}

/* Jobs of the synchronous case; a carry-in task releases at 0 and from T - D on. The judged job is
 * the last. False when the scene is too large. */
static bool build_sync(struct scene *scene, uint32_t k, const uint64_t *carry_in)
{
    scene->count = 0;
    scene->subject = k;
    for (uint32_t i = 0; i < k; i++) {
        const struct axi_model_task *task = &scene->tasks[i];
        bool carried = carry_in != NULL && axi_model_in_set(carry_in, i);
        uint64_t time = carried ? task->period - task->deadline : 0;

        if (carried && !add_job(scene, i, 0, false)) {
            return false;
        }
        for (; time < scene->tasks[k].deadline; time += task->period) {
            if (!add_job(scene, i, (int64_t)time, false)) {
                return false;
            }
        }
    }
    return add_job(scene, k, 0, true) && combinations(scene) <= 20000;
}

static void sync_and_carry_in_equal_enumeration(void **state)
{
    size_t checked = 0;

    (void)state;
    seed = 7;
    while (checked < SETS) {
        struct axi_model_task tasks[MAX_TASKS];
        size_t count = 1 + (size_t)next_random(MAX_TASKS);
        struct axi_model_options options = {.mode = AXI_MODE_SYNC};
        struct axi_response response;
        struct axi_model *model = NULL;
        struct scene scene = {.tasks = tasks};
        uint32_t k = (uint32_t)next_random(count);
        uint64_t set[AXI_MODEL_MAX_TASKS / 64] = {next_random(16)};
        double value = 0;

        random_set(tasks, count, 14);
        assert_int_equal(axi_model_new(&model, tasks, count), 0);
        scene.model = model;
        if (build_sync(&scene, k, NULL)) {
            assert_int_equal(axi_model_response(model, k, &options, &response), 0);
            assert_equal(response.miss, enumerate(&scene, scene.count - 1, 0));
            checked++;
        }
        if (build_sync(&scene, k, set)) {
            assert_int_equal(axi_model_carry_in(model, k, set, &options, &value, NULL), 0);
            assert_equal(value, enumerate(&scene, scene.count - 1, 0));
        }
        axi_model_free(model);
        free_set(tasks, count);
    }
}

static void sound_bound_equals_enumeration(void **state)
{
    size_t checked = 0;

    (void)state;
    seed = 11;
    while (checked < SETS) {
        struct axi_model_task tasks[MAX_TASKS];
        size_t count = 1 + (size_t)next_random(MAX_TASKS);
        struct axi_model_options options = {.mode = AXI_MODE_SOUND};
        struct axi_response response;
        struct axi_model *model = NULL;
        struct scene scene = {.tasks = tasks};
        uint32_t k = (uint32_t)count - 1;

        random_set(tasks, count, 12);
        assert_int_equal(axi_model_new(&model, tasks, count), 0);
        scene.model = model;
        assert_int_equal(axi_model_response(model, k, &options, &response), 0);
        if (build_sync(&scene, k, response.carry_in)) {
            long double bound = enumerate(&scene, scene.count - 1, 0);

            assert_equal(response.miss, fminl(1, ldexpl(bound, (int)response.doubled)));
            checked++;
        }
        axi_model_free(model);
        free_set(tasks, count);
    }
}

/* Jobs of other tasks end at their deadlines; task k is released once, late enough that each of
 * them has had a full period before. */
static bool build_phasing(struct scene *scene, uint32_t k, const uint64_t *offsets, uint64_t start)
{
    scene->count = 0;
    scene->subject = k;
    scene->abort_others = true;
    for (uint32_t i = 0; i < k; i++) {
        for (uint64_t t = offsets[i]; t < start + scene->tasks[k].deadline;
             t += scene->tasks[i].period) {
            if (!add_job(scene, i, (int64_t)t, false)) {
                return false;
            }
        }
    }
    return add_job(scene, k, (int64_t)start, true) && combinations(scene) <= 3000;
}

static void sound_bound_is_never_below_any_phasing(void **state)
{
    size_t phasings = 0;

    (void)state;
    seed = 13;
    for (int round = 0; round < 60; round++) {
        struct axi_model_task tasks[3];
        struct axi_model_options options = {.mode = AXI_MODE_SOUND};
        struct axi_response response;
        struct axi_model *model = NULL;
        struct scene scene = {.tasks = tasks};
        uint64_t offsets[2] = {0, 0};
        uint64_t start = 0;

        random_set(tasks, 3, 6);
        start = tasks[0].period > tasks[1].period ? tasks[0].period : tasks[1].period;
        assert_int_equal(axi_model_new(&model, tasks, 3), 0);
        scene.model = model;
        assert_int_equal(axi_model_response(model, 2, &options, &response), 0);
        for (offsets[0] = 0; offsets[0] < tasks[0].period; offsets[0]++) {
            for (offsets[1] = 0; offsets[1] < tasks[1].period; offsets[1]++) {
                if (build_phasing(&scene, 2, offsets, start)) {
                    long double miss = enumerate(&scene, scene.count - 1, 0);

                    assert_true(miss <= response.hi * (1 + 1e-13L));
                    phasings++;
                }
            }
        }
        axi_model_free(model);
        free_set(tasks, 3);
    }
    assert_true(phasings > 500);
}

/* All releases of priority k and above until the end of the judged job. */
static bool build_periodic(struct scene *scene, uint32_t k, uint64_t release)
{
    size_t judged = 0;

    scene->count = 0;
    scene->subject = k;
    for (uint32_t i = 0; i <= k; i++) {
        const struct axi_model_task *task = &scene->tasks[i];
        uint64_t end = i == k ? release + 1 : release + scene->tasks[k].deadline;

        for (uint64_t t = task->offset; t < end; t += task->period) {
            judged = scene->count;
            if (!add_job(scene, i, (int64_t)t, i == k && t == release)) {
                return false;
            }
        }
    }
    return judged + 1 == scene->count && combinations(scene) <= 6000;
}

static uint64_t lcm(uint64_t a, uint64_t b)
{
    uint64_t x = a;
    uint64_t y = b;

    while (y != 0) {
        uint64_t rest = x % y;

        x = y;
        y = rest;
    }
    return a / x * b;
}

/* Zero offsets and a worst-case load of at most one: one hyperperiod from empty is the answer. */
static void periodic_equals_enumeration(void **state)
{
    static const uint64_t periods[] = {2, 3, 4, 6, 8, 12};
    size_t checked = 0;

    (void)state;
    seed = 17;
    while (checked < SETS) {
        struct axi_model_task tasks[3];
        size_t count = 1 + (size_t)next_random(3);
        struct axi_model_options options = {.mode = AXI_MODE_PERIODIC};
        struct axi_response response;
        struct axi_model *model = NULL;
        struct scene scene = {.tasks = tasks};
        uint32_t k = (uint32_t)count - 1;
        uint64_t hyperperiod = 1;
        long double load = 0;
        long double max = 0;
        double mean = 0;
        bool fits = true;

        random_set(tasks, count, 12);
        for (size_t i = 0; i < count; i++) {
            tasks[i].period = periods[next_random(6)];
            tasks[i].deadline = 1 + next_random(tasks[i].period);
            hyperperiod = lcm(hyperperiod, tasks[i].period);
            load += (long double)tasks[i].ok.values[tasks[i].ok.count - 1] / tasks[i].period;
            mean += axi_pmf_mean(&tasks[i].ok) / (double)tasks[i].period;
        }
        fits = mean < 1 - 1e-9; /* a full mean load is refused */
        assert_int_equal(axi_model_new(&model, tasks, count), 0);
        scene.model = model;
        for (uint64_t t = 0; load <= 1 && fits && t < hyperperiod; t += tasks[k].period) {
            fits = build_periodic(&scene, k, t);
            max = fits ? fmaxl(max, enumerate(&scene, scene.count - 1, 0)) : max;
        }
        if (load <= 1 && fits) {
            assert_int_equal(axi_model_response(model, k, &options, &response), 0);
            assert_equal(response.miss, max);
            checked++;
        }
        axi_model_free(model);
        free_set(tasks, count);
    }
}

/* With offsets the third window is walked as well: by then the load of at most one is steady. */
static void periodic_with_offsets_equals_enumeration(void **state)
{
    static const uint64_t periods[] = {3, 4, 6, 8};
    size_t checked = 0;

    (void)state;
    seed = 41;
    while (checked < SETS) {
        struct axi_model_task tasks[2];
        struct axi_model_options options = {.mode = AXI_MODE_PERIODIC};
        struct axi_response response;
        struct axi_model *model = NULL;
        struct scene scene = {.tasks = tasks};
        uint64_t hyperperiod = 1;
        long double load = 0;
        long double max = 0;
        double mean = 0;
        bool fits = true;

        random_set(tasks, 2, 8);
        for (size_t i = 0; i < 2; i++) {
            tasks[i].period = periods[next_random(4)];
            tasks[i].deadline = 1 + next_random(tasks[i].period);
            tasks[i].offset = next_random(tasks[i].period);
            hyperperiod = lcm(hyperperiod, tasks[i].period);
            load += (long double)tasks[i].ok.values[tasks[i].ok.count - 1] / tasks[i].period;
            mean += axi_pmf_mean(&tasks[i].ok) / (double)tasks[i].period;
        }
        fits = mean < 1 - 1e-9 && load <= 1;
        assert_int_equal(axi_model_new(&model, tasks, 2), 0);
        scene.model = model;
        for (uint64_t t = tasks[1].offset; fits && t < 3 * hyperperiod; t += tasks[1].period) {
            fits = build_periodic(&scene, 1, t);
            max = fits ? fmaxl(max, enumerate(&scene, scene.count - 1, 0)) : max;
        }
        if (fits) {
            assert_int_equal(axi_model_response(model, 1, &options, &response), 0);
            assert_equal(response.miss, max);
            checked++;
        }
        axi_model_free(model);
        free_set(tasks, 2);
    }
}

static void more_work_or_less_time_never_helps(void **state)
{
    (void)state;
    seed = 19;
    for (int round = 0; round < 300; round++) {
        struct axi_model_task tasks[MAX_TASKS];
        struct axi_model_options options = {.mode = round % 2 ? AXI_MODE_SOUND : AXI_MODE_SYNC};
        struct axi_response all;
        struct axi_response fewer;
        struct axi_response longer;
        struct axi_model *model = NULL;

        random_set(tasks, MAX_TASKS, 20);
        tasks[3].period = 40;
        tasks[3].deadline = 1 + next_random(39);
        assert_int_equal(axi_model_new(&model, tasks, 4), 0);
        assert_int_equal(axi_model_response(model, 3, &options, &all), 0);
        axi_model_free(model);
        assert_int_equal(axi_model_new(&model, tasks + 1, 3), 0);
        assert_int_equal(axi_model_response(model, 2, &options, &fewer), 0);
        axi_model_free(model);
        assert_true(fewer.miss <= all.miss * (1 + 1e-13));
        tasks[3].deadline++;
        assert_int_equal(axi_model_new(&model, tasks, 4), 0);
        assert_int_equal(axi_model_response(model, 3, &options, &longer), 0);
        axi_model_free(model);
        assert_true(options.mode == AXI_MODE_SOUND || longer.miss <= all.miss * (1 + 1e-13));
        for (size_t j = 0; j < tasks[1].ok.count; j++) {
            tasks[1].ok.values[j]++; /* every job of task 1 takes one tick more */
        }
        assert_int_equal(axi_model_new(&model, tasks, 4), 0);
        assert_int_equal(axi_model_response(model, 3, &options, &all), 0);
        axi_model_free(model);
        assert_true(longer.miss <= all.miss * (1 + 1e-13));
        free_set(tasks, MAX_TASKS);
    }
}

/* First job of the lowest task by drawing execution times. */
static bool draw_misses(const struct axi_model_task *tasks, size_t count)
{
    uint64_t deadline = tasks[count - 1].deadline;
    uint64_t due[16] = {0};
    uint64_t backlog = 0;

    for (uint64_t t = 0; t < deadline; t++) {
        for (size_t i = 0; i < count; i++) {
            double at = (double)next_random(1u << 30) / (1u << 30);
            size_t j = 0;

            if (due[i] != t || (i + 1 == count && t > 0)) {
                continue;
            }
            while (j + 1 < tasks[i].ok.count && at >= tasks[i].ok.probs[j]) {
                at -= tasks[i].ok.probs[j++];
            }
            backlog += tasks[i].ok.values[j];
            due[i] += tasks[i].period;
        }
        if (--backlog == 0) {
            return false;
        }
    }
    return true;
}

static void monte_carlo_agrees_within_its_interval(void **state)
{
    const int samples = 100000;

    (void)state;
    seed = 23;
    for (int round = 0; round < 4; round++) {
        struct axi_model_task tasks[8];
        struct axi_model_options options = {.mode = AXI_MODE_SYNC};
        struct axi_response response;
        struct axi_model *model = NULL;
        double sigma = 0;
        int misses = 0;

        random_set(tasks, 8, 60);
        tasks[7].period = tasks[7].deadline = 60 + (uint64_t)round * 20;
        assert_int_equal(axi_model_new(&model, tasks, 8), 0);
        assert_int_equal(axi_model_response(model, 7, &options, &response), 0);
        for (int i = 0; i < samples; i++) {
            misses += draw_misses(tasks, 8);
        }
        sigma = sqrt(samples * response.miss * (1 - response.miss)) + 1;
        assert_true(fabs(misses - samples * response.miss) < 4.5 * sigma);
        axi_model_free(model);
        free_set(tasks, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_and_carry_in_equal_enumeration),
        cmocka_unit_test(sound_bound_equals_enumeration),
        cmocka_unit_test(sound_bound_is_never_below_any_phasing),
        cmocka_unit_test(periodic_equals_enumeration),
        cmocka_unit_test(periodic_with_offsets_equals_enumeration),
        cmocka_unit_test(more_work_or_less_time_never_helps),
        cmocka_unit_test(monte_carlo_agrees_within_its_interval),
    };

    return cmocka_run_group_tests_name("model_property", tests, NULL, NULL);
}
