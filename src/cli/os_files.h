/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of Axcan OS: where they are, and how a board of each kind is run by QEMU. */
#ifndef AXI_CLI_OS_FILES_H
#define AXI_CLI_OS_FILES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_OS_PATH_BYTES 4096u

/* True for "virt" and "zcu102". */
bool axi_os_is_board(const char *board);

/* Reads the kernel of a board: $AXCAN_OS, the build tree this program lies in, the installed
 * prefix. The caller frees *ret_kernel. -AXC_ENOENT (with the last place looked at in ret_path,
 * AXI_OS_PATH_BYTES), and the errors of axi_file_read. */
AXC_MUST_USE int axi_os_kernel_read(const char *board, bool is_elf, char *ret_path,
                                    uint8_t **ret_kernel, size_t *ret_bytes);

#endif
