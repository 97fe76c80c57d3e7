/* SPDX-License-Identifier: Apache-2.0 */
/* The table of fields for people: one field on a terminal, all of them in Markdown. */
#include "manifest/fields.h"
#include "manifest/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 96u

/* "required", "default 20" */
static void print_default(FILE *to, const struct axi_field *field)
{
    if (field->is_required) {
        (void)fprintf(to, "required");
    } else if (field->fallback_text != NULL) {
        (void)fprintf(to, "%s%s",
                      strncmp(field->fallback_text, "absent", 6) == 0 ? "" : "default: ",
                      field->fallback_text);
    } else if (field->fallback != NULL) {
        bool is_text = field->fallback[0] == '"';

        (void)fprintf(to, "default %.*s", (int)strlen(field->fallback) - (is_text ? 2 : 0),
                      field->fallback + (is_text ? 1 : 0));
    } else {
        (void)fprintf(to, "optional");
    }
}

static void print_expected(FILE *to, const struct axi_field *field)
{
    char expected[320];

    axi_field_expected(field, expected, sizeof(expected));
    (void)fputs(expected, to);
    if (*field->unit != '\0') {
        (void)fprintf(to, " (%s)", field->unit);
    }
}

/* Filled lines with two spaces before. */
static void print_wrapped(FILE *to, const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column > 0 && column + 1 + word > LINE_BYTES) {
            (void)fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, "%s%.*s", column == 0 ? "  " : " ", (int)word, text);
        text += word;
        text += *text == ' ';
    }
    (void)fputc('\n', to);
}

static void print_members(FILE *to, const struct axi_field *field)
{
    const struct axi_field *member = axi_field_next(field, NULL);

    if (member != NULL) {
        (void)fprintf(to, "members:\n");
    }
    for (; member != NULL; member = axi_field_next(field, member)) {
        (void)fprintf(to, "  %-20s ", axi_field_name(member));
        print_expected(to, member);
        (void)fprintf(to, "; ");
        print_default(to, member);
        (void)fputc('\n', to);
    }
}

static void print_kinds(FILE *to)
{
    (void)fprintf(to, "A manifest declares what must hold; each document of it is one of\n");
    for (size_t i = 0; i < axi_field_count; i++) {
        if (strchr(axi_fields[i].path, '.') == NULL) {
            (void)fprintf(to, "  %-9s %s\n", axi_fields[i].path, axi_fields[i].doc);
        }
    }
    (void)fprintf(to, "'axcan explain service' goes on; 'axcan explain service.update.surge' tells "
                      "one field.\n");
}

static void print_field(FILE *to, const struct axi_field *field)
{
    (void)fprintf(to, "%s: ", field->path);
    print_expected(to, field);
    if (strchr(field->path, '.') != NULL) {
        (void)fprintf(to, "; ");
        print_default(to, field);
    }
    (void)fputc('\n', to);
    print_wrapped(to, field->doc);
    (void)fprintf(to, "  example: %s%s%s\n",
                  strchr(field->path, '.') != NULL ? axi_field_name(field) : "",
                  strchr(field->path, '.') != NULL ? ": " : "", field->example);
    print_members(to, field);
}

char *axi_manifest_explain(const char *path, const char **ret_hint)
{
    const struct axi_field *field = axi_field_find(path);
    char *text = NULL;
    size_t bytes = 0;

    *ret_hint = NULL;
    if (field == NULL && *path != '\0') {
        *ret_hint = axi_hint_path(path);
        return NULL;
    }
    FILE *to = open_memstream(&text, &bytes);

    if (to == NULL) {
        return NULL;
    }
    if (field == NULL) {
        print_kinds(to);
    } else {
        print_field(to, field);
    }
    (void)fclose(to);
    return text;
}

static void print_row(FILE *to, const struct axi_field *field)
{
    const char *path = strchr(field->path, '.') + 1;

    (void)fprintf(to, "| `%s` | ", path);
    print_expected(to, field);
    (void)fprintf(to, " | ");
    print_default(to, field);
    (void)fprintf(to, " | %s | `%s` |\n", field->doc, field->example);
}

char *axi_manifest_tables(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);

    if (to == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < axi_field_count; i++) {
        const char *path = axi_fields[i].path;

        if (strchr(path, '.') != NULL) {
            print_row(to, &axi_fields[i]);
            continue;
        }
        (void)fprintf(to, "%s### kind: %c%s\n%s\n\n", i > 0 ? "\n" : "", path[0] - 'a' + 'A',
                      path + 1, axi_fields[i].doc);
        (void)fprintf(to, "| field | value | default | meaning | example |\n"
                          "|---|---|---|---|---|\n");
    }
    (void)fclose(to);
    return text;
}
