/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

static void print(const char *name, const char *format, va_list arguments)
{
    (void)fprintf(stderr, "axcan %s: ", name);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

int axi_cli_usage(const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(name, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "axcan %s: try 'axcan %s --help'\n", name, name);
    return AXI_EXIT_USAGE;
}

int axi_cli_fail(const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print(name, format, arguments);
    va_end(arguments);
    return AXI_EXIT_FAILED;
}
