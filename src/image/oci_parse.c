/* SPDX-License-Identifier: Apache-2.0 */
#include "image/boards.h"
#include "image/oci.h"
#include "image/oci_json.h"

#include <stdlib.h>
#include <string.h>

static const struct isa_names {
    enum axi_isa isa;
    const char *name;
    const char *oci;
} isas[] = {
    {AXI_ISA_X86_64, "x86_64", "amd64"},
    {AXI_ISA_AARCH64, "aarch64", "arm64"},
};

static const struct isa_names *isa_find(enum axi_isa isa)
{
    return &isas[isa == AXI_ISA_X86_64 ? 0 : 1];
}

const char *axi_isa_name(enum axi_isa isa)
{
    return isa_find(isa)->name;
}

const char *axi_isa_oci_architecture(enum axi_isa isa)
{
    return isa_find(isa)->oci;
}

static int isa_of_oci(const char *architecture, enum axi_isa *ret_isa)
{
    for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
        if (architecture != NULL && strcmp(architecture, isas[i].oci) == 0) {
            *ret_isa = isas[i].isa;
            return 0;
        }
    }
    return -AXC_EIMAGE_PLATFORM;
}

int axi_isa_of_platform(const char *platform, enum axi_isa *ret_isa)
{
    const struct axi_platform_facts *known;

    for (size_t i = 0; (known = axi_platform_at(i)) != NULL; i++) {
        if (strcmp(platform, known->name) == 0) {
            *ret_isa = known->isa;
            return 0;
        }
    }
    return -AXC_EIMAGE_PLATFORM;
}

int axi_oci_load(const char *text, size_t bytes, int malformed, json_t **ret_document)
{
    json_t *document = NULL;

    if (bytes > AXI_IMAGE_JSON_BYTES_MAX) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    document = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(document)) {
        json_decref(document);
        return malformed;
    }
    *ret_document = document;
    return 0;
}

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_string(const json_t *object, const char *key, const char *want)
{
    const char *text = string_of(object, key);

    return text != NULL && strcmp(text, want) == 0;
}

int axi_oci_parse_blob(const json_t *descriptor, uint64_t bytes_max, int malformed,
                       struct axi_oci_blob *ret_blob)
{
    const char *digest = string_of(descriptor, "digest");
    const json_t *size = json_object_get(descriptor, "size");
    json_int_t bytes = json_integer_value(size);
    int error = 0;

    if (digest == NULL || !json_is_integer(size) || bytes < 0) {
        return malformed;
    }
    if ((uint64_t)bytes > bytes_max) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    error = axi_digest_parse(digest, &ret_blob->digest);
    if (error == 0) {
        ret_blob->bytes = (uint64_t)bytes;
    }
    return error;
}

int axi_oci_check_version(const json_t *document, const char *media_type, int malformed)
{
    const json_t *version = json_object_get(document, "schemaVersion");
    const json_t *type = json_object_get(document, "mediaType");

    if (!json_is_integer(version) || json_integer_value(version) != 2) {
        return malformed;
    }
    if (type != NULL && !is_string(document, "mediaType", media_type)) {
        return -AXC_EIMAGE_MEDIA_TYPE;
    }
    return 0;
}

int axi_oci_parse_layout(const char *text, size_t bytes)
{
    json_t *document = NULL;
    int error = axi_oci_load(text, bytes, -AXC_EIMAGE_LAYOUT, &document);

    if (error == 0 && !is_string(document, "imageLayoutVersion", "1.0.0")) {
        error = -AXC_EIMAGE_LAYOUT;
    }
    json_decref(document);
    return error;
}

static int add_entry(struct axi_oci_index *index, const json_t *descriptor)
{
    struct axi_oci_blob blob;
    enum axi_isa isa = AXI_ISA_X86_64;
    const json_t *platform = json_object_get(descriptor, "platform");
    int error = 0;

    if (!is_string(descriptor, "mediaType", AXI_MEDIA_MANIFEST)) {
        return -AXC_EIMAGE_MEDIA_TYPE;
    }
    if (!is_string(platform, "os", "linux")) {
        return -AXC_EIMAGE_PLATFORM;
    }
    error = isa_of_oci(string_of(platform, "architecture"), &isa);
    if (error != 0) {
        return error;
    }
    for (uint32_t i = 0; i < index->count; i++) {
        if (index->entries[i].isa == isa) {
            return -AXC_EIMAGE_COUNT;
        }
    }
    error = axi_oci_parse_blob(descriptor, AXI_IMAGE_JSON_BYTES_MAX, -AXC_EIMAGE_INDEX, &blob);
    if (error == 0) {
        index->entries[index->count].isa = isa;
        index->entries[index->count++].manifest = blob;
    }
    return error;
}

static int index_from_json(const json_t *document, struct axi_oci_index *ret_index)
{
    struct axi_oci_index index = {0};
    const json_t *manifests = json_object_get(document, "manifests");
    int error = axi_oci_check_version(document, AXI_MEDIA_INDEX, -AXC_EIMAGE_INDEX);

    if (error != 0) {
        return error;
    }
    if (!json_is_array(manifests)) {
        return -AXC_EIMAGE_INDEX;
    }
    if (json_array_size(manifests) == 0 || json_array_size(manifests) > AXI_IMAGE_ENTRIES_MAX) {
        return -AXC_EIMAGE_COUNT;
    }
    for (size_t i = 0; i < json_array_size(manifests) && error == 0; i++) {
        error = add_entry(&index, json_array_get(manifests, i));
    }
    if (error == 0) {
        *ret_index = index;
    }
    return error;
}

int axi_oci_parse_index(const char *text, size_t bytes, struct axi_oci_index *ret_index)
{
    json_t *document = NULL;
    int error = axi_oci_load(text, bytes, -AXC_EIMAGE_INDEX, &document);

    if (error == 0) {
        error = index_from_json(document, ret_index);
    }
    json_decref(document);
    return error;
}

static int manifest_from_json(const json_t *document, struct axi_oci_manifest *ret_manifest)
{
    struct axi_oci_manifest manifest = {0};
    const json_t *config = json_object_get(document, "config");
    const json_t *layers = json_object_get(document, "layers");
    const json_t *layer = json_array_get(layers, 0);
    int error = axi_oci_check_version(document, AXI_MEDIA_MANIFEST, -AXC_EIMAGE_MANIFEST);

    if (error != 0) {
        return error;
    }
    if (!json_is_object(config) || json_array_size(layers) != 1) {
        return -AXC_EIMAGE_MANIFEST;
    }
    if (!is_string(config, "mediaType", AXI_MEDIA_CONFIG) ||
        !is_string(layer, "mediaType", AXI_MEDIA_ELF)) {
        return -AXC_EIMAGE_MEDIA_TYPE;
    }
    error = axi_oci_parse_blob(config, AXI_IMAGE_JSON_BYTES_MAX, -AXC_EIMAGE_MANIFEST,
                               &manifest.config);
    if (error == 0) {
        error =
            axi_oci_parse_blob(layer, AXI_IMAGE_ELF_BYTES_MAX, -AXC_EIMAGE_MANIFEST, &manifest.elf);
    }
    if (error == 0) {
        *ret_manifest = manifest;
    }
    return error;
}

int axi_oci_parse_manifest(const char *text, size_t bytes, struct axi_oci_manifest *ret_manifest)
{
    json_t *document = NULL;
    int error = axi_oci_load(text, bytes, -AXC_EIMAGE_MANIFEST, &document);

    if (error == 0) {
        error = manifest_from_json(document, ret_manifest);
    }
    json_decref(document);
    return error;
}

static int config_from_json(const json_t *document, struct axi_oci_config *ret_config)
{
    struct axi_oci_config config = {0};
    const json_t *diff_ids = json_object_get(json_object_get(document, "rootfs"), "diff_ids");
    const char *elf = json_string_value(json_array_get(diff_ids, 0));
    const char *schema = string_of(document, "dev.axcan.schema");
    int error = 0;

    if (json_array_size(diff_ids) != 1 || elf == NULL || schema == NULL ||
        !json_is_object(json_object_get(document, "dev.axcan.task"))) {
        return -AXC_EIMAGE_CONFIG;
    }
    if (strlen(schema) > AXI_IMAGE_SCHEMA_BYTES_MAX) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    error = isa_of_oci(string_of(document, "architecture"), &config.isa);
    if (error == 0) {
        error = axi_digest_parse(elf, &config.elf);
    }
    if (error != 0) {
        return error;
    }
    config.schema = strdup(schema);
    if (config.schema == NULL) {
        return -AXC_ENOMEM;
    }
    *ret_config = config;
    return 0;
}

int axi_oci_parse_config(const char *text, size_t bytes, struct axi_oci_config *ret_config)
{
    json_t *document = NULL;
    int error = axi_oci_load(text, bytes, -AXC_EIMAGE_CONFIG, &document);

    if (error == 0) {
        error = config_from_json(document, ret_config);
    }
    json_decref(document);
    return error;
}

void axi_oci_config_deinit(struct axi_oci_config *config)
{
    free(config->schema);
    config->schema = NULL;
}
