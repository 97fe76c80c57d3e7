/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze edf: exact admission under earliest deadline first, with compensated deadlines; and
 * budgets chosen from execution-time distributions, which isolate the tasks from each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/analyze.h"
#include "cli/command.h"
#include "cli/edf.h"

enum { WALK_LIMIT = 200000, PPM = 1000000 };

struct ratio {
    __int128 num;
    __int128 den; /* > 0; 0: does not fit */
};

static __int128 gcd(__int128 a, __int128 b)
{
    a = a < 0 ? -a : a;
    while (b != 0) {
        __int128 rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static struct ratio reduce(__int128 num, __int128 den)
{
    __int128 common = gcd(num, den);

    common = common != 0 ? common : 1;
    return (struct ratio){num / common, den / common};
}

static struct ratio add(struct ratio a, struct ratio b)
{
    const __int128 limit = (__int128)1 << 62;

    if (a.den == 0 || b.den == 0 || a.den > limit || b.den > limit || a.num > limit ||
        b.num > limit || a.num < -limit || b.num < -limit) {
        return (struct ratio){0, 0};
    }
    return reduce(a.num * b.den + b.num * a.den, a.den * b.den);
}

static void print_integer(char *text, size_t size, __int128 value)
{
    char digits[48];
    size_t at = sizeof(digits) - 1;
    bool negative = value < 0;

    digits[at] = '\0';
    do {
        int digit = (int)(value % 10);

        digits[--at] = (char)('0' + (digit < 0 ? -digit : digit));
        value /= 10;
    } while (value != 0);
    (void)snprintf(text, size, "%s%s", negative ? "-" : "", digits + at);
}

static json_t *ratio_text(struct ratio ratio)
{
    char num[48];
    char den[48];
    char text[100];

    print_integer(num, sizeof(num), ratio.num);
    print_integer(den, sizeof(den), ratio.den);
    (void)snprintf(text, sizeof(text), ratio.den == 1 ? "%s" : "%s/%s", num, den);
    return json_string(text);
}

static uint64_t member(const json_t *from, const char *key, uint64_t otherwise)
{
    json_t *value = json_object_get(from, key);

    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (uint64_t)json_integer_value(value)
               : otherwise;
}

/* A task with a pmf gets the smallest budget that is exceeded with at most epsilon. */
static int choose_budget(struct axi_analyze *run, const json_t *from, const char *where,
                         uint64_t *ret_budget, json_t *list)
{
    struct axi_exact own = {.value = run->epsilon};
    struct axi_pmf pmf;
    int error = 0;
    int r = axi_analyze_pmf(run, json_object_get(from, "pmf"), where, &pmf);

    if (r != 0) {
        return r;
    }
    if (json_object_get(from, "epsilon") != NULL &&
        !axi_exact_parse(json_object_get(from, "epsilon"), &own)) {
        error = -AXC_EMODEL_PROBABILITY;
    }
    error = error != 0 ? error : axi_pmf_budget(&pmf, own.value, ret_budget);
    if (error == 0) {
        (void)json_array_append_new(
            list, json_pack("{s:I,s:o}", "budget", (json_int_t)*ret_budget, "p_late",
                            axi_analyze_value(axi_pmf_exceed(&pmf, *ret_budget))));
    }
    axi_pmf_deinit(&pmf);
    return error != 0 ? axi_analyze_complain(run, where, error) : 0;
}

/* Tasks, or the node's own servers, behind those that are there. */
static int read_tasks(struct axi_analyze *run, const json_t *list, bool is_server,
                      struct axi_edf *edf, json_t *budgets)
{
    size_t i = 0;
    json_t *from = NULL;
    int r = json_array_size(list) > AXI_EDF_TASKS_MAX - edf->count
                ? axi_analyze_complain(run, "tasks", -AXC_EFULL)
                : 0;

    json_array_foreach (r == 0 ? list : NULL, i, from) {
        struct axi_edf_task *task = &edf->tasks[edf->count];
        char where[32];

        (void)snprintf(where, sizeof(where), is_server ? "server %zu" : "task %zu", i);
        task->is_server = is_server;
        task->name = json_string_value(json_object_get(from, "name"));
        task->demand.wcet_ns = member(from, "C", 0);
        task->demand.period_ns = member(from, "T", 0);
        if (json_object_get(from, "pmf") != NULL) {
            r = choose_budget(run, from, where, &task->demand.wcet_ns, budgets);
        }
        if (r == 0 && task->demand.period_ns == 0) {
            r = axi_analyze_complain(run, where, -AXC_EMODEL_PERIOD);
        }
        if (r == 0 && task->demand.wcet_ns == 0) {
            r = axi_cli_fail("analyze", "%s: case %s: %s: \"C\" or \"pmf\" is missing", run->file,
                             run->case_id, where);
        }
        if (r != 0) {
            break;
        }
        task->lost = axi_add_sat(axi_add_sat(member(from, "Delta_max", 0), member(from, "d", 0)),
                                 member(from, "J", 0));
        task->deadline = (__int128)member(from, "D", task->demand.period_ns) - task->lost;
        task->demand.deadline_ns = task->deadline > 0 ? (uint64_t)task->deadline : 0;
        edf->count++;
    }
    return r;
}

static int read_set(struct axi_analyze *run, const json_t *item, struct axi_edf *edf,
                    json_t *computed)
{
    json_t *budgets = json_array();
    int r = read_tasks(run, json_object_get(item, "tasks"), false, edf, budgets);

    edf->capacity_ppm = member(item, "capacity_ppm", PPM);
    if (r == 0 && edf->count == 0) {
        r = axi_analyze_complain(run, "tasks", -AXC_EMODEL_EMPTY);
    }
    if (r == 0 && (edf->capacity_ppm == 0 || edf->capacity_ppm > PPM)) {
        r = axi_cli_fail("analyze", "%s: case %s: \"capacity_ppm\" is not in 1..1000000", run->file,
                         run->case_id);
    }
    if (r == 0) {
        r = read_tasks(run, json_object_get(item, "servers"), true, edf, budgets);
    }
    if (json_array_size(budgets) > 0) {
        (void)json_object_set(computed, "budgets", budgets);
    }
    json_decref(budgets);
    return r;
}

/* U, La = max(max(D' - T), sum (T - D') C / T / (1 - U)) and the hyperperiod, where they fit. */
static void put_loads(const struct axi_edf *edf, json_t *computed)
{
    struct ratio load = {0, 1};
    struct ratio slack = {0, 1};
    __int128 longest = 0;
    __int128 hyperperiod = 1;
    char text[48];
    int bits = 0;

    for (size_t i = 0; i < edf->count; i++) {
        __int128 period = edf->tasks[i].demand.period_ns;
        __int128 work = edf->tasks[i].demand.wcet_ns;
        __int128 gap = edf->tasks[i].deadline - period;

        load = add(load, reduce(work, period));
        slack = gap < -((__int128)1 << 60) || work > ((__int128)1 << 60)
                    ? (struct ratio){0, 0}
                    : add(slack, reduce(-gap * work, period));
        longest = i == 0 || gap > longest ? gap : longest;
        hyperperiod = hyperperiod > ((__int128)1 << 62)
                          ? hyperperiod
                          : hyperperiod / gcd(hyperperiod, period) * period;
    }
    if (hyperperiod <= ((__int128)1 << 62)) {
        for (__int128 rest = hyperperiod; rest > 0; rest /= 2) {
            bits++;
        }
        print_integer(text, sizeof(text), hyperperiod);
        (void)json_object_set_new(computed, "hyperperiod", json_string(text));
        (void)json_object_set_new(computed, "hyperperiod_bits", json_integer(bits));
    }
    if (load.den == 0 || load.den > INT64_MAX || load.num > INT64_MAX) {
        return;
    }
    (void)json_object_set_new(computed, "U_num", json_integer((json_int_t)load.num));
    (void)json_object_set_new(computed, "U_den", json_integer((json_int_t)load.den));
    (void)json_object_set_new(computed, "U_approx", json_real((double)load.num / (double)load.den));
    (void)json_object_set_new(computed, "La", json_null());
    (void)json_object_set_new(computed, "La_ceil", json_null());
    if (load.num < load.den && slack.den > 0 && slack.den <= INT64_MAX && slack.num <= INT64_MAX &&
        slack.num >= -INT64_MAX) {
        struct ratio bound = reduce(slack.num * load.den, 1);
        __int128 left = load.den - load.num;

        if (slack.den < ((__int128)1 << 63) && left < ((__int128)1 << 63)) {
            bound = reduce(bound.num, slack.den * left);
            if (bound.num < longest * bound.den) {
                bound = (struct ratio){longest, 1};
            }
            (void)json_object_set_new(computed, "La", ratio_text(bound));
            (void)json_object_set_new(
                computed, "La_ceil",
                json_integer((json_int_t)((bound.num + bound.den - 1) / bound.den)));
        }
    }
}

/* Synchronous busy period; 0 when it is not found. */
static uint64_t busy_period(const struct axi_edf *edf)
{
    uint64_t length = 1;

    for (int step = 0; step < 100000; step++) {
        __int128 work = 0;

        for (size_t i = 0; i < edf->count; i++) {
            const struct axi_demand_task *task = &edf->tasks[i].demand;

            work += ((__int128)((length - 1) / task->period_ns) + 1) * task->wcet_ns;
            if (work > INT64_MAX) {
                return 0;
            }
        }
        if ((uint64_t)work == length) {
            return length;
        }
        length = (uint64_t)work;
    }
    return 0;
}

/* Walks the absolute deadlines upwards to the first window with too much demand. */
static void put_first_violation(const struct axi_edf *edf, uint64_t last, json_t *computed)
{
    uint64_t t = 0;

    for (int step = 0; step < WALK_LIMIT; step++) {
        uint64_t next = UINT64_MAX;
        __int128 work = 0;

        for (size_t i = 0; i < edf->count; i++) {
            const struct axi_demand_task *task = &edf->tasks[i].demand;
            uint64_t due = t < task->deadline_ns
                               ? task->deadline_ns
                               : t + task->period_ns - (t - task->deadline_ns) % task->period_ns;

            next = due < next ? due : next;
        }
        t = next;
        for (size_t i = 0; i < edf->count; i++) {
            const struct axi_demand_task *task = &edf->tasks[i].demand;

            work +=
                t < task->deadline_ns
                    ? 0
                    : ((__int128)((t - task->deadline_ns) / task->period_ns) + 1) * task->wcet_ns;
        }
        if (work * PPM > (__int128)t * edf->capacity_ppm) {
            (void)json_object_set_new(computed, "first_violation_t", json_integer((json_int_t)t));
            (void)json_object_set_new(computed, "dbf_at_first_violation",
                                      json_integer((json_int_t)work));
            return;
        }
        if (t >= last) {
            return;
        }
    }
}

static void put_admission(const struct axi_edf *edf, json_t *computed)
{
    struct axi_demand_verdict verdict = {0};
    size_t which = 0;
    uint64_t busy = 0;
    int error = axi_edf_judge(edf, &verdict, &which);

    (void)json_object_set_new(computed, "schedulable", json_boolean(error == 0));
    (void)json_object_set_new(computed, "reason",
                              json_string(error == 0                      ? "dbf(t)<=t for all t"
                                          : error == -AXC_EADMIT_DEADLINE ? "D'<C"
                                          : verdict.load_sign > 0         ? "U>1"
                                          : verdict.violation_ns > 0      ? "dbf(t)>t"
                                                                          : "undecided"));
    (void)json_object_set_new(computed, "first_violation_t", json_null());
    (void)json_object_set_new(computed, "dbf_at_first_violation", json_null());
    (void)json_object_set_new(
        computed, "qpa_violation_t",
        verdict.violation_ns > 0 ? json_integer((json_int_t)verdict.violation_ns) : json_null());
    if (error == -AXC_EADMIT_DEADLINE) {
        axi_edf_explain(edf, error, &verdict, which, computed);
        return;
    }
    (void)json_object_set_new(computed, "U_cmp_1", json_integer(verdict.load_sign));
    busy = verdict.load_sign <= 0 ? busy_period(edf) : 0;
    (void)json_object_set_new(computed, "busy_period_Lb",
                              busy > 0 ? json_integer((json_int_t)busy) : json_null());
    if (verdict.violation_ns > 0) {
        put_first_violation(edf, verdict.violation_ns, computed);
    }
    axi_edf_explain(edf, error, &verdict, which, computed);
}

int axi_analyze_edf(struct axi_analyze *run, json_t *item, bool *ret_known)
{
    struct axi_edf *edf = NULL;
    json_t *computed = NULL;
    int r = 0;

    *ret_known = json_is_array(json_object_get(item, "tasks"));
    if (!*ret_known) {
        return 0;
    }
    edf = calloc(1, sizeof(*edf));
    if (edf == NULL) {
        return axi_analyze_complain(run, "tasks", -AXC_ENOMEM);
    }
    computed = json_object();
    run->steps = 1;
    r = read_set(run, item, edf, computed);
    if (r == 0) {
        put_loads(edf, computed);
        put_admission(edf, computed);
        axi_edf_limits(edf, computed);
    }
    (void)json_object_set_new(item, "computed", computed);
    free(edf);
    return r;
}
