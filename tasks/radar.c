/* SPDX-License-Identifier: Apache-2.0 */
/* Radar. Per job 32 chirps of 256 samples: echoes of moving targets in noise; range FFT (radix 2,
 * Cooley and Tukey 1965), power summed over chirps, cell-averaging CFAR against neighbours and a
 * clutter map that learns over jobs; detections feed alpha-beta tracks. */
#include "common.h"

#define N 256
#define CHIRPS 32
#define TARGETS 6
#define TRACKS 16
#define GUARD 2
#define TRAIN 8

struct track {
    double range;
    double speed;
    double power;
    uint32_t hits;
    uint32_t misses;
};

struct state {
    uint64_t jobs;
    uint64_t digest;
    struct track tracks[TRACKS];
    double clutter[N]; /* mean power per range cell */
};

/* Scratch, written before it is read in every job. */
static double re[N];
static double im[N];
static double power[N];
static double wave_re[N / 2];
static double wave_im[N / 2];

static void make_waves(void)
{
    for (int i = 0; i < N / 2; i++) {
        wave_re[i] = axc_cos(-2.0 * AXC_PI * i / N);
        wave_im[i] = axc_sin(-2.0 * AXC_PI * i / N);
    }
}

/* Target k moves to and fro between range cells. */
static double target_range(int k, uint64_t job)
{
    uint64_t cycle = 400 + 90 * (uint64_t)k;
    uint64_t phase = (job + 37 * (uint64_t)k) % cycle;
    double part = (double)(phase < cycle / 2 ? phase : cycle - phase) / (double)(cycle / 2);

    return 20.0 + 15.0 * k + 120.0 * part;
}

/* One chirp: a rotating phasor per target, and noise. */
static void echo(uint64_t job, struct noise *noise)
{
    for (int i = 0; i < N; i++) {
        re[i] = noise_f64(noise);
        im[i] = noise_f64(noise);
    }
    for (int k = 0; k < TARGETS; k++) {
        double angle = 2.0 * AXC_PI * target_range(k, job) / N;
        double step_re = axc_cos(angle);
        double step_im = axc_sin(angle);
        double c = 0.9 - 0.1 * k;
        double s = 0.0;

        for (int i = 0; i < N; i++) {
            double next = c * step_re - s * step_im;

            s = c * step_im + s * step_re;
            c = next;
            re[i] += c;
            im[i] += s;
        }
    }
}

static void swap(double *a, double *b)
{
    double keep = *a;

    *a = *b;
    *b = keep;
}

static void bit_reverse(void)
{
    int j = 0;

    for (int i = 1; i < N; i++) {
        int bit = N >> 1;

        for (; (j & bit) != 0; bit >>= 1) {
            j ^= bit;
        }
        j ^= bit;
        if (i < j) {
            swap(&re[i], &re[j]);
            swap(&im[i], &im[j]);
        }
    }
}

static void fft(void)
{
    bit_reverse();
    for (int length = 2; length <= N; length <<= 1) {
        int half = length / 2;
        int stride = N / length;

        for (int start = 0; start < N; start += length) {
            for (int k = 0; k < half; k++) {
                int a = start + k;
                int b = a + half;
                double c = wave_re[k * stride];
                double s = wave_im[k * stride];
                double x = re[b] * c - im[b] * s;
                double y = re[b] * s + im[b] * c;

                re[b] = re[a] - x;
                im[b] = im[a] - y;
                re[a] += x;
                im[a] += y;
            }
        }
    }
}

static void measure(uint64_t job)
{
    struct noise noise = noise_of_job(4, job);

    make_waves();
    memset(power, 0, sizeof(power));
    for (int chirp = 0; chirp < CHIRPS; chirp++) {
        echo(job, &noise);
        fft();
        for (int i = 0; i < N; i++) {
            power[i] += (re[i] * re[i] + im[i] * im[i]) * (1.0 / CHIRPS);
        }
    }
}

/* Mean power of the training cells on both sides. */
static double neighbours(int cell)
{
    double sum = 0.0;

    for (int d = GUARD + 1; d <= GUARD + TRAIN; d++) {
        sum += power[(cell + d) & (N - 1)] + power[(cell - d) & (N - 1)];
    }
    return sum / (2 * TRAIN);
}

static struct track *track_for(struct state *s, double range)
{
    struct track *idle = NULL;

    for (int i = 0; i < TRACKS; i++) {
        struct track *track = &s->tracks[i];

        if (track->hits > 0 && axc_fabs(track->range - range) < 3.0) {
            return track;
        }
        if (track->hits == 0 && idle == NULL) {
            idle = track;
        }
    }
    return idle;
}

static void hit(struct state *s, double range, double value)
{
    struct track *track = track_for(s, range);
    double innovation = 0.0;

    if (track == NULL) {
        return;
    }
    if (track->hits == 0) {
        track->range = range;
        track->speed = 0.0;
        track->power = value;
    }
    innovation = range - track->range;
    track->range += 0.5 * innovation;
    track->speed = clamp_f64(track->speed + 0.2 * innovation, -4.0, 4.0);
    track->power += 0.1 * (value - track->power);
    track->hits++;
    track->misses = 0;
}

/* CFAR: a cell is a target when it exceeds both its neighbours and the learned clutter. */
static void detect(struct state *s)
{
    for (int i = 0; i < N; i++) {
        double learned = clamp_f64(s->clutter[i], 0.0, 1e12);
        double threshold = 6.0 * neighbours(i) + 0.05 * learned;

        if (power[i] > threshold && power[i] >= power[(i + 1) & (N - 1)] &&
            power[i] > power[(i - 1) & (N - 1)]) {
            hit(s, (double)i, power[i]);
        }
        s->clutter[i] = learned + 0.02 * (power[i] - learned);
    }
}

static void coast(struct state *s)
{
    for (int i = 0; i < TRACKS; i++) {
        struct track *track = &s->tracks[i];

        track->range = clamp_f64(track->range + track->speed, -1000.0, 1000.0);
        track->power = clamp_f64(track->power, 0.0, 1e12);
        track->misses++;
        if (track->misses > 20) {
            memset(track, 0, sizeof(*track));
        }
    }
}

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;
    double floor_level = 0.0;

    measure(job->number);
    coast(s);
    detect(s);
    for (int i = 0; i < N; i++) {
        floor_level += s->clutter[i];
    }
    s->jobs++;
    digest_u64(&s->digest, s->jobs);
    digest_f64(&s->digest, floor_level / N);
    for (int i = 0; i < TRACKS; i++) {
        const struct track *track = &s->tracks[i];

        digest_u64(&s->digest, (uint64_t)track->hits << 32 | track->misses);
        digest_f64(&s->digest, track->range);
        digest_f64(&s->digest, track->speed + 1e-3 * track->power);
    }
    return put_digest(job, s->digest);
}

AXCAN_TASK("radar", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 100000, .deadline_us = 100000, .criticality = 3, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 6000},
                    {"linux-aarch64", 6000},
                    {"axcan-virt", 10000},
                    {"axcan-zcu102", 10000}});
