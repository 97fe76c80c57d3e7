/* SPDX-License-Identifier: Apache-2.0 */
#include "os/node/images.h"

#include "os/kernel/memory.h"

#include <string.h>

static bool has_digest(const struct axi_image *image, const uint8_t *digest)
{
    return memcmp(image->digest, digest, AXI_IMAGES_DIGEST_BYTES) == 0;
}

static struct axi_image *find(struct axi_images *images, const uint8_t *digest)
{
    for (uint32_t i = 0; i < AXI_IMAGES_MAX; i++) {
        struct axi_image *image = &images->images[i];

        if (image->bytes != NULL && image->used > 0 && has_digest(image, digest)) {
            image->used = ++images->uses;
            return image;
        }
    }
    return NULL;
}

static struct axi_image *find_incoming(struct axi_images *images, uint32_t handle)
{
    struct axi_image *image = handle < AXI_IMAGES_MAX ? &images->images[handle] : NULL;

    return image != NULL && image->bytes != NULL && image->used == 0 ? image : NULL;
}

static void drop(struct axi_image *image)
{
    axi_pages_give(image->bytes, image->size);
    *image = (struct axi_image){0};
}

bool axi_images_drop_one(struct axi_images *images, const uint8_t *keep_digest)
{
    struct axi_image *oldest = NULL;

    for (uint32_t i = 0; i < AXI_IMAGES_MAX; i++) {
        struct axi_image *image = &images->images[i];

        if (image->bytes != NULL && image->used > 0 &&
            (keep_digest == NULL || !has_digest(image, keep_digest)) &&
            (oldest == NULL || image->used < oldest->used)) {
            oldest = image;
        }
    }
    if (oldest != NULL) {
        drop(oldest);
    }
    return oldest != NULL;
}

int axi_images_get(struct axi_images *images, const uint8_t *digest, const uint8_t **ret_bytes,
                   size_t *ret_size)
{
    const struct axi_image *image = find(images, digest);

    if (image == NULL) {
        return -AXC_ENOENT;
    }
    *ret_bytes = image->bytes;
    *ret_size = image->size;
    return 0;
}

/* A free place; -AXC_EBUSY: too many are incoming. */
static int take_place(struct axi_images *images, uint32_t *ret_place)
{
    uint32_t incoming = 0;
    uint32_t place = AXI_IMAGES_MAX;

    for (uint32_t i = 0; i < AXI_IMAGES_MAX; i++) {
        const struct axi_image *image = &images->images[i];

        incoming += image->bytes != NULL && image->used == 0;
        place = image->bytes == NULL ? i : place;
    }
    if (incoming >= AXI_IMAGE_HANDLES) {
        return -AXC_EBUSY;
    }
    if (place ==
        AXI_IMAGES_MAX) { /* some image is kept: fewer are incoming than there are places */
        (void)axi_images_drop_one(images, NULL);
        return take_place(images, ret_place);
    }
    *ret_place = place;
    return 0;
}

int axi_images_open(struct axi_images *images, const uint8_t *digest, uint64_t bytes,
                    uint32_t *ret_handle)
{
    uint8_t *pages = NULL;
    uint32_t place = 0;

    if (bytes == 0 || bytes > images->bytes_max) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    int r = take_place(images, &place);

    if (r < 0) {
        return r;
    }
    do {
        pages = axi_pages_take((size_t)bytes);
    } while (pages == NULL && axi_images_drop_one(images, NULL));
    if (pages == NULL) {
        return -AXC_EADMIT_MEMORY;
    }
    images->images[place] = (struct axi_image){.bytes = pages, .size = (size_t)bytes};
    memcpy(images->images[place].digest, digest, AXI_IMAGES_DIGEST_BYTES);
    axi_sha256_init(&images->images[place].sha);
    *ret_handle = place;
    return 0;
}

int axi_images_write(struct axi_images *images, uint32_t handle, uint64_t offset, const void *data,
                     size_t bytes)
{
    struct axi_image *image = find_incoming(images, handle);

    if (image == NULL || offset > image->size || bytes > image->size - offset) {
        return -AXC_EINVALID;
    }
    memcpy(image->bytes + offset, data, bytes);
    if (offset == image->sha.bytes) {
        axi_sha256_update(&image->sha, data, bytes);
    } else {
        image->is_out_of_order = true;
    }
    return 0;
}

int axi_images_commit(struct axi_images *images, uint32_t handle)
{
    struct axi_image *image = find_incoming(images, handle);
    uint8_t digest[AXI_SHA256_BYTES];

    if (image == NULL) {
        return -AXC_EINVALID;
    }
    if (image->is_out_of_order || image->sha.bytes != image->size) {
        axi_sha256_init(&image->sha);
        axi_sha256_update(&image->sha, image->bytes, image->size);
    }
    axi_sha256_final(&image->sha, digest);
    if (!has_digest(image, digest)) {
        drop(image);
        return -AXC_EIMAGE_DIGEST;
    }
    if (find(images, digest) != NULL) {
        drop(image); /* it came twice */
    } else {
        image->used = ++images->uses;
    }
    return 0;
}

void axi_images_abort(struct axi_images *images, uint32_t handle)
{
    struct axi_image *image = find_incoming(images, handle);

    if (image != NULL) {
        drop(image);
    }
}
