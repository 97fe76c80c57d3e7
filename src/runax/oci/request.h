/* SPDX-License-Identifier: Apache-2.0 */
/* From a bundle to a partition request. In rising order of precedence: what the image file says
 * about itself (header of an Axcan OS image), the binary runtime information in the root file
 * system, vm.hwConfig, annotations dev.axcan.*; the CPU set and memory limit of linux.resources
 * only ever narrow it. docs/runax.md lists the annotations. */
#ifndef AXI_RUNAX_OCI_REQUEST_H
#define AXI_RUNAX_OCI_REQUEST_H

#include "runax/oci/bundle.h"

#define AXI_PARTITION_IMAGE_BYTES_MAX (UINT64_C(1) << 30)
#define AXI_STOP_GRACE_MS 2000u /* annotation dev.axcan.stop-grace-ms */

/* On success the caller owns the images' fds (axi_request_close). -AXC_EBUNDLE, -AXC_EBUNDLE_PATH,
 * -AXC_EBRI, -AXC_EBOARD, -AXC_ENOENT: the report says what. */
AXC_MUST_USE int axi_request_build(const struct axi_bundle *bundle, const char *id,
                                   struct axi_partition *ret_partition, uint32_t *ret_grace_ms,
                                   struct axi_report *report);
void axi_request_close(struct axi_partition *partition);

#endif
