/* SPDX-License-Identifier: Apache-2.0 */
/* What a clock said of itself: the CSV of `axcan-timed --csv` (a header names the columns), or the
 * lines `clock-sample key=value...` in the log or console of a node; other lines are passed over.
 * Heap; no messages. */
#ifndef AXI_CLI_CLOCK_LOG_H
#define AXI_CLI_CLOCK_LOG_H

#include "base/error.h"

#include <jansson.h>
#include <stdio.h>

struct axi_clock_log;

/* -AXC_EINVALID (a sample is not whole or no number: line *ret_line), -AXC_ENOENT (no sample),
 * -AXC_ENOMEM. */
AXC_MUST_USE int axi_clock_log_read(FILE *from, struct axi_clock_log **ret_log, size_t *ret_line);
void axi_clock_log_free(struct axi_clock_log *log); /* NULL is fine */

/* {"samples", "locked", "lock_s" (from the first sample; null: never)} and, for error_ns,
 * offset_ns, delay_ns and bound_ns as far as they are there, {"p50", "p99", "max"} of their
 * magnitude while locked; "beyond_bound": samples whose error was larger than their bound. */
json_t *axi_clock_log_summarize(struct axi_clock_log *log);

/* All of it over time, as SVG. */
void axi_clock_log_draw(const struct axi_clock_log *log, const json_t *summary, const char *title,
                        FILE *to);

#endif
