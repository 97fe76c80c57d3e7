/* SPDX-License-Identifier: Apache-2.0 */
/* Log interface: level, stable message id, key=value text. Freestanding code calls AXI_LOG; the
 * program sets the sink once at start (default: nothing is written). Never in a dispatch path:
 * there a fixed record goes to the trace (core/trace.h). Never log secrets. */
#ifndef AXI_BASE_LOG_H
#define AXI_BASE_LOG_H

#include <stdarg.h>

enum axi_log_level { AXI_LOG_ERROR = 0, AXI_LOG_WARN = 1, AXI_LOG_INFO = 2, AXI_LOG_DEBUG = 3 };

typedef void (*axi_log_sink)(enum axi_log_level level, const char *id, const char *format,
                             va_list arguments);

/* Not thread-safe: call before threads start. NULL silences. */
void axi_log_set_sink(axi_log_sink sink, enum axi_log_level max_level);

/* id: stable, e.g. "lease-expired". format: printf-like, "key=%s other=%u". */
void axi_log(enum axi_log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
