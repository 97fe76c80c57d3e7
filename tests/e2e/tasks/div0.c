/* SPDX-License-Identifier: Apache-2.0 */
#define NAME "div0"
#if defined(__x86_64__)
/* of a number that the compiler does not know: it would turn 1 / x into a comparison */
#define MISBEHAVE zero = job->number / zero
#else
#define MISBEHAVE __builtin_trap() /* AArch64 divides by zero without a word */
#endif
#include "faulty.h"
