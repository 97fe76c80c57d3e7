/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, for people: an error number and one specific sentence that names the object, the
 * value and the cure where there is one. It ends as the last line of the engine's log file. */
#ifndef AXI_RUNAX_REPORT_H
#define AXI_RUNAX_REPORT_H

#include "base/error.h"

#define AXI_REPORT_TEXT_BYTES 480u

struct axi_report {
    int code; /* -AXC_E..., 0 = nothing reported */
    char text[AXI_REPORT_TEXT_BYTES];
};

/* Sets the report (replacing what was there; report may be NULL) and returns `code`, so that a
 * failure is one line: return axi_report_set(report, -AXC_EBUSY, "CPU %u is taken by %s", ...). */
int axi_report_set(struct axi_report *report, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of errno (which it translates to the nearest -AXC_E). */
int axi_report_errno(struct axi_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The text, or that of the code when nothing was written. */
const char *axi_report_text(const struct axi_report *report);

#endif
