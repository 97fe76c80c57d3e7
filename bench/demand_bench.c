/* SPDX-License-Identifier: Apache-2.0 */
/* Admission: the time of one exact test by size of the set. Sets are drawn with a fixed seed:
 * periods log-uniform from 1 ms to 1 s, shares of a load of 0.95 by UUniFast, deadlines such that
 * the density exceeds 1: every one goes through QPA. One JSON object a line (bench/run). */
#include "core/demand.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIZE_MAX_TASKS = 1000, SETS = 400, REPEATS = 3 };

#define LOAD 0.95
#define LEAST 0.1 /* of what a deadline may be longer than its budget */
#define CAPACITY_PPM 1000000u

static uint64_t state = 88172645463325252u;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

static double now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static void draw(struct axi_demand_task *tasks, uint32_t n)
{
    double left = LOAD;

    for (uint32_t i = 0; i < n; i++) {
        double next = i + 1 < n ? left * pow(uniform(), 1.0 / (double)(n - i - 1)) : 0;
        double period = 1e6 * pow(1000, uniform());
        double wcet = fmax(period * (left - next), 1);
        double least = wcet + (period - wcet) * LEAST;

        left = next;
        tasks[i] = (struct axi_demand_task){
            .wcet_ns = (uint64_t)wcet,
            .period_ns = (uint64_t)period,
            .deadline_ns = (uint64_t)(least + (period - least) * uniform()),
        };
    }
}

/* The best of a few runs of one set, us; negative: QPA was not needed. */
static double measure(const struct axi_demand_task *tasks, uint32_t n, bool *ret_admitted)
{
    struct axi_demand_verdict verdict = {0};
    double best = -1;

    for (int i = 0; i < REPEATS; i++) {
        double start = now_us();
        int r = axi_demand_admit(tasks, n - 1, &tasks[n - 1], CAPACITY_PPM, &verdict);
        double took = now_us() - start;

        if (verdict.windows == 0) {
            return -1;
        }
        *ret_admitted = r == 0;
        best = best < 0 || took < best ? took : best;
    }
    return best;
}

static void report(uint32_t n, double versus, const char *goal, double *ret_median)
{
    static struct axi_demand_task tasks[SIZE_MAX_TASKS];
    double times[SETS];
    uint32_t count = 0;
    uint32_t admitted = 0;

    for (uint32_t draws = 0; count < SETS && draws < 10 * SETS; draws++) {
        bool is_admitted = false;

        draw(tasks, n);
        times[count] = measure(tasks, n, &is_admitted);
        if (times[count] >= 0) {
            count++;
            admitted += is_admitted;
        }
    }
    if (count == 0) {
        (void)fprintf(stderr, "demand_bench: no set of %u tasks needed QPA\n", n);
        exit(1);
    }
    qsort(times, count, sizeof(times[0]), by_value);
    *ret_median = times[count / 2];
    (void)printf("{\"name\": \"exact EDF admission, %u tasks\", \"value\": %.3f, \"unit\": \"us\", "
                 "\"goal\": \"%s\", ",
                 n, *ret_median, goal);
    if (versus > 0) {
        (void)printf("\"versus\": \"10 tasks\", \"versus_value\": %.3f, ", versus);
    }
    (void)printf("\"note\": \"QPA, load %.2f, %u sets, %u admitted; largest %.1f us\"}\n", LOAD,
                 count, admitted, times[count - 1]);
}

int main(void)
{
    double base = 0;
    double median = 0;

    report(10, 0, "", &base);
    report(50, base, "<= 50 us", &median);
    report(200, base, "", &median);
    report(1000, base, "<= 5000 us", &median);
    return 0;
}
