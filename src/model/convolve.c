/* SPDX-License-Identifier: Apache-2.0 */
#include "model/convolve.h"

#include <string.h>

/* Defines a static function for `lanes` doubles a vector and eight vectors a block. A block at cell
 * b needs shift c only when b + size > lo + c and b <= hi + c; the zero pad absorbs the overhang.
 */
#define DEFINE_CONVOLVE(name, attributes, lanes)                                                   \
    typedef double name##_vector __attribute__((vector_size((lanes)*8), aligned(8)));              \
    attributes static void name##_block(const struct axi_convolve_job *job, double *out,           \
                                        size_t from, size_t to)                                    \
    {                                                                                              \
        name##_vector sums[8] = {0};                                                               \
                                                                                                   \
        for (size_t j = from; j < to; j++) {                                                       \
            const double *in = out - job->shifts[j];                                               \
            double p = job->probs[j];                                                              \
                                                                                                   \
            _Pragma("GCC unroll 8") for (size_t v = 0; v < 8; v++)                                 \
            {                                                                                      \
                name##_vector x;                                                                   \
                memcpy(&x, in + v * (lanes), sizeof(x));                                           \
                sums[v] += x * p;                                                                  \
            }                                                                                      \
        }                                                                                          \
        memcpy(out, sums, sizeof(sums));                                                           \
    }                                                                                              \
    attributes static size_t name(const struct axi_convolve_job *job)                              \
    {                                                                                              \
        return run(job, 8 * (lanes), name##_block);                                                \
    }

typedef void block_function(const struct axi_convolve_job *job, double *out, size_t from,
                            size_t to);

/* Walks the blocks from the top; from..to are the shifts that reach the block from lo..hi. */
static size_t run(const struct axi_convolve_job *job, size_t size, block_function *block)
{
    size_t first = job->lo + job->shifts[0];
    size_t top = job->hi + job->shifts[job->count - 1];
    size_t from = job->count;
    size_t to = job->count;

    if (first > job->limit) {
        memset(job->cells + job->lo, 0, (job->hi - job->lo + 1) * sizeof(double));
        return job->lo;
    }
    top = top < job->limit ? top : job->limit;
    for (size_t end = top + 1;;) {
        /* the block is [end - size, end); it may start below cell 0, in the pad */
        while (to > 0 && job->lo + job->shifts[to - 1] >= end) {
            to--;
        }
        from = from < to ? from : to;
        while (from > 0 && job->hi + job->shifts[from - 1] + size >= end) {
            from--;
        }
        block(job, job->cells + end - size, from, to);
        if (end <= job->lo + size) {
            return top;
        }
        end -= size;
    }
}

size_t axi_convolve_reference(const struct axi_convolve_job *job)
{
    size_t first = job->lo + job->shifts[0];
    size_t top = job->hi + job->shifts[job->count - 1];

    top = top < job->limit ? top : job->limit;
    for (size_t i = (top > job->hi ? top : job->hi) + 1; i-- > job->lo;) {
        double sum = 0;

        for (size_t j = 0; j < job->count && job->lo + job->shifts[j] <= i; j++) {
            if (i - job->shifts[j] <= job->hi) {
                sum += job->probs[j] * job->cells[i - job->shifts[j]];
            }
        }
        job->cells[i] = i <= top ? sum : 0;
    }
    return first > job->limit ? job->lo : top;
}

#define NO_ATTRIBUTES
DEFINE_CONVOLVE(convolve_portable, NO_ATTRIBUTES, 2)

#if defined(__x86_64__)
DEFINE_CONVOLVE(convolve_avx2, __attribute__((target("avx2,fma"))), 4)
DEFINE_CONVOLVE(convolve_avx512, __attribute__((target("avx512f"))), 8)

static int level(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        return 2;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 0;
}

size_t axi_convolve(const struct axi_convolve_job *job)
{
    static size_t (*const variants[])(const struct axi_convolve_job *) = {
        convolve_portable, convolve_avx2, convolve_avx512};

    return variants[level()](job);
}

const char *axi_convolve_variant(void)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};

    return names[level()];
}
#else
size_t axi_convolve(const struct axi_convolve_job *job)
{
    return convolve_portable(job);
}

const char *axi_convolve_variant(void)
{
    return "portable";
}
#endif
