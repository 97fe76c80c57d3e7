/* SPDX-License-Identifier: Apache-2.0 */
#include "image/blobs.h"
#include "image/file.h"
#include "image/image.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOBS_PER_ENTRY 3u

/* Blobs of the image being written; the others are swept afterwards. */
struct kept {
    uint32_t count;
    struct axi_digest digests[AXI_IMAGE_ENTRIES_MAX * BLOBS_PER_ENTRY];
};

static int put(const char *dir, const void *data, size_t bytes, struct kept *kept,
               struct axi_oci_blob *ret_blob)
{
    int error = axi_blobs_put(dir, data, bytes, &ret_blob->digest);

    if (error == 0) {
        ret_blob->bytes = bytes;
        kept->digests[kept->count++] = ret_blob->digest;
    }
    return error;
}

/* Consumes `text`, which may be NULL (out of memory). */
static int put_text(const char *dir, char *text, struct kept *kept, struct axi_oci_blob *ret_blob)
{
    int error = text == NULL ? -AXC_ENOMEM : put(dir, text, strlen(text), kept, ret_blob);

    free(text);
    return error;
}

static int write_entry(const char *dir, const struct axi_image_entry *entry, struct kept *kept,
                       struct axi_oci_blob *ret_manifest)
{
    struct axi_oci_manifest manifest;
    int error = put(dir, entry->elf, entry->elf_bytes, kept, &manifest.elf);

    if (error == 0) {
        error = put_text(
            dir,
            axi_oci_print_config(entry->isa, &manifest.elf.digest, &entry->meta, entry->schema),
            kept, &manifest.config);
    }
    if (error == 0) {
        error = put_text(dir, axi_oci_print_manifest(&manifest, &entry->meta), kept, ret_manifest);
    }
    return error;
}

static int write_document(const char *dir, const char *name, char *text)
{
    char path[AXI_PATH_BYTES];
    int error = text == NULL ? -AXC_ENOMEM : axi_file_join(path, sizeof(path), dir, name);

    if (error == 0) {
        error = axi_file_write(path, text, strlen(text));
    }
    free(text);
    return error;
}

static bool is_kept(const struct kept *kept, const char *name)
{
    for (uint32_t i = 0; i < kept->count; i++) {
        char text[AXI_DIGEST_TEXT_BYTES];

        axi_digest_format(&kept->digests[i], text);
        if (strcmp(axi_digest_hex(text), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Removes blobs of the image that was here before. Best effort: they do no harm. */
static void sweep(const char *dir, const struct kept *kept)
{
    char path[AXI_PATH_BYTES];
    DIR *blobs = NULL;
    const struct dirent *entry = NULL;

    if (axi_file_join(path, sizeof(path), dir, "blobs/sha256") != 0) {
        return;
    }
    blobs = opendir(path);
    while (blobs != NULL && (entry = readdir(blobs)) != NULL) {
        if (entry->d_name[0] != '.' && !is_kept(kept, entry->d_name)) {
            (void)unlinkat(dirfd(blobs), entry->d_name, 0);
        }
    }
    if (blobs != NULL) {
        (void)closedir(blobs);
    }
}

/* True when the directory is missing, empty or an image layout: never sweep anything else. */
static bool is_usable(const char *dir)
{
    DIR *open_dir = opendir(dir);
    const struct dirent *entry = NULL;
    bool is_layout = false;
    bool is_empty = true;

    while (open_dir != NULL && (entry = readdir(open_dir)) != NULL) {
        is_layout = is_layout || strcmp(entry->d_name, "oci-layout") == 0;
        is_empty = is_empty && entry->d_name[0] == '.';
    }
    if (open_dir != NULL) {
        (void)closedir(open_dir);
    }
    return is_layout || is_empty;
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
    struct kept kept = {0};
    int error = check_entries(entries, count);

    if (error == 0 && !is_usable(dir)) {
        error = -AXC_EINVALID;
    }
    if (error == 0) {
        error = axi_blobs_init(dir);
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        index.entries[i].isa = entries[i].isa;
        error = write_entry(dir, &entries[i], &kept, &index.entries[i].manifest);
    }
    if (error == 0) {
        error = write_document(dir, "oci-layout", axi_oci_print_layout());
    }
    if (error == 0) {
        error =
            write_document(dir, "index.json", axi_oci_print_index(&index, entries[0].meta.name));
    }
    if (error == 0) {
        sweep(dir, &kept);
    }
    return error;
}
