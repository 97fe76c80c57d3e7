/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, pmfs and task sets of `axcan analyze`. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"

#define EXACT_LIMIT ((__int128)1 << 100)

static __int128 gcd(__int128 a, __int128 b)
{
    while (b != 0) {
        __int128 rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Digits with an optional point and exponent as num / den; false when not exact or no number. */
static bool decimal(const char *text, const char *end, __int128 *ret_num, __int128 *ret_den)
{
    __int128 num = 0;
    __int128 den = 1;
    bool point = false;
    long exponent = 0;

    for (; text < end && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.' && !point) {
            point = true;
        } else if (isdigit((unsigned char)*text) && num < EXACT_LIMIT / 16 &&
                   den < EXACT_LIMIT / 16) {
            num = num * 10 + (*text - '0');
            den *= point ? 10 : 1;
        } else {
            return false;
        }
    }
    exponent = text < end ? strtol(text + 1, NULL, 10) : 0;
    for (; exponent > 0 && num < EXACT_LIMIT / 16; exponent--) {
        num *= 10;
    }
    for (; exponent < 0 && den < EXACT_LIMIT / 16; exponent++) {
        den *= 10;
    }
    *ret_num = num;
    *ret_den = den;
    return exponent == 0;
}

static bool parse_text(const char *text, struct axi_exact *value)
{
    const char *slash = strchr(text, '/');
    char *end = NULL;
    __int128 num2 = 1;
    __int128 den2 = 1;

    value->value = strtod(text, &end);
    if (end == text || !isfinite(value->value) || signbit(value->value)) {
        return false;
    }
    value->is_exact = decimal(text, end, &value->num, &value->den);
    if (slash == NULL) {
        return *end == '\0';
    }
    if (end != slash) {
        return false;
    }
    double divisor = strtod(slash + 1, &end);

    if (*end != '\0' || end == slash + 1 || !(divisor > 0) || !isfinite(divisor)) {
        return false;
    }
    value->value /= divisor;
    value->is_exact = value->is_exact && decimal(slash + 1, end, &num2, &den2) &&
                      value->num < EXACT_LIMIT / den2 && value->den < EXACT_LIMIT / num2;
    value->num *= value->is_exact ? den2 : 1;
    value->den *= value->is_exact ? num2 : 1;
    return true;
}

bool axi_exact_parse(const json_t *from, struct axi_exact *ret_value)
{
    char text[40];

    if (json_is_string(from)) {
        return parse_text(json_string_value(from), ret_value);
    }
    if (!json_is_number(from)) {
        return false;
    }
    /* the shortest text that reads back as the same number is what was written */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, json_number_value(from));
        if (strtod(text, NULL) == json_number_value(from)) {
            break;
        }
    }
    return parse_text(text, ret_value);
}

double axi_exact_complement(const struct axi_exact *value)
{
    if (!value->is_exact || value->num > value->den) {
        return 1 - value->value;
    }
    return (double)((long double)(value->den - value->num) / (long double)value->den);
}

int axi_analyze_complain(const struct axi_analyze *run, const char *where, int error)
{
    if (run->is_silent) {
        return AXI_EXIT_FAILED;
    }
    if (error == -AXC_ECANCELLED) {
        return axi_cli_fail("analyze", "interrupted; nothing was written");
    }
    return axi_cli_fail("analyze", "%s: case %s: %s: %s", run->file, run->case_id, where,
                        axi_error_text(error));
}

/* Running sum num / den; false when it no longer fits. */
static bool add_exact(struct axi_exact *sum, const struct axi_exact *term)
{
    __int128 common = gcd(sum->den, term->den);
    __int128 left = term->den / common;
    __int128 right = sum->den / common;

    if (!term->is_exact || sum->den > EXACT_LIMIT / left || sum->num > EXACT_LIMIT / left ||
        term->num > EXACT_LIMIT / right) {
        return false;
    }
    sum->num = sum->num * left + term->num * right;
    sum->den *= left;
    return true;
}

/* What is missing to one; exact where the texts are. Negative for an excess. */
static double deficit(const struct axi_exact *sum, long double rounded, size_t count)
{
    if (sum->is_exact) {
        return (double)((long double)(sum->den - sum->num) / (long double)sum->den);
    }
    return fabsl(1 - rounded) < (long double)(count + 1) * 1.2e-16L ? 0 : (double)(1 - rounded);
}

static int read_pair(const json_t *pair, uint64_t *value, struct axi_exact *prob)
{
    json_t *ticks = json_array_get(pair, 0);

    if (json_array_size(pair) != 2 || !json_is_integer(ticks)) {
        return -AXC_EINVALID;
    }
    if (json_integer_value(ticks) <= 0) {
        return -AXC_EMODEL_ORDER;
    }
    *value = (uint64_t)json_integer_value(ticks);
    return axi_exact_parse(json_array_get(pair, 1), prob) ? 0 : -AXC_EMODEL_PROBABILITY;
}

static int read_pmf(const json_t *from, uint64_t *values, double *probs, double *ret_deficit)
{
    struct axi_exact sum = {.is_exact = true, .den = 1};
    long double rounded = 0;
    size_t i = 0;
    json_t *pair = NULL;

    json_array_foreach (from, i, pair) {
        struct axi_exact prob = {0};
        int error = read_pair(pair, &values[i], &prob);

        if (error != 0) {
            return error;
        }
        probs[i] = prob.value;
        rounded += prob.value;
        sum.is_exact = sum.is_exact && add_exact(&sum, &prob);
    }
    *ret_deficit = deficit(&sum, rounded, i);
    return *ret_deficit < -1e-9 ? -AXC_EMODEL_SUM : 0;
}

int axi_analyze_pmf(const struct axi_analyze *run, const json_t *from, const char *where,
                    struct axi_pmf *ret_pmf)
{
    size_t count = json_array_size(from);
    uint64_t *values = calloc(count + 1, sizeof(*values));
    double *probs = calloc(count + 1, sizeof(*probs));
    double missing = 0;
    int error = values == NULL || probs == NULL ? -AXC_ENOMEM : 0;

    if (error == 0) {
        error = count == 0 ? -AXC_EMODEL_EMPTY : read_pmf(from, values, probs, &missing);
    }
    if (error == 0) {
        error = axi_pmf_init(ret_pmf, values, probs, count, missing > 0 ? missing : 0);
    }
    free(values);
    free(probs);
    if (error != 0) {
        return axi_analyze_complain(run, where, error);
    }
    if (missing > 0 && !run->is_silent) {
        (void)fprintf(stderr,
                      "axcan analyze: %s: case %s: %s: the probabilities sum to less than one; "
                      "%.3g is taken as never completing\n",
                      run->file, run->case_id, where, missing);
    }
    return 0;
}

static int read_time(const struct axi_analyze *run, const json_t *task, const char *key,
                     const char *where, bool optional, uint64_t *ret_time)
{
    json_t *value = json_object_get(task, key);

    if (value == NULL && optional) {
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return run->is_silent
                   ? AXI_EXIT_FAILED
                   : axi_cli_fail("analyze",
                                  "%s: case %s: %s: \"%s\" must be a whole number of ticks",
                                  run->file, run->case_id, where, key);
    }
    *ret_time = (uint64_t)json_integer_value(value);
    return 0;
}

/* "containment": "none", "deadline"; "budget": ticks. */
static int read_containment(const struct axi_analyze *run, const json_t *from, const char *where,
                            struct axi_model_task *task)
{
    const char *text = json_string_value(json_object_get(from, "containment"));

    if (json_object_get(from, "budget") != NULL) {
        task->containment = AXI_CONTAIN_BUDGET;
        return read_time(run, from, "budget", where, false, &task->budget);
    }
    if (text == NULL || strcmp(text, "none") == 0) {
        return 0;
    }
    if (strcmp(text, "deadline") != 0) {
        return run->is_silent
                   ? AXI_EXIT_FAILED
                   : axi_cli_fail("analyze",
                                  "%s: case %s: %s: containment is \"none\" or \"deadline\"",
                                  run->file, run->case_id, where);
    }
    task->containment = AXI_CONTAIN_DEADLINE;
    return 0;
}

static int read_execution(const struct axi_analyze *run, const json_t *from, const char *where,
                          struct axi_model_task *task)
{
    json_t *correct = json_object_get(from, "p_correct");
    json_t *ok = json_object_get(from, "pmf_correct");
    json_t *bad = json_object_get(from, "pmf_incorrect");
    struct axi_exact q = {.value = 1, .is_exact = true, .num = 1, .den = 1};
    int r = axi_analyze_pmf(run, ok != NULL ? ok : json_object_get(from, "pmf"), where, &task->ok);

    if (r == 0 && bad != NULL) {
        r = axi_analyze_pmf(run, bad, where, &task->bad);
    }
    if (r == 0 && correct != NULL && (!axi_exact_parse(correct, &q) || q.value > 1)) {
        r = axi_analyze_complain(run, where, -AXC_EMODEL_PROBABILITY);
    }
    task->q_ok = q.value;
    task->q_bad = axi_exact_complement(&q);
    return r;
}

static int read_task(const struct axi_analyze *run, const json_t *from, size_t index,
                     struct axi_model_task *task)
{
    char where[32];
    uint64_t priority = index;
    int r = 0;

    (void)snprintf(where, sizeof(where), "task %zu", index);
    r = read_time(run, from, "prio", where, true, &priority);
    r = r != 0 ? r : read_time(run, from, "T", where, false, &task->period);
    task->deadline = task->period;
    r = r != 0 ? r : read_time(run, from, "D", where, true, &task->deadline);
    r = r != 0 ? r : read_time(run, from, "offset", where, true, &task->offset);
    r = r != 0 ? r : read_containment(run, from, where, task);
    r = r != 0 ? r : read_execution(run, from, where, task);
    task->priority = (uint32_t)priority;
    return r;
}

int axi_analyze_tasks(const struct axi_analyze *run, const json_t *from,
                      struct axi_analyze_tasks *ret_tasks)
{
    struct axi_analyze_tasks set = {.count = json_array_size(from)};
    size_t i = 0;
    json_t *item = NULL;
    int r = 0;

    set.tasks = calloc(set.count + 1, sizeof(*set.tasks));
    if (set.tasks == NULL) {
        return axi_analyze_complain(run, "tasks", -AXC_ENOMEM);
    }
    json_array_foreach (from, i, item) {
        r = r != 0 ? r : read_task(run, item, i, &set.tasks[i]);
    }
    if (r == 0) {
        int error = axi_model_new(&set.model, set.tasks, set.count);

        r = error != 0 ? axi_analyze_complain(run, "tasks", error) : 0;
    }
    if (r != 0) {
        axi_analyze_tasks_free(&set);
        return r;
    }
    *ret_tasks = set;
    return 0;
}

void axi_analyze_tasks_free(struct axi_analyze_tasks *tasks)
{
    axi_model_free(tasks->model);
    for (size_t i = 0; tasks->tasks != NULL && i < tasks->count; i++) {
        axi_pmf_deinit(&tasks->tasks[i].ok);
        axi_pmf_deinit(&tasks->tasks[i].bad);
    }
    free(tasks->tasks);
    memset(tasks, 0, sizeof(*tasks));
}
