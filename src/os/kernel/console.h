/* SPDX-License-Identifier: Apache-2.0 */
/* Text to the board's console, polled; a line's cost is bounded by its length. */
#ifndef AXI_OS_CONSOLE_H
#define AXI_OS_CONSOLE_H

#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>

/* printf's subset %s %c %d %i %u %x %X %p %% with flags 0 and -, width, precision (also *), l, ll,
 * z, h, hh. Always ends with NUL when capacity > 0; returns the length that all of it needs. */
int axi_vformat(char *to, size_t capacity, const char *format, va_list arguments);
int axi_format(char *to, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void axi_console_write(const char *text, size_t bytes);
/* One line of at most 511 characters (cut); "\n" is the caller's. Any context. The console is slow,
 * so a thread's line may be preempted: what a hook prints meanwhile comes in between. */
void axi_console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Sink for base/log.h: "LEVEL id text". The kernel sets it at start, up to level info. */
void axi_console_log(enum axi_log_level level, const char *id, const char *format,
                     va_list arguments);

#endif
