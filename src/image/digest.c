/* SPDX-License-Identifier: Apache-2.0 */
#include "image/digest.h"

#include <openssl/sha.h>
#include <string.h>

static const char prefix[] = "sha256:";

#define PREFIX_BYTES (sizeof(prefix) - 1)

void axi_digest_of(const void *data, size_t bytes, struct axi_digest *ret_digest)
{
    (void)SHA256(data, bytes, ret_digest->bytes);
}

void axi_digest_format(const struct axi_digest *digest, char ret_text[AXI_DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret_text + PREFIX_BYTES;

    memcpy(ret_text, prefix, PREFIX_BYTES);
    for (size_t i = 0; i < AXI_DIGEST_BYTES; i++) {
        *at++ = digits[digest->bytes[i] >> 4];
        *at++ = digits[digest->bytes[i] & 15];
    }
    *at = '\0';
}

const char *axi_digest_hex(const char *text)
{
    return text + PREFIX_BYTES;
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

int axi_digest_parse(const char *text, struct axi_digest *ret_digest)
{
    struct axi_digest digest;

    if (strnlen(text, AXI_DIGEST_TEXT_BYTES) != AXI_DIGEST_TEXT_BYTES - 1 ||
        memcmp(text, prefix, PREFIX_BYTES) != 0) {
        return -AXC_EIMAGE_DIGEST;
    }
    text += PREFIX_BYTES;
    for (size_t i = 0; i < AXI_DIGEST_BYTES; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return -AXC_EIMAGE_DIGEST;
        }
        digest.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_digest = digest;
    return 0;
}

bool axi_digest_is_equal(const struct axi_digest *a, const struct axi_digest *b)
{
    return memcmp(a->bytes, b->bytes, AXI_DIGEST_BYTES) == 0;
}
