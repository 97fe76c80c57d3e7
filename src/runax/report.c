/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void write_text(struct axi_report *report, const char *format, va_list arguments)
{
    if (report != NULL) {
        (void)vsnprintf(report->text, sizeof(report->text), format, arguments);
    }
}

int axi_report_set(struct axi_report *report, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_text(report, format, arguments);
    va_end(arguments);
    if (report != NULL) {
        report->code = code;
    }
    return code;
}

static int code_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return -AXC_ENOENT;
    case EEXIST:
        return -AXC_EEXIST;
    case ENOMEM:
        return -AXC_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
        return -AXC_EPERM;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
        return -AXC_EFULL;
    case EBUSY:
    case EAGAIN:
        return -AXC_EBUSY;
    case ETIMEDOUT:
        return -AXC_ETIMEOUT;
    case EINVAL:
        return -AXC_EINVALID;
    default:
        return -AXC_EIO;
    }
}

int axi_report_errno(struct axi_report *report, const char *format, ...)
{
    int number = errno;
    va_list arguments;
    va_start(arguments, format);
    write_text(report, format, arguments);
    va_end(arguments);
    int code = code_of_errno(number);
    if (report != NULL) {
        size_t used = strlen(report->text);
        (void)snprintf(report->text + used, sizeof(report->text) - used, ": %s", strerror(number));
        report->code = code;
    }
    return code;
}

const char *axi_report_text(const struct axi_report *report)
{
    return report->text[0] != '\0' ? report->text : axi_error_text(report->code);
}
