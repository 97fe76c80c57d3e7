/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/clock_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/svg.h"
#include "time/servo.h"

#define LINE_WORDS 12u

enum { PLOT_WIDTH = 840, PLOT_HEIGHT = 320, LEFT = 90, TOP = 40, WIDTH = 720, HEIGHT = 220 };

enum column { SECONDS, STATE, ERROR, OFFSET, DELAY, BOUND, COLUMNS };
static const char *const column_names[COLUMNS] = {"seconds",   "state",    "error_ns",
                                                  "offset_ns", "delay_ns", "bound_ns"};

struct sample {
    bool has[COLUMNS];
    double value[COLUMNS];
};

struct axi_clock_log {
    struct sample *samples;
    size_t count, capacity;
    int columns[LINE_WORDS]; /* of the CSV; -1: not used */
    size_t column_count;     /* 0: no header yet */
    bool has_error;
    double first_s, lock_s; /* lock_s < 0: never */
    size_t locked, lines;
};

/* ---- reading ---- */

static int column_of(const char *name, size_t length)
{
    for (int i = 0; i < COLUMNS; i++) {
        if (strlen(column_names[i]) == length && memcmp(column_names[i], name, length) == 0) {
            return i;
        }
    }
    return -1;
}

static bool take_value(struct sample *sample, int column, const char *text)
{
    char *end = NULL;

    if (column < 0) {
        return true;
    }
    sample->has[column] = true;
    if (column == STATE) {
        for (uint32_t i = 0; i <= AXI_SERVO_HOLDOVER; i++) {
            if (strcmp(axi_servo_state_name(i), text) == 0) {
                sample->value[STATE] = i;
                return true;
            }
        }
        return false;
    }
    sample->value[column] = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(sample->value[column]);
}

/* The words of a line, cut in place. */
static size_t split(char *line, const char *separators, char *words[LINE_WORDS])
{
    char *rest = NULL;
    size_t count = 0;

    for (char *word = strtok_r(line, separators, &rest); word != NULL && count < LINE_WORDS;
         word = strtok_r(NULL, separators, &rest)) {
        words[count++] = word;
    }
    return count;
}

/* 1: a sample, 0: none, -1: it should be one. */
static int read_line(struct axi_clock_log *log, char *line, struct sample *ret_sample)
{
    char *words[LINE_WORDS];
    char *start = strstr(line, "clock-sample ");
    size_t count =
        split(start != NULL ? start + 13 : line, start != NULL ? " \r\n" : ",\r\n", words);
    bool is_good = true;

    *ret_sample = (struct sample){0};
    if (start != NULL) {
        for (size_t i = 0; i < count; i++) {
            char *equals = strchr(words[i], '=');

            is_good = is_good && equals != NULL &&
                      take_value(ret_sample, column_of(words[i], (size_t)(equals - words[i])),
                                 equals + 1);
        }
    } else if (count > 0 && strcmp(words[0], column_names[SECONDS]) == 0) {
        for (size_t i = 0; i < count; i++) {
            log->columns[i] = column_of(words[i], strlen(words[i]));
        }
        log->column_count = count;
        return 0;
    } else if (log->column_count > 0 && count == log->column_count) {
        for (size_t i = 0; i < count; i++) {
            is_good = is_good && take_value(ret_sample, log->columns[i], words[i]);
        }
    } else {
        return 0; /* a line of something else: logs are full of them */
    }
    is_good = is_good && ret_sample->has[SECONDS] && ret_sample->has[STATE] &&
              ret_sample->has[OFFSET] && ret_sample->has[BOUND];
    return is_good ? 1 : -1;
}

static int add_sample(struct axi_clock_log *log, const struct sample *sample)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity * 2 + 1024;
        struct sample *more = realloc(log->samples, capacity * sizeof(*more));

        if (more == NULL) {
            return -AXC_ENOMEM;
        }
        log->samples = more;
        log->capacity = capacity;
    }
    log->samples[log->count++] = *sample;
    return 0;
}

static int read_all(FILE *from, struct axi_clock_log *log)
{
    char *line = NULL;
    size_t size = 0;
    int r = 0;

    while (r == 0 && getline(&line, &size, from) > 0) {
        struct sample sample;
        int what = read_line(log, line, &sample);

        log->lines++;
        r = what > 0 ? add_sample(log, &sample) : what < 0 ? -AXC_EINVALID : 0;
    }
    free(line);
    return r == 0 && log->count == 0 ? -AXC_ENOENT : r;
}

int axi_clock_log_read(FILE *from, struct axi_clock_log **ret_log, size_t *ret_line)
{
    struct axi_clock_log *log = calloc(1, sizeof(*log));
    int r = log != NULL ? read_all(from, log) : -AXC_ENOMEM;

    if (r < 0) {
        *ret_line = log != NULL ? log->lines : 0;
        axi_clock_log_free(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

void axi_clock_log_free(struct axi_clock_log *log)
{
    if (log != NULL) {
        free(log->samples);
        free(log);
    }
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void summarize_states(struct axi_clock_log *log)
{
    log->first_s = log->samples[0].value[SECONDS];
    log->lock_s = -1;
    for (size_t i = 0; i < log->count; i++) {
        const struct sample *s = &log->samples[i];

        log->has_error |= s->has[ERROR];
        if ((uint32_t)s->value[STATE] == AXI_SERVO_LOCKED) {
            log->lock_s = log->lock_s < 0 ? s->value[SECONDS] - log->first_s : log->lock_s;
            log->locked++;
        }
    }
}

/* {p50, p99, max} of a column's magnitude over the locked samples; NULL: none has it. */
static json_t *figures(const struct axi_clock_log *log, enum column column)
{
    double *values = calloc(log->count, sizeof(*values));
    json_t *result = NULL;
    size_t n = 0;

    for (size_t i = 0; i < log->count && values != NULL; i++) {
        const struct sample *s = &log->samples[i];

        if (s->has[column] && (uint32_t)s->value[STATE] == AXI_SERVO_LOCKED) {
            values[n++] = fabs(s->value[column]);
        }
    }
    if (n > 0) {
        qsort(values, n, sizeof(*values), compare);
        result = json_pack("{s:f,s:f,s:f}", "p50", values[(n - 1) / 2], "p99",
                           values[(n - 1) * 99 / 100], "max", values[n - 1]);
    }
    free(values);
    return result;
}

/* Samples, in any state but unlocked, whose true error was beyond the bound they declared. */
static size_t count_broken(const struct axi_clock_log *log)
{
    size_t n = 0;

    for (size_t i = 0; i < log->count; i++) {
        const struct sample *s = &log->samples[i];

        n += s->has[ERROR] && fabs(s->value[ERROR]) > s->value[BOUND];
    }
    return n;
}

json_t *axi_clock_log_summarize(struct axi_clock_log *log)
{
    json_t *result = json_object();

    summarize_states(log);
    (void)json_object_set_new(result, "samples", json_integer((json_int_t)log->count));
    (void)json_object_set_new(result, "locked", json_integer((json_int_t)log->locked));
    (void)json_object_set_new(result, "lock_s",
                              log->lock_s < 0 ? json_null() : json_real(log->lock_s));
    for (int i = ERROR; i < COLUMNS; i++) {
        json_t *values = figures(log, (enum column)i);

        if (values != NULL) {
            (void)json_object_set_new(result, column_names[i], values);
        }
    }
    if (log->has_error) {
        (void)json_object_set_new(result, "beyond_bound",
                                  json_integer((json_int_t)count_broken(log)));
    }
    return result;
}

/* ---- drawing ---- */

struct plot {
    FILE *to;
    double first_s, span_s, most_us;
};

static double x_of(const struct plot *plot, double seconds)
{
    return LEFT + WIDTH * (seconds - plot->first_s) / plot->span_s;
}

static double y_of(const struct plot *plot, double ns)
{
    double part = ns / 1000 / plot->most_us;

    part = part > 1 ? 1 : part < -1 ? -1 : part;
    return TOP + HEIGHT * (1 - part) / 2;
}

/* What is seen of the curve: a little more than nearly all bounds while locked. */
static double find_most_us(const json_t *result)
{
    double bound = json_real_value(json_object_get(json_object_get(result, "bound_ns"), "p99"));
    double offset = json_real_value(json_object_get(json_object_get(result, "offset_ns"), "max"));
    double most_us = (bound > offset ? bound : offset) * 1.1 / 1000;

    return most_us > 0 ? most_us : 1000;
}

static void draw_line(const struct plot *plot, const struct axi_clock_log *log, enum column column,
                      double sign, const char *style)
{
    char letter = 'M';

    (void)fprintf(plot->to, "<path fill=\"none\" %s d=\"", style);
    for (size_t i = 0; i < log->count; i++) {
        const struct sample *s = &log->samples[i];

        if (!s->has[column] || (uint32_t)s->value[STATE] == AXI_SERVO_UNLOCKED) {
            letter = 'M';
            continue;
        }
        (void)fprintf(plot->to, "%c%.1f %.1f", letter, x_of(plot, s->value[SECONDS]),
                      y_of(plot, sign * s->value[column]));
        letter = 'L';
    }
    (void)fputs("\"/>\n", plot->to);
}

static void draw_states(const struct plot *plot, const struct axi_clock_log *log)
{
    static const char *const colours[] = {"#f6d5d5", "#fbeccb", "#ffffff", "#dcdcf5"};

    for (size_t i = 0; i + 1 < log->count;) {
        double state = log->samples[i].value[STATE];
        size_t end = i + 1;

        while (end + 1 < log->count && log->samples[end].value[STATE] == state) {
            end++;
        }
        double x = x_of(plot, log->samples[i].value[SECONDS]);

        (void)fprintf(plot->to,
                      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x,
                      TOP, x_of(plot, log->samples[end].value[SECONDS]) - x, HEIGHT,
                      colours[(uint32_t)state]);
        i = end;
    }
}

static void draw_axes(const struct plot *plot)
{
    for (int i = 0; i <= 4; i++) {
        (void)fprintf(plot->to,
                      "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" stroke=\"#ccc\"/>"
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.3g us</text>"
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%.3g s</text>\n",
                      LEFT, TOP + HEIGHT * i / 4, LEFT + WIDTH, TOP + HEIGHT * i / 4, LEFT - 6,
                      TOP + HEIGHT * i / 4 + 4, plot->most_us * (2 - i) / 2, LEFT + WIDTH * i / 4,
                      TOP + HEIGHT + 16, plot->span_s * i / 4);
    }
    (void)fprintf(plot->to,
                  "<text x=\"%d\" y=\"%d\">blue: offset; green: true error; red: bound; yellow: "
                  "locking, lilac: holdover, rose: unlocked</text>\n",
                  LEFT, TOP + HEIGHT + 38);
}

void axi_clock_log_draw(const struct axi_clock_log *log, const json_t *summary, const char *title,
                        FILE *to)
{
    double last_s = log->samples[log->count - 1].value[SECONDS];
    struct plot plot = {.to = to,
                        .first_s = log->first_s,
                        .span_s = last_s > log->first_s ? last_s - log->first_s : 1,
                        .most_us = find_most_us(summary)};

    (void)fprintf(to,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
                  "<text x=\"%d\" y=\"24\" font-size=\"14\">",
                  PLOT_WIDTH, PLOT_HEIGHT, LEFT);
    axi_svg_text(to, title);
    (void)fputs("</text>\n", to);
    draw_states(&plot, log);
    draw_axes(&plot);
    draw_line(&plot, log, BOUND, 1, "stroke=\"#c22\"");
    draw_line(&plot, log, BOUND, -1, "stroke=\"#c22\"");
    draw_line(&plot, log, OFFSET, 1, "stroke=\"#1f5fa8\"");
    draw_line(&plot, log, ERROR, 1, "stroke=\"#2a8f3c\"");
    (void)fputs("</svg>\n", to);
}
