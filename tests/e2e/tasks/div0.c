/* SPDX-License-Identifier: Apache-2.0 */
#define NAME "div0"
#if defined(__x86_64__)
#define MISBEHAVE zero = 1 / zero
#else
#define MISBEHAVE __builtin_trap() /* AArch64 divides by zero without a word */
#endif
#include "faulty.h"
