/* SPDX-License-Identifier: Apache-2.0 */
#include "store/etcd_json.h"

#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *axi_etcd_encode(const void *bytes, size_t count)
{
    const uint8_t *in = bytes;
    char *text = malloc((count + 2) / 3 * 4 + 1);
    char *out = text;

    if (text == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16;

        group |= i + 1 < count ? (uint32_t)in[i + 1] << 8 : 0;
        group |= i + 2 < count ? (uint32_t)in[i + 2] : 0;
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = i + 1 < count ? alphabet[group >> 6 & 63] : '=';
        *out++ = i + 2 < count ? alphabet[group & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int axi_etcd_decode(const char *text, size_t text_bytes, char **ret_bytes, size_t *ret_count)
{
    size_t padding = 0;
    size_t used = 0;
    uint32_t group = 0;
    char *out;

    if (text_bytes % 4 != 0) {
        return -AXC_EIO;
    }
    while (padding < 2 && padding < text_bytes && text[text_bytes - 1 - padding] == '=') {
        padding++;
    }
    out = malloc(text_bytes / 4 * 3 + 1);
    if (out == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < text_bytes; i++) {
        int value = i < text_bytes - padding ? digit(text[i]) : 0;

        if (value < 0) {
            free(out);
            return -AXC_EIO;
        }
        group = group << 6 | (uint32_t)value;
        if (i % 4 == 3) {
            out[used++] = (char)(group >> 16);
            out[used++] = (char)(group >> 8);
            out[used++] = (char)group;
        }
    }
    used -= padding;
    out[used] = '\0';
    *ret_bytes = out;
    *ret_count = used;
    return 0;
}

int axi_etcd_parse(const char *text, size_t text_bytes, json_t **ret_answer)
{
    json_t *answer = json_loadb(text, text_bytes, 0, NULL);

    if (!json_is_object(answer)) {
        json_decref(answer);
        return -AXC_EIO;
    }
    *ret_answer = answer;
    return 0;
}

int axi_etcd_number(const json_t *object, const char *name, uint64_t *ret_number)
{
    const json_t *member = json_object_get(object, name);
    const char *text = json_string_value(member);
    uint64_t number = 0;

    if (json_is_integer(member) && json_integer_value(member) >= 0) {
        *ret_number = (uint64_t)json_integer_value(member);
        return 0;
    }
    if (member != NULL && (text == NULL || text[0] == '\0')) {
        return -AXC_EIO;
    }
    for (; text != NULL && *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (INT64_MAX - 9) / 10) {
            return -AXC_EIO;
        }
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *ret_number = number;
    return 0;
}

int axi_etcd_revision(const json_t *answer, uint64_t *ret_revision)
{
    uint64_t revision = 0;
    int rc = axi_etcd_number(json_object_get(answer, "header"), "revision", &revision);

    if (rc != 0 || revision == 0) {
        return -AXC_EIO;
    }
    *ret_revision = revision;
    return 0;
}

int axi_etcd_error(const json_t *answer)
{
    switch (json_integer_value(json_object_get(answer, "code"))) {
    case 3:
        return -AXC_EINVALID;
    case 5:
        return -AXC_ENOENT;
    case 8:
        return -AXC_EUNAVAILABLE;
    case 11:
        return -AXC_ECOMPACTED;
    default:
        return -AXC_ETIMEOUT;
    }
}

static int decode_member(const json_t *object, const char *name, char **ret_bytes,
                         size_t *ret_count)
{
    const json_t *member = json_object_get(object, name);

    if (member != NULL && !json_is_string(member)) {
        return -AXC_EIO;
    }
    return member == NULL ? axi_etcd_decode("", 0, ret_bytes, ret_count)
                          : axi_etcd_decode(json_string_value(member), json_string_length(member),
                                            ret_bytes, ret_count);
}

/* The part behind "<prefix>/", or NULL for what others keep in the same etcd. */
static const char *own_part(const char *raw, size_t raw_bytes, const char *prefix)
{
    size_t skip = strlen(prefix) + 1;

    if (raw_bytes <= skip || memchr(raw, '\0', raw_bytes) != NULL ||
        raw_bytes - skip > AXI_STORE_KEY_MAX || strncmp(raw, prefix, skip - 1) != 0 ||
        raw[skip - 1] != '/') {
        return NULL;
    }
    return raw + skip;
}

int axi_etcd_kv(const json_t *kv, const char *prefix, char **ret_raw_key, const char **ret_key,
                struct axi_store_value *ret_value)
{
    struct axi_store_value value = {0};
    char *raw = NULL;
    size_t raw_bytes = 0;
    int rc = axi_etcd_number(kv, "mod_revision", &value.revision);

    if (rc == 0 && value.revision == 0) {
        rc = -AXC_EIO;
    }
    if (rc == 0) {
        rc = decode_member(kv, "key", &raw, &raw_bytes);
    }
    if (rc == 0) {
        rc = decode_member(kv, "value", &value.bytes, &value.value_bytes);
    }
    if (rc != 0) {
        free(raw);
        return rc;
    }
    *ret_raw_key = raw;
    *ret_key = own_part(raw, raw_bytes, prefix);
    *ret_value = value;
    return 0;
}

int axi_etcd_visit(const json_t *answer, const char *prefix, axi_store_visit visit, void *context,
                   char **ret_last_key)
{
    const json_t *kvs = json_object_get(answer, "kvs");
    char *last_key = NULL;
    int rc = 0;

    for (size_t i = 0; i < json_array_size(kvs) && rc == 0; i++) {
        struct axi_store_value value;
        const char *key = NULL;
        char *raw = NULL;

        rc = axi_etcd_kv(json_array_get(kvs, i), prefix, &raw, &key, &value);
        if (rc != 0) {
            break;
        }
        if (key != NULL) {
            rc = visit(context, key, &value);
        }
        axi_store_value_clear(&value);
        free(last_key);
        last_key = raw;
    }
    if (rc != 0 || ret_last_key == NULL) {
        free(last_key);
    } else {
        *ret_last_key = last_key;
    }
    return rc;
}

static int report(const json_t *event, const char *prefix, axi_store_changed changed, void *context,
                  uint64_t after, uint64_t *newest)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    struct axi_store_value value;
    const char *key = NULL;
    char *raw = NULL;
    int rc = axi_etcd_kv(json_object_get(event, "kv"), prefix, &raw, &key, &value);

    if (rc != 0) {
        return rc;
    }
    if (key != NULL && value.revision > after) {
        bool is_deleted = type != NULL && strcmp(type, "DELETE") == 0;
        struct axi_store_change change = {.key = key,
                                          .is_deleted = is_deleted,
                                          .revision = value.revision,
                                          .value = is_deleted ? NULL : &value};

        changed(context, &change);
    }
    *newest = value.revision > *newest ? value.revision : *newest;
    axi_store_value_clear(&value);
    free(raw);
    return 0;
}

int axi_etcd_watch_line(const char *line, size_t line_bytes, const char *prefix,
                        axi_store_changed changed, void *context, uint64_t *after,
                        bool *ret_is_compacted)
{
    json_t *answer = NULL;
    const json_t *result;
    const json_t *events;
    uint64_t compact_revision = 0;
    uint64_t newest = *after;
    int rc = axi_etcd_parse(line, line_bytes, &answer);

    if (rc != 0) {
        return rc;
    }
    result = json_object_get(answer, "result");
    events = json_object_get(result, "events");
    rc = axi_etcd_number(result, "compact_revision", &compact_revision);
    *ret_is_compacted = rc == 0 && compact_revision > 0;
    if (rc == 0 && (result == NULL || json_is_true(json_object_get(result, "canceled")))) {
        rc = -AXC_EUNAVAILABLE;
    }
    for (size_t i = 0; i < json_array_size(events) && rc == 0; i++) {
        rc = report(json_array_get(events, i), prefix, changed, context, *after, &newest);
    }
    if (rc == 0) {
        *after = newest;
    }
    json_decref(answer);
    return rc;
}
