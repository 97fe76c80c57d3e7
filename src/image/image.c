/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image.h"

#include "image/blobs.h"
#include "image/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct axi_image {
    uint32_t count;
    struct axi_image_entry entries[AXI_IMAGE_ENTRIES_MAX];
    uint8_t *elf[AXI_IMAGE_ENTRIES_MAX]; /* owned memory behind entries[] */
    char *schema[AXI_IMAGE_ENTRIES_MAX];
};

void axi_image_free(struct axi_image *image)
{
    if (image == NULL) {
        return;
    }
    for (uint32_t i = 0; i < AXI_IMAGE_ENTRIES_MAX; i++) {
        free(image->elf[i]);
        free(image->schema[i]);
    }
    free(image);
}

uint32_t axi_image_entry_count(const struct axi_image *image)
{
    return image->count;
}

const struct axi_image_entry *axi_image_entry_at(const struct axi_image *image, uint32_t n)
{
    return &image->entries[n];
}

int axi_image_entry_for_isa(const struct axi_image *image, enum axi_isa isa,
                            const struct axi_image_entry **ret_entry)
{
    for (uint32_t i = 0; i < image->count; i++) {
        if (image->entries[i].isa == isa) {
            *ret_entry = &image->entries[i];
            return 0;
        }
    }
    return -AXC_EADMIT_PLATFORM;
}

int axi_image_entry_for_platform(const struct axi_image *image, const char *platform,
                                 const struct axi_image_entry **ret_entry)
{
    enum axi_isa isa = AXI_ISA_X86_64;
    int error = axi_isa_of_platform(platform, &isa);

    return error != 0 ? error : axi_image_entry_for_isa(image, isa, ret_entry);
}

int axi_image_entry_from_elf(const uint8_t *elf, size_t bytes, const char *schema,
                             struct axi_image_entry *ret_entry)
{
    struct axi_elf_limits limits = {.image_bytes_max = AXI_IMAGE_MEMORY_BYTES_MAX,
                                    .isa = AXI_ISA_X86_64};
    struct axi_image_entry entry = {.elf = elf, .elf_bytes = bytes, .schema = schema};
    struct axi_elf_plan plan;
    int error = 0;

    if (bytes > AXI_IMAGE_ELF_BYTES_MAX) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    error = axi_elf_check(elf, bytes, &limits, &plan);
    if (error == -AXC_EELF_MACHINE) {
        limits.isa = AXI_ISA_AARCH64;
        error = axi_elf_check(elf, bytes, &limits, &plan);
    }
    if (error == 0) {
        error = axi_meta_from_elf(elf, bytes, &entry.meta);
    }
    if (error == 0) {
        entry.isa = plan.isa;
        axi_digest_of(elf, bytes, &entry.digest);
        *ret_entry = entry;
    }
    return error;
}

static int check_schema(const struct axi_image_entry *entry)
{
    struct axi_digest digest;

    axi_digest_of(entry->schema, strlen(entry->schema), &digest);
    return memcmp(digest.bytes, entry->meta.schema_hash, AXI_DIGEST_BYTES) == 0
               ? 0
               : -AXC_EIMAGE_CONFIG;
}

/* All ELF files of an image are one task: everything but the code is the same. */
static int check_same_task(const struct axi_image_entry *entries, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        uint8_t first[AXI_META_BYTES];
        uint8_t other[AXI_META_BYTES];
        size_t bytes = 0;

        if (axi_meta_encode(&entries[0].meta, first, sizeof(first), &bytes) != 0 ||
            axi_meta_encode(&entries[i].meta, other, sizeof(other), &bytes) != 0 ||
            memcmp(first, other, bytes) != 0) {
            return -AXC_EIMAGE_ELF;
        }
    }
    return 0;
}

static int get_blob(const char *dir, const struct axi_oci_blob *blob, uint8_t **ret_data)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    int error = axi_blobs_get(dir, &blob->digest, AXI_IMAGE_ELF_BYTES_MAX, &data, &bytes);

    if (error != 0) {
        return error;
    }
    if (bytes != blob->bytes) {
        free(data);
        return -AXC_EIMAGE_SIZE;
    }
    *ret_data = data;
    return 0;
}

static int read_config(const char *dir, const struct axi_oci_blob *blob,
                       struct axi_oci_config *ret_config)
{
    uint8_t *text = NULL;
    int error = get_blob(dir, blob, &text);

    if (error == 0) {
        error = axi_oci_parse_config((const char *)text, blob->bytes, ret_config);
    }
    free(text);
    return error;
}

static int read_manifest(const char *dir, const struct axi_oci_blob *blob,
                         struct axi_oci_manifest *ret_manifest)
{
    uint8_t *text = NULL;
    int error = get_blob(dir, blob, &text);

    if (error == 0) {
        error = axi_oci_parse_manifest((const char *)text, blob->bytes, ret_manifest);
    }
    free(text);
    return error;
}

/* Reads entry n; what it allocates belongs to the image at once, also on failure. */
static int read_entry(struct axi_image *image, const char *dir, uint32_t n, enum axi_isa isa,
                      const struct axi_oci_blob *manifest_blob)
{
    struct axi_image_entry *entry = &image->entries[n];
    struct axi_oci_manifest manifest;
    struct axi_oci_config config = {0};
    int error = read_manifest(dir, manifest_blob, &manifest);

    if (error == 0) {
        error = read_config(dir, &manifest.config, &config);
    }
    if (error != 0) {
        return error;
    }
    image->schema[n] = config.schema;
    if (config.isa != isa || !axi_digest_is_equal(&config.elf, &manifest.elf.digest)) {
        return -AXC_EIMAGE_CONFIG;
    }
    error = get_blob(dir, &manifest.elf, &image->elf[n]);
    if (error == 0) {
        error = axi_image_entry_from_elf(image->elf[n], manifest.elf.bytes, config.schema, entry);
    }
    if (error == 0 && entry->isa != isa) {
        error = -AXC_EIMAGE_ELF;
    }
    return error != 0 ? error : check_schema(entry);
}

static int read_document(const char *dir, const char *name, uint8_t **ret_text, size_t *ret_bytes)
{
    char path[AXI_PATH_BYTES];
    int error = axi_file_join(path, sizeof(path), dir, name);

    return error != 0 ? error : axi_file_read(path, AXI_IMAGE_JSON_BYTES_MAX, ret_text, ret_bytes);
}

static int read_index(const char *dir, struct axi_oci_index *ret_index)
{
    uint8_t *text = NULL;
    size_t bytes = 0;
    int error = read_document(dir, "oci-layout", &text, &bytes);

    if (error == -AXC_ENOENT && access(dir, F_OK) == 0) {
        return -AXC_EIMAGE_LAYOUT;
    }
    if (error == 0) {
        error = axi_oci_parse_layout((const char *)text, bytes);
        free(text);
        text = NULL;
    }
    if (error == 0) {
        error = read_document(dir, "index.json", &text, &bytes);
        error = error == -AXC_ENOENT ? -AXC_EIMAGE_LAYOUT : error;
    }
    if (error == 0) {
        error = axi_oci_parse_index((const char *)text, bytes, ret_index);
        free(text);
    }
    return error;
}

int axi_image_open(const char *dir, struct axi_image **ret_image)
{
    struct axi_oci_index index;
    struct axi_image *image = NULL;
    int error = read_index(dir, &index);

    if (error != 0) {
        return error;
    }
    image = calloc(1, sizeof(*image));
    if (image == NULL) {
        return -AXC_ENOMEM;
    }
    for (uint32_t i = 0; i < index.count && error == 0; i++) {
        error = read_entry(image, dir, i, index.entries[i].isa, &index.entries[i].manifest);
    }
    if (error == 0) {
        error = check_same_task(image->entries, index.count);
    }
    if (error != 0) {
        axi_image_free(image);
        return error;
    }
    image->count = index.count;
    *ret_image = image;
    return 0;
}

int axi_image_open_elf(const char *path, struct axi_image **ret_image)
{
    struct axi_image *image = calloc(1, sizeof(*image));
    size_t bytes = 0;
    int error = 0;

    if (image == NULL) {
        return -AXC_ENOMEM;
    }
    error = axi_file_read(path, AXI_IMAGE_ELF_BYTES_MAX, &image->elf[0], &bytes);
    if (error == 0) {
        error = axi_image_entry_from_elf(image->elf[0], bytes, "", &image->entries[0]);
    }
    if (error != 0) {
        axi_image_free(image);
        return error;
    }
    image->count = 1;
    *ret_image = image;
    return 0;
}
