/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_upload.h"

#include "cli/command.h"
#include "image/file.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INDEX_BYTES_MAX (1u << 20)

static int put_blob(struct axi_client *client, const struct axi_digest *digest, const void *bytes,
                    size_t count)
{
    char text[AXI_DIGEST_TEXT_BYTES];
    char path[AXI_DIGEST_TEXT_BYTES + 16];

    axi_digest_format(digest, text);
    (void)snprintf(path, sizeof(path), "/v1/blobs/%s", text);
    return axi_client_put(client, path, bytes, count);
}

/* Uploads the ELFs and collects their digests. */
static int put_elfs(struct axi_client *client, const struct axi_image *image, json_t *elfs)
{
    for (uint32_t i = 0; i < axi_image_entry_count(image); i++) {
        const struct axi_image_entry *entry = axi_image_entry_at(image, i);
        char text[AXI_DIGEST_TEXT_BYTES];
        int r = put_blob(client, &entry->digest, entry->elf, entry->elf_bytes);

        if (r != 0) {
            return r;
        }
        axi_digest_format(&entry->digest, text);
        (void)json_array_append_new(elfs, json_string(text));
    }
    return 0;
}

/* The image's own digest is that of its index.json; a bare ELF is its own image. */
static int image_digest(const char *file, const struct axi_image *image, struct axi_digest *ret)
{
    char path[AXI_PATH_BYTES];
    uint8_t *index = NULL;
    size_t bytes = 0;
    int r = axi_file_join(path, sizeof(path), file, "index.json");

    if (r == 0) {
        r = axi_file_read(path, INDEX_BYTES_MAX, &index, &bytes);
    }
    if (r == 0) {
        axi_digest_of(index, bytes, ret);
    } else {
        *ret = axi_image_entry_at(image, 0)->digest;
    }
    free(index);
    return 0;
}

static int open_image(const char *command, const char *file, struct axi_image **ret_image)
{
    struct stat about;
    int r = stat(file, &about) < 0   ? -AXC_ENOENT
            : S_ISDIR(about.st_mode) ? axi_image_open(file, ret_image)
                                     : axi_image_open_elf(file, ret_image);

    if (r == 0) {
        return 0;
    }
    return axi_cli_fail(command, "%s: %s (%s); 'axcan build task.c' makes an image", file,
                        axi_error_text(r), axi_error_name(r));
}

int axi_image_digest_of(const char *command, const char *file,
                        char ret_digest[AXI_DIGEST_TEXT_BYTES])
{
    struct axi_image *image = NULL;
    struct axi_digest digest;
    int r = open_image(command, file, &image);

    if (r == 0) {
        r = image_digest(file, image, &digest);
    }
    if (r == 0) {
        axi_digest_format(&digest, ret_digest);
    }
    axi_image_free(image);
    return r;
}

int axi_image_upload(struct axi_client *client, const char *file,
                     char ret_digest[AXI_DIGEST_TEXT_BYTES])
{
    struct axi_image *image = NULL;
    struct axi_digest digest;
    json_t *elfs = json_array();
    int r = open_image(client->command, file, &image);

    if (r == 0) {
        r = image_digest(file, image, &digest);
    }
    if (r == 0) {
        r = put_elfs(client, image, elfs);
    }
    if (r == 0) {
        axi_digest_format(&digest, ret_digest);
        json_t *body = json_pack("{s:s,s:O}", "digest", ret_digest, "elfs", elfs);
        const char *schema = axi_image_entry_at(image, 0)->schema;

        if (schema[0] != '\0') { /* a bare ELF has none */
            json_object_set_new(body, "schema", json_string(schema));
        }
        r = axi_client_call(client, "POST", "/v1/images", body, NULL);
        json_decref(body);
    }
    json_decref(elfs);
    axi_image_free(image);
    return r;
}

int axi_image_or_name(struct axi_client *client, const char *what,
                      char ret_image[AXI_DIGEST_TEXT_BYTES])
{
    struct stat about;

    if (stat(what, &about) < 0 && strpbrk(what, "/.") == NULL &&
        strlen(what) < AXI_DIGEST_TEXT_BYTES) {
        (void)snprintf(ret_image, AXI_DIGEST_TEXT_BYTES, "%s", what);
        return 0;
    }
    int r = axi_image_upload(client, what, ret_image);

    if (r == 0) { /* the core takes digits without the algorithm's name */
        memmove(ret_image, ret_image + 7, strlen(ret_image + 7) + 1);
    }
    return r;
}
