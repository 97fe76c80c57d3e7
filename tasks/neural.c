/* SPDX-License-Identifier: Apache-2.0 */
/* Scene classifier: a small recurrent convolutional network in int8 with int32 sums. A camera
 * picture (32 x 32 x 3) goes through a convolution; a second one sees that and the network's own
 * memory of earlier frames (the state) and makes the new memory; attention-weighted pooling and a
 * dense layer give ten class scores. Weights come from a generator: what is shown is the
 * arithmetic. */
#include "common.h"

#define SIDE 32
#define COLOURS 3
#define MAP 16 /* side of the feature maps */
#define CHANNELS 24
#define CLASSES 10

struct state {
    uint64_t jobs;
    uint64_t digest;
    int32_t scores[CLASSES]; /* smoothed */
    int32_t mean[CHANNELS];  /* running mean of each memory channel, 24.8 fixed point */
    int8_t memory[MAP][MAP][CHANNELS];
};

/* Scratch, written before it is read in every job. */
static int8_t picture[SIDE][SIDE][COLOURS];
static int8_t features[MAP][MAP][CHANNELS];
static int8_t fresh[MAP][MAP][CHANNELS];
static int8_t first_weights[CHANNELS][3][3][COLOURS];
static int8_t second_weights[CHANNELS][3][3][2 * CHANNELS];
static int8_t dense_weights[CLASSES][CHANNELS];

static void make_weights(int8_t *weights, int count, uint64_t layer)
{
    for (int i = 0; i < count; i += 8) {
        uint64_t bits = mix64(layer << 32 | (unsigned)i);

        for (int k = 0; k < 8 && i + k < count; k++) {
            weights[i + k] = (int8_t)((int8_t)(bits >> (8 * k)) / 4);
        }
    }
}

static void take_picture(uint64_t job)
{
    struct noise noise = noise_of_job(6, job);
    int cx = (int)(job % 41) - 4;
    int cy = (int)(job % 29) + 2;

    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            uint32_t grain = noise_u32(&noise);
            int is_shape = (x - cx) * (x - cx) + (y - cy) * (y - cy) < 50;

            for (int c = 0; c < COLOURS; c++) {
                int level = (is_shape ? 70 - 30 * c : x * 2 - y) + (int)(grain >> (8 * c) & 15);

                picture[y][x][c] = (int8_t)clamp_i32(level, -128, 127);
            }
        }
    }
}

static int8_t activate(int32_t sum, int shift)
{
    int32_t value = sum >> shift;

    return (int8_t)clamp_i32(value >= 0 ? value : value / 8, -128, 127); /* leaky */
}

/* 3 x 3, stride 2. */
static void first_layer(void)
{
    for (int y = 0; y < MAP; y++) {
        for (int x = 0; x < MAP; x++) {
            for (int k = 0; k < CHANNELS; k++) {
                int32_t sum = 0;

                for (int i = 0; i < 9; i++) {
                    int py = 2 * y + i / 3 - 1;
                    int px = 2 * x + i % 3 - 1;

                    if (py < 0 || px < 0) {
                        continue;
                    }
                    for (int c = 0; c < COLOURS; c++) {
                        sum += picture[py][px][c] * first_weights[k][i / 3][i % 3][c];
                    }
                }
                features[y][x][k] = activate(sum, 6);
            }
        }
    }
}

static int32_t tap(const int8_t *values, const int8_t *weights)
{
    int32_t sum = 0;

    for (int c = 0; c < CHANNELS; c++) {
        sum += values[c] * weights[c];
    }
    return sum;
}

/* 3 x 3 over features and memory; half of the old memory stays. */
static void second_layer(struct state *s)
{
    for (int y = 0; y < MAP; y++) {
        for (int x = 0; x < MAP; x++) {
            for (int k = 0; k < CHANNELS; k++) {
                int32_t sum = 0;

                for (int i = 0; i < 9; i++) {
                    int py = y + i / 3 - 1;
                    int px = x + i % 3 - 1;
                    const int8_t *weights = second_weights[k][i / 3][i % 3];

                    if (py < 0 || px < 0 || py >= MAP || px >= MAP) {
                        continue;
                    }
                    sum += tap(features[py][px], weights);
                    sum += tap(s->memory[py][px], weights + CHANNELS);
                }
                fresh[y][x][k] =
                    (int8_t)clamp_i32(activate(sum, 9) + s->memory[y][x][k] / 2, -128, 127);
            }
        }
    }
    memcpy(s->memory, fresh, sizeof(fresh));
}

/* Attention: places far from the middle weigh less. */
static void pool(struct state *s)
{
    for (int k = 0; k < CHANNELS; k++) {
        int32_t sum = 0;

        for (int y = 0; y < MAP; y++) {
            for (int x = 0; x < MAP; x++) {
                int weight = 20 - (x < 8 ? 7 - x : x - 8) - (y < 8 ? 7 - y : y - 8);

                sum += s->memory[y][x][k] * weight;
            }
        }
        s->mean[k] = clamp_i32(s->mean[k], -(1 << 20), 1 << 20);
        s->mean[k] += (sum - s->mean[k]) / 4;
    }
}

static void classify(struct state *s)
{
    for (int n = 0; n < CLASSES; n++) {
        int64_t sum = 0;

        for (int k = 0; k < CHANNELS; k++) {
            sum += (int64_t)dense_weights[n][k] * s->mean[k];
        }
        s->scores[n] = s->scores[n] / 2 + (int32_t)(sum >> 6);
    }
}

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;

    make_weights(&first_weights[0][0][0][0], sizeof(first_weights), 1);
    make_weights(&second_weights[0][0][0][0], sizeof(second_weights), 2);
    make_weights(&dense_weights[0][0], sizeof(dense_weights), 3);
    take_picture(job->number);
    first_layer();
    second_layer(s);
    pool(s);
    classify(s);
    s->jobs++;
    digest_u64(&s->digest, s->jobs);
    for (int n = 0; n < CLASSES; n++) {
        digest_u64(&s->digest, (uint64_t)(int64_t)s->scores[n]);
    }
    for (int k = 0; k < CHANNELS; k++) {
        digest_u64(&s->digest, (uint64_t)(int64_t)s->mean[k]);
    }
    return put_digest(job, s->digest);
}

AXCAN_TASK("scene-classifier", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 200000, .deadline_us = 200000, .criticality = 2, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 30000},
                    {"linux-aarch64", 30000},
                    {"axcan-virt", 26000},
                    {"axcan-zcu102", 26000}});
