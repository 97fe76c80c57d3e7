/* SPDX-License-Identifier: Apache-2.0 */
/* Content-addressed blobs: DIR/blobs/sha256/<64 hex digits>. An OCI image layout keeps its blobs
 * so, and the master its ELF files. Every read is checked against the name. May block (files). */
#ifndef AXI_IMAGE_BLOBS_H
#define AXI_IMAGE_BLOBS_H

#include "image/digest.h"

#include <stdbool.h>

/* Makes DIR, DIR/blobs and DIR/blobs/sha256 where missing. */
AXC_MUST_USE int axi_blobs_init(const char *dir);

/* Stores the bytes under their digest; a blob that is there and intact is left alone, a damaged one
 * is replaced. ret_digest may be NULL. */
AXC_MUST_USE int axi_blobs_put(const char *dir, const void *data, size_t bytes,
                               struct axi_digest *ret_digest);

/* The same for bytes that came with a digest: -AXC_EIMAGE_DIGEST when they do not match it. */
AXC_MUST_USE int axi_blobs_put_expected(const char *dir, const struct axi_digest *expected,
                                        const void *data, size_t bytes);

/* Reads and verifies; the caller frees *ret_data (NUL after the end). -AXC_EIMAGE_BLOB when
 * missing, -AXC_EIMAGE_TOO_LARGE above bytes_max, -AXC_EIMAGE_DIGEST when the content is not that
 * of the name. */
AXC_MUST_USE int axi_blobs_get(const char *dir, const struct axi_digest *digest, size_t bytes_max,
                               uint8_t **ret_data, size_t *ret_bytes);

/* Is there a file of this name? What is in it is judged when it is read. */
bool axi_blobs_has(const char *dir, const struct axi_digest *digest);

/* Removes a blob; -AXC_EIMAGE_BLOB when missing. */
AXC_MUST_USE int axi_blobs_remove(const char *dir, const struct axi_digest *digest);

#endif
