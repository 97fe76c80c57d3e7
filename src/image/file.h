/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: bounded reads, writes that are complete or absent. May block. */
#ifndef AXI_IMAGE_FILE_H
#define AXI_IMAGE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Reads a regular file of at most `bytes_max` bytes into fresh memory with a NUL after it (not
 * counted); the caller frees *ret_data. -AXC_ENOENT, -AXC_EIMAGE_TOO_LARGE, -AXC_EIO, -AXC_EPERM,
 * -AXC_ENOMEM. */
AXC_MUST_USE int axi_file_read(const char *path, size_t bytes_max, uint8_t **ret_data,
                               size_t *ret_bytes);

/* Replaces the file by rename, after the data has reached the disk. -AXC_ENOENT when the directory
 * is missing, -AXC_EPERM, -AXC_EFULL, -AXC_EIO. */
AXC_MUST_USE int axi_file_write(const char *path, const void *data, size_t bytes);

/* The same with these permissions from the beginning on: 0600 for secrets. */
AXC_MUST_USE int axi_file_write_mode(const char *path, const void *data, size_t bytes,
                                     unsigned mode);

/* Makes one directory; success when it exists already. */
AXC_MUST_USE int axi_file_make_dir(const char *path);

/* "a/b" into a buffer; -AXC_EOVERFLOW when it does not fit. */
AXC_MUST_USE int axi_file_join(char *ret_path, size_t capacity, const char *dir, const char *name);

#define AXI_PATH_BYTES 4096u

#endif
