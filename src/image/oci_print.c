/* SPDX-License-Identifier: Apache-2.0 */
#include "image/meta_json.h"
#include "image/oci.h"
#include "image/oci_json.h"

#include <stdlib.h>
#include <string.h>

char *axi_oci_print(json_t *document)
{
    char *text = document == NULL ? NULL : json_dumps(document, JSON_COMPACT | JSON_PRESERVE_ORDER);

    json_decref(document);
    return text;
}

json_t *axi_oci_descriptor(const char *media_type, const struct axi_oci_blob *blob)
{
    char digest[AXI_DIGEST_TEXT_BYTES];

    axi_digest_format(&blob->digest, digest);
    return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", digest, "size",
                     (json_int_t)blob->bytes);
}

char *axi_oci_print_layout(void)
{
    return axi_oci_print(json_pack("{s:s}", "imageLayoutVersion", "1.0.0"));
}

char *axi_oci_print_index(const struct axi_oci_index *index, const char *task_name)
{
    json_t *manifests = json_array();

    for (uint32_t i = 0; i < index->count; i++) {
        json_t *entry = axi_oci_descriptor(AXI_MEDIA_MANIFEST, &index->entries[i].manifest);
        const char *isa = axi_isa_name(index->entries[i].isa);

        (void)json_object_set_new(entry, "platform",
                                  json_pack("{s:s, s:s}", "architecture",
                                            axi_isa_oci_architecture(index->entries[i].isa), "os",
                                            "linux"));
        (void)json_object_set_new(entry, "annotations",
                                  json_pack("{s:s, s:s}", "org.opencontainers.image.ref.name", isa,
                                            "dev.axcan.isa", isa));
        (void)json_array_append_new(manifests, entry);
    }
    return axi_oci_print(json_pack("{s:i, s:s, s:o, s:{s:s}}", "schemaVersion", 2, "mediaType",
                                   AXI_MEDIA_INDEX, "manifests", manifests, "annotations",
                                   "dev.axcan.name", task_name));
}

static json_t *labels(const struct axi_task_meta *meta)
{
    struct axi_digest schema;
    char schema_text[AXI_DIGEST_TEXT_BYTES];

    memcpy(schema.bytes, meta->schema_hash, sizeof(schema.bytes));
    axi_digest_format(&schema, schema_text);
    return json_pack("{s:s, s:s}", "dev.axcan.name", meta->name, "dev.axcan.schema", schema_text);
}

char *axi_oci_print_manifest(const struct axi_oci_manifest *manifest,
                             const struct axi_task_meta *meta)
{
    return axi_oci_print(json_pack(
        "{s:i, s:s, s:o, s:[o], s:o}", "schemaVersion", 2, "mediaType", AXI_MEDIA_MANIFEST,
        "config", axi_oci_descriptor(AXI_MEDIA_CONFIG, &manifest->config), "layers",
        axi_oci_descriptor(AXI_MEDIA_ELF, &manifest->elf), "annotations", labels(meta)));
}

char *axi_oci_print_config(enum axi_isa isa, const struct axi_digest *elf,
                           const struct axi_task_meta *meta, const char *schema)
{
    char digest[AXI_DIGEST_TEXT_BYTES];

    axi_digest_format(elf, digest);
    return axi_oci_print(json_pack("{s:s, s:s, s:{s:o}, s:{s:s, s:[s]}, s:o, s:s}", "architecture",
                                   axi_isa_oci_architecture(isa), "os", "linux", "config", "Labels",
                                   labels(meta), "rootfs", "type", "layers", "diff_ids", digest,
                                   "dev.axcan.task", axi_meta_to_json(meta), "dev.axcan.schema",
                                   schema));
}
