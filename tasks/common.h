/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers shared by the sample tasks: a digest that chains over jobs and a random generator for the
 * simulated sensors. Everything follows from state and job number alone. */
#ifndef AXCAN_TASKS_COMMON_H
#define AXCAN_TASKS_COMMON_H

#include <axcan/math.h>
#include <axcan/task.h>

/* SplitMix64 (Steele, Lea, Flood 2014): a bijective mix of 64 bits. */
static inline uint64_t mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static inline void digest_u64(uint64_t *digest, uint64_t value)
{
    *digest = mix64(*digest ^ mix64(value));
}

static inline void digest_f64(uint64_t *digest, double value)
{
    uint64_t bits = 0;

    __builtin_memcpy(&bits, &value, sizeof(bits));
    digest_u64(digest, bits);
}

/* A generator seeded by a task and its job number: the sensor's noise. */
struct noise {
    uint64_t seed;
};

static inline struct noise noise_of_job(uint64_t task, uint64_t job)
{
    struct noise noise = {mix64(task << 48 ^ job)};

    return noise;
}

static inline uint32_t noise_u32(struct noise *noise)
{
    noise->seed += 0x9e3779b97f4a7c15ull;
    return (uint32_t)(mix64(noise->seed) >> 32);
}

/* Uniform in [-1, 1). */
static inline double noise_f64(struct noise *noise)
{
    return (double)(int32_t)noise_u32(noise) * (1.0 / 2147483648.0);
}

static inline int32_t clamp_i32(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static inline double clamp_f64(double value, double low, double high)
{
    return value >= low ? (value <= high ? value : high) : low; /* NaN gives low */
}

/* Hands the job's digest out; every sample task ends with it. */
static inline int put_digest(const struct axc_job *job, uint64_t digest)
{
    return job->services->output(job, "digest", &digest, sizeof(digest)) == 0 ? 0 : 1;
}

#endif
