/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int axi_json_parse(const char *text, size_t bytes, size_t bytes_max, int error,
                   struct axi_report *report, json_t **ret_root)
{
    if (bytes > bytes_max) {
        return axi_report_set(report, error, "JSON of %zu bytes, the limit is %zu", bytes,
                              bytes_max);
    }
    json_error_t problem;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &problem);
    if (root == NULL) {
        return axi_report_set(report, error, "line %d: %s", problem.line, problem.text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return axi_report_set(report, error, "not a JSON object");
    }
    *ret_root = root;
    return 0;
}

static int refuse(const struct axi_json *json, const char *key, const char *why)
{
    return axi_report_set(json->report, json->error, "%s%s: %s", json->where, key, why);
}

/* The member, or NULL with *ret_rc 0 when it may be absent. */
static const json_t *find(const struct axi_json *json, const char *key, bool is_needed, int *ret_rc)
{
    const json_t *value = json->object != NULL ? json_object_get(json->object, key) : NULL;
    *ret_rc = value == NULL && is_needed ? refuse(json, key, "is missing") : 0;
    return value;
}

int axi_json_text(const struct axi_json *json, const char *key, bool is_needed, char *ret_text,
                  size_t size)
{
    int rc;
    const json_t *value = find(json, key, is_needed, &rc);
    if (value == NULL) {
        return rc;
    }
    if (!json_is_string(value)) {
        return refuse(json, key, "not a text");
    }
    size_t length = json_string_length(value);
    if (length >= size) {
        return refuse(json, key, "too long");
    }
    if (memchr(json_string_value(value), 0, length) != NULL) {
        return refuse(json, key, "contains a NUL");
    }
    memcpy(ret_text, json_string_value(value), length + 1);
    return 0;
}

int axi_parse_u64(const char *text, uint64_t *ret_value)
{
    if (*text < '0' || *text > '9') {
        return -AXC_EINVALID;
    }
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, is_hex ? 16 : 10);
    if (errno != 0 || *end != '\0' || (is_hex && end == text + 2)) {
        return -AXC_EINVALID;
    }
    *ret_value = value;
    return 0;
}

int axi_json_u64(const struct axi_json *json, const char *key, bool is_needed, uint64_t min,
                 uint64_t max, uint64_t *ret_value)
{
    int rc;
    const json_t *value = find(json, key, is_needed, &rc);
    if (value == NULL) {
        return rc;
    }
    uint64_t number = 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        number = (uint64_t)json_integer_value(value);
    } else if (!json_is_string(value) || axi_parse_u64(json_string_value(value), &number) != 0) {
        return refuse(json, key, "not a number");
    }
    if (number < min || number > max) {
        return refuse(json, key, "out of range");
    }
    *ret_value = number;
    return 0;
}

int axi_json_u32(const struct axi_json *json, const char *key, bool is_needed, uint32_t min,
                 uint32_t max, uint32_t *ret_value)
{
    uint64_t value = *ret_value;
    int rc = axi_json_u64(json, key, is_needed, min, max, &value);
    if (rc == 0) {
        *ret_value = (uint32_t)value;
    }
    return rc;
}

int axi_json_bool(const struct axi_json *json, const char *key, bool *ret_value)
{
    int rc;
    const json_t *value = find(json, key, false, &rc);
    if (value == NULL) {
        return rc;
    }
    if (!json_is_boolean(value)) {
        return refuse(json, key, "not true or false");
    }
    *ret_value = json_is_true(value);
    return 0;
}

int axi_json_array(const struct axi_json *json, const char *key, size_t max,
                   const json_t **ret_array, size_t *ret_count)
{
    int rc;
    const json_t *value = find(json, key, false, &rc);
    if (value != NULL && !json_is_array(value)) {
        return refuse(json, key, "not an array");
    }
    if (value != NULL && json_array_size(value) > max) {
        return refuse(json, key, "too many items");
    }
    *ret_array = value;
    *ret_count = value != NULL ? json_array_size(value) : 0;
    return rc;
}

static int take_object(const struct axi_json *json, const char *name, const json_t *value,
                       struct axi_json *ret_object)
{
    if (value != NULL && !json_is_object(value)) {
        return refuse(json, name, "not an object");
    }
    struct axi_json object = {.object = value, .error = json->error, .report = json->report};
    if (snprintf(object.where, sizeof(object.where), "%s%s.", json->where, name) >=
        (int)sizeof(object.where)) {
        return refuse(json, name, "nested too deep");
    }
    *ret_object = object;
    return 0;
}

int axi_json_object(const struct axi_json *json, const char *key, struct axi_json *ret_object)
{
    int rc;
    const json_t *value = find(json, key, false, &rc);
    return rc != 0 ? rc : take_object(json, key, value, ret_object);
}

int axi_json_item(const struct axi_json *json, const char *key, const json_t *array, size_t index,
                  struct axi_json *ret_object)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s[%zu]", key, index);
    return take_object(json, name, json_array_get(array, index), ret_object);
}

int axi_json_only(const struct axi_json *json, const char *const *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)json->object, key, value) /* does not modify */
    {
        const char *const *known = keys;
        while (*known != NULL && strcmp(*known, key) != 0) {
            known++;
        }
        if (*known == NULL) {
            return refuse(json, key, "unknown member");
        }
    }
    return 0;
}
