/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded telemetry (docs/formats/predictor.md): CSV with a header line, written by the master
 * (--telemetry), read by `axcan train`. */
#ifndef AXI_PREDICT_TRACE_H
#define AXI_PREDICT_TRACE_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

#define AXI_TRACE_HEADER "time_ns,node,task_load_ppm,cpu_load_ppm,density_ppm,latency_ns"
#define AXI_TRACE_SERIES_MAX 256u
#define AXI_TRACE_SAMPLES_MAX 500000u

/* Load of one node's tasks in the order of time. */
struct axi_trace_series {
    char node[32];
    double *samples; /* task_load_ppm */
    size_t count;
};

struct axi_telemetry_trace {
    struct axi_trace_series *series;
    size_t count;
};

/* -AXC_ETRACE_FORMAT with the line's number: no header of this form, a field missing or no number,
 * time running backwards for a node. -AXC_EFULL (too many nodes or samples), -AXC_ENOMEM, -AXC_EIO.
 * Free with axi_telemetry_trace_clear. */
AXC_MUST_USE int axi_telemetry_trace_read(FILE *from, struct axi_telemetry_trace *ret_trace,
                                          size_t *ret_line);
void axi_telemetry_trace_clear(struct axi_telemetry_trace *trace);

#endif
