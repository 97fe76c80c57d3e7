/* SPDX-License-Identifier: Apache-2.0 */
#include "node/images.h"

#include "base/sha256.h"
#include "net/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLES_MAX 16u
#define DIR_BYTES 3900u
#define PATH_BYTES 4096u
#define FILE_BYTES_MAX (64u << 20)

struct image {
    struct image *next; /* most recently used first */
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    size_t size;
    uint8_t bytes[];
};

struct axi_images {
    struct image *first;
    struct image *incoming[HANDLES_MAX];
    size_t memory_bytes, memory_bytes_max;
    char dir[DIR_BYTES];
};

static bool is_intact(const struct image *image)
{
    uint8_t digest[AXI_SHA256_BYTES];
    struct axi_sha256 sha;

    axi_sha256_init(&sha);
    axi_sha256_update(&sha, image->bytes, image->size);
    axi_sha256_final(&sha, digest);
    return memcmp(digest, image->digest, sizeof(digest)) == 0;
}

static void path_of(const struct axi_images *images, const uint8_t *digest, const char *suffix,
                    char path[PATH_BYTES])
{
    char hex[2 * AXI_IMAGES_DIGEST_BYTES + 1];

    for (size_t i = 0; i < AXI_IMAGES_DIGEST_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    (void)snprintf(path, PATH_BYTES, "%s/%s%s", images->dir, hex, suffix);
}

int axi_images_new(const char *dir, size_t memory_bytes_max, struct axi_images **ret_images)
{
    struct axi_images *images = calloc(1, sizeof(*images));

    if (images == NULL) {
        return -AXC_ENOMEM;
    }
    int r = strlen(dir) < sizeof(images->dir) ? axi_host_make_directory(dir) : -AXC_EINVALID;

    if (r < 0) {
        free(images);
        return r;
    }
    (void)snprintf(images->dir, sizeof(images->dir), "%s", dir);
    images->memory_bytes_max = memory_bytes_max;
    *ret_images = images;
    return 0;
}

void axi_images_free(struct axi_images *images)
{
    if (images == NULL) {
        return;
    }
    for (uint32_t i = 0; i < HANDLES_MAX; i++) {
        free(images->incoming[i]);
    }
    while (images->first != NULL) {
        struct image *image = images->first;

        images->first = image->next;
        free(image);
    }
    free(images);
}

/* Puts an image in front and drops the least recently used ones beyond the bound. */
static void keep(struct axi_images *images, struct image *image)
{
    image->next = images->first;
    images->first = image;
    images->memory_bytes += image->size;
    while (images->memory_bytes > images->memory_bytes_max && images->first->next != NULL) {
        struct image **at = &images->first;

        while ((*at)->next != NULL) {
            at = &(*at)->next;
        }
        images->memory_bytes -= (*at)->size;
        free(*at);
        *at = NULL;
    }
}

static struct image *find(struct axi_images *images, const uint8_t *digest)
{
    for (struct image **at = &images->first; *at != NULL; at = &(*at)->next) {
        struct image *image = *at;

        if (memcmp(image->digest, digest, AXI_IMAGES_DIGEST_BYTES) == 0) {
            *at = image->next;
            image->next = images->first;
            images->first = image;
            return image;
        }
    }
    return NULL;
}

static struct image *image_new(const uint8_t *digest, size_t size)
{
    struct image *image = malloc(sizeof(*image) + size);

    if (image != NULL) {
        image->next = NULL;
        image->size = size;
        memcpy(image->digest, digest, AXI_IMAGES_DIGEST_BYTES);
    }
    return image;
}

static struct image *read_file(const struct axi_images *images, const uint8_t *digest)
{
    char path[PATH_BYTES];
    struct stat about;
    struct image *image = NULL;

    path_of(images, digest, "", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &about) == 0 && about.st_size > 0 && about.st_size <= (off_t)FILE_BYTES_MAX) {
        image = image_new(digest, (size_t)about.st_size);
    }
    if (image != NULL &&
        (read(fd, image->bytes, image->size) != (ssize_t)image->size || !is_intact(image))) {
        free(image);
        image = NULL;
        (void)unlink(path);
    }
    (void)close(fd);
    return image;
}

int axi_images_get(struct axi_images *images, const uint8_t *digest, const uint8_t **ret_bytes,
                   size_t *ret_size)
{
    struct image *image = find(images, digest);

    if (image == NULL) {
        image = read_file(images, digest);
        if (image == NULL) {
            return -AXC_ENOENT;
        }
        keep(images, image);
    }
    *ret_bytes = image->bytes;
    *ret_size = image->size;
    return 0;
}

int axi_images_open(struct axi_images *images, const uint8_t *digest, uint64_t bytes,
                    uint32_t *ret_handle)
{
    uint32_t handle = 0;

    while (handle < HANDLES_MAX && images->incoming[handle] != NULL) {
        handle++;
    }
    if (handle == HANDLES_MAX) {
        return -AXC_EBUSY;
    }
    if (bytes == 0 || bytes > FILE_BYTES_MAX) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    images->incoming[handle] = image_new(digest, (size_t)bytes);
    if (images->incoming[handle] == NULL) {
        return -AXC_ENOMEM;
    }
    memset(images->incoming[handle]->bytes, 0, (size_t)bytes);
    *ret_handle = handle;
    return 0;
}

int axi_images_write(struct axi_images *images, uint32_t handle, uint64_t offset, const void *data,
                     size_t bytes)
{
    struct image *image = handle < HANDLES_MAX ? images->incoming[handle] : NULL;

    if (image == NULL || offset > image->size || bytes > image->size - offset) {
        return -AXC_EINVALID;
    }
    memcpy(image->bytes + offset, data, bytes);
    return 0;
}

/* A copy on the disk spares the next transfer; losing it costs nothing else. */
static void write_file(const struct axi_images *images, const struct image *image)
{
    char path[PATH_BYTES];
    char fresh[PATH_BYTES];

    path_of(images, image->digest, "", path);
    path_of(images, image->digest, ".new", fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0) {
        return;
    }
    bool is_written = write(fd, image->bytes, image->size) == (ssize_t)image->size;

    (void)close(fd);
    if (!is_written || rename(fresh, path) < 0) {
        (void)unlink(fresh);
    }
}

int axi_images_commit(struct axi_images *images, uint32_t handle)
{
    struct image *image = handle < HANDLES_MAX ? images->incoming[handle] : NULL;

    if (image == NULL) {
        return -AXC_EINVALID;
    }
    if (!is_intact(image)) {
        axi_images_abort(images, handle);
        return -AXC_EIMAGE_DIGEST;
    }
    images->incoming[handle] = NULL;
    write_file(images, image);
    if (find(images, image->digest) != NULL) {
        free(image); /* it came twice */
    } else {
        keep(images, image);
    }
    return 0;
}

void axi_images_abort(struct axi_images *images, uint32_t handle)
{
    if (handle < HANDLES_MAX) {
        free(images->incoming[handle]);
        images->incoming[handle] = NULL;
    }
}
