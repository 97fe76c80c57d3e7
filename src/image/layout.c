/* SPDX-License-Identifier: Apache-2.0 */
#include "image/layout.h"

#include "image/blobs.h"
#include "image/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int axi_layout_put(struct axi_layout *layout, const void *data, size_t bytes,
                   struct axi_oci_blob *ret_blob)
{
    int error = 0;

    if (layout->count == AXI_LAYOUT_BLOBS_MAX) {
        return -AXC_EIMAGE_COUNT;
    }
    error = axi_blobs_put(layout->dir, data, bytes, &ret_blob->digest);
    if (error == 0) {
        ret_blob->bytes = bytes;
        layout->digests[layout->count++] = ret_blob->digest;
    }
    return error;
}

int axi_layout_put_text(struct axi_layout *layout, char *text, struct axi_oci_blob *ret_blob)
{
    int error = text == NULL ? -AXC_ENOMEM : axi_layout_put(layout, text, strlen(text), ret_blob);

    free(text);
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

static bool is_kept(const struct axi_layout *layout, const char *name)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        char text[AXI_DIGEST_TEXT_BYTES];

        axi_digest_format(&layout->digests[i], text);
        if (strcmp(axi_digest_hex(text), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Removes blobs of the image that was here before. Best effort: they do no harm. */
static void sweep(const struct axi_layout *layout)
{
    char path[AXI_PATH_BYTES];
    DIR *blobs = NULL;
    const struct dirent *entry = NULL;

    if (axi_file_join(path, sizeof(path), layout->dir, "blobs/sha256") != 0) {
        return;
    }
    blobs = opendir(path);
    while (blobs != NULL && (entry = readdir(blobs)) != NULL) {
        if (entry->d_name[0] != '.' && !is_kept(layout, entry->d_name)) {
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

int axi_layout_begin(const struct axi_layout *layout)
{
    return is_usable(layout->dir) ? axi_blobs_init(layout->dir) : -AXC_EINVALID;
}

int axi_layout_finish(const struct axi_layout *layout, char *index)
{
    int error = write_document(layout->dir, "oci-layout", axi_oci_print_layout());

    if (error != 0) {
        free(index);
        return error;
    }
    error = write_document(layout->dir, "index.json", index);
    if (error == 0) {
        sweep(layout);
    }
    return error;
}
