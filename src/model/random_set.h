/* SPDX-License-Identifier: Apache-2.0 */
/* Random task sets for the tests of the model. One seed for each test, set at its start. */
#ifndef AXI_MODEL_RANDOM_SET_H
#define AXI_MODEL_RANDOM_SET_H

#include <math.h>

#include "model/response.h"
#include "support/test.h"

static uint64_t seed;

static inline uint64_t next_random(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % below;
}

/* Random set with times small enough to enumerate. */
static inline void random_set(struct axi_model_task *tasks, size_t count, uint64_t max_period)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t values[3];
        double probs[3];
        size_t n = 1 + (size_t)next_random(3);
        uint64_t value = 0;
        double rest = 1;

        for (size_t j = 0; j < n; j++) {
            value += 1 + next_random(3);
            values[j] = value;
            probs[j] = j + 1 == n ? rest : rest * (double)(1 + next_random(1023)) / 1024;
            rest -= probs[j]; /* multiples of 2^-20 or so: exact */
        }
        tasks[i] = (struct axi_model_task){
            .priority = (uint32_t)i, .q_ok = 1, .period = 3 + next_random(max_period - 2)};
        tasks[i].deadline = 1 + next_random(tasks[i].period);
        assert_int_equal(axi_pmf_init(&tasks[i].ok, values, probs, n, 0), 0);
    }
}

static inline void free_set(struct axi_model_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        axi_pmf_deinit(&tasks[i].ok);
        axi_pmf_deinit(&tasks[i].bad);
    }
}

static inline void assert_equal(double got, long double want)
{
    if (!(fabsl(got - want) <= 1e-13L * want)) {
        fail_msg("got %.17g, want %.17Lg", got, want);
    }
}

#endif
