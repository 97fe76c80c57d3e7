/* SPDX-License-Identifier: Apache-2.0 */
/* Binary runtime information: what an image says about itself, a JSON file in it (format:
 * docs/formats/bri.md). It becomes a request: a partition with AXI_ANY where the image does not
 * care. Foreign bytes: strict, bounded, fuzzed; every refusal names the member. */
#ifndef AXI_RUNAX_BRI_H
#define AXI_RUNAX_BRI_H

#include "runax/partition.h"
#include "runax/report.h"

#include <stddef.h>

#define AXI_BRI_PATH "boot/axcan.json" /* in the image's root file system */
#define AXI_BRI_BYTES_MAX (64u * 1024u)
#define AXI_BRI_VERSION 1u
#define AXI_BRI_HVS_MAX 4u

struct axi_bri {
    uint32_t version;
    struct axi_partition partition; /* id, name empty; images[].path relative to the root, fd -1 */
    char digests[AXI_PARTITION_IMAGES_MAX][72]; /* "sha256:..." or "": not stated */
    char hvs[AXI_BRI_HVS_MAX][16];              /* backends it is built for; none: any */
    uint32_t hv_count;
    char layouts[AXI_BRI_HVS_MAX][16]; /* Jailhouse layouts it is tested with; none: any */
    uint32_t layout_count;
    uint32_t predicted; /* bits: 1 CPUs, 2 memory: not stated by the image but predicted */
};

/* -AXC_EBRI (report names the member), -AXC_ENOMEM. `text` need not end in NUL. */
AXC_MUST_USE int axi_bri_parse(const char *text, size_t bytes, struct axi_bri *ret_bri,
                               struct axi_report *report);

#endif
