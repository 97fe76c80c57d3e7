/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void axi_hex(const uint8_t *bytes, size_t count, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * count] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int axi_unhex(const char *text, uint8_t *ret_bytes, size_t count)
{
    if (strlen(text) != 2 * count) {
        return -AXC_EINVALID;
    }
    for (size_t i = 0; i < count; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return -AXC_EINVALID;
        }
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int axi_refuse(char *ret_reason, int code, const char *format, ...)
{
    va_list arguments;

    if (ret_reason != NULL) {
        va_start(arguments, format);
        (void)vsnprintf(ret_reason, AXI_REASON_BYTES, format, arguments);
        va_end(arguments);
    }
    return -code;
}

void axi_copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);

    memmove(to, from, length);
    memset(to + length, 0, size - length);
}

json_t *axi_json_id(uint64_t id)
{
    char text[AXI_ID_TEXT];

    (void)snprintf(text, sizeof(text), "%llx", (unsigned long long)id);
    return json_string(text);
}

uint64_t axi_json_get_id(const json_t *object, const char *key)
{
    return strtoull(axi_json_get_text(object, key), NULL, 16);
}

uint64_t axi_json_get_u64(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

const char *axi_json_get_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}
