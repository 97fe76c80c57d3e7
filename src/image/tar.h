/* SPDX-License-Identifier: Apache-2.0 */
/* The layer of a container image: an uncompressed ustar archive. Written so that the same files
 * give the same bytes (owner 0, time 0, in the order given); read without trust, bounded by what is
 * in memory. */
#ifndef AXI_IMAGE_TAR_H
#define AXI_IMAGE_TAR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_TAR_PATH_BYTES 100u /* the name field: 99 characters at most are written */

struct axi_tar_file {
    const char *path; /* "usr/bin/x", no leading slash; ending in '/': a directory */
    const void *data;
    size_t bytes;
    unsigned mode; /* 0755 */
};

/* A fresh archive; the caller frees *ret_data. Directories on the way to a file are added.
 * -AXC_EOVERFLOW (a path too long), -AXC_EIMAGE_TOO_LARGE, -AXC_ENOMEM. */
AXC_MUST_USE int axi_tar_write(const struct axi_tar_file *files, size_t count, uint8_t **ret_data,
                               size_t *ret_bytes);

/* The regular file of this path ("boot/x", also stored as "./boot/x"); what *ret_file points to is
 * borrowed from `data`. The last one counts. -AXC_ENOENT, -AXC_EIMAGE_LAYER (no or a damaged
 * archive). */
AXC_MUST_USE int axi_tar_find(const uint8_t *data, size_t bytes, const char *path,
                              struct axi_tar_file *ret_file);

#endif
