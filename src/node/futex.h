/* SPDX-License-Identifier: Apache-2.0 */
/* Futex calls between processes, without errno: usable in signal handlers and sandboxes. */
#ifndef AXI_NODE_FUTEX_H
#define AXI_NODE_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleeps while *word == expected; returns at any wake, signal or after `timeout` (NULL: never). */
static inline void axi_futex_wait(_Atomic uint32_t *word, uint32_t expected,
                                  const struct timespec *timeout)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

static inline void axi_futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

#endif
