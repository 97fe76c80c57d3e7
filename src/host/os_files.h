/* SPDX-License-Identifier: Apache-2.0 */
/* Bootable images of Axcan OS on disk: finds the kernel of a board and packs a configuration to it.
 */
#ifndef AXI_HOST_OS_FILES_H
#define AXI_HOST_OS_FILES_H

#include "base/error.h"
#include "core/boot_config.h"

#include <stdbool.h>
#include <stddef.h>

/* One of image/boards.h. */
bool axi_os_is_board(const char *board);

enum axi_os_format { AXI_OS_RAW, AXI_OS_ELF, AXI_OS_CONFIG /* the configuration alone */ };

/* "raw", "elf" or "config"; NULL: elf when the file is called so, else raw. -AXC_EINVALID. */
AXC_MUST_USE int axi_os_parse_format(const char *text, const char *file,
                                     enum axi_os_format *ret_format);

struct axi_os_file {
    const char *board;
    enum axi_os_format format;
    const struct axi_boot_config *config;
    const char *path;
};

#define AXI_OS_REASON_BYTES 512u

/* Writes the file, mode 0600 when the configuration holds a token. The kernel is looked for in
 * $AXCAN_OS, in the build tree this program lies in, in the installed prefix. 0 with the file's
 * bytes in *ret_bytes, or a negative error with ret_reason (AXI_OS_REASON_BYTES). */
AXC_MUST_USE int axi_os_write(const struct axi_os_file *file, size_t *ret_bytes, char *ret_reason);

#endif
