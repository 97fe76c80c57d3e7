/* SPDX-License-Identifier: Apache-2.0 */
/* axcan/math.h: arithmetic for tasks. Compiled from one source for every instruction set, without
 * fused multiply-add, so that the same arguments give the same bits everywhere; a task that
 * migrates between instruction sets depends on it. Accurate to about 2 units in the last place
 * within the ranges given. No errno, no tables, no state. `axcan build` links it. */
#ifndef AXCAN_MATH_H
#define AXCAN_MATH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AXC_PI 3.14159265358979323846

/* One instruction on every platform; correctly rounded by IEEE 754. x >= 0. */
static inline double axc_sqrt(double x)
{
    return __builtin_sqrt(x);
}

static inline double axc_fabs(double x)
{
    return __builtin_fabs(x);
}

double axc_floor(double x);
double axc_sin(double x); /* |x| <= 2^20 rad; beyond: 0 */
double axc_cos(double x); /* |x| <= 2^20 rad; beyond: 1 */
double axc_atan(double x);
double axc_atan2(double y, double x); /* (-pi, pi]; 0 for (0, 0) */
double axc_exp(double x);             /* saturates to 0 and infinity */
double axc_log(double x);             /* x > 0, normal numbers; else -infinity */

/* Standard contracts; the compiler calls them too. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
