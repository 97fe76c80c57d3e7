/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze pwcet: measurements to an execution-time distribution. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"
#include "model/pwcet.h"

enum { SAMPLE_LIMIT = 50000000 };

struct samples {
    uint64_t *values;
    size_t count;
    size_t room;
    bool ordered;
};

static bool append(struct samples *samples, uint64_t value, uint64_t times)
{
    if (value == 0 || times > SAMPLE_LIMIT - samples->count) {
        return false;
    }
    if (samples->count + times > samples->room) {
        size_t room = 2 * (samples->count + (size_t)times) + 1024;
        uint64_t *grown = realloc(samples->values, room * sizeof(*grown));

        if (grown == NULL) {
            return false;
        }
        samples->values = grown;
        samples->room = room;
    }
    for (; times > 0; times--) {
        samples->values[samples->count++] = value;
    }
    return true;
}

/* "samples": [t, ...] or "histogram": [[t, count], ...]. */
static int read_json(struct samples *samples, const char *file)
{
    json_t *document = axi_analyze_load(file);
    json_t *list = json_is_array(document) ? document : json_object_get(document, "samples");
    json_t *histogram = json_object_get(document, "histogram");
    size_t i = 0;
    json_t *item = NULL;
    bool ok = document != NULL && (list != NULL || histogram != NULL);

    json_array_foreach (list, i, item) {
        ok = ok && json_is_integer(item) && json_integer_value(item) > 0 &&
             append(samples, (uint64_t)json_integer_value(item), 1);
    }
    json_array_foreach (histogram, i, item) {
        json_int_t value = json_integer_value(json_array_get(item, 0));
        json_int_t times = json_integer_value(json_array_get(item, 1));

        ok = ok && value > 0 && times >= 0 && append(samples, (uint64_t)value, (uint64_t)times);
    }
    samples->ordered = histogram == NULL;
    json_decref(document);
    return ok || document == NULL ? (ok ? 0 : AXI_EXIT_FAILED)
                                  : axi_cli_fail("analyze",
                                                 "%s: \"samples\" or \"histogram\" with whole "
                                                 "numbers of ticks above zero is missing",
                                                 file);
}

/* One time a line, in the last column; lines that start with no digit (headings) are skipped. */
static int read_lines(struct samples *samples, FILE *from, const char *file)
{
    char line[1024];

    for (size_t number = 1; fgets(line, sizeof(line), from) != NULL; number++) {
        char *last = NULL;
        char *end = NULL;
        unsigned long long value = 0;

        line[strcspn(line, "\r\n")] = '\0';
        last = strrchr(line, ',');
        last = last == NULL ? strrchr(line, ';') : last;
        last = last == NULL ? line : last + 1;
        last += strspn(last, " \t");
        if (*last == '\0' || (number == 1 && strpbrk(last, "0123456789") != last)) {
            continue;
        }
        errno = 0;
        value = strtoull(last, &end, 10);
        end += strspn(end, " \t");
        if (*last == '-' || *end != '\0' || errno != 0 || !append(samples, value, 1)) {
            return axi_cli_fail("analyze",
                                "%s: line %zu: '%s' is no whole number of ticks above "
                                "zero",
                                file, number, last);
        }
    }
    samples->ordered = true;
    return 0;
}

static int read_samples(struct samples *samples, const char *file)
{
    FILE *from = fopen(file, "r");
    int first = 0;
    int r = 0;

    if (from == NULL) {
        return axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
    }
    do {
        first = fgetc(from);
    } while (first == ' ' || first == '\n' || first == '\t' || first == '\r');
    if (first == '{' || first == '[') {
        r = read_json(samples, file);
    } else {
        rewind(from);
        r = read_lines(samples, from, file);
    }
    (void)fclose(from);
    if (r == 0 && samples->count == 0) {
        r = axi_cli_fail("analyze", "%s: %s", file, axi_error_text(AXC_EMODEL_EMPTY));
    }
    return r;
}

static json_t *pmf_json(const struct axi_pmf *pmf)
{
    json_t *list = json_array();

    for (size_t j = 0; j < pmf->count; j++) {
        (void)json_array_append_new(list, json_pack("[I,o]", (json_int_t)pmf->values[j],
                                                    axi_analyze_number(pmf->probs[j])));
    }
    return list;
}

static json_t *tests_json(const struct axi_pwcet_fit *fit)
{
    const double p[] = {fit->runs_p, fit->ljung_box_p, fit->ks_p, fit->ad_p};
    const char *const names[] = {"runs_p", "ljung_box_p", "kolmogorov_smirnov_p",
                                 "anderson_darling_p"};
    json_t *tests = json_object();

    for (size_t i = 0; i < 4; i++) {
        (void)json_object_set_new(tests, names[i], p[i] < 0 ? json_null() : json_real(p[i]));
    }
    return tests;
}

static const char *refusal_text(enum axi_pwcet_refusal refusal)
{
    static const char *const texts[] = {
        "",
        "too few measurements above the threshold",
        "too few different values above the threshold (coarse clock or regular program)",
        "the measurements depend on each other; try --block N",
        "the tail is too heavy for a usable bound",
        "a generalised Pareto tail does not fit the measurements"};

    return texts[refusal];
}

/* Members that do not depend on the verdict. */
static json_t *fit_json(const struct axi_pwcet_fit *fit, const struct samples *samples)
{
    json_t *result = json_object();

    (void)json_object_set_new(result, "samples", json_integer((json_int_t)samples->count));
    (void)json_object_set_new(result, "observed_max", json_integer((json_int_t)fit->observed_max));
    (void)json_object_set_new(result, "threshold", json_integer((json_int_t)fit->threshold));
    (void)json_object_set_new(result, "excesses", json_integer((json_int_t)fit->excesses));
    (void)json_object_set_new(result, "shape_fitted", json_real(fit->shape_fitted));
    (void)json_object_set_new(result, "shape", json_real(fit->shape));
    (void)json_object_set_new(result, "scale", json_real(fit->scale));
    (void)json_object_set_new(result, "tests", tests_json(fit));
    (void)json_object_set_new(result, "tail_supported",
                              json_boolean(fit->refusal == AXI_PWCET_SUPPORTED));
    return result;
}

static int put_pmf(struct axi_analyze *run, const struct samples *samples,
                   const struct axi_pwcet_fit *fit, json_t *result)
{
    bool supported = fit->refusal == AXI_PWCET_SUPPORTED;
    struct axi_pmf pmf;
    int error =
        axi_pwcet_pmf(samples->values, samples->count, supported ? fit : NULL, run->epsilon, &pmf);

    if (error == 0 && run->fault_q > 0) {
        struct axi_pmf mixed;

        error = axi_pwcet_add_fault(&pmf, run->fault_q, run->fault_ticks, &mixed);
        axi_pmf_deinit(&pmf);
        pmf = mixed;
        (void)json_object_set_new(result, "fault",
                                  json_pack("{s:f,s:I}", "probability", run->fault_q, "ticks",
                                            (json_int_t)run->fault_ticks));
    }
    if (error != 0) {
        return axi_analyze_complain(run, "pmf", error);
    }
    (void)json_object_set_new(result, "pmf", pmf_json(&pmf));
    (void)json_object_set_new(result, "p_infinite", axi_analyze_number(pmf.inf));
    (void)json_object_set_new(result, "pmf_origin",
                              json_string(supported ? "measured up to threshold, extrapolated above"
                                                    : "measured only; says nothing beyond "
                                                      "observed_max"));
    axi_pmf_deinit(&pmf);
    return 0;
}

static int report(struct axi_analyze *run, const struct axi_pwcet_fit *fit, json_t *result)
{
    char more[64] = "";

    if (fit->refusal == AXI_PWCET_SUPPORTED) {
        (void)json_object_set_new(
            result, "pwcet",
            json_pack("{s:I,s:o,s:b}", "ticks", (json_int_t)axi_pwcet_quantile(fit, run->epsilon),
                      "epsilon", axi_analyze_number(run->epsilon), "extrapolated",
                      axi_pwcet_quantile(fit, run->epsilon) > fit->observed_max));
        return 0;
    }
    (void)json_object_set_new(result, "refusal", json_string(refusal_text(fit->refusal)));
    if (fit->more_samples > 0) {
        (void)json_object_set_new(result, "more_samples_needed",
                                  json_integer((json_int_t)fit->more_samples));
        (void)snprintf(more, sizeof(more), "; at least %llu more are needed",
                       (unsigned long long)fit->more_samples);
    }
    return axi_cli_fail("analyze", "%s: no tail is extrapolated: %s%s", run->file,
                        refusal_text(fit->refusal), more);
}

int axi_analyze_pwcet(struct axi_analyze *run, const char *file, json_t **ret_result)
{
    struct samples samples = {0};
    struct axi_pwcet_fit fit;
    json_t *result = NULL;
    int r = read_samples(&samples, file);

    if (r == 0) {
        int error =
            axi_pwcet_fit_tail(samples.values, samples.count, run->block, samples.ordered, &fit);

        r = error != 0 ? axi_analyze_complain(run, "samples", error) : 0;
    }
    if (r == 0) {
        result = fit_json(&fit, &samples);
        r = put_pmf(run, &samples, &fit, result);
    }
    if (r == 0) {
        r = report(run, &fit, result);
    }
    free(samples.values);
    *ret_result = result != NULL ? json_pack("{s:o}", "computed", result) : NULL;
    return r;
}
