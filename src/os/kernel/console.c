/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/console.h"

#include "base/log.h"
#include "os/board/board.h"

#define LINE_BYTES 512u

void axi_console_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        axi_board.console_put(text[i]);
    }
}

static void print(const char *format, va_list arguments)
{
    char line[LINE_BYTES];
    int length = axi_vformat(line, sizeof(line), format, arguments);

    axi_console_write(line, length < (int)LINE_BYTES ? (size_t)length : LINE_BYTES - 1);
}

void axi_console_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
}

void axi_console_log(enum axi_log_level level, const char *id, const char *format,
                     va_list arguments)
{
    static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    char text[LINE_BYTES / 2];

    axi_vformat(text, sizeof(text), format, arguments);
    axi_console_print("%s %s %s\n", names[level <= AXI_LOG_DEBUG ? level : AXI_LOG_DEBUG], id,
                      text);
}
