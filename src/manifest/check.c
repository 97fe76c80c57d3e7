/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/check.h"

#include "manifest/spec.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EXACT_MAX 9007199254740992.0 /* whole numbers up to here are exact in JSON */
#define FILE_BYTES_MAX 1024u
#define SHOWN_BYTES 40

static int check_value(struct axi_manifest_check *check, const struct axi_field *field,
                       const json_t *value, json_t **ret_value);

int axi_manifest_wrong(struct axi_manifest_check *check, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(check->text, sizeof(check->text), format, arguments);
    va_end(arguments);
    return -AXC_EMANIFEST;
}

void axi_manifest_enter(struct axi_manifest_check *check, const char *key, size_t index)
{
    check->place.steps[check->place.depth].key = key;
    check->place.steps[check->place.depth].index = index;
    check->place.depth++;
}

void axi_manifest_leave(struct axi_manifest_check *check)
{
    check->place.depth--;
}

void axi_manifest_place_text(const struct axi_manifest_place *place, char *ret_text, size_t size)
{
    size_t used = 0;

    ret_text[0] = '\0';
    for (size_t i = 0; i < place->depth && used < size; i++) {
        if (place->steps[i].key != NULL) {
            used += (size_t)snprintf(ret_text + used, size - used, "%s%.64s", i > 0 ? "." : "",
                                     place->steps[i].key);
        } else {
            used += (size_t)snprintf(ret_text + used, size - used, "[%zu]", place->steps[i].index);
        }
    }
}

/* What stands there, for messages. */
static void show(const json_t *value, char *ret_text, size_t size)
{
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        bool is_long = strlen(text) > SHOWN_BYTES;

        (void)snprintf(ret_text, size, "the text '%.*s%s'", SHOWN_BYTES, text,
                       is_long ? "..." : "");
    } else if (json_is_number(value)) {
        (void)snprintf(ret_text, size, "%.16g", json_number_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(ret_text, size, "%s", json_is_true(value) ? "true" : "false");
    } else {
        (void)snprintf(ret_text, size, "%s",
                       json_is_object(value)  ? "a map"
                       : json_is_array(value) ? "a list"
                                              : "nothing");
    }
}

static int unexpected(struct axi_manifest_check *check, const char *expected, const json_t *value,
                      const char *cure)
{
    char shown[96];

    show(value, shown, sizeof(shown));
    return axi_manifest_wrong(check, "expected %s; found %s%s%s", expected, shown,
                              cure != NULL ? "; " : "", cure != NULL ? cure : "");
}

/* A scalar where a text is wanted was perhaps meant as one. */
static const char *quote_cure(const json_t *value)
{
    return json_is_number(value) || json_is_boolean(value) ? "put it in quotes if it is a name"
                                                           : NULL;
}

static int wrong_type(struct axi_manifest_check *check, const struct axi_field *field,
                      const json_t *value, const char *cure)
{
    char expected[160];

    axi_field_expected(field, expected, sizeof(expected));
    return unexpected(check, expected, value, cure);
}

static bool is_name(enum axi_name_rule rule, const char *text, size_t max)
{
    size_t length = 0;

    for (; text[length] != '\0' && length <= max; length++) {
        char c = text[length];
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        bool is_fine = is_lower || (length > 0 && (is_digit || c == '-'));

        if (rule == AXI_NAME_NODE) {
            is_fine = is_lower || is_digit || (c >= 'A' && c <= 'Z') ||
                      (length > 0 && (c == '.' || c == '_' || c == '-'));
        }
        if (!is_fine) {
            return false;
        }
    }
    return length > 0 && length <= max;
}

static int check_name(struct axi_manifest_check *check, const struct axi_field *field,
                      const json_t *value, json_t **ret_value)
{
    struct axi_field one = *field;

    one.type = AXI_FIELD_NAME;
    if (!json_is_string(value) ||
        !is_name(field->rule, json_string_value(value), field->text_max)) {
        return wrong_type(check, &one, value, quote_cure(value));
    }
    *ret_value = json_copy((json_t *)value);
    return 0;
}

static bool is_file(const char *text)
{
    size_t length = strlen(text);

    return length > 4 && strcmp(text + length - 4, ".axi") == 0;
}

static int check_image(struct axi_manifest_check *check, const json_t *value, json_t **ret_value)
{
    static const char expected[] = "an image: its name or digest, or FILE.axi";
    const char *text = json_string_value(value);

    if (text == NULL || *text == '\0') {
        return unexpected(check, expected, value, quote_cure(value));
    }
    if (is_file(text)) {
        if (!check->are_files_allowed) {
            return axi_manifest_wrong(check,
                                      "expected an image's name or digest; '%.*s' is a file, "
                                      "which 'axcan apply -f' uploads",
                                      SHOWN_BYTES, text);
        }
        if (strlen(text) > FILE_BYTES_MAX) {
            return axi_manifest_wrong(check, "expected a path of at most %u characters",
                                      FILE_BYTES_MAX);
        }
    } else {
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789._:@-");

        if (text[length] != '\0' || length >= AXI_IMAGE_REFERENCE_BYTES) {
            return unexpected(check, expected, value,
                              text[length] == '/' ? "files end in .axi" : NULL);
        }
    }
    *ret_value = json_copy((json_t *)value);
    return 0;
}

static int check_choice(struct axi_manifest_check *check, const struct axi_field *field,
                        const json_t *value, json_t **ret_value)
{
    char cure[64];
    const char *text = json_string_value(value);

    if (text != NULL && axi_choice_find(field->choices, text) >= 0) {
        *ret_value = json_copy((json_t *)value);
        return 0;
    }
    const char *hint = text != NULL ? axi_hint_choice(field->choices, text) : NULL;

    (void)snprintf(cure, sizeof(cure), "did you mean %s?", hint != NULL ? hint : "");
    return wrong_type(check, field, value, hint != NULL ? cure : NULL);
}

/* Whole numbers become integers, so that 5 and 5.0 are the same to a comparison. */
static int check_number(struct axi_manifest_check *check, const struct axi_field *field,
                        const json_t *value, json_t **ret_value)
{
    struct axi_field one = *field;
    double number = json_number_value(value);
    bool is_whole = floor(number) == number && fabs(number) <= EXACT_MAX;

    if (one.type == AXI_FIELD_NUMBERS) {
        one.type = AXI_FIELD_INTEGER;
    }
    if (!json_is_number(value)) {
        return wrong_type(check, &one, value,
                          json_is_string(value) ? "numbers stand without quotes and unit" : NULL);
    }
    if (!(number >= one.min && number <= one.max) || (one.type == AXI_FIELD_INTEGER && !is_whole)) {
        return wrong_type(check, &one, value, NULL);
    }
    *ret_value = is_whole ? json_integer((json_int_t)number) : json_real(number);
    return 0;
}

static int check_list(struct axi_manifest_check *check, const struct axi_field *field,
                      const json_t *value, json_t **ret_value)
{
    size_t i = 0;
    json_t *item = NULL;

    if (!json_is_array(value) || json_array_size(value) > field->count_max) {
        return wrong_type(check, field, value,
                          json_is_array(value) ? "these are more" : "a list is [a, b]");
    }
    json_t *list = json_array();

    json_array_foreach (value, i, item) {
        json_t *one = NULL;

        axi_manifest_enter(check, NULL, i);
        int r = field->type == AXI_FIELD_NAMES ? check_name(check, field, item, &one)
                                               : check_image(check, item, &one);

        for (size_t j = 0; r == 0 && j < i; j++) {
            if (json_equal(json_array_get(list, j), one)) {
                r = axi_manifest_wrong(check, "'%.64s' is there twice", json_string_value(one));
            }
        }
        if (r < 0) {
            json_decref(one);
            json_decref(list);
            return r;
        }
        axi_manifest_leave(check);
        (void)json_array_append_new(list, one);
    }
    *ret_value = list;
    return 0;
}

/* One member of a map whose keys the user names. */
static int check_member(struct axi_manifest_check *check, const struct axi_field *field,
                        const char *key, const json_t *value, json_t **ret_value)
{
    size_t key_max = field->type == AXI_FIELD_LABELS ? AXI_LABEL_BYTES - 1 - field->text_max - 1
                                                     : field->text_max;

    if (!is_name(AXI_NAME_NODE, key, key_max)) {
        check->place.is_key = true;
        return axi_manifest_wrong(
            check, "expected a key of 1 to %zu characters (letters, digits, . _ -)", key_max);
    }
    if (field->type == AXI_FIELD_LABELS) {
        return check_name(check, field, value, ret_value);
    }
    if (field->type == AXI_FIELD_NUMBERS) {
        return check_number(check, field, value, ret_value);
    }
    return check_value(check, axi_field_member(field, "*"), value, ret_value);
}

static int check_map(struct axi_manifest_check *check, const struct axi_field *field,
                     const json_t *value, json_t **ret_value)
{
    const char *key = NULL;
    json_t *item = NULL;

    if (!json_is_object(value) || json_object_size(value) > field->count_max) {
        return wrong_type(check, field, value,
                          json_is_object(value) ? "these are more" : "a map is {key: value}");
    }
    json_t *map = json_object();

    json_object_foreach ((json_t *)value, key, item) {
        json_t *one = NULL;

        axi_manifest_enter(check, key, 0);
        int r = check_member(check, field, key, item, &one);

        if (r < 0) {
            json_decref(map);
            return r;
        }
        axi_manifest_leave(check);
        (void)json_object_set_new(map, key, one);
    }
    *ret_value = map;
    return 0;
}

static int unknown_field(struct axi_manifest_check *check, const struct axi_field *parent,
                         const char *key)
{
    const char *hint = axi_hint_member(parent, key);

    check->place.is_key = true;
    if (hint != NULL) {
        return axi_manifest_wrong(check, "no field '%.64s' in %s; did you mean '%s'?", key,
                                  parent->path, hint);
    }
    return axi_manifest_wrong(check, "no field '%.64s' in %s; 'axcan explain %s' lists them", key,
                              parent->path, parent->path);
}

/* Objects that are there with all their defaults even when nobody wrote them. */
static bool is_always_there(const struct axi_field *field)
{
    return field->type == AXI_FIELD_OBJECT && field->fallback_text == NULL &&
           strcmp(axi_field_name(field), "*") != 0;
}

static int fill(struct axi_manifest_check *check, const struct axi_field *field, json_t *object)
{
    const char *name = axi_field_name(field);

    if (json_object_get(object, name) != NULL) {
        return 0;
    }
    if (field->is_required) {
        return axi_manifest_wrong(check, "'%s' is missing", name);
    }
    if (field->fallback != NULL) {
        return json_object_set_new(object, name,
                                   json_loads(field->fallback, JSON_DECODE_ANY, NULL));
    }
    if (is_always_there(field)) {
        json_t *empty = json_object();
        json_t *filled = NULL;
        int r = check_value(check, field, empty, &filled);

        json_decref(empty);
        if (r == 0) {
            (void)json_object_set_new(object, name, filled);
        }
        return r;
    }
    return 0;
}

static int check_object(struct axi_manifest_check *check, const struct axi_field *field,
                        const json_t *value, json_t **ret_value)
{
    const struct axi_field *member = NULL;
    const char *key = NULL;
    json_t *item = NULL;
    int r = 0;

    if (!json_is_object(value)) {
        return wrong_type(check, field, value, NULL);
    }
    json_t *object = json_object();

    json_object_foreach ((json_t *)value, key, item) {
        json_t *one = NULL;

        axi_manifest_enter(check, key, 0);
        member = axi_field_member(field, key);
        r = member == NULL ? unknown_field(check, field, key)
                           : check_value(check, member, item, &one);
        if (r < 0) {
            json_decref(object);
            return r;
        }
        axi_manifest_leave(check);
        (void)json_object_set_new(object, key, one);
    }
    member = NULL;
    while (r == 0 && (member = axi_field_next(field, member)) != NULL) {
        r = fill(check, member, object);
    }
    if (r < 0) {
        json_decref(object);
        return r;
    }
    *ret_value = object;
    return 0;
}

static int check_value(struct axi_manifest_check *check, const struct axi_field *field,
                       const json_t *value, json_t **ret_value)
{
    switch (field->type) {
    case AXI_FIELD_OBJECT:
        return check_object(check, field, value, ret_value);
    case AXI_FIELD_NAME:
        return check_name(check, field, value, ret_value);
    case AXI_FIELD_IMAGE:
        return check_image(check, value, ret_value);
    case AXI_FIELD_CHOICE:
        return check_choice(check, field, value, ret_value);
    case AXI_FIELD_BOOLEAN:
        if (!json_is_boolean(value)) {
            return wrong_type(check, field, value, NULL);
        }
        *ret_value = json_copy((json_t *)value);
        return 0;
    case AXI_FIELD_INTEGER:
    case AXI_FIELD_NUMBER:
        return check_number(check, field, value, ret_value);
    case AXI_FIELD_NAMES:
    case AXI_FIELD_IMAGES:
        return check_list(check, field, value, ret_value);
    case AXI_FIELD_LABELS:
    case AXI_FIELD_NUMBERS:
    case AXI_FIELD_OBJECTS:
        return check_map(check, field, value, ret_value);
    }
    return -AXC_EMANIFEST;
}

/* The mode decides how many there are. */
static void fill_counts(json_t *service)
{
    static const int replicas[] = {1, 2, 2, 3};
    static const int minimum[] = {0, 1, 2, 2};
    int mode =
        axi_choice_find(axi_mode_choices, json_string_value(json_object_get(service, "mode")));

    if (json_object_get(service, "replicas") == NULL) {
        (void)json_object_set_new(service, "replicas", json_integer(replicas[mode]));
    }
    if (json_object_get(service, "minimum") == NULL) {
        (void)json_object_set_new(service, "minimum", json_integer(minimum[mode]));
    }
}

static int check_kind(struct axi_manifest_check *check, const json_t *object,
                      const struct axi_field **ret_field)
{
    static const struct axi_field kinds = {
        .path = "kind", .type = AXI_FIELD_CHOICE, .choices = axi_kind_names};
    static const char *const paths[] = {"service", "node", "policy"};
    const json_t *kind = json_object_get(object, "kind");
    json_t *checked = NULL;

    if (kind == NULL) {
        return axi_manifest_wrong(check, "'kind' is missing: Service, Node or Policy");
    }
    axi_manifest_enter(check, "kind", 0);
    int r = check_choice(check, &kinds, kind, &checked);

    if (r == 0) {
        axi_manifest_leave(check);
        *ret_field =
            axi_field_find(paths[axi_choice_find(axi_kind_names, json_string_value(checked))]);
        json_decref(checked);
    }
    return r;
}

int axi_manifest_normalise(struct axi_manifest_check *check, const json_t *object,
                           json_t **ret_normalised)
{
    const struct axi_field *field = NULL;
    json_t *normalised = NULL;

    memset(&check->place, 0, sizeof(check->place));
    if (!json_is_object(object)) {
        return unexpected(check, "a map with 'kind' and 'name'", object, NULL);
    }
    int r = check_kind(check, object, &field);

    if (r == 0) {
        r = check_value(check, field, object, &normalised);
    }
    if (r == 0 && strcmp(field->path, "service") == 0) {
        fill_counts(normalised);
    }
    if (r == 0) {
        r = axi_manifest_contradictions(check, normalised);
    }
    if (r < 0) {
        json_decref(normalised);
        return r;
    }
    *ret_normalised = normalised;
    return 0;
}

int axi_manifest_check(const json_t *object, json_t **ret_normalised,
                       struct axi_manifest_error *ret_error)
{
    struct axi_manifest_check check = {0};
    char place[160];
    int r = axi_manifest_normalise(&check, object, ret_normalised);

    if (r < 0) {
        axi_manifest_place_text(&check.place, place, sizeof(place));
        ret_error->line = ret_error->column = 0;
        (void)snprintf(ret_error->text, sizeof(ret_error->text), "%s%s%.150s", place,
                       *place != '\0' ? ": " : "", check.text);
    }
    return r;
}
