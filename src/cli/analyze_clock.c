/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze clock: how well a clock followed its master. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/clock_log.h"
#include "cli/command.h"

static void print_summary(const json_t *summary)
{
    static const char *const columns[] = {"error_ns", "offset_ns", "delay_ns", "bound_ns"};
    const json_t *lock = json_object_get(summary, "lock_s");
    const json_t *beyond = json_object_get(summary, "beyond_bound");

    (void)printf("%" JSON_INTEGER_FORMAT " samples, %" JSON_INTEGER_FORMAT " locked, ",
                 json_integer_value(json_object_get(summary, "samples")),
                 json_integer_value(json_object_get(summary, "locked")));
    (void)(json_is_real(lock) ? printf("first after %.1f s\n", json_real_value(lock))
                              : printf("never locked\n"));
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        const json_t *v = json_object_get(summary, columns[i]);

        if (v != NULL) {
            (void)printf("  |%-9s| p50 %12.0f  p99 %12.0f  max %12.0f\n", columns[i],
                         json_real_value(json_object_get(v, "p50")),
                         json_real_value(json_object_get(v, "p99")),
                         json_real_value(json_object_get(v, "max")));
        }
    }
    if (beyond != NULL) {
        (void)printf("  %" JSON_INTEGER_FORMAT " samples were farther off than their bound\n",
                     json_integer_value(beyond));
    }
}

static int draw(const struct axi_clock_log *log, const json_t *summary, const char *title,
                const char *file)
{
    FILE *to = fopen(file, "w");

    if (to == NULL) {
        return axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
    }
    axi_clock_log_draw(log, summary, title, to);
    return fclose(to) == 0 ? 0 : axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
}

static int read_log(const char *file, struct axi_clock_log **ret_log)
{
    FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
    size_t line = 0;
    int r = 0;

    if (from == NULL) {
        return axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
    }
    r = axi_clock_log_read(from, ret_log, &line);
    if (from != stdin) {
        (void)fclose(from);
    }
    if (r == -AXC_EINVALID) {
        return axi_cli_fail("analyze",
                            "%s:%zu: seconds, state, offset_ns and bound_ns are wanted, as "
                            "axcan-timed --csv writes them",
                            file, line);
    }
    if (r == -AXC_ENOENT) {
        return axi_cli_fail("analyze",
                            "%s: neither the CSV of axcan-timed nor lines with clock-sample", file);
    }
    return r < 0 ? axi_cli_fail("analyze", "%s: %s", file, axi_error_text(r)) : 0;
}

int axi_analyze_clock(const char *file, bool as_json, const char *plot)
{
    struct axi_clock_log *log = NULL;
    json_t *summary = NULL;
    int r = read_log(file, &log);

    if (r != 0) {
        return r;
    }
    summary = axi_clock_log_summarize(log);
    if (as_json) {
        (void)json_dumpf(summary, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
        (void)putchar('\n');
    } else {
        print_summary(summary);
    }
    r = plot != NULL ? draw(log, summary, file, plot) : 0;
    json_decref(summary);
    axi_clock_log_free(log);
    return r;
}
