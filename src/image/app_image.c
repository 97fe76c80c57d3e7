/* SPDX-License-Identifier: Apache-2.0 */
#include "image/app_image.h"

#include "image/blobs.h"
#include "image/file.h"
#include "image/layout.h"
#include "image/oci_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define MEDIA_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_LAYER_GZIP MEDIA_LAYER "+gzip"
#define REF "org.opencontainers.image.ref.name"
#define BRI_FILE "boot/axcan.json"
/* A layer's descriptor says nothing about when it was made: the same input, the same bytes. */
#define CREATED "1970-01-01T00:00:00Z"

static json_t *labels(const struct axi_app_entry *entry)
{
    json_t *object = json_object();

    if (entry->board[0] != '\0') {
        (void)json_object_set_new(object, "dev.axcan.board", json_string(entry->board));
        (void)json_object_set_new(object, "dev.axcan.bri-digest", json_string(entry->bri));
    }
    return object;
}

static json_t *words(const char *const *list)
{
    json_t *array = json_array();

    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        (void)json_array_append_new(array, json_string(list[i]));
    }
    return array;
}

/* Of a bare-metal image too the config says "linux": engines unpack it on a Linux host when they
 * are given its digest. The index says "none", so that nobody gets it without asking. */
static char *print_config(const struct axi_app_part *part, const struct axi_digest *layer)
{
    char digest[AXI_DIGEST_TEXT_BYTES];
    json_t *config = json_pack("{s:[s], s:o, s:o}", "Env",
                               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                               "Entrypoint", words(part->args), "Labels", labels(&part->entry));

    if (part->cmd != NULL) {
        (void)json_object_set_new(config, "Cmd", words(part->cmd));
    }
    axi_digest_format(layer, digest);
    return axi_oci_print(json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:[s]}}", "created", CREATED,
                                   "architecture", part->entry.architecture, "os", "linux",
                                   "config", config, "rootfs", "type", "layers", "diff_ids",
                                   digest));
}

static int write_part(struct axi_layout *layout, struct axi_app_part *part)
{
    struct axi_oci_blob layer;
    struct axi_oci_blob config;
    uint8_t *tar = NULL;
    size_t bytes = 0;
    int error = axi_tar_write(part->files, part->file_count, &tar, &bytes);

    for (size_t i = 0; i < part->file_count; i++) {
        if (strcmp(part->files[i].path, BRI_FILE) == 0) {
            struct axi_digest digest;

            axi_digest_of(part->files[i].data, part->files[i].bytes, &digest);
            axi_digest_format(&digest, part->entry.bri);
        }
    }
    error = error != 0 ? error : axi_layout_put(layout, tar, bytes, &layer);
    error = error != 0 ? error
                       : axi_layout_put_text(layout, print_config(part, &layer.digest), &config);
    free(tar);
    return error != 0
               ? error
               : axi_layout_put_text(
                     layout,
                     axi_oci_print(json_pack("{s:i, s:s, s:o, s:[o], s:o}", "schemaVersion", 2,
                                             "mediaType", AXI_MEDIA_MANIFEST, "config",
                                             axi_oci_descriptor(AXI_MEDIA_CONFIG, &config),
                                             "layers", axi_oci_descriptor(MEDIA_LAYER, &layer),
                                             "annotations", labels(&part->entry))),
                     &part->entry.manifest);
}

static json_t *named(const char *media_type, const struct axi_oci_blob *blob, const char *ref)
{
    json_t *descriptor = axi_oci_descriptor(media_type, blob);

    (void)json_object_set_new(descriptor, "annotations", json_pack("{s:s}", REF, ref));
    return descriptor;
}

/* The layout's own index.json: the index first, then each entry by its name. */
static char *print_layout_index(const struct axi_app_index *index, const struct axi_oci_blob *blob)
{
    json_t *manifests = json_array();

    (void)json_array_append_new(manifests, named(AXI_MEDIA_INDEX, blob, "latest"));
    for (uint32_t i = 0; i < index->count; i++) {
        (void)json_array_append_new(
            manifests,
            named(AXI_MEDIA_MANIFEST, &index->entries[i].manifest, index->entries[i].ref));
    }
    return axi_oci_print(json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType",
                                   AXI_MEDIA_INDEX, "manifests", manifests));
}

int axi_app_write(const char *dir, const char *name, struct axi_app_part *parts, uint32_t count,
                  struct axi_app_index *ret_index)
{
    struct axi_layout layout = {.dir = dir};
    struct axi_oci_blob blob = {0};
    int error = count > 0 && count <= AXI_APP_ENTRIES_MAX ? 0 : -AXC_EIMAGE_COUNT;

    memset(ret_index, 0, sizeof(*ret_index));
    (void)snprintf(ret_index->name, sizeof(ret_index->name), "%s", name);
    error = error != 0 ? error : axi_layout_begin(&layout);
    for (uint32_t i = 0; i < count && error == 0; i++) {
        error = write_part(&layout, &parts[i]);
        ret_index->entries[i] = parts[i].entry;
        ret_index->count = i + 1;
    }
    error =
        error != 0 ? error : axi_layout_put_text(&layout, axi_app_print_index(ret_index), &blob);
    ret_index->digest = blob.digest;
    return error != 0 ? error : axi_layout_finish(&layout, print_layout_index(ret_index, &blob));
}

/* The first index that index.json names; 1 when it names none. */
static int find_nested(const char *text, size_t bytes, struct axi_oci_blob *ret_blob)
{
    json_t *document = NULL;
    const json_t *descriptor = NULL;
    size_t i = 0;
    int found = axi_oci_load(text, bytes, -AXC_EIMAGE_INDEX, &document);

    if (found != 0) {
        return found;
    }
    found = 1;
    json_array_foreach (json_object_get(document, "manifests"), i, descriptor) {
        const char *type = json_string_value(json_object_get(descriptor, "mediaType"));

        if (type != NULL && strcmp(type, AXI_MEDIA_INDEX) == 0) {
            found = axi_oci_parse_blob(descriptor, AXI_IMAGE_JSON_BYTES_MAX, -AXC_EIMAGE_INDEX,
                                       ret_blob);
            break;
        }
    }
    json_decref(document);
    return found;
}

static int read_text(const char *dir, const char *name, uint8_t **ret_text, size_t *ret_bytes)
{
    char path[AXI_PATH_BYTES];
    int error = axi_file_join(path, sizeof(path), dir, name);

    error = error != 0 ? error : axi_file_read(path, AXI_IMAGE_JSON_BYTES_MAX, ret_text, ret_bytes);
    return error == -AXC_ENOENT ? -AXC_EIMAGE_LAYOUT : error;
}

static int open_layout(const char *dir, struct axi_app_index *ret_index)
{
    struct axi_oci_blob blob;
    uint8_t *text = NULL;
    size_t bytes = 0;
    int error = read_text(dir, "oci-layout", &text, &bytes);

    error = error != 0 ? error : axi_oci_parse_layout((const char *)text, bytes);
    free(text);
    text = NULL;
    error = error != 0 ? error : read_text(dir, "index.json", &text, &bytes);
    error = error != 0 ? error : find_nested((const char *)text, bytes, &blob);
    if (error == 0) {
        free(text);
        text = NULL;
        error = axi_blobs_get(dir, &blob.digest, AXI_IMAGE_JSON_BYTES_MAX, &text, &bytes);
    }
    if (error == 0 || error == 1) {
        error = axi_app_parse_index((const char *)text, bytes, ret_index);
    }
    free(text);
    return error;
}

int axi_app_open(const char *path, struct axi_app_index *ret_index)
{
    struct stat info;
    uint8_t *text = NULL;
    size_t bytes = 0;
    int error = 0;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return open_layout(path, ret_index);
    }
    error = axi_file_read(path, AXI_IMAGE_JSON_BYTES_MAX, &text, &bytes);
    error = error != 0 ? error : axi_app_parse_index((const char *)text, bytes, ret_index);
    free(text);
    return error;
}

/* Replaces gzip data by what is inside, at most AXI_APP_LAYER_BYTES_MAX bytes. */
static int inflate_layer(uint8_t **data, size_t *bytes)
{
    z_stream stream = {.next_in = *data, .avail_in = (uInt)*bytes};
    uint8_t *out = NULL;
    size_t capacity = 0;
    int r = inflateInit2(&stream, 16 + MAX_WBITS);

    while (r == Z_OK && stream.total_out < AXI_APP_LAYER_BYTES_MAX) {
        if (stream.total_out == capacity) {
            uint8_t *larger = realloc(out, capacity + (8u << 20));

            if (larger == NULL) {
                r = Z_MEM_ERROR;
                break;
            }
            out = larger;
            capacity += 8u << 20;
        }
        stream.next_out = out + stream.total_out;
        stream.avail_out = (uInt)(capacity - stream.total_out);
        r = inflate(&stream, Z_NO_FLUSH);
    }
    (void)inflateEnd(&stream);
    if (r != Z_STREAM_END) {
        free(out);
        return r == Z_MEM_ERROR ? -AXC_ENOMEM
               : r == Z_OK      ? -AXC_EIMAGE_TOO_LARGE
                                : -AXC_EIMAGE_LAYER;
    }
    free(*data);
    *data = out;
    *bytes = stream.total_out;
    return 0;
}

static int load_layer(const char *dir, const json_t *descriptor, struct axi_app_layers *layers)
{
    const char *type = json_string_value(json_object_get(descriptor, "mediaType"));
    struct axi_oci_blob blob;
    uint32_t n = layers->count;
    int error =
        axi_oci_parse_blob(descriptor, AXI_APP_LAYER_BYTES_MAX, -AXC_EIMAGE_MANIFEST, &blob);

    error = error != 0 ? error
                       : axi_blobs_get(dir, &blob.digest, AXI_APP_LAYER_BYTES_MAX, &layers->data[n],
                                       &layers->sizes[n]);
    if (error != 0) {
        return error;
    }
    layers->count++;
    layers->bytes += blob.bytes;
    if (layers->sizes[n] != blob.bytes) {
        return -AXC_EIMAGE_SIZE;
    }
    if (type != NULL && strcmp(type, MEDIA_LAYER_GZIP) == 0) {
        return inflate_layer(&layers->data[n], &layers->sizes[n]);
    }
    if (type == NULL || strcmp(type, MEDIA_LAYER) != 0) {
        layers->sizes[n] = 0; /* none of ours: its files are not found */
    }
    return 0;
}

static int load_config(const char *dir, const struct axi_oci_blob *blob,
                       struct axi_app_layers *layers)
{
    json_t *document = NULL;
    uint8_t *text = NULL;
    size_t bytes = 0;
    int error = axi_blobs_get(dir, &blob->digest, AXI_IMAGE_JSON_BYTES_MAX, &text, &bytes);

    error =
        error != 0 ? error : axi_oci_load((const char *)text, bytes, -AXC_EIMAGE_CONFIG, &document);
    if (error == 0) {
        const json_t *config = json_object_get(document, "config");
        const char *program =
            json_string_value(json_array_get(json_object_get(config, "Entrypoint"), 0));

        if (program == NULL) {
            program = json_string_value(json_array_get(json_object_get(config, "Cmd"), 0));
        }
        (void)snprintf(layers->program, sizeof(layers->program), "%s",
                       program != NULL ? program : "");
    }
    json_decref(document);
    free(text);
    return error;
}

int axi_app_load(const char *dir, const struct axi_app_entry *entry,
                 struct axi_app_layers *ret_layers)
{
    json_t *document = NULL;
    const json_t *layers = NULL;
    struct axi_oci_blob config;
    uint8_t *text = NULL;
    size_t bytes = 0;
    int error =
        axi_blobs_get(dir, &entry->manifest.digest, AXI_IMAGE_JSON_BYTES_MAX, &text, &bytes);

    memset(ret_layers, 0, sizeof(*ret_layers));
    error = error != 0 ? error
                       : axi_oci_load((const char *)text, bytes, -AXC_EIMAGE_MANIFEST, &document);
    free(text);
    if (error != 0) {
        return error;
    }
    layers = json_object_get(document, "layers");
    error = axi_oci_parse_blob(json_object_get(document, "config"), AXI_IMAGE_JSON_BYTES_MAX,
                               -AXC_EIMAGE_MANIFEST, &config);
    error = error != 0 ? error : load_config(dir, &config, ret_layers);
    if (error == 0 && (!json_is_array(layers) || json_array_size(layers) > AXI_APP_LAYERS_MAX)) {
        error = -AXC_EIMAGE_MANIFEST;
    }
    for (size_t i = 0; i < json_array_size(layers) && error == 0; i++) {
        error = load_layer(dir, json_array_get(layers, i), ret_layers);
    }
    json_decref(document);
    if (error != 0) {
        axi_app_unload(ret_layers);
    }
    return error;
}

void axi_app_unload(struct axi_app_layers *layers)
{
    for (uint32_t i = 0; i < AXI_APP_LAYERS_MAX; i++) {
        free(layers->data[i]);
        layers->data[i] = NULL;
    }
}

int axi_app_find(const struct axi_app_layers *layers, const char *path,
                 struct axi_tar_file *ret_file)
{
    for (uint32_t i = layers->count; i-- > 0;) {
        int error = layers->sizes[i] == 0
                        ? -AXC_ENOENT
                        : axi_tar_find(layers->data[i], layers->sizes[i], path, ret_file);

        if (error != -AXC_ENOENT) {
            return error;
        }
    }
    return -AXC_ENOENT;
}
