/* SPDX-License-Identifier: Apache-2.0 */
#define NAME "syscall"
#if defined(__x86_64__)
#define MISBEHAVE __asm__ volatile("syscall" : "=a"(zero) : "a"(57) : "rcx", "r11", "memory")
#else
#define MISBEHAVE __asm__ volatile("mov x8, 220\n svc 0" ::: "x0", "x8", "memory")
#endif
#include "faulty.h"
