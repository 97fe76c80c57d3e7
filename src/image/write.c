/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image.h"
#include "image/layout.h"

#include <string.h>

static int write_entry(struct axi_layout *layout, const struct axi_image_entry *entry,
                       struct axi_oci_blob *ret_manifest)
{
    struct axi_oci_manifest manifest;
    int error = axi_layout_put(layout, entry->elf, entry->elf_bytes, &manifest.elf);

    if (error == 0) {
        error = axi_layout_put_text(
            layout,
            axi_oci_print_config(entry->isa, &manifest.elf.digest, &entry->meta, entry->schema),
            &manifest.config);
    }
    if (error == 0) {
        error = axi_layout_put_text(layout, axi_oci_print_manifest(&manifest, &entry->meta),
                                    ret_manifest);
    }
    return error;
}

static int check_entries(const struct axi_image_entry *entries, uint32_t count)
{
    if (count == 0 || count > AXI_IMAGE_ENTRIES_MAX) {
        return -AXC_EIMAGE_COUNT;
    }
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (entries[i].isa == entries[j].isa) {
                return -AXC_EIMAGE_COUNT;
            }
        }
        if (strcmp(entries[i].meta.name, entries[0].meta.name) != 0 ||
            memcmp(entries[i].meta.schema_hash, entries[0].meta.schema_hash, AXI_DIGEST_BYTES) !=
                0) {
            return -AXC_EIMAGE_ELF;
        }
    }
    return 0;
}

int axi_image_write(const char *dir, const struct axi_image_entry *entries, uint32_t count)
{
    struct axi_oci_index index = {.count = count};
    struct axi_layout layout = {.dir = dir};
    int error = check_entries(entries, count);

    if (error == 0) {
        error = axi_layout_begin(&layout);
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        index.entries[i].isa = entries[i].isa;
        error = write_entry(&layout, &entries[i], &index.entries[i].manifest);
    }
    if (error == 0) {
        error = axi_layout_finish(&layout, axi_oci_print_index(&index, entries[0].meta.name));
    }
    return error;
}
