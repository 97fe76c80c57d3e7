/* SPDX-License-Identifier: Apache-2.0 */
/* The periodic task of isolation_bench: multiplies matrices of integers, alike in a container and
 * in a partition. The bench writes side and number of runs into the program. */
#ifndef AXI_BENCH_MATRIX_H
#define AXI_BENCH_MATRIX_H

#include <stdint.h>

#define MATRIX_SIDE_MAX 64u
#define MATRIX_RUNS_MAX 1000u

struct matrix_parameters {
    char marker[8]; /* by which the bench finds it */
    uint32_t side, runs, period_us;
};

static volatile struct matrix_parameters matrix = {
    {'A', 'X', 'M', 'A', 'T', 'R', 'I', 'X'}, 48, MATRIX_RUNS_MAX, 2000};
static uint32_t matrix_a[MATRIX_SIDE_MAX][MATRIX_SIDE_MAX],
    matrix_b[MATRIX_SIDE_MAX][MATRIX_SIDE_MAX], matrix_c[MATRIX_SIDE_MAX][MATRIX_SIDE_MAX];

static inline uint64_t matrix_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

/* Ticks of one multiplication. */
static inline uint64_t matrix_run(void)
{
    uint32_t side = matrix.side;
    uint64_t begin = matrix_ticks();
    for (uint32_t i = 0; i < side; i++) {
        for (uint32_t j = 0; j < side; j++) {
            uint32_t sum = 0;
            for (uint32_t k = 0; k < side; k++) {
                sum += matrix_a[i][k] * matrix_b[k][j];
            }
            matrix_c[i][j] = sum;
        }
    }
    matrix_a[0][0] = matrix_c[1][1] + 1;
    return matrix_ticks() - begin;
}

#endif
