/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of `axcan analyze`. Input is JSON or YAML in the form of the vectors in
 * tests/model/vectors (docs/model.md); every function says what is wrong on stderr itself. */
#ifndef AXI_CLI_ANALYZE_H
#define AXI_CLI_ANALYZE_H

#include <jansson.h>
#include <stdbool.h>

#include "model/replica.h"
#include "model/response.h"

struct axi_client;

struct axi_analyze {
    const char *what; /* "pwcrt", "service", ... */
    const char *file;
    const char *case_id;
    bool is_silent;                   /* no messages: fuzzing */
    struct axi_model_options options; /* poll is set */
    bool mode_given;
    double epsilon; /* pwcet, edf: wanted exceedance */
    uint64_t block; /* pwcet: block size, 0 = chosen */
    double fault_q; /* pwcet: fault mixture */
    uint64_t fault_ticks;
    struct axi_client *client; /* --node */
    json_t *curves;            /* array of {name, deadline, points}; NULL when not plotted */
    size_t step;               /* progress */
    size_t steps;
};

/* A probability or other non-negative number as text, exactly when it is short enough. */
struct axi_exact {
    double value;
    bool is_exact;
    __int128 num;
    __int128 den;
};

/* Reads "0.1", "1e-9", "3/7" or a JSON number. False when it is none or negative. */
bool axi_exact_parse(const json_t *from, struct axi_exact *ret_value);

/* 1 - value without cancellation where the text was exact. */
double axi_exact_complement(const struct axi_exact *value);

/* The file as JSON; NULL after a message. ".yaml"/".yml" or content decides. */
json_t *axi_analyze_load(const char *file);
json_t *axi_yaml_parse(const char *text, size_t size, char *ret_error, size_t error_size);

/* Message "FILE: case ID: where: text" and AXI_EXIT_FAILED. */
int axi_analyze_complain(const struct axi_analyze *run, const char *where, int error);

/* [[ticks, probability], ...]; a deficit becomes mass at infinity with a warning. 0 or an exit code
 * after a message. */
int axi_analyze_pmf(const struct axi_analyze *run, const json_t *from, const char *where,
                    struct axi_pmf *ret_pmf);

struct axi_analyze_tasks {
    size_t count;
    struct axi_model_task *tasks;
    struct axi_model *model;
};

int axi_analyze_tasks(const struct axi_analyze *run, const json_t *from,
                      struct axi_analyze_tasks *ret_tasks);
void axi_analyze_tasks_free(struct axi_analyze_tasks *tasks);

/* The kinds: fill "computed" members of the case. `known` is false when the case is of another
 * kind and was left alone. */
int axi_analyze_pwcrt(struct axi_analyze *run, json_t *item, bool *ret_known);
int axi_analyze_service(struct axi_analyze *run, json_t *item, bool *ret_known);
int axi_analyze_dag(struct axi_analyze *run, json_t *item, bool *ret_known);
int axi_analyze_edf(struct axi_analyze *run, json_t *item, bool *ret_known);

/* The case that admission on this node judges now. An exit code after having said why not. */
int axi_analyze_node(struct axi_client *client, const char *name, json_t **ret_case);

/* The whole command for a file of samples; returns the exit code. */
int axi_analyze_pwcet(struct axi_analyze *run, const char *file, json_t **ret_result);

/* The whole command for samples of a clock (axcan-timed --csv, or a log with clock-sample lines);
 * plot: SVG to write, or NULL. Returns the exit code. */
int axi_analyze_clock(const char *file, bool as_json, const char *plot);

/* {"value": "17 digits"}; the digits alone; the digits rounded up. */
json_t *axi_analyze_value(double value);
json_t *axi_analyze_number(double value);
json_t *axi_analyze_number_up(double value);

/* Compares "computed" with "expected" (relative 1e-12) everywhere in the document; prints the
 * differences and a summary on stderr. Returns the number of differences; *ret_compared counts. */
size_t axi_analyze_check(const json_t *document, size_t *ret_compared);

/* Adds the response-time curve of a task; draws all. */
int axi_analyze_curve(struct axi_analyze *run, const char *name, uint64_t deadline,
                      const struct axi_pmf *pmf);
int axi_analyze_plot(const struct axi_analyze *run, const char *file);

#endif
