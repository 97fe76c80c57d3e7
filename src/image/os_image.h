/* SPDX-License-Identifier: Apache-2.0 */
/* Bootable images of Axcan OS: a kernel, raw with arm64 Image header or ELF, and behind it a
 * configuration (core/boot_config.h). Format: docs/formats/os-image.md. Host code, no files. */
#ifndef AXI_IMAGE_OS_IMAGE_H
#define AXI_IMAGE_OS_IMAGE_H

#include "core/boot_config.h"

#define AXI_OS_IMAGE_BYTES_MAX (256u << 20) /* of a file, and of an image in memory */
#define AXI_OS_BOARD_BYTES 9u               /* with the final NUL */

struct axi_os_image {
    bool is_elf;
    char board[AXI_OS_BOARD_BYTES];
    uint64_t image_bytes;  /* in memory, with bss; the configuration lies inside */
    uint64_t text_offset;  /* load address from the start of RAM */
    const uint8_t *config; /* borrowed from the file; NULL: none */
    size_t config_bytes;
    /* for the packer */
    size_t head;          /* file offset of the image's first byte */
    uint64_t load, start; /* ELF: physical and virtual address of it */
};

/* Reads the headers of a file. -AXC_EIMAGE_OS_LAYOUT: no image of Axcan OS, or a damaged one. The
 * configuration is found, not parsed. */
AXC_MUST_USE int axi_os_image_read(const uint8_t *file, size_t bytes,
                                   struct axi_os_image *ret_image);

/* A fresh file from a kernel that carries no configuration yet; the caller frees it.
 * -AXC_EIMAGE_OS_LAYOUT, -AXC_EEXIST (has one), -AXC_EIMAGE_TOO_LARGE, -AXC_ENOMEM. */
AXC_MUST_USE int axi_os_image_pack(const uint8_t *kernel, size_t bytes, const uint8_t *config,
                                   size_t config_bytes, uint8_t **ret_file, size_t *ret_bytes);

#endif
