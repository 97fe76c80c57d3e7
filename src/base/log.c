/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stddef.h>

static struct {
    axi_log_sink sink;
    enum axi_log_level max_level;
} log_state;

void axi_log_set_sink(axi_log_sink sink, enum axi_log_level max_level)
{
    log_state.sink = sink;
    log_state.max_level = max_level;
}

void axi_log(enum axi_log_level level, const char *id, const char *format, ...)
{
    if (log_state.sink == NULL || level > log_state.max_level) {
        return;
    }
    va_list arguments;

    va_start(arguments, format);
    log_state.sink(level, id, format, arguments);
    va_end(arguments);
}
