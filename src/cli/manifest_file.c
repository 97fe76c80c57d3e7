/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manifest_file.h"

#include "cli/command.h"
#include "cli/image_upload.h"
#include "cli/input.h"
#include "manifest/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_file(const char *text)
{
    size_t length = strlen(text);

    return length > 4 && strcmp(text + length - 4, ".axi") == 0;
}

/* *value: an image; a file is replaced by its digest. */
static int settle(struct axi_client *client, const char *manifest, bool is_uploaded,
                  const json_t *object, json_t *value)
{
    char path[AXI_CLI_PATH_BYTES];
    char digest[AXI_DIGEST_TEXT_BYTES];
    const char *image = json_string_value(value);
    const char *slash = strrchr(manifest, '/');
    bool is_beside = slash != NULL && image != NULL && *image != '/';

    if (image == NULL || !is_file(image)) {
        return 0;
    }
    int length = snprintf(path, sizeof(path), "%.*s%s", is_beside ? (int)(slash - manifest) + 1 : 0,
                          manifest, image);

    if (length >= (int)sizeof(path)) {
        return axi_cli_fail(client->command, "%s: the path is too long", image);
    }
    int r = is_uploaded ? axi_image_upload(client, path, digest)
                        : axi_image_digest_of(client->command, path, digest);

    if (r != 0) {
        return axi_cli_fail(client->command, "%s:%lld: service '%s' cannot be declared without it",
                            manifest,
                            (long long)json_integer_value(json_object_get(object, "line")),
                            json_string_value(json_object_get(object, "name")));
    }
    return json_string_set(value, digest);
}

static int settle_all(struct axi_client *client, const char *manifest, bool is_uploaded,
                      const json_t *object)
{
    const json_t *degraded = json_object_get(object, "degraded");
    json_t *variant = NULL;
    size_t i = 0;
    int r = settle(client, manifest, is_uploaded, object, json_object_get(object, "image"));

    r = r != 0 ? r
               : settle(client, manifest, is_uploaded, object, json_object_get(degraded, "image"));
    json_array_foreach (json_object_get(object, "variants"), i, variant) {
        r = r != 0 ? r : settle(client, manifest, is_uploaded, object, variant);
    }
    return r;
}

int axi_manifest_images(struct axi_client *client, const char *file, bool is_uploaded,
                        json_t *objects)
{
    json_t *object = NULL;
    size_t i = 0;
    int r = 0;

    json_array_foreach (objects, i, object) {
        r = r != 0 ? r : settle_all(client, file, is_uploaded, object);
        (void)json_object_del(object, "line");
    }
    return r;
}

int axi_manifest_file(const struct axi_client *client, const char *file, json_t **ret_objects)
{
    struct axi_manifest_error error;
    size_t bytes = 0;
    char *text = axi_cli_read(client->command, file, AXI_MANIFEST_BYTES_MAX, &bytes);

    if (text == NULL) {
        return AXI_EXIT_USAGE;
    }
    int r = axi_manifest_parse(text, bytes, ret_objects, &error);

    free(text);
    if (r == 0) {
        return 0;
    }
    (void)(error.line > 0 ? axi_cli_fail(client->command, "%s:%zu:%zu: %s", file, error.line,
                                         error.column, error.text)
                          : axi_cli_fail(client->command, "%s: %s", file, error.text));
    return AXI_EXIT_USAGE;
}
