/* SPDX-License-Identifier: Apache-2.0 */
/* Task images: an OCI image layout directory (`task.axi`) with one manifest per instruction set,
 * each with one ELF file. Reading verifies every digest and size, each ELF (axi_elf_check) and its
 * note, and that all entries describe the same task. Host code; may block (files). */
#ifndef AXI_IMAGE_IMAGE_H
#define AXI_IMAGE_IMAGE_H

#include "image/oci.h"

#define AXI_IMAGE_MEMORY_BYTES_MAX                                                                 \
    (64ull * 1024u * 1024u) /* largest image of one ELF in memory                                  \
                             */

struct axi_image_entry {
    enum axi_isa isa;
    const uint8_t *elf;
    size_t elf_bytes;
    const char *schema;        /* canonical schema text; its SHA-256 is meta.schema_hash */
    struct axi_digest digest;  /* of the ELF file */
    struct axi_task_meta meta; /* from the ELF's note */
};

struct axi_image;

/* Opens and verifies a layout directory. Free with axi_image_free. -AXC_ENOENT, -AXC_EIMAGE_*,
 * -AXC_EELF_*, -AXC_EMETA_*, -AXC_EIO, -AXC_ENOMEM. */
AXC_MUST_USE int axi_image_open(const char *dir, struct axi_image **ret_image);
void axi_image_free(struct axi_image *image); /* NULL is allowed */

/* An image of one bare ELF file (no schema text: ""), for tools that accept both. */
AXC_MUST_USE int axi_image_open_elf(const char *path, struct axi_image **ret_image);

uint32_t axi_image_entry_count(const struct axi_image *image);

/* The n-th entry, n < count. Borrowed until the image is freed; so are its pointers. */
const struct axi_image_entry *axi_image_entry_at(const struct axi_image *image, uint32_t n);

/* The entry for an instruction set or platform ("linux-x86_64"); -AXC_EADMIT_PLATFORM when the
 * image has none, -AXC_EIMAGE_PLATFORM when the platform is unknown. */
AXC_MUST_USE int axi_image_entry_for_isa(const struct axi_image *image, enum axi_isa isa,
                                         const struct axi_image_entry **ret_entry);
AXC_MUST_USE int axi_image_entry_for_platform(const struct axi_image *image, const char *platform,
                                              const struct axi_image_entry **ret_entry);

/* Verifies one ELF as the reader does and fills digest, isa and meta. Borrows `elf` and `schema`.
 */
AXC_MUST_USE int axi_image_entry_from_elf(const uint8_t *elf, size_t bytes, const char *schema,
                                          struct axi_image_entry *ret_entry);

/* Writes a layout: blobs first, index.json last, so that an interrupted write leaves the old image.
 * The directory may exist; blobs the new image does not use are removed. -AXC_EIMAGE_COUNT,
 * -AXC_EIMAGE_ELF when entries describe different tasks, -AXC_EINVALID when DIR holds other files.
 */
AXC_MUST_USE int axi_image_write(const char *dir, const struct axi_image_entry *entries,
                                 uint32_t count);

#endif
