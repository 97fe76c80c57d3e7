/* SPDX-License-Identifier: Apache-2.0 */
#include "image/blobs.h"

#include "image/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int blob_path(const char *dir, const struct axi_digest *digest,
                     char ret_path[AXI_PATH_BYTES])
{
    char text[AXI_DIGEST_TEXT_BYTES];
    int bytes = 0;

    axi_digest_format(digest, text);
    bytes = snprintf(ret_path, AXI_PATH_BYTES, "%s/blobs/sha256/%s", dir, axi_digest_hex(text));
    return bytes < (int)AXI_PATH_BYTES ? 0 : -AXC_EOVERFLOW;
}

int axi_blobs_init(const char *dir)
{
    static const char *const parts[] = {"", "/blobs", "/blobs/sha256"};
    char path[AXI_PATH_BYTES];

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        int error = 0;

        if (snprintf(path, sizeof(path), "%s%s", dir, parts[i]) >= (int)sizeof(path)) {
            return -AXC_EOVERFLOW;
        }
        error = axi_file_make_dir(path);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int axi_blobs_put(const char *dir, const void *data, size_t bytes, struct axi_digest *ret_digest)
{
    struct axi_digest digest;
    char path[AXI_PATH_BYTES];
    uint8_t *present = NULL;
    size_t present_bytes = 0;
    int error = 0;

    axi_digest_of(data, bytes, &digest);
    error = blob_path(dir, &digest, path);
    if (error != 0) {
        return error;
    }
    if (axi_blobs_get(dir, &digest, bytes, &present, &present_bytes) == 0) {
        free(present);
    } else {
        error = axi_file_write(path, data, bytes);
    }
    if (error == 0 && ret_digest != NULL) {
        *ret_digest = digest;
    }
    return error;
}

int axi_blobs_put_expected(const char *dir, const struct axi_digest *expected, const void *data,
                           size_t bytes)
{
    struct axi_digest digest;

    axi_digest_of(data, bytes, &digest);
    if (!axi_digest_is_equal(&digest, expected)) {
        return -AXC_EIMAGE_DIGEST;
    }
    return axi_blobs_put(dir, data, bytes, NULL);
}

int axi_blobs_get(const char *dir, const struct axi_digest *digest, size_t bytes_max,
                  uint8_t **ret_data, size_t *ret_bytes)
{
    char path[AXI_PATH_BYTES];
    struct axi_digest actual;
    uint8_t *data = NULL;
    size_t bytes = 0;
    int error = blob_path(dir, digest, path);

    if (error != 0) {
        return error;
    }
    error = axi_file_read(path, bytes_max, &data, &bytes);
    if (error != 0) {
        return error == -AXC_ENOENT ? -AXC_EIMAGE_BLOB : error;
    }
    axi_digest_of(data, bytes, &actual);
    if (!axi_digest_is_equal(&actual, digest)) {
        free(data);
        return -AXC_EIMAGE_DIGEST;
    }
    *ret_data = data;
    *ret_bytes = bytes;
    return 0;
}

bool axi_blobs_has(const char *dir, const struct axi_digest *digest)
{
    char path[AXI_PATH_BYTES];

    return blob_path(dir, digest, path) == 0 && access(path, R_OK) == 0;
}

int axi_blobs_remove(const char *dir, const struct axi_digest *digest)
{
    char path[AXI_PATH_BYTES];
    int error = blob_path(dir, digest, path);

    if (error != 0) {
        return error;
    }
    if (unlink(path) != 0) {
        return errno == ENOENT ? -AXC_EIMAGE_BLOB : -AXC_EIO;
    }
    return 0;
}
