/* SPDX-License-Identifier: Apache-2.0 */
/* The bare-metal node's image cache: ELF files by SHA-256, in pages of the kernel's pool. There is
 * no disk: what a reset loses is fetched again. Least recently used images make room for others.
 * Server thread. */
#ifndef AXI_OS_NODE_IMAGES_H
#define AXI_OS_NODE_IMAGES_H

#include "base/error.h"
#include "base/sha256.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_IMAGES_DIGEST_BYTES 32u
#define AXI_IMAGES_MAX 64u   /* kept and incoming */
#define AXI_IMAGE_HANDLES 8u /* incoming at once */

struct axi_image {
    uint8_t *bytes; /* NULL: free */
    size_t size;
    uint64_t used; /* number of the last use; 0: incoming */
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    struct axi_sha256 sha; /* incoming: of what came so far, while it comes in order */
    bool is_out_of_order;
};

/* All zero but bytes_max = empty. */
struct axi_images {
    struct axi_image images[AXI_IMAGES_MAX];
    uint64_t uses;
    size_t bytes_max; /* bound of one image */
};

/* Borrowed until the next call of any function here. -AXC_ENOENT. */
AXC_MUST_USE int axi_images_get(struct axi_images *images, const uint8_t *digest,
                                const uint8_t **ret_bytes, size_t *ret_size);

/* Takes an image in pieces; in order, each is summed up as it comes, so that no call takes long.
 * -AXC_EBUSY: too many at once; -AXC_EIMAGE_TOO_LARGE; -AXC_EADMIT_MEMORY: the pool has no room,
 * not even without the images that are kept. commit: -AXC_EIMAGE_DIGEST when the content is not
 * what the digest says; the handle ends in any case, as with abort. */
AXC_MUST_USE int axi_images_open(struct axi_images *images, const uint8_t *digest, uint64_t bytes,
                                 uint32_t *ret_handle);
AXC_MUST_USE int axi_images_write(struct axi_images *images, uint32_t handle, uint64_t offset,
                                  const void *data, size_t bytes);
AXC_MUST_USE int axi_images_commit(struct axi_images *images, uint32_t handle);
void axi_images_abort(struct axi_images *images, uint32_t handle);

/* Gives the least recently used image back to the pool, but not the one of this digest (NULL: any);
 * false: there is none. */
bool axi_images_drop_one(struct axi_images *images, const uint8_t *keep_digest);

#endif
