/* SPDX-License-Identifier: Apache-2.0 */
/* The node's image cache: ELF files by SHA-256, in memory and as DIR/<64 hex digits>. What is read
 * back from the disk is checked again; a damaged file is as good as none. Agent thread; blocks for
 * small local files. */
#ifndef AXI_NODE_IMAGES_H
#define AXI_NODE_IMAGES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_IMAGES_DIGEST_BYTES 32u

struct axi_images;

/* dir is made when missing. memory_bytes_max bounds what stays in memory (at least one image). */
AXC_MUST_USE int axi_images_new(const char *dir, size_t memory_bytes_max,
                                struct axi_images **ret_images);
void axi_images_free(struct axi_images *images); /* NULL is fine */

/* Borrowed until the next call of any function here. -AXC_ENOENT. */
AXC_MUST_USE int axi_images_get(struct axi_images *images, const uint8_t *digest,
                                const uint8_t **ret_bytes, size_t *ret_size);

/* Takes an image in pieces. -AXC_EBUSY: too many at once. commit: -AXC_EIMAGE_DIGEST when the
 * content is not what the digest says; the handle ends in any case, as with abort. */
AXC_MUST_USE int axi_images_open(struct axi_images *images, const uint8_t *digest, uint64_t bytes,
                                 uint32_t *ret_handle);
AXC_MUST_USE int axi_images_write(struct axi_images *images, uint32_t handle, uint64_t offset,
                                  const void *data, size_t bytes);
AXC_MUST_USE int axi_images_commit(struct axi_images *images, uint32_t handle);
void axi_images_abort(struct axi_images *images, uint32_t handle);

#endif
