/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 digests as OCI writes them: "sha256:" and 64 lower-case hexadecimal digits. */
#ifndef AXI_IMAGE_DIGEST_H
#define AXI_IMAGE_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_DIGEST_BYTES 32u
#define AXI_DIGEST_TEXT_BYTES 72u /* with the final NUL */

struct axi_digest {
    uint8_t bytes[AXI_DIGEST_BYTES];
};

void axi_digest_of(const void *data, size_t bytes, struct axi_digest *ret_digest);

void axi_digest_format(const struct axi_digest *digest, char ret_text[AXI_DIGEST_TEXT_BYTES]);

/* The 64 digits without the prefix: the name of a blob file. Points into `text`. */
const char *axi_digest_hex(const char *text);

/* Only the exact form; -AXC_EIMAGE_DIGEST otherwise. */
AXC_MUST_USE int axi_digest_parse(const char *text, struct axi_digest *ret_digest);

bool axi_digest_is_equal(const struct axi_digest *a, const struct axi_digest *b);

#endif
