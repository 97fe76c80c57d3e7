/* SPDX-License-Identifier: Apache-2.0 */
/* Where an etcd is: "etcd://HOST:PORT,.../PREFIX?setting=value&...". */
#include "store/etcd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(char *ret_reason, const char *what, const char *text, size_t text_bytes)
{
    if (ret_reason != NULL) {
        int shown = text_bytes > 80 ? 80 : (int)text_bytes;

        snprintf(ret_reason, AXI_STORE_REASON_BYTES, "store location: %s: \"%.*s\"", what, shown,
                 text);
    }
    return -AXC_EINVALID;
}

static int copy(char *into, size_t room, const char *text, size_t text_bytes)
{
    if (text_bytes == 0 || text_bytes >= room) {
        return -AXC_EINVALID;
    }
    memcpy(into, text, text_bytes);
    into[text_bytes] = '\0';
    return 0;
}

/* HOST:PORT, [HOST] for an IPv6 address; nothing that would mean something else in a URL. */
static int is_endpoint(const char *text)
{
    size_t host = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
    size_t digits;

    if (text[0] == '[') {
        host = strspn(text + 1, "0123456789abcdefABCDEF:.") + 2;
        if (host == 2 || text[host - 1] != ']') {
            return 0;
        }
    }
    if (host == 0 || text[host] != ':') {
        return 0;
    }
    digits = strspn(text + host + 1, "0123456789");
    return digits > 0 && digits <= 5 && text[host + 1 + digits] == '\0' &&
           atoi(text + host + 1) > 0 && atoi(text + host + 1) < 65536;
}

static int parse_endpoints(const char *text, size_t text_bytes, struct axi_etcd_location *location,
                           char *ret_reason)
{
    const char *end = text + text_bytes;

    while (text <= end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        size_t length = (size_t)((comma == NULL ? end : comma) - text);
        char *endpoint = location->endpoints[location->endpoint_count];

        if (location->endpoint_count == AXI_ETCD_ENDPOINTS_MAX) {
            return refuse(ret_reason, "more than 9 members", text, length);
        }
        if (copy(endpoint, sizeof(location->endpoints[0]), text, length) != 0 ||
            !is_endpoint(endpoint)) {
            return refuse(ret_reason, "not HOST:PORT", text, length);
        }
        location->endpoint_count++;
        text += length + 1;
    }
    return 0;
}

static int set(struct axi_etcd_location *location, const char *name, size_t name_bytes,
               const char *value, size_t value_bytes)
{
    char number[8];

    if (name_bytes == 2 && memcmp(name, "ca", 2) == 0) {
        return copy(location->ca, sizeof(location->ca), value, value_bytes);
    }
    if (name_bytes == 4 && memcmp(name, "cert", 4) == 0) {
        return copy(location->certificate, sizeof(location->certificate), value, value_bytes);
    }
    if (name_bytes == 3 && memcmp(name, "key", 3) == 0) {
        return copy(location->key, sizeof(location->key), value, value_bytes);
    }
    if (name_bytes == 10 && memcmp(name, "timeout_ms", 10) == 0 &&
        copy(number, sizeof(number), value, value_bytes) == 0 &&
        strspn(number, "0123456789") == value_bytes) {
        location->timeout_ms = (uint32_t)atoi(number);
        return location->timeout_ms >= 100 && location->timeout_ms <= 60000 ? 0 : -AXC_EINVALID;
    }
    return -AXC_EINVALID;
}

static int parse_settings(const char *text, struct axi_etcd_location *location, char *ret_reason)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "&");
        const char *equals = memchr(text, '=', length);
        size_t name = equals == NULL ? length : (size_t)(equals - text);

        if (equals == NULL || set(location, text, name, equals + 1, length - name - 1) != 0) {
            return refuse(ret_reason, "setting unknown or out of range", text, length);
        }
        text += length + (text[length] == '&');
    }
    return 0;
}

int axi_etcd_location_parse(const char *text, struct axi_etcd_location *ret_location,
                            char *ret_reason)
{
    struct axi_etcd_location location = {.prefix = "axcan", .timeout_ms = 1000};
    const char *rest;
    size_t length;
    int rc;

    location.is_tls = strncmp(text, "etcds://", 8) == 0;
    if (!location.is_tls && strncmp(text, "etcd://", 7) != 0) {
        return refuse(ret_reason, "not etcd:// or etcds://", text, strlen(text));
    }
    rest = strstr(text, "://") + 3;
    length = strcspn(rest, "/?");
    rc = parse_endpoints(rest, length, &location, ret_reason);
    rest += length;
    if (rc == 0 && *rest == '/') {
        length = strcspn(++rest, "?");
        if (length > 0 && copy(location.prefix, sizeof(location.prefix), rest, length) != 0) {
            return refuse(ret_reason, "prefix longer than 63 characters", rest, length);
        }
        rest += length;
    }
    if (rc == 0 && *rest == '?') {
        rc = parse_settings(rest + 1, &location, ret_reason);
    }
    if (rc == 0) {
        *ret_location = location;
    }
    return rc;
}
