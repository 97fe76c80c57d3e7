/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) for code that has no library beneath it. Freestanding; no state outside the
 * struct; any context. */
#ifndef AXI_BASE_SHA256_H
#define AXI_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define AXI_SHA256_BYTES 32u

struct axi_sha256 {
    uint32_t hash[8];
    uint64_t bytes; /* taken so far */
    uint8_t block[64];
};

void axi_sha256_init(struct axi_sha256 *sha);
void axi_sha256_update(struct axi_sha256 *sha, const void *bytes, size_t count);
/* The digest of everything taken; `sha` is used up. */
void axi_sha256_final(struct axi_sha256 *sha, uint8_t ret_digest[AXI_SHA256_BYTES]);

#endif
