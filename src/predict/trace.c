/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/trace.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 6
#define LINE_BYTES 256

struct reader {
    struct axi_telemetry_trace trace;
    uint64_t last_ns[AXI_TRACE_SERIES_MAX];
    size_t samples;
};

void axi_telemetry_trace_clear(struct axi_telemetry_trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        free(trace->series[i].samples);
    }
    free(trace->series);
    memset(trace, 0, sizeof(*trace));
}

static int parse_number(const char *text, uint64_t *ret_value)
{
    char *end = NULL;

    errno = 0;
    *ret_value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 ? 0 : -AXC_ETRACE_FORMAT;
}

/* Cuts the line at its commas. */
static int split(char *line, char *fields[FIELDS])
{
    size_t count = 0;
    char *rest = line;

    line[strcspn(line, "\r\n")] = '\0';
    while (rest != NULL) {
        if (count == FIELDS) {
            return -AXC_ETRACE_FORMAT;
        }
        fields[count++] = strsep(&rest, ",");
    }
    return count == FIELDS ? 0 : -AXC_ETRACE_FORMAT;
}

static int series_of(struct reader *r, const char *node, size_t *ret_index)
{
    struct axi_trace_series *grown;
    size_t bytes = strlen(node);

    for (size_t i = 0; i < r->trace.count; i++) {
        if (strcmp(r->trace.series[i].node, node) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    if (bytes == 0 || bytes >= sizeof(grown->node)) {
        return -AXC_ETRACE_FORMAT;
    }
    if (r->trace.count == AXI_TRACE_SERIES_MAX) {
        return -AXC_EFULL;
    }
    grown = realloc(r->trace.series, (r->trace.count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return -AXC_ENOMEM;
    }
    r->trace.series = grown;
    memset(&grown[r->trace.count], 0, sizeof(*grown));
    memcpy(grown[r->trace.count].node, node, bytes);
    *ret_index = r->trace.count++;
    return 0;
}

static int append(struct reader *r, size_t index, double value)
{
    struct axi_trace_series *series = &r->trace.series[index];

    if (++r->samples > AXI_TRACE_SAMPLES_MAX) {
        return -AXC_EFULL;
    }
    if ((series->count & (series->count - 1)) == 0) { /* full at each power of two */
        size_t room = series->count == 0 ? 1 : 2 * series->count;
        double *grown = realloc(series->samples, room * sizeof(double));

        if (grown == NULL) {
            return -AXC_ENOMEM;
        }
        series->samples = grown;
    }
    series->samples[series->count++] = value;
    return 0;
}

static int take_line(struct reader *r, char *line)
{
    char *fields[FIELDS];
    uint64_t values[FIELDS] = {0};
    size_t index = 0;
    int rc = split(line, fields);

    for (size_t i = 0; rc == 0 && i < FIELDS; i++) {
        rc = i == 1 ? 0 : parse_number(fields[i], &values[i]);
    }
    rc = rc == 0 ? series_of(r, fields[1], &index) : rc;
    if (rc == 0 && r->trace.series[index].count > 0 && values[0] <= r->last_ns[index]) {
        rc = -AXC_ETRACE_FORMAT;
    }
    if (rc == 0) {
        r->last_ns[index] = values[0];
        rc = append(r, index, (double)values[2]);
    }
    return rc;
}

int axi_telemetry_trace_read(FILE *from, struct axi_telemetry_trace *ret_trace, size_t *ret_line)
{
    struct reader *r = calloc(1, sizeof(*r));
    char line[LINE_BYTES];
    int rc = r != NULL ? 0 : -AXC_ENOMEM;

    *ret_line = 0;
    while (rc == 0 && fgets(line, sizeof(line), from) != NULL) {
        size_t bytes = strlen(line);

        ++*ret_line;
        if (bytes == sizeof(line) - 1 && line[bytes - 1] != '\n') {
            rc = -AXC_ETRACE_FORMAT;
        } else if (*ret_line == 1) {
            line[strcspn(line, "\r\n")] = '\0';
            rc = strcmp(line, AXI_TRACE_HEADER) == 0 ? 0 : -AXC_ETRACE_FORMAT;
        } else {
            rc = take_line(r, line);
        }
    }
    if (rc == 0 && ferror(from)) {
        rc = -AXC_EIO;
    }
    if (rc == 0 && *ret_line == 0) {
        rc = -AXC_ETRACE_FORMAT;
    }
    if (rc == 0) {
        *ret_trace = r->trace;
    } else if (r != NULL) {
        axi_telemetry_trace_clear(&r->trace);
    }
    free(r);
    return rc;
}
