/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON documents of an image: every parser sees every input; what parses prints and parses to
 * the same again. */
#include "fuzz/fuzz.h"
#include "image/oci.h"

#include <stdlib.h>
#include <string.h>

static const struct axi_task_meta meta = {.name = "fuzz", .state_bytes = 8, .period_us = 10};

static void check_index(const char *text, size_t size)
{
    struct axi_oci_index index;
    struct axi_oci_index again;
    char *printed;

    if (axi_oci_parse_index(text, size, &index) != 0) {
        return;
    }
    printed = axi_oci_print_index(&index, meta.name);
    FUZZ_CHECK(printed != NULL);
    FUZZ_CHECK(axi_oci_parse_index(printed, strlen(printed), &again) == 0);
    FUZZ_CHECK(again.count == index.count && index.count <= AXI_IMAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < index.count; i++) {
        FUZZ_CHECK(axi_digest_is_equal(&again.entries[i].manifest.digest,
                                       &index.entries[i].manifest.digest));
    }
    free(printed);
}

static void check_manifest(const char *text, size_t size)
{
    struct axi_oci_manifest manifest;
    struct axi_oci_manifest again;
    char *printed;

    if (axi_oci_parse_manifest(text, size, &manifest) != 0) {
        return;
    }
    printed = axi_oci_print_manifest(&manifest, &meta);
    FUZZ_CHECK(printed != NULL);
    FUZZ_CHECK(axi_oci_parse_manifest(printed, strlen(printed), &again) == 0);
    FUZZ_CHECK(axi_digest_is_equal(&again.elf.digest, &manifest.elf.digest));
    FUZZ_CHECK(again.elf.bytes == manifest.elf.bytes);
    free(printed);
}

static void check_config(const char *text, size_t size)
{
    struct axi_oci_config config = {0};
    struct axi_oci_config again = {0};
    char *printed;

    if (axi_oci_parse_config(text, size, &config) != 0) {
        return;
    }
    printed = axi_oci_print_config(config.isa, &config.elf, &meta, config.schema);
    FUZZ_CHECK(printed != NULL);
    FUZZ_CHECK(axi_oci_parse_config(printed, strlen(printed), &again) == 0);
    FUZZ_CHECK(again.isa == config.isa && strcmp(again.schema, config.schema) == 0);
    axi_oci_config_deinit(&again);
    axi_oci_config_deinit(&config);
    free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size > 0 ? size : 1); /* exact: no parser may rely on a NUL */

    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    (void)!axi_oci_parse_layout(text, size);
    check_index(text, size);
    check_manifest(text, size);
    check_config(text, size);
    free(text);
    return 0;
}
