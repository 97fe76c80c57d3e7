/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELL_BYTES 256u
#define COLUMNS_MAX 24u

bool axi_parse_format(const char *text, enum axi_format *ret_format)
{
    static const char *const names[] = {"table", "wide", "json", "yaml", "name"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text != NULL ? text : "table", names[i]) == 0) {
            *ret_format = (enum axi_format)i;
            return true;
        }
    }
    return false;
}

void axi_print_time(char *ret_text, size_t size, uint64_t ns)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{60e9, "m"}, {1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
    size_t i = 0;

    while (i < 4 && (double)ns < units[i].ns * (i == 0 ? 2 : 1)) {
        i++;
    }
    double value = (double)ns / units[i].ns;

    (void)snprintf(ret_text, size,
                   value < 10 && i < 4    ? "%.2f%s"
                   : value < 100 && i < 4 ? "%.1f%s"
                                          : "%.0f%s",
                   value, units[i].unit);
}

static void print_age(char *text, size_t size, uint64_t since_ns, uint64_t now_ns)
{
    uint64_t s = now_ns > since_ns ? (now_ns - since_ns) / 1000000000ull : 0;

    if (since_ns == 0) {
        (void)snprintf(text, size, "-");
    } else if (s < 120) {
        (void)snprintf(text, size, "%" PRIu64 "s", s);
    } else if (s < 7200) {
        (void)snprintf(text, size, "%" PRIu64 "m", s / 60);
    } else if (s < 172800) {
        (void)snprintf(text, size, "%" PRIu64 "h", s / 3600);
    } else {
        (void)snprintf(text, size, "%" PRIu64 "d", s / 86400);
    }
}

static void print_bytes(char *text, size_t size, uint64_t bytes)
{
    static const char units[] = {'B', 'K', 'M', 'G', 'T'};
    double value = (double)bytes;
    size_t i = 0;

    for (; value >= 1024 && i + 1 < sizeof(units); i++) {
        value /= 1024;
    }
    (void)snprintf(text, size, i == 0 || value >= 100 ? "%.0f%c" : "%.1f%c", value, units[i]);
}

static void print_list(char *text, size_t size, const json_t *list)
{
    size_t used = 0;
    size_t index = 0;
    const json_t *item = NULL;

    text[0] = '\0';
    json_array_foreach (list, index, item) {
        const char *name = json_string_value(item);

        if (name == NULL) {
            name = json_string_value(json_object_get(item, "platform"));
        }
        if (name == NULL) {
            name = json_string_value(json_object_get(item, "name"));
        }
        int n = snprintf(text + used, size - used, "%s%s", index > 0 ? "," : "",
                         name != NULL ? name : "?");

        used += n > 0 ? (size_t)n : 0;
        if (used >= size) {
            return;
        }
    }
}

static void print_plain(char *text, size_t size, const json_t *value)
{
    if (json_is_string(value)) {
        (void)snprintf(text, size, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        (void)snprintf(text, size, "%g", json_real_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(text, size, "%s", json_is_true(value) ? "yes" : "no");
    }
}

static const json_t *member(const json_t *item, const char *key)
{
    char first[64];
    const char *dot = strchr(key, '.');

    if (dot == NULL || (size_t)(dot - key) >= sizeof(first)) {
        return json_object_get(item, key);
    }
    memcpy(first, key, (size_t)(dot - key));
    first[dot - key] = '\0';
    return json_object_get(json_object_get(item, first), dot + 1);
}

static void print_cell(char text[CELL_BYTES], const struct axi_column *column, const json_t *item,
                       uint64_t now_ns)
{
    const json_t *value = member(item, column->key);
    uint64_t number = (uint64_t)json_integer_value(value);
    const char *digest = json_string_value(value);

    text[0] = '\0';
    switch (column->cell) {
    case AXI_CELL_TIME:
        if (number > 0) {
            axi_print_time(text, CELL_BYTES, number);
        }
        break;
    case AXI_CELL_SIGNED_TIME:
        if (number != 0) {
            bool is_negative = number > INT64_MAX;

            text[0] = '-';
            axi_print_time(text + is_negative, CELL_BYTES - 1, is_negative ? 0 - number : number);
        }
        break;
    case AXI_CELL_SHARE:
        if (json_is_integer(value)) {
            (void)snprintf(text, CELL_BYTES, "%.1f%%", (double)number / 10000);
        }
        break;
    case AXI_CELL_BYTES:
        if (json_is_integer(value)) {
            print_bytes(text, CELL_BYTES, number);
        }
        break;
    case AXI_CELL_DIGEST:
        if (digest != NULL) {
            digest = strncmp(digest, "sha256:", 7) == 0 ? digest + 7 : digest;
            (void)snprintf(text, CELL_BYTES, "%.12s", digest);
        }
        break;
    case AXI_CELL_AGE:
        print_age(text, CELL_BYTES, number, now_ns);
        break;
    case AXI_CELL_COUNT:
        (void)snprintf(text, CELL_BYTES, "%zu", json_array_size(value));
        break;
    case AXI_CELL_LIST:
        print_list(text, CELL_BYTES, value);
        break;
    case AXI_CELL_TEXT:
        print_plain(text, CELL_BYTES, value);
        break;
    }
    if (text[0] == '\0') {
        (void)snprintf(text, CELL_BYTES, "-");
    }
}

static void print_row(FILE *to, const struct axi_column *columns, size_t count, const int *widths,
                      bool wide, const json_t *item, uint64_t now_ns)
{
    char text[CELL_BYTES];
    int pad = 0;

    for (size_t i = 0; i < count; i++) {
        if (columns[i].is_wide && !wide) {
            continue;
        }
        if (item == NULL) {
            (void)snprintf(text, sizeof(text), "%s", columns[i].title);
        } else {
            print_cell(text, &columns[i], item, now_ns);
        }
        (void)fprintf(to, "%*s%s", pad, "", text);
        pad = widths[i] - (int)strlen(text) + 2;
    }
    (void)fputc('\n', to);
}

void axi_print_table(FILE *to, const struct axi_column *columns, size_t count, const json_t *items,
                     uint64_t now_ns, bool wide, bool with_title)
{
    int widths[COLUMNS_MAX] = {0};
    char text[CELL_BYTES];
    size_t index = 0;
    const json_t *item = NULL;

    for (size_t i = 0; i < count && i < COLUMNS_MAX; i++) {
        widths[i] = (int)strlen(columns[i].title);
        json_array_foreach (items, index, item) {
            print_cell(text, &columns[i], item, now_ns);
            widths[i] = (int)strlen(text) > widths[i] ? (int)strlen(text) : widths[i];
        }
    }
    if (with_title) {
        print_row(to, columns, count, widths, wide, NULL, now_ns);
    }
    json_array_foreach (items, index, item) {
        print_row(to, columns, count, widths, wide, item, now_ns);
    }
}

void axi_print_json(FILE *to, const json_t *value)
{
    (void)json_dumpf(value, to, JSON_INDENT(2) | JSON_ENCODE_ANY);
    (void)fputc('\n', to);
}

static void yaml_value(FILE *to, const json_t *value, int indent);

static void yaml_members(FILE *to, const json_t *value, int indent, bool first_is_placed)
{
    const char *key = NULL;
    json_t *inner = NULL;

    json_object_foreach ((json_t *)(uintptr_t)value, key, inner) {
        (void)fprintf(to, "%*s%s:", first_is_placed ? 0 : indent, "", key);
        first_is_placed = false;
        yaml_value(to, inner, indent + 2);
    }
}

static void yaml_items(FILE *to, const json_t *value, int indent)
{
    size_t index = 0;
    const json_t *inner = NULL;

    json_array_foreach (value, index, inner) {
        (void)fprintf(to, "%*s-", indent, "");
        if (json_is_object(inner) && json_object_size(inner) > 0) {
            (void)fputc(' ', to);
            yaml_members(to, inner, indent + 2, true);
        } else {
            yaml_value(to, inner, indent + 2);
        }
    }
}

/* What follows "key:" or "-"; JSON scalars are YAML scalars. */
static void yaml_value(FILE *to, const json_t *value, int indent)
{
    if (json_is_object(value) && json_object_size(value) > 0) {
        (void)fputc('\n', to);
        yaml_members(to, value, indent, false);
    } else if (json_is_array(value) && json_array_size(value) > 0) {
        (void)fputc('\n', to);
        yaml_items(to, value, indent);
    } else {
        (void)fputc(' ', to);
        (void)json_dumpf(value, to, JSON_ENCODE_ANY | JSON_COMPACT);
        (void)fputc('\n', to);
    }
}

void axi_print_yaml(FILE *to, const json_t *value)
{
    if (json_is_object(value) && json_object_size(value) > 0) {
        yaml_members(to, value, 0, false);
    } else if (json_is_array(value) && json_array_size(value) > 0) {
        yaml_items(to, value, 0);
    } else {
        yaml_value(to, value, 0);
    }
}

const char *axi_terminal_home_and_clear(void)
{
    return isatty(STDOUT_FILENO) ? "\033[H\033[J" : "";
}
