/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an OCI image layout folder: blobs first, index.json last by rename, so that an
 * interrupted write leaves the old image; then blobs of the old image go. May block (files). */
#ifndef AXI_IMAGE_LAYOUT_H
#define AXI_IMAGE_LAYOUT_H

#include "image/oci.h"

#define AXI_LAYOUT_BLOBS_MAX 64u

/* A write under way. Zero it but for dir. */
struct axi_layout {
    const char *dir;
    uint32_t count; /* blobs of the image being written; the others are swept by finish */
    struct axi_digest digests[AXI_LAYOUT_BLOBS_MAX];
};

/* Makes the folder or takes over a layout that is there. -AXC_EINVALID when it holds other files.
 */
AXC_MUST_USE int axi_layout_begin(const struct axi_layout *layout);

/* Stores a blob. -AXC_EIMAGE_COUNT for too many. */
AXC_MUST_USE int axi_layout_put(struct axi_layout *layout, const void *data, size_t bytes,
                                struct axi_oci_blob *ret_blob);

/* The same; frees `text`, which may be NULL (-AXC_ENOMEM). */
AXC_MUST_USE int axi_layout_put_text(struct axi_layout *layout, char *text,
                                     struct axi_oci_blob *ret_blob);

/* Writes oci-layout and index.json and sweeps. Frees `index`, which may be NULL. */
AXC_MUST_USE int axi_layout_finish(const struct axi_layout *layout, char *index);

#endif
