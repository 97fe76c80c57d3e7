/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix task as a Linux process: SCHED_FIFO, one line of ticks for each run. */
#include "matrix.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t ticks[MATRIX_RUNS_MAX];

int main(void)
{
    struct sched_param priority = {.sched_priority = 50};
    struct timespec next;
    if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) {
        (void)fprintf(stderr, "matrix_container: no SCHED_FIFO\n");
    }
    (void)mlockall(MCL_CURRENT | MCL_FUTURE);
    (void)clock_gettime(CLOCK_MONOTONIC, &next);
    for (uint32_t i = 0; i < matrix.runs; i++) {
        next.tv_nsec += matrix.period_us * 1000L;
        if (next.tv_nsec >= 1000000000L) {
            next.tv_nsec -= 1000000000L;
            next.tv_sec++;
        }
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        ticks[i] = matrix_run();
    }
    for (uint32_t i = 0; i < matrix.runs; i++) {
        (void)printf("%llu\n", (unsigned long long)ticks[i]);
    }
    return 0;
}
