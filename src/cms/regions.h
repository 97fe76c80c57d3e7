/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint regions of a node on the same machine, mapped for reading. */
#ifndef AXI_CMS_REGIONS_H
#define AXI_CMS_REGIONS_H

#include <stddef.h>
#include <stdint.h>

/* path: "/proc/PID/fd/N", nothing else is opened. The file must be sealed against shrinking, so
 * that its owner cannot take pages away from a reader. NULL when it is not that. */
const uint8_t *axi_cms_regions_map(const char *path, size_t *ret_bytes);
void axi_cms_regions_unmap(const uint8_t *memory, size_t bytes);

#endif
