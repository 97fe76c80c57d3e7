/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze --check: "computed" against "expected", wherever both can be found. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/analyze.h"

enum { PATH_BYTES = 256 };

static const double tolerance = 1e-12;

struct check {
    size_t compared;
    size_t different;
};

/* Prose, statistics of other tools, counters of the method: no results of the model. */
static bool is_informative(const char *key)
{
    static const char *const keys[] = {"mc",
                                       "exact",
                                       "comment",
                                       "published",
                                       "why",
                                       "title",
                                       "qpa_iterations",
                                       "deadlines_checked_brute_force",
                                       "max_load_ratio",
                                       "also_checked_to",
                                       "edf_simulation_first_missed_deadline"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(key, keys[i]) == 0) {
            return true;
        }
    }
    return strncmp(key, "note", 4) == 0;
}

static void report(struct check *check, const char *path, const json_t *got, const json_t *want)
{
    char *left = got != NULL ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *right = json_dumps(want, JSON_ENCODE_ANY | JSON_COMPACT);

    check->different++;
    (void)fprintf(stderr, "axcan analyze: %s: computed %s, expected %s\n", path,
                  left != NULL ? left : "nothing", right != NULL ? right : "?");
    free(left);
    free(right);
}

/* Numbers as text or JSON; a logarithm given with nine digits is compared with those. */
static bool same_leaf(const char *path, const json_t *got, const json_t *want)
{
    struct axi_exact a;
    struct axi_exact b;
    double limit = strstr(path, "log10") != NULL ? 1e-8 : tolerance;

    if (json_equal(got, want)) {
        return true;
    }
    if (json_is_real(want) && json_is_number(got)) {
        double value = json_number_value(want);

        return fabs(json_number_value(got) - value) <= limit * fabs(value);
    }
    return axi_exact_parse(got, &a) && axi_exact_parse(want, &b) &&
           fabs(a.value - b.value) <= limit * b.value;
}

static void compare(struct check *check, const char *path, const json_t *got, const json_t *want,
                    int depth)
{
    char below[PATH_BYTES];
    const char *key = NULL;
    json_t *value = NULL;
    size_t i = 0;

    if (depth > 16) {
        return;
    }
    if (json_is_object(want) && json_is_object(got)) {
        json_object_foreach ((json_t *)want, key, value) {
            if (!is_informative(key)) {
                (void)snprintf(below, sizeof(below), "%s.%s", path, key);
                compare(check, below, json_object_get(got, key), value, depth + 1);
            }
        }
        return;
    }
    if (json_is_array(want) && json_is_array(got) &&
        json_array_size(got) == json_array_size(want)) {
        json_array_foreach (want, i, value) {
            (void)snprintf(below, sizeof(below), "%s[%zu]", path, i);
            compare(check, below, json_array_get(got, i), value, depth + 1);
        }
        check->compared += i == 0;
        return;
    }
    check->compared++;
    if (got == NULL || !same_leaf(path, got, want)) {
        report(check, path, got, want);
    }
}

/* Expected values stand in "expected", or (replicas) beside "computed" itself. */
static void visit(struct check *check, const char *path, const json_t *value, int depth)
{
    char below[PATH_BYTES];
    const json_t *computed = json_object_get(value, "computed");
    const json_t *expected = json_object_get(value, "expected");
    const char *key = NULL;
    json_t *child = NULL;
    size_t i = 0;

    if (computed != NULL && expected != NULL) {
        compare(check, path, computed, expected, 0);
    }
    json_object_foreach ((json_t *)computed, key, child) {
        json_t *beside = json_object_get(value, key);

        if (expected == NULL && beside != NULL && json_object_get(beside, "value") != NULL) {
            (void)snprintf(below, sizeof(below), "%s.%s", path, key);
            compare(check, below, child, beside, 0);
        }
    }
    json_array_foreach (json_is_array(value) ? value : json_object_get(value, "replicas"), i,
                        child) {
        const char *id = json_string_value(json_object_get(child, "id"));

        (void)snprintf(below, sizeof(below), "%s[%zu]", path, i);
        if (depth < 4) {
            visit(check, id != NULL ? id : below, child, depth + 1);
        }
    }
}

size_t axi_analyze_check(const json_t *document, size_t *ret_compared)
{
    struct check check = {0, 0};

    if (json_object_get(document, "cases") == NULL && json_object_get(document, "extras") == NULL) {
        visit(&check, "case", document, 0);
    } else {
        visit(&check, "cases", json_object_get(document, "cases"), 0);
        visit(&check, "extras", json_object_get(document, "extras"), 0);
    }
    *ret_compared = check.compared;
    return check.different;
}
