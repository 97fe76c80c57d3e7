/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for the engine: appended to --log as one line each, in its format. */
#ifndef AXI_RUNAX_OCI_LOG_H
#define AXI_RUNAX_OCI_LOG_H

#include "runax/oci/options.h"

/* level: "error", "warning", "info", "debug" (only with --debug). Errors go to stderr, too. Never
 * fails: where the file cannot be written stderr must do. */
void axi_oci_log(const struct axi_oci_options *options, const char *level, const char *text);

/* RFC 3339 with nanoseconds, UTC: "2026-01-02T03:04:05.123456789Z". */
void axi_oci_time(char ret_text[40]);

#endif
