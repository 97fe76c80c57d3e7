/* SPDX-License-Identifier: Apache-2.0 */
/* Lane detection. Renders a camera frame of a curving road, finds edges (Sobel), lets them vote for
 * lines (Hough transform, Duda and Hart 1972) and follows the left and right lane mark in an
 * accumulator that fades over frames. Confidence is a peak's share of all votes. */
#include "common.h"

#define W 96
#define H 64
#define ANGLES 32
#define RHOS 64
#define EDGE 120

struct lane {
    int32_t angle;
    int32_t rho;
    uint32_t age;
    uint32_t confidence; /* of 65536 */
};

struct state {
    uint64_t jobs;
    uint64_t digest;
    double curvature;
    double offset;
    struct lane lanes[2];
    uint16_t votes[ANGLES][RHOS];
};

/* Scratch, written before it is read in every job. */
static uint8_t frame[H][W];
static uint16_t fresh[ANGLES][RHOS];

static void steer(struct state *s, struct noise *noise)
{
    s->curvature = clamp_f64(s->curvature * 0.97 + 0.05 * noise_f64(noise), -1.0, 1.0);
    s->offset =
        clamp_f64(s->offset * 0.98 + 0.4 * s->curvature + 0.2 * noise_f64(noise), -10.0, 10.0);
}

/* Road, two marks in perspective, grain. */
static void render(const struct state *s, struct noise *noise)
{
    for (int y = 0; y < H; y++) {
        double depth = (double)(H - y) / H;
        double middle = W / 2 + s->offset * (1.0 - depth) + 30.0 * s->curvature * depth * depth;
        int left = (int)(middle - 38.0 * (1.05 - depth));
        int right = (int)(middle + 38.0 * (1.05 - depth));
        uint32_t grain = 0;

        for (int x = 0; x < W; x++) {
            int is_mark = (x >= left && x < left + 3) || (x >= right && x < right + 3);

            grain = (x & 3) == 0 ? noise_u32(noise) : grain >> 8;
            frame[y][x] = (uint8_t)((is_mark ? 190 : 70) + (grain & 31));
        }
    }
}

static void vote(int x, int y, const int32_t *cosines, const int32_t *sines)
{
    for (int a = 0; a < ANGLES; a++) {
        int32_t rho = ((x - W / 2) * cosines[a] + (y - H / 2) * sines[a]) / 4096;

        rho = rho / 2 + RHOS / 2;
        if (rho >= 0 && rho < RHOS) {
            fresh[a][rho]++;
        }
    }
}

static void find_edges(void)
{
    int32_t cosines[ANGLES];
    int32_t sines[ANGLES];

    for (int a = 0; a < ANGLES; a++) {
        double angle = AXC_PI * a / ANGLES;

        cosines[a] = (int32_t)(axc_cos(angle) * 4096.0);
        sines[a] = (int32_t)(axc_sin(angle) * 4096.0);
    }
    memset(fresh, 0, sizeof(fresh));
    for (int y = 1; y < H - 1; y++) {
        for (int x = 1; x < W - 1; x++) {
            int gx = frame[y - 1][x + 1] + 2 * frame[y][x + 1] + frame[y + 1][x + 1] -
                     frame[y - 1][x - 1] - 2 * frame[y][x - 1] - frame[y + 1][x - 1];
            int gy = frame[y + 1][x - 1] + 2 * frame[y + 1][x] + frame[y + 1][x + 1] -
                     frame[y - 1][x - 1] - 2 * frame[y - 1][x] - frame[y - 1][x + 1];

            if ((gx < 0 ? -gx : gx) + (gy < 0 ? -gy : gy) > 2 * EDGE) {
                vote(x, y, cosines, sines);
            }
        }
    }
}

/* Old votes fade by 1/8. Returns the mass of all votes and its moment over the table. */
static uint64_t accumulate(struct state *s, uint64_t *ret_moment)
{
    uint64_t mass = 0;
    uint64_t moment = 0;

    for (int a = 0; a < ANGLES; a++) {
        for (int r = 0; r < RHOS; r++) {
            uint32_t votes = s->votes[a][r] - s->votes[a][r] / 8u + 16u * fresh[a][r];

            s->votes[a][r] = (uint16_t)(votes > 65535 ? 65535 : votes);
            mass += s->votes[a][r];
            moment += (uint64_t)s->votes[a][r] * (unsigned)(a * RHOS + r + 1);
        }
    }
    *ret_moment = moment;
    return mass;
}

/* side 0: marks that lean to the left half of the angles; 1: the right half. */
static void follow(struct state *s, int side, uint64_t mass)
{
    struct lane *lane = &s->lanes[side];
    int best_a = 0;
    int best_r = 0;
    int32_t best = -1;

    for (int a = side * (ANGLES / 2); a < (side + 1) * (ANGLES / 2); a++) {
        for (int r = 0; r < RHOS; r++) {
            int32_t distance = (a * 16 - lane->angle) / 16 + (r * 16 - lane->rho) / 16;
            int32_t score = s->votes[a][r] * 4 - (distance < 0 ? -distance : distance);

            if (score > best) {
                best = score;
                best_a = a;
                best_r = r;
            }
        }
    }
    lane->angle = clamp_i32(lane->angle, 0, ANGLES * 16);
    lane->rho = clamp_i32(lane->rho, 0, RHOS * 16);
    lane->angle += (best_a * 16 - lane->angle) / 2;
    lane->rho += (best_r * 16 - lane->rho) / 2;
    lane->confidence =
        lane->confidence / 2 + (uint32_t)((uint64_t)s->votes[best_a][best_r] * 32768 / (mass + 1));
    lane->age++;
}

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;
    struct noise noise = noise_of_job(3, job->number);
    uint64_t moment = 0;
    uint64_t mass = 0;

    steer(s, &noise);
    render(s, &noise);
    find_edges();
    mass = accumulate(s, &moment);
    s->jobs++;
    digest_u64(&s->digest, s->jobs);
    digest_u64(&s->digest, moment);
    digest_f64(&s->digest, s->offset);
    for (int side = 0; side < 2; side++) {
        follow(s, side, mass);
        digest_u64(&s->digest, (uint64_t)s->lanes[side].angle << 32 | (uint32_t)s->lanes[side].rho);
        digest_u64(&s->digest, (uint64_t)s->lanes[side].age << 32 | s->lanes[side].confidence);
    }
    return put_digest(job, s->digest);
}

AXCAN_TASK("lane-detection", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 50000, .deadline_us = 50000, .criticality = 4, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 3000},
                    {"linux-aarch64", 3000},
                    {"axcan-virt", 4000},
                    {"axcan-zcu102", 4000}});
