/* SPDX-License-Identifier: Apache-2.0 */
#include "image/os_image.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 96u /* arm64 Image header and Axcan's own behind it */
#define ARM64_MAGIC 0x644d5241u
#define PAGE 4096u

enum { AT_TEXT_OFFSET = 8, AT_IMAGE_SIZE = 16, AT_ARM64_MAGIC = 56 };

enum { /* ELF64 */
       E_TYPE = 16,
       E_MACHINE = 18,
       E_PHOFF = 32,
       E_PHENTSIZE = 54,
       E_PHNUM = 56,
       EHDR_BYTES = 64,
       P_TYPE = 0,
       P_FLAGS = 4,
       P_OFFSET = 8,
       P_VADDR = 16,
       P_PADDR = 24,
       P_FILESZ = 32,
       P_MEMSZ = 40,
       P_ALIGN = 48,
       PHDR_BYTES = 56,
       PHDRS_MAX = 32,
       EXEC = 2,
       AARCH64 = 183,
       LOAD = 1,
       READ = 4
};

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static bool is_elf(const uint8_t *file, size_t bytes)
{
    return bytes >= EHDR_BYTES && memcmp(file, "\177ELF\2\1\1", 7) == 0;
}

/* The program headers; NULL when they are not all in the file. */
static const uint8_t *phdrs_of(const uint8_t *file, size_t bytes, uint32_t *ret_count)
{
    uint64_t offset = axi_get_le64(file + E_PHOFF);
    uint32_t count = axi_get_le16(file + E_PHNUM);

    if (axi_get_le16(file + E_TYPE) != EXEC || axi_get_le16(file + E_MACHINE) != AARCH64 ||
        axi_get_le16(file + E_PHENTSIZE) != PHDR_BYTES || count == 0 || count > PHDRS_MAX ||
        !axi_range_ok(bytes, offset, (uint64_t)count * PHDR_BYTES)) {
        return NULL;
    }
    *ret_count = count;
    return file + offset;
}

/* The loadable part of an ELF file that holds physical address `at` in the file; NULL. */
static const uint8_t *find_load(const uint8_t *phdrs, uint32_t count, size_t bytes, uint64_t at,
                                uint64_t length)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *p = phdrs + (size_t)i * PHDR_BYTES;
        uint64_t filesz = axi_get_le64(p + P_FILESZ);

        if (axi_get_le32(p + P_TYPE) == LOAD &&
            axi_range_inside(at, length, axi_get_le64(p + P_PADDR), filesz) &&
            axi_range_ok(bytes, axi_get_le64(p + P_OFFSET), filesz)) {
            return p;
        }
    }
    return NULL;
}

/* Where the image's first byte is: the loadable part with the lowest address begins with it. */
static int find_head(const uint8_t *file, size_t bytes, struct axi_os_image *image)
{
    const uint8_t *phdrs;
    const uint8_t *first = NULL;
    uint32_t count = 0;

    if (!is_elf(file, bytes)) {
        return bytes >= HEAD_BYTES ? 0 : -AXC_EIMAGE_OS_LAYOUT;
    }
    phdrs = phdrs_of(file, bytes, &count);
    for (uint32_t i = 0; phdrs != NULL && i < count; i++) {
        const uint8_t *p = phdrs + (size_t)i * PHDR_BYTES;

        if (axi_get_le32(p + P_TYPE) == LOAD &&
            (first == NULL || axi_get_le64(p + P_PADDR) < axi_get_le64(first + P_PADDR))) {
            first = p;
        }
    }
    if (first == NULL || axi_get_le64(first + P_FILESZ) < HEAD_BYTES ||
        !axi_range_ok(bytes, axi_get_le64(first + P_OFFSET), axi_get_le64(first + P_FILESZ))) {
        return -AXC_EIMAGE_OS_LAYOUT;
    }
    image->is_elf = true;
    image->head = axi_get_le64(first + P_OFFSET);
    image->load = axi_get_le64(first + P_PADDR);
    image->start = axi_get_le64(first + P_VADDR);
    return 0;
}

static int find_config(const uint8_t *file, size_t bytes, uint64_t offset, uint32_t length,
                       struct axi_os_image *image)
{
    if (offset == 0) {
        return 0;
    }
    if (!axi_range_ok(image->image_bytes, offset, length)) {
        return -AXC_EIMAGE_OS_LAYOUT;
    }
    if (image->is_elf) {
        uint32_t count = 0;
        const uint8_t *phdrs = phdrs_of(file, bytes, &count);
        const uint8_t *p = find_load(phdrs, count, bytes, image->load + offset, length);

        if (p == NULL) {
            return -AXC_EIMAGE_OS_LAYOUT;
        }
        image->config =
            file + axi_get_le64(p + P_OFFSET) + (image->load + offset - axi_get_le64(p + P_PADDR));
    } else if (axi_range_ok(bytes, offset, length)) {
        image->config = file + offset;
    } else {
        return -AXC_EIMAGE_OS_LAYOUT;
    }
    image->config_bytes = length;
    return 0;
}

int axi_os_image_read(const uint8_t *file, size_t bytes, struct axi_os_image *ret_image)
{
    struct axi_os_image image = {0};
    const uint8_t *head;
    int r = find_head(file, bytes, &image);

    if (r < 0) {
        return r;
    }
    head = file + image.head;
    image.text_offset = axi_get_le64(head + AT_TEXT_OFFSET);
    image.image_bytes = axi_get_le64(head + AT_IMAGE_SIZE);
    memcpy(image.board, head + AXI_BOOT_IMAGE_AT_BOARD, sizeof(image.board) - 1);
    if (axi_get_le32(head + AT_ARM64_MAGIC) != ARM64_MAGIC ||
        axi_get_le32(head + AXI_BOOT_IMAGE_AT_MAGIC) != AXI_BOOT_IMAGE_MAGIC ||
        axi_get_le32(head + AXI_BOOT_IMAGE_AT_VERSION) != AXI_BOOT_IMAGE_VERSION ||
        image.image_bytes < HEAD_BYTES || image.image_bytes > AXI_OS_IMAGE_BYTES_MAX) {
        return -AXC_EIMAGE_OS_LAYOUT;
    }
    for (const char *c = image.board; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return -AXC_EIMAGE_OS_LAYOUT;
        }
    }
    r = find_config(file, bytes, axi_get_le64(head + AXI_BOOT_IMAGE_AT_CONFIG_OFFSET),
                    axi_get_le32(head + AXI_BOOT_IMAGE_AT_CONFIG_BYTES), &image);
    if (r == 0) {
        *ret_image = image;
    }
    return r;
}

/* The header of the packed image. */
static void patch(uint8_t *head, uint64_t config_offset, size_t config_bytes)
{
    axi_put_le64(head + AT_IMAGE_SIZE, round_up(config_offset + config_bytes));
    axi_put_le64(head + AXI_BOOT_IMAGE_AT_CONFIG_OFFSET, config_offset);
    axi_put_le32(head + AXI_BOOT_IMAGE_AT_CONFIG_BYTES, (uint32_t)config_bytes);
}

/* Kernel, zeros up to the end of its bss, configuration. */
static int pack_raw(const uint8_t *kernel, size_t bytes, const struct axi_os_image *image,
                    const uint8_t *config, size_t config_bytes, uint8_t **ret_file,
                    size_t *ret_bytes)
{
    uint64_t offset = round_up(image->image_bytes > bytes ? image->image_bytes : bytes);
    uint8_t *file = calloc(1, offset + config_bytes);

    if (file == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(file, kernel, bytes);
    memcpy(file + offset, config, config_bytes);
    patch(file, offset, config_bytes);
    *ret_file = file;
    *ret_bytes = offset + config_bytes;
    return 0;
}

/* The kernel's file, then on pages of their own the configuration and a longer program header
 * table; section headers and the rest stay as they are. */
static int pack_elf(const uint8_t *kernel, size_t bytes, const struct axi_os_image *image,
                    const uint8_t *config, size_t config_bytes, uint8_t **ret_file,
                    size_t *ret_bytes)
{
    uint32_t count = 0;
    const uint8_t *phdrs = phdrs_of(kernel, bytes, &count);
    uint64_t offset = round_up(image->image_bytes);
    uint64_t config_at = round_up(bytes);
    uint64_t table_at = config_at + round_up(config_bytes);
    uint64_t whole = table_at + (uint64_t)(count + 1) * PHDR_BYTES;
    uint8_t *file = calloc(1, whole);
    uint8_t *p;

    if (file == NULL) {
        return -AXC_ENOMEM;
    }
    memcpy(file, kernel, bytes);
    memcpy(file + config_at, config, config_bytes);
    memcpy(file + table_at, phdrs, (size_t)count * PHDR_BYTES);
    p = file + table_at + (size_t)count * PHDR_BYTES;
    axi_put_le32(p + P_TYPE, LOAD);
    axi_put_le32(p + P_FLAGS, READ);
    axi_put_le64(p + P_OFFSET, config_at);
    axi_put_le64(p + P_VADDR, image->start + offset);
    axi_put_le64(p + P_PADDR, image->load + offset);
    axi_put_le64(p + P_FILESZ, config_bytes);
    axi_put_le64(p + P_MEMSZ, config_bytes);
    axi_put_le64(p + P_ALIGN, PAGE);
    axi_put_le64(file + E_PHOFF, table_at);
    axi_put_le16(file + E_PHNUM, (uint16_t)(count + 1));
    patch(file + image->head, offset, config_bytes);
    *ret_file = file;
    *ret_bytes = whole;
    return 0;
}

int axi_os_image_pack(const uint8_t *kernel, size_t bytes, const uint8_t *config,
                      size_t config_bytes, uint8_t **ret_file, size_t *ret_bytes)
{
    struct axi_os_image image;
    int r = axi_os_image_read(kernel, bytes, &image);

    if (r < 0) {
        return r;
    }
    if (image.config != NULL) {
        return -AXC_EEXIST;
    }
    if (bytes > AXI_OS_IMAGE_BYTES_MAX || config_bytes > AXI_BOOT_BYTES_MAX ||
        image.image_bytes + config_bytes + 2 * PAGE > AXI_OS_IMAGE_BYTES_MAX) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    return image.is_elf
               ? pack_elf(kernel, bytes, &image, config, config_bytes, ret_file, ret_bytes)
               : pack_raw(kernel, bytes, &image, config, config_bytes, ret_file, ret_bytes);
}
