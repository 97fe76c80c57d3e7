/* SPDX-License-Identifier: Apache-2.0 */
/* Accuracy, coarse grids, vector units and the incremental node. */
#include <math.h>
#include <string.h>

#include "model/convolve.h"
#include "model/node.h"
#include "model/random_set.h"

enum { MAX_TASKS = 4 };

/* Values far above the memory limit: the bracket holds the exact value. */
static void coarse_grid_brackets_the_exact_value(void **state)
{
    (void)state;
    seed = 29;
    for (int round = 0; round < 40; round++) {
        struct axi_model_task tasks[MAX_TASKS];
        struct axi_model_options options = {.mode = AXI_MODE_SYNC};
        struct axi_response exact;
        struct axi_response coarse;
        struct axi_model *model = NULL;

        random_set(tasks, MAX_TASKS, 30);
        for (size_t i = 0; i < MAX_TASKS; i++) {
            tasks[i].period = tasks[i].period * 1000 + next_random(1000);
            tasks[i].deadline = tasks[i].period - next_random(1000);
            for (size_t j = 0; j < tasks[i].ok.count; j++) {
                tasks[i].ok.values[j] = tasks[i].ok.values[j] * 1000 + next_random(1000);
            }
        }
        assert_int_equal(axi_model_new(&model, tasks, MAX_TASKS), 0);
        options.mode = round % 2 ? AXI_MODE_SYNC : AXI_MODE_SOUND;
        assert_int_equal(axi_model_response(model, 3, &options, &exact), 0);
        options.grid = 97;
        assert_int_equal(axi_model_response(model, 3, &options, &coarse), 0);
        assert_false(coarse.exact);
        assert_true(exact.miss <= coarse.hi);
        assert_true(options.mode == AXI_MODE_SOUND || coarse.lo <= exact.miss);
        axi_model_free(model);
        free_set(tasks, MAX_TASKS);
    }
}

static void asking_a_node_equals_analysing_it_anew(void **state)
{
    (void)state;
    seed = 31;
    for (int round = 0; round < 100; round++) {
        struct axi_model_task tasks[16];
        struct axi_model_options options = {.mode = AXI_MODE_SOUND};
        struct axi_node_model *node = NULL;
        struct axi_model *model = NULL;
        struct axi_node_verdict verdict;
        struct axi_response response;
        size_t count = 2 + (size_t)next_random(14);
        double worst = 0;

        random_set(tasks, count, 60);
        assert_int_equal(axi_node_model_new(&node, tasks, count - 1), 0);
        for (int again = 0; again < 2; again++) { /* the second time from kept convolutions */
            tasks[count - 1].priority = (uint32_t)next_random(count);
            worst = 0;
            assert_int_equal(axi_node_model_try(node, &tasks[count - 1], true, NULL, &verdict), 0);
            assert_int_equal(axi_node_model_try(node, &tasks[count - 1], true, NULL, &verdict), 0);
            assert_int_equal(axi_model_new(&model, tasks, count), 0);
            assert_int_equal(axi_model_response(model, count - 1, &options, &response), 0);
            assert_equal(verdict.candidate.miss, response.miss);
            for (size_t i = 0; i + 1 < count; i++) {
                assert_int_equal(axi_model_response(model, i, &options, &response), 0);
                worst = fmax(worst, response.hi);
            }
            assert_equal(verdict.worst_other, worst);
            axi_model_free(model);
        }
        axi_node_model_free(node);
        free_set(tasks, count);
    }
}

/* 30 jobs of probability 1e-10 each must all be long: 1e-300, and just before, 1e-290. */
static void tiny_probabilities_keep_their_digits(void **state)
{
    const uint64_t values[] = {1, 10};
    const double probs[] = {1 - 1e-10, 1e-10};
    const uint64_t one = 1;
    const double certain = 1;

    (void)state;
    for (uint64_t jobs = 29; jobs <= 30; jobs++) {
        struct axi_model_task tasks[2] = {
            {.priority = 0, .period = 10, .deadline = 10, .q_ok = 1},
            {.priority = 1, .period = 10 * jobs, .deadline = 10 * jobs, .q_ok = 1}};
        struct axi_model_options options = {.mode = AXI_MODE_SYNC};
        struct axi_response response;
        struct axi_model *model = NULL;
        long double want = powl(1e-10, (long double)jobs);

        assert_int_equal(axi_pmf_init(&tasks[0].ok, values, probs, 2, 0), 0);
        assert_int_equal(axi_pmf_init(&tasks[1].ok, &one, &certain, 1, 0), 0);
        assert_int_equal(axi_model_new(&model, tasks, 2), 0);
        assert_int_equal(axi_model_response(model, 1, &options, &response), 0);
        assert_equal(response.miss, want);
        assert_true(response.lo < want && want < response.hi);
        axi_model_free(model);
        free_set(tasks, 2);
    }
}

/* The vector units and the portable loop agree on random arrays of all sizes. */
static void vector_units_agree_with_the_reference(void **state)
{
    enum { CELLS = 700 };
    static double left[CELLS + 2 * AXI_CONVOLVE_PAD];
    static double right[CELLS + 2 * AXI_CONVOLVE_PAD];

    (void)state;
    seed = 37;
    for (int round = 0; round < 500; round++) {
        uint64_t shifts[40];
        double probs[40];
        struct axi_convolve_job job = {.cells = left + AXI_CONVOLVE_PAD,
                                       .limit = (size_t)next_random(CELLS),
                                       .shifts = shifts,
                                       .probs = probs,
                                       .count = 1 + (size_t)next_random(40)};
        uint64_t shift = next_random(5);

        for (size_t j = 0; j < job.count; j++) {
            shifts[j] = shift;
            shift += 1 + next_random(30);
            probs[j] = (double)next_random(1000) / 1000;
        }
        job.hi = (size_t)next_random(job.limit + 1);
        job.lo = (size_t)next_random(job.hi + 1);
        memset(left, 0, sizeof(left));
        for (size_t x = job.lo; x <= job.hi; x++) {
            job.cells[x] = (double)next_random(1000) / 1000;
        }
        memcpy(right, left, sizeof(left));
        size_t high = axi_convolve(&job);

        job.cells = right + AXI_CONVOLVE_PAD;
        assert_int_equal(axi_convolve_reference(&job), high);
        for (size_t x = 0; x < CELLS + 2 * AXI_CONVOLVE_PAD; x++) {
            assert_true(fabs(left[x] - right[x]) <= 1e-13 * right[x]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coarse_grid_brackets_the_exact_value),
        cmocka_unit_test(asking_a_node_equals_analysing_it_anew),
        cmocka_unit_test(tiny_probabilities_keep_their_digits),
        cmocka_unit_test(vector_units_agree_with_the_reference),
    };

    return cmocka_run_group_tests_name("model_numeric", tests, NULL, NULL);
}
