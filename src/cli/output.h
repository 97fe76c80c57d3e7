/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands print: tables with one row per resource, JSON, YAML, names. */
#ifndef AXI_CLI_OUTPUT_H
#define AXI_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum axi_cell {
    AXI_CELL_TEXT,        /* string, number or boolean as it is */
    AXI_CELL_TIME,        /* ns -> "1.2ms"; 0 -> "-" */
    AXI_CELL_SIGNED_TIME, /* the same, perhaps negative */
    AXI_CELL_SHARE,       /* ppm -> "12.5%" */
    AXI_CELL_BYTES,       /* -> "10.1K" */
    AXI_CELL_DIGEST,      /* first 12 digits */
    AXI_CELL_AGE,         /* master time ns -> "5m" */
    AXI_CELL_COUNT,       /* of an array */
    AXI_CELL_LIST,        /* array of strings, or of objects by their "platform" or "name" */
};

struct axi_column {
    const char *title;
    const char *key; /* member of the item; "a.b" goes one level down */
    enum axi_cell cell;
    bool is_wide; /* only with -o wide */
};

/* items: array of objects. now_ns: master time for ages. Columns are as wide as their content. */
void axi_print_table(FILE *to, const struct axi_column *columns, size_t count, const json_t *items,
                     uint64_t now_ns, bool wide, bool with_title);

/* "1.234ms"; three to four digits. */
void axi_print_time(char *ret_text, size_t size, uint64_t ns);

void axi_print_json(FILE *to, const json_t *value);
void axi_print_yaml(FILE *to, const json_t *value);

/* "wide", "json", "yaml", "name" or NULL (table). False when it is none of them. */
enum axi_format {
    AXI_FORMAT_TABLE,
    AXI_FORMAT_WIDE,
    AXI_FORMAT_JSON,
    AXI_FORMAT_YAML,
    AXI_FORMAT_NAME
};
bool axi_parse_format(const char *text, enum axi_format *ret_format);

/* Terminal control, empty when stdout is no terminal. */
const char *axi_terminal_home_and_clear(void);

#endif
