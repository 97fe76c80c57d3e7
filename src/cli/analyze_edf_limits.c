/* SPDX-License-Identifier: Apache-2.0 */
/* What axcan analyze edf says besides the verdict: why, and how far the set is from the other one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/edf.h"

enum { LINE_BYTES = 240, SLACK_MAX_PPM = 1000000000 };

static const uint64_t work_max = 50000000; /* windows times tasks: about a second */
static const uint64_t time_max = (uint64_t)1 << 60;

int axi_edf_judge(const struct axi_edf *edf, struct axi_demand_verdict *ret_verdict,
                  size_t *ret_which)
{
    struct axi_demand_task *tasks = calloc(edf->count, sizeof(*tasks));
    int error = tasks == NULL ? -AXC_ENOMEM : 0;

    for (size_t i = 0; i < edf->count && error == 0; i++) {
        tasks[i] = edf->tasks[i].demand;
        if (edf->tasks[i].deadline < (__int128)tasks[i].wcet_ns) {
            *ret_which = i;
            error = -AXC_EADMIT_DEADLINE;
        }
    }
    if (error == 0) {
        error = axi_demand_admit(tasks, (uint32_t)edf->count - 1, &tasks[edf->count - 1],
                                 edf->capacity_ppm, ret_verdict);
    }
    free(tasks);
    return error;
}

/* ---- why ---- */

static const char *name_of(const struct axi_edf *edf, size_t i, char *text, size_t size)
{
    if (edf->tasks[i].name != NULL) {
        return edf->tasks[i].name;
    }
    (void)snprintf(text, size, "%s %zu", edf->tasks[i].is_server ? "server" : "task", i);
    return text;
}

static void explain_deadline(const struct axi_edf *edf, size_t which, char *line)
{
    const struct axi_edf_task *task = &edf->tasks[which];
    char name[32];

    (void)snprintf(line, LINE_BYTES,
                   "%s: D' = %" PRId64 " is less than C = %" PRIu64 ": needs D >= %" PRIu64
                   ", or a smaller Delta_max and d (now %" PRIu64 ")",
                   name_of(edf, which, name, sizeof(name)), (int64_t)task->deadline,
                   task->demand.wcet_ns, task->lost + task->demand.wcet_ns, task->lost);
}

static void explain_window(const struct axi_edf *edf, uint64_t t, uint64_t due, char *line)
{
    const char *separator = "";
    int n = snprintf(line, LINE_BYTES, "%" PRIu64 " of work are due within %" PRIu64 ":", due, t);

    for (size_t i = 0; i < edf->count && n > 0 && n < LINE_BYTES; i++) {
        const struct axi_demand_task *task = &edf->tasks[i].demand;
        char name[32];

        if (t >= task->deadline_ns) {
            n += snprintf(line + n, (size_t)(LINE_BYTES - n), "%s %" PRIu64 " x %" PRIu64 " of %s",
                          separator, (t - task->deadline_ns) / task->period_ns + 1, task->wcet_ns,
                          name_of(edf, i, name, sizeof(name)));
            separator = " +";
        }
    }
}

void axi_edf_explain(const struct axi_edf *edf, int error, const struct axi_demand_verdict *verdict,
                     size_t which, json_t *computed)
{
    const json_t *first = json_object_get(computed, "first_violation_t");
    const json_t *due = json_object_get(computed, "dbf_at_first_violation");
    char line[LINE_BYTES];

    if (error == 0) {
        (void)snprintf(line, sizeof(line), "every window has room for the work due within it");
    } else if (error == -AXC_EADMIT_DEADLINE) {
        explain_deadline(edf, which, line);
    } else if (verdict->load_sign > 0) {
        (void)snprintf(line, sizeof(line),
                       "the load exceeds the capacity of %" PRIu64
                       " ppm: needs smaller C or longer T",
                       edf->capacity_ppm);
    } else if (json_is_integer(first)) {
        explain_window(edf, (uint64_t)json_integer_value(first), (uint64_t)json_integer_value(due),
                       line);
    } else if (verdict->violation_ns > 0) {
        explain_window(edf, verdict->violation_ns, verdict->demand_ns, line);
    } else {
        (void)snprintf(line, sizeof(line), "refused: too many windows to decide");
    }
    (void)json_object_set_new(computed, "explanation", json_string(line));
}

/* ---- how far ---- */

struct search {
    struct axi_edf *edf; /* a copy to change */
    uint64_t work;       /* done so far */
};

static bool is_admitted(struct search *search)
{
    struct axi_demand_verdict verdict = {0};
    size_t which = 0;
    bool is_fine = axi_edf_judge(search->edf, &verdict, &which) == 0;

    search->work += ((uint64_t)verdict.windows + 1) * search->edf->count;
    return is_fine;
}

enum knob { KNOB_C, KNOB_T, KNOB_D };

static void turn(struct axi_edf_task *task, const struct axi_edf_task *original, enum knob knob,
                 uint64_t value)
{
    *task = *original;
    if (knob == KNOB_C) {
        task->demand.wcet_ns = value;
    } else if (knob == KNOB_T) {
        task->demand.period_ns = value;
    } else {
        task->demand.deadline_ns = value;
        task->deadline = (__int128)value;
    }
}

/* The extreme value in [low, high] with which the set is schedulable: the largest C, else the
 * smallest. Admission is monotone in each. */
static json_t *extreme(struct search *search, size_t i, enum knob knob, uint64_t low, uint64_t high)
{
    struct axi_edf_task *task = &search->edf->tasks[i];
    const struct axi_edf_task original = *task;
    uint64_t found = 0;

    while (low <= high && search->work < work_max) {
        uint64_t middle = low + (high - low) / 2;
        bool is_fine;

        turn(task, &original, knob, middle);
        is_fine = is_admitted(search);
        found = is_fine ? middle : found;
        if (is_fine == (knob == KNOB_C)) {
            low = middle + 1;
        } else if (middle == 0) {
            break;
        } else {
            high = middle - 1;
        }
    }
    *task = original;
    if (found == 0 || search->work >= work_max) {
        return json_null();
    }
    return json_integer((json_int_t)(knob == KNOB_D ? found + original.lost : found));
}

static void put_slack(struct search *search, const struct axi_edf *edf, json_t *computed)
{
    uint64_t low = 0;
    uint64_t high = SLACK_MAX_PPM;

    if (!is_admitted(search)) {
        (void)json_object_set_new(computed, "slack_ppm", json_null());
        return;
    }
    while (low < high && search->work < work_max) {
        uint64_t middle = high - (high - low) / 2;

        for (size_t i = 0; i < edf->count; i++) {
            unsigned __int128 grown =
                (unsigned __int128)edf->tasks[i].demand.wcet_ns * (1000000 + middle) / 1000000;

            search->edf->tasks[i].demand.wcet_ns = grown < time_max ? (uint64_t)grown : time_max;
        }
        if (is_admitted(search)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    memcpy(search->edf, edf, sizeof(*edf));
    (void)json_object_set_new(computed, "slack_ppm",
                              search->work < work_max ? json_integer((json_int_t)low)
                                                      : json_null());
}

void axi_edf_limits(const struct axi_edf *edf, json_t *computed)
{
    struct search search = {.edf = malloc(sizeof(*edf))};
    json_t *list = json_array();

    if (search.edf != NULL) {
        memcpy(search.edf, edf, sizeof(*edf));
        put_slack(&search, edf, computed);
    }
    for (size_t i = 0; i < edf->count && search.edf != NULL; i++) {
        const struct axi_demand_task *task = &edf->tasks[i].demand;
        char name[32];

        if (edf->tasks[i].is_server) {
            continue;
        }
        (void)json_array_append_new(
            list, json_pack("{s:s,s:o,s:o,s:o}", "task", name_of(edf, i, name, sizeof(name)),
                            "C_max", extreme(&search, i, KNOB_C, 1, time_max), "T_min",
                            extreme(&search, i, KNOB_T, 1, time_max), "D_min",
                            extreme(&search, i, KNOB_D, task->wcet_ns, time_max)));
    }
    (void)json_object_set_new(computed, "sensitivity", list);
    free(search.edf);
}
