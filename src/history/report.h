/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict for people and for programs. May block on the stream. */
#ifndef AXI_HISTORY_REPORT_H
#define AXI_HISTORY_REPORT_H

#include "history/checker.h"

#include <stdio.h>

/* names: optional, gives a task's name or NULL (then its id is printed). */
struct axi_report_names {
    void *context;
    const char *(*task)(void *context, uint64_t task_id); /* returns borrowed */
};

void axi_report_text(FILE *stream, const struct axi_verdict *verdict,
                     const struct axi_report_names *names);
void axi_report_json(FILE *stream, const struct axi_verdict *verdict,
                     const struct axi_report_names *names);

#endif
