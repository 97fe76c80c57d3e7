/* SPDX-License-Identifier: Apache-2.0 */
#include "image/app_image.h"
#include "image/oci_json.h"

#include <stdio.h>
#include <string.h>

#define TITLE "org.opencontainers.image.title"
#define REF "org.opencontainers.image.ref.name"

static const struct { /* annotations of an entry and where their values are */
    const char *key;
    size_t offset, size;
} texts[] = {
    {REF, offsetof(struct axi_app_entry, ref), AXI_APP_WORD_BYTES},
    {"dev.axcan.board", offsetof(struct axi_app_entry, board), AXI_APP_WORD_BYTES},
    {"dev.axcan.hypervisors", offsetof(struct axi_app_entry, hvs), AXI_APP_WORD_BYTES},
    {"dev.axcan.layouts", offsetof(struct axi_app_entry, layouts), AXI_APP_WORD_BYTES},
    {"dev.axcan.bri-digest", offsetof(struct axi_app_entry, bri), AXI_DIGEST_TEXT_BYTES},
};

/* Absent: "". */
static int take(const json_t *object, const char *key, char *ret_text, size_t size)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL) {
        ret_text[0] = '\0';
        return 0;
    }
    if (!json_is_string(value) || json_string_length(value) >= size ||
        strlen(json_string_value(value)) != json_string_length(value)) {
        return -AXC_EIMAGE_INDEX;
    }
    memcpy(ret_text, json_string_value(value), json_string_length(value) + 1);
    return 0;
}

static int parse_entry(const json_t *descriptor, struct axi_app_entry *entry)
{
    const json_t *platform = json_object_get(descriptor, "platform");
    const json_t *annotations = json_object_get(descriptor, "annotations");
    int error = axi_oci_parse_blob(descriptor, AXI_IMAGE_JSON_BYTES_MAX, -AXC_EIMAGE_INDEX,
                                   &entry->manifest);

    error = error != 0 ? error : take(platform, "os", entry->os, sizeof(entry->os));
    error = error != 0
                ? error
                : take(platform, "architecture", entry->architecture, sizeof(entry->architecture));
    error = error != 0 ? error : take(platform, "variant", entry->variant, sizeof(entry->variant));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && error == 0; i++) {
        error = take(annotations, texts[i].key, (char *)entry + texts[i].offset, texts[i].size);
    }
    return error;
}

static int parse(const json_t *document, struct axi_app_index *index)
{
    const json_t *manifests = json_object_get(document, "manifests");
    const json_t *version = json_object_get(document, "schemaVersion");
    size_t count = json_array_size(manifests);
    int error =
        take(json_object_get(document, "annotations"), TITLE, index->name, sizeof(index->name));

    if (!json_is_array(manifests) || !json_is_integer(version) ||
        json_integer_value(version) != 2) {
        return -AXC_EIMAGE_INDEX;
    }
    if (count == 0 || count > AXI_APP_ENTRIES_MAX) {
        return -AXC_EIMAGE_COUNT;
    }
    for (size_t i = 0; i < count && error == 0; i++) {
        error = parse_entry(json_array_get(manifests, i), &index->entries[i]);
    }
    index->count = (uint32_t)count;
    return error;
}

int axi_app_parse_index(const char *text, size_t bytes, struct axi_app_index *ret_index)
{
    json_t *document = NULL;
    int error = axi_oci_load(text, bytes, -AXC_EIMAGE_INDEX, &document);

    memset(ret_index, 0, sizeof(*ret_index));
    error = error != 0 ? error : parse(document, ret_index);
    if (error == 0) {
        axi_digest_of(text, bytes, &ret_index->digest);
    }
    json_decref(document);
    return error;
}

static json_t *print_entry(const struct axi_app_entry *entry)
{
    json_t *descriptor = axi_oci_descriptor(AXI_MEDIA_MANIFEST, &entry->manifest);
    json_t *platform =
        json_pack("{s:s, s:s}", "architecture", entry->architecture, "os", entry->os);
    json_t *annotations = json_object();

    if (entry->variant[0] != '\0') {
        (void)json_object_set_new(platform, "variant", json_string(entry->variant));
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *value = (const char *)entry + texts[i].offset;

        if (value[0] != '\0') {
            (void)json_object_set_new(annotations, texts[i].key, json_string(value));
        }
    }
    (void)json_object_set_new(descriptor, "platform", platform);
    (void)json_object_set_new(descriptor, "annotations", annotations);
    return descriptor;
}

char *axi_app_print_index(const struct axi_app_index *index)
{
    json_t *manifests = json_array();

    for (uint32_t i = 0; i < index->count; i++) {
        (void)json_array_append_new(manifests, print_entry(&index->entries[i]));
    }
    return axi_oci_print(json_pack("{s:i, s:s, s:o, s:{s:s}}", "schemaVersion", 2, "mediaType",
                                   AXI_MEDIA_INDEX, "manifests", manifests, "annotations", TITLE,
                                   index->name));
}
