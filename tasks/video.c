/* SPDX-License-Identifier: Apache-2.0 */
/* Video encoder stage. Renders the next frame, finds each 8 x 8 block in the previous reconstructed
 * frame (full search), transforms the difference (integer DCT-II), quantises, and reconstructs as a
 * decoder would: that frame is the state. The quantiser follows the activity of the scene. */
#include "common.h"

#define W 96
#define H 64
#define B 8
#define BLOCKS ((W / B) * (H / B))
#define RANGE 6

struct state {
    uint64_t jobs;
    uint64_t digest;
    uint32_t quantiser;
    uint32_t activity; /* mean, 24.8 fixed point */
    int8_t vectors[BLOCKS][2];
    uint8_t frame[H][W]; /* what a decoder shows */
};

/* Scratch, written before it is read in every job. */
static uint8_t current[H][W];
static int32_t basis[B][B];

struct block {
    int x, y;   /* top left */
    int dx, dy; /* best match */
    uint32_t difference;
};

static void render(uint64_t job)
{
    struct noise noise = noise_of_job(5, job);
    int cx = (int)(job * 2 % (W + 40)) - 20;
    int cy = H / 2 + (int)(16.0 * axc_sin(0.1 * (double)(job % 6283)));

    for (int y = 0; y < H; y++) {
        uint32_t grain = 0;

        for (int x = 0; x < W; x++) {
            int dx = x - cx;
            int dy = y - cy;
            int shade = ((x + (int)(job % W)) * 2 + y * 3) & 127;

            grain = (x & 3) == 0 ? noise_u32(&noise) : grain >> 8;
            if (dx * dx + dy * dy < 144) {
                shade = 220 - dx * 3;
            }
            current[y][x] = (uint8_t)clamp_i32(shade + (int)(grain & 7), 0, 255);
        }
    }
}

static void make_basis(void)
{
    for (int k = 0; k < B; k++) {
        for (int n = 0; n < B; n++) {
            double scale = k == 0 ? 0.35355339059327373 : 0.5;

            basis[k][n] =
                (int32_t)axc_floor(scale * axc_cos(AXC_PI * (2 * n + 1) * k / 16.0) * 4096.0 + 0.5);
        }
    }
}

/* Sum of absolute differences against the old frame at an offset; pixels outside repeat the edge.
 */
static uint32_t compare(const struct state *s, const struct block *block, int dx, int dy,
                        uint32_t limit)
{
    uint32_t sum = 0;

    for (int y = 0; y < B && sum < limit; y++) {
        int old_y = clamp_i32(block->y + y + dy, 0, H - 1);

        for (int x = 0; x < B; x++) {
            int old_x = clamp_i32(block->x + x + dx, 0, W - 1);
            int difference = current[block->y + y][block->x + x] - s->frame[old_y][old_x];

            sum += (uint32_t)(difference < 0 ? -difference : difference);
        }
    }
    return sum;
}

/* Starts at the block's last vector, so that equal matches keep it. */
static void search(const struct state *s, struct block *block, const int8_t *last)
{
    block->dx = clamp_i32(last[0], -RANGE, RANGE);
    block->dy = clamp_i32(last[1], -RANGE, RANGE);
    block->difference = compare(s, block, block->dx, block->dy, UINT32_MAX);
    for (int dy = -RANGE; dy <= RANGE; dy++) {
        for (int dx = -RANGE; dx <= RANGE; dx++) {
            uint32_t difference = compare(s, block, dx, dy, block->difference);

            if (difference < block->difference) {
                block->dx = dx;
                block->dy = dy;
                block->difference = difference;
            }
        }
    }
}

/* One pass along rows, transposing; twice makes the transform. */
static void transform(const int32_t in[B][B], int32_t out[B][B], int is_inverse)
{
    for (int y = 0; y < B; y++) {
        for (int k = 0; k < B; k++) {
            int32_t sum = 2048;

            for (int n = 0; n < B; n++) {
                sum += in[y][n] * (is_inverse ? basis[n][k] : basis[k][n]);
            }
            out[k][y] = sum >> 12;
        }
    }
}

/* Codes one block and writes what a decoder would see to `rebuilt`. */
static void code(struct state *s, const struct block *block, uint8_t rebuilt[B][B])
{
    int32_t a[B][B];
    int32_t b[B][B];
    int32_t step = (int32_t)s->quantiser;

    for (int y = 0; y < B; y++) {
        for (int x = 0; x < B; x++) {
            int old_y = clamp_i32(block->y + y + block->dy, 0, H - 1);
            int old_x = clamp_i32(block->x + x + block->dx, 0, W - 1);

            rebuilt[y][x] = s->frame[old_y][old_x];
            a[y][x] = current[block->y + y][block->x + x] - rebuilt[y][x];
        }
    }
    transform(a, b, 0);
    transform(b, a, 0);
    for (int y = 0; y < B; y++) {
        for (int x = 0; x < B; x++) {
            int32_t level = a[y][x] / step;

            if (level != 0) {
                digest_u64(&s->digest, (uint64_t)(y * B + x) << 32 | (uint32_t)level);
            }
            a[y][x] = level * step;
        }
    }
    transform(a, b, 1);
    transform(b, a, 1);
    for (int y = 0; y < B; y++) {
        for (int x = 0; x < B; x++) {
            rebuilt[y][x] = (uint8_t)clamp_i32(rebuilt[y][x] + a[y][x], 0, 255);
        }
    }
}

/* Vectors are coded as the change since the last frame. */
static void put_vector(struct state *s, const struct block *block, int8_t *last)
{
    uint32_t change = (uint32_t)((block->dx - last[0]) * 1024 + block->dy - last[1]);

    digest_u64(&s->digest, (uint64_t)change << 32 | block->difference);
    last[0] = (int8_t)block->dx;
    last[1] = (int8_t)block->dy;
}

static void encode(struct state *s)
{
    static uint8_t rebuilt[BLOCKS][B][B]; /* scratch */
    uint32_t activity = 0;

    for (int n = 0; n < BLOCKS; n++) {
        struct block block = {.x = n % (W / B) * B, .y = n / (W / B) * B};

        activity += compare(s, &block, 0, 0, UINT32_MAX);
        search(s, &block, s->vectors[n]);
        put_vector(s, &block, s->vectors[n]);
        code(s, &block, rebuilt[n]);
    }
    for (int n = 0; n < BLOCKS; n++) {
        for (int y = 0; y < B; y++) {
            memcpy(&s->frame[n / (W / B) * B + y][n % (W / B) * B], rebuilt[n][y], B);
        }
    }
    s->activity = s->activity - s->activity / 4 + activity / 24;
    digest_u64(&s->digest, (uint64_t)activity << 32 | s->activity);
}

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;

    s->quantiser = (uint32_t)clamp_i32((int32_t)(s->quantiser & 127), 4, 64);
    render(job->number);
    make_basis();
    encode(s);
    s->quantiser =
        (uint32_t)clamp_i32((int32_t)((s->quantiser * 3 + s->activity / 512) / 4), 4, 64);
    s->jobs++;
    digest_u64(&s->digest, s->jobs);
    digest_u64(&s->digest, s->quantiser);
    return put_digest(job, s->digest);
}

AXCAN_TASK("video-encoder", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 100000, .deadline_us = 100000, .criticality = 1, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 12000},
                    {"linux-aarch64", 12000},
                    {"axcan-virt", 25000},
                    {"axcan-zcu102", 25000}});
