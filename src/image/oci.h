/* SPDX-License-Identifier: Apache-2.0 */
/* The three JSON documents of a task image (OCI image-spec v1; docs/formats/image.md), between
 * memory and structs. No file access here: the parsers take foreign bytes and are fuzzed. */
#ifndef AXI_IMAGE_OCI_H
#define AXI_IMAGE_OCI_H

#include "core/elf.h"
#include "core/meta.h"
#include "image/digest.h"

#define AXI_IMAGE_JSON_BYTES_MAX (256u * 1024u)       /* index, manifest, config */
#define AXI_IMAGE_ELF_BYTES_MAX (16u * 1024u * 1024u) /* one ELF file */
#define AXI_IMAGE_ENTRIES_MAX 4u
#define AXI_IMAGE_SCHEMA_BYTES_MAX (128u * 1024u)

#define AXI_MEDIA_INDEX "application/vnd.oci.image.index.v1+json"
#define AXI_MEDIA_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define AXI_MEDIA_CONFIG "application/vnd.oci.image.config.v1+json"
#define AXI_MEDIA_ELF "application/vnd.axcan.task.elf.v1"

struct axi_oci_blob {
    struct axi_digest digest;
    uint64_t bytes;
};

struct axi_oci_index {
    uint32_t count; /* 1..AXI_IMAGE_ENTRIES_MAX */
    struct {
        enum axi_isa isa; /* each at most once */
        struct axi_oci_blob manifest;
    } entries[AXI_IMAGE_ENTRIES_MAX];
};

struct axi_oci_manifest {
    struct axi_oci_blob config;
    struct axi_oci_blob elf;
};

struct axi_oci_config {
    enum axi_isa isa;
    struct axi_digest elf;
    char *schema; /* owned; freed by axi_oci_config_deinit */
};

/* Parsers. -AXC_EIMAGE_TOO_LARGE for a document or a blob size above its limit,
 * -AXC_EIMAGE_INDEX/_MANIFEST/_CONFIG when malformed, -AXC_EIMAGE_MEDIA_TYPE, -AXC_EIMAGE_COUNT,
 * -AXC_EIMAGE_PLATFORM, -AXC_EIMAGE_DIGEST for a digest that is none. */
AXC_MUST_USE int axi_oci_parse_layout(const char *text, size_t bytes);
AXC_MUST_USE int axi_oci_parse_index(const char *text, size_t bytes,
                                     struct axi_oci_index *ret_index);
AXC_MUST_USE int axi_oci_parse_manifest(const char *text, size_t bytes,
                                        struct axi_oci_manifest *ret_manifest);
AXC_MUST_USE int axi_oci_parse_config(const char *text, size_t bytes,
                                      struct axi_oci_config *ret_config);
void axi_oci_config_deinit(struct axi_oci_config *config);

/* Writers: fresh text, the same for the same input; NULL when out of memory. The caller frees. */
char *axi_oci_print_layout(void);
char *axi_oci_print_index(const struct axi_oci_index *index, const char *task_name);
char *axi_oci_print_manifest(const struct axi_oci_manifest *manifest,
                             const struct axi_task_meta *meta);
char *axi_oci_print_config(enum axi_isa isa, const struct axi_digest *elf,
                           const struct axi_task_meta *meta, const char *schema);

/* "x86_64" and "aarch64"; the OCI names are "amd64" and "arm64". NULL / -AXC_EIMAGE_PLATFORM when
 * unknown. axi_isa_of_platform takes platform names such as "linux-x86_64" or "axcan-virt". */
const char *axi_isa_name(enum axi_isa isa);
const char *axi_isa_oci_architecture(enum axi_isa isa);
AXC_MUST_USE int axi_isa_of_platform(const char *platform, enum axi_isa *ret_isa);

#endif
