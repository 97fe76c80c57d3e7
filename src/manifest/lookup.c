/* SPDX-License-Identifier: Apache-2.0 */
/* Finding fields in the table, and what somebody meant who wrote something else. */
#include "manifest/fields.h"

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HINT_BYTES_MAX 64u

int axi_choice_find(const char *const *choices, const char *text)
{
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

const struct axi_field *axi_field_find(const char *path)
{
    for (size_t i = 0; i < axi_field_count; i++) {
        if (strcmp(axi_fields[i].path, path) == 0) {
            return &axi_fields[i];
        }
    }
    return NULL;
}

const char *axi_field_name(const struct axi_field *field)
{
    const char *dot = strrchr(field->path, '.');

    return dot != NULL ? dot + 1 : field->path;
}

const struct axi_field *axi_field_next(const struct axi_field *parent, const struct axi_field *last)
{
    size_t length = strlen(parent->path);
    const struct axi_field *field = last != NULL ? last + 1 : parent + 1;

    for (; field < axi_fields + axi_field_count; field++) {
        if (strncmp(field->path, parent->path, length) == 0 && field->path[length] == '.' &&
            strchr(field->path + length + 1, '.') == NULL) {
            return field;
        }
    }
    return NULL;
}

const struct axi_field *axi_field_member(const struct axi_field *parent, const char *name)
{
    const struct axi_field *field = NULL;

    while ((field = axi_field_next(parent, field)) != NULL) {
        if (strcmp(axi_field_name(field), name) == 0) {
            return field;
        }
    }
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance (Wagner, Fischer 1974), by rows. */
static size_t distance(const char *a, const char *b)
{
    size_t row[HINT_BYTES_MAX + 1];
    size_t n = strlen(b);

    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t above = row[j + 1];

            row[j + 1] = least(least(above, row[j]) + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[n];
}

/* Is `candidate` nearer to text than anything before? At most a third of the letters may differ. */
static bool is_nearer(const char *text, const char *candidate, size_t *best)
{
    size_t length = strlen(text);

    if (length == 0 || length > HINT_BYTES_MAX || strlen(candidate) > HINT_BYTES_MAX) {
        return false;
    }
    size_t d = distance(text, candidate);

    if (d >= *best || d > 1 + length / 3) {
        return false;
    }
    *best = d;
    return true;
}

const char *axi_hint_choice(const char *const *choices, const char *text)
{
    const char *hint = NULL;
    size_t best = SIZE_MAX;

    for (; *choices != NULL; choices++) {
        if (is_nearer(text, *choices, &best)) {
            hint = *choices;
        }
    }
    return hint;
}

const char *axi_hint_member(const struct axi_field *parent, const char *text)
{
    const struct axi_field *field = NULL;
    const char *hint = NULL;
    size_t best = SIZE_MAX;

    while ((field = axi_field_next(parent, field)) != NULL) {
        if (is_nearer(text, axi_field_name(field), &best)) {
            hint = axi_field_name(field);
        }
    }
    return hint;
}

/* By whole paths; a last part alone ("good_jobs") may be meant, too. */
const char *axi_hint_path(const char *text)
{
    const char *dot = strrchr(text, '.');
    const char *last = dot != NULL ? dot + 1 : text;
    const char *hint = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < axi_field_count; i++) {
        if (is_nearer(text, axi_fields[i].path, &best)) {
            hint = axi_fields[i].path;
        }
    }
    for (size_t i = 0; hint == NULL && i < axi_field_count; i++) {
        if (strcmp(axi_field_name(&axi_fields[i]), last) == 0) {
            hint = axi_fields[i].path;
        }
    }
    return hint;
}

static void expect_choice(const struct axi_field *field, char *ret_text, size_t size)
{
    size_t used = (size_t)snprintf(ret_text, size, field->choices[1] == NULL ? "" : "one of ");

    for (size_t i = 0; field->choices[i] != NULL && used < size; i++) {
        used += (size_t)snprintf(ret_text + used, size - used, "%s%s", i == 0 ? "" : ", ",
                                 field->choices[i]);
    }
}

static void expect_number(const struct axi_field *field, char *ret_text, size_t size)
{
    (void)snprintf(ret_text, size, "%s from %.16g to %.16g",
                   field->type == AXI_FIELD_NUMBER ? "a number" : "an integer", field->min,
                   field->max);
}

void axi_field_expected(const struct axi_field *field, char *ret_text, size_t size)
{
    const char *letters =
        field->rule == AXI_NAME_TASK ? "a-z, 0-9, -, a letter first" : "letters, digits, . _ -";

    switch (field->type) {
    case AXI_FIELD_OBJECT:
        (void)snprintf(ret_text, size, "a map of fields");
        break;
    case AXI_FIELD_NAME:
        (void)snprintf(ret_text, size, "a name of 1 to %zu characters (%s)", field->text_max,
                       letters);
        break;
    case AXI_FIELD_IMAGE:
        (void)snprintf(ret_text, size, "an image: its name or digest, or FILE.axi");
        break;
    case AXI_FIELD_CHOICE:
        expect_choice(field, ret_text, size);
        break;
    case AXI_FIELD_BOOLEAN:
        (void)snprintf(ret_text, size, "true or false");
        break;
    case AXI_FIELD_INTEGER:
    case AXI_FIELD_NUMBER:
        expect_number(field, ret_text, size);
        break;
    case AXI_FIELD_NAMES:
        (void)snprintf(ret_text, size, "a list of at most %zu names", field->count_max);
        break;
    case AXI_FIELD_IMAGES:
        (void)snprintf(ret_text, size, "a list of at most %zu images", field->count_max);
        break;
    case AXI_FIELD_LABELS:
        (void)snprintf(ret_text, size, "a map of at most %zu texts by name", field->count_max);
        break;
    case AXI_FIELD_NUMBERS:
        (void)snprintf(ret_text, size, "a map of at most %zu integers by name", field->count_max);
        break;
    case AXI_FIELD_OBJECTS:
        (void)snprintf(ret_text, size, "a map of at most %zu objects by name", field->count_max);
    }
}
