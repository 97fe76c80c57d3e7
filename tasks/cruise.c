/* SPDX-License-Identifier: Apache-2.0 */
/* Cruise control. A Kalman filter over {position, speed, acceleration, road grade, drag, sensor
 * bias} fuses a simulated wheel sensor at 16 samples per job; a PID controller with a smoothed
 * derivative acts through an engine that answers with a delay line; the last 64 speeds give a trend
 * by least squares that feeds forward. */
#include "common.h"

#define N 6
#define HISTORY 64
#define DELAY 24
#define SAMPLES 16
#define DT (0.01 / SAMPLES)

struct state {
    uint64_t jobs;
    uint64_t digest;
    double true_speed;
    double true_grade;
    double x[N];    /* estimate */
    double p[N][N]; /* covariance */
    double integral;
    double error_smooth;
    double last_error;
    double delay[DELAY];     /* throttle commands on their way to the engine, oldest first */
    double history[HISTORY]; /* estimated speeds, oldest first */
};

static void start(struct state *s)
{
    s->true_speed = 20.0;
    s->x[1] = 18.0;
    for (int i = 0; i < N; i++) {
        s->p[i][i] = 4.0;
    }
    for (int i = 0; i < HISTORY; i++) {
        s->history[i] = 18.0;
    }
}

static double set_speed(uint64_t job)
{
    return 22.0 + 6.0 * (double)(job / 400 % 3);
}

/* The car: what the controller cannot see. */
static double drive(struct state *s, double throttle, struct noise *noise)
{
    double drag = 0.0004 * s->true_speed * s->true_speed;

    s->true_grade = clamp_f64(s->true_grade * 0.9999 + 0.0004 * noise_f64(noise), -0.06, 0.06);
    s->true_speed += DT * (4.0 * throttle - drag - 9.81 * s->true_grade);
    s->true_speed = clamp_f64(s->true_speed, 0.0, 70.0);
    return s->true_speed + 0.3 * noise_f64(noise);
}

static void transition(double f[N][N])
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            f[i][j] = i == j ? 1.0 : 0.0;
        }
    }
    f[0][1] = DT;
    f[1][2] = DT;
    f[1][3] = -9.81 * DT;
    f[1][4] = -DT;
    f[2][2] = 0.98;
    f[4][4] = 0.999;
    f[5][5] = 0.9995;
}

/* p = f p f' + q */
static void predict_covariance(double p[N][N], double f[N][N])
{
    double fp[N][N];

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double sum = 0.0;

            for (int k = 0; k < N; k++) {
                sum += f[i][k] * p[k][j];
            }
            fp[i][j] = sum;
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double sum = i == j ? 1e-4 : 0.0;

            for (int k = 0; k < N; k++) {
                sum += fp[i][k] * f[j][k];
            }
            p[i][j] = clamp_f64(sum, -1e6, 1e6);
        }
    }
}

static void predict(struct state *s, double f[N][N], double throttle)
{
    double x[N];

    for (int i = 0; i < N; i++) {
        x[i] = 0.0;
        for (int j = 0; j < N; j++) {
            x[i] += f[i][j] * s->x[j];
        }
    }
    x[1] += DT * 4.0 * throttle;
    for (int i = 0; i < N; i++) {
        s->x[i] = clamp_f64(x[i], -1e6, 1e6);
    }
    predict_covariance(s->p, f);
}

/* One measurement z = speed + bias. */
static void correct(struct state *s, double z)
{
    double gain[N];
    double row[N];
    double variance = s->p[1][1] + s->p[1][5] + s->p[5][1] + s->p[5][5] + 0.03;
    double innovation = z - s->x[1] - s->x[5];

    variance = clamp_f64(variance, 0.03, 1e6);
    for (int i = 0; i < N; i++) {
        gain[i] = (s->p[i][1] + s->p[i][5]) / variance;
        row[i] = s->p[1][i] + s->p[5][i];
    }
    for (int i = 0; i < N; i++) {
        s->x[i] = clamp_f64(s->x[i] + gain[i] * innovation, -1e6, 1e6);
        for (int j = 0; j < N; j++) {
            s->p[i][j] = clamp_f64(s->p[i][j] - gain[i] * row[j], -1e6, 1e6);
        }
    }
}

/* Slope of the last speeds by least squares, per job. */
static double trend(const struct state *s)
{
    double sum = 0.0;

    for (int i = 0; i < HISTORY; i++) {
        sum += ((double)i - (HISTORY - 1) / 2.0) * s->history[i];
    }
    return sum * 12.0 / ((double)HISTORY * (HISTORY * HISTORY - 1));
}

static void push(double *line, int length, double value)
{
    for (int i = 1; i < length; i++) {
        line[i - 1] = line[i];
    }
    line[length - 1] = value;
}

static double control(struct state *s, uint64_t job)
{
    double error = set_speed(job) - s->x[1];
    double throttle = 0.0;

    s->error_smooth += 0.2 * ((error - s->last_error) - s->error_smooth);
    s->last_error = error;
    s->integral = clamp_f64(s->integral + 0.01 * error, -20.0, 20.0);
    throttle = 0.12 * error + 0.03 * s->integral + 0.4 * s->error_smooth - 0.5 * trend(s);
    return clamp_f64(throttle, -1.0, 1.0);
}

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;
    struct noise noise = noise_of_job(1, job->number);
    double f[N][N];
    double throttle = 0.0;

    if (s->jobs == 0) {
        start(s);
    }
    transition(f);
    for (int i = 0; i < SAMPLES; i++) {
        double z = drive(s, s->delay[0], &noise);

        predict(s, f, s->delay[0]);
        correct(s, z);
    }
    throttle = control(s, job->number);
    push(s->delay, DELAY, throttle);
    push(s->history, HISTORY, s->x[1]);
    s->jobs++;
    digest_u64(&s->digest, s->jobs);
    digest_f64(&s->digest, throttle);
    digest_f64(&s->digest, s->x[1]);
    digest_f64(&s->digest, s->x[0]);
    digest_f64(&s->digest, axc_sqrt(axc_fabs(s->p[0][0]))); /* how sure of the position */
    if (job->number % 400 == 0) {
        job->services->log(job, 2, "set speed changed");
    }
    return put_digest(job, s->digest);
}

AXCAN_TASK("cruise-control", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 10000, .deadline_us = 10000, .criticality = 5,
           .needs = AXC_SVC_LOG | AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 300},
                    {"linux-aarch64", 300},
                    {"axcan-virt", 1000},
                    {"axcan-zcu102", 1000}});
