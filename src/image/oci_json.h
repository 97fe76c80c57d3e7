/* SPDX-License-Identifier: Apache-2.0 */
/* What all OCI documents have in common, as JSON values. Internal to src/image. */
#ifndef AXI_IMAGE_OCI_JSON_H
#define AXI_IMAGE_OCI_JSON_H

#include "image/oci.h"

#include <jansson.h>

/* A document of at most AXI_IMAGE_JSON_BYTES_MAX; `malformed` is the error for what is no object.
 */
AXC_MUST_USE int axi_oci_load(const char *text, size_t bytes, int malformed, json_t **ret_document);

/* Digest and size of a descriptor. */
AXC_MUST_USE int axi_oci_parse_blob(const json_t *descriptor, uint64_t bytes_max, int malformed,
                                    struct axi_oci_blob *ret_blob);

/* schemaVersion 2 and, where it is stated, the media type. */
AXC_MUST_USE int axi_oci_check_version(const json_t *document, const char *media_type,
                                       int malformed);

/* Keys keep their order, so the same image gives the same digests. Consumes `document`; NULL when
 * out of memory. The caller frees. */
char *axi_oci_print(json_t *document);

json_t *axi_oci_descriptor(const char *media_type, const struct axi_oci_blob *blob);

#endif
