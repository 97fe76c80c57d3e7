/* SPDX-License-Identifier: Apache-2.0 */
/* Telemetry as a file (docs/formats/predictor.md): CSV, at most 64 MiB; a full one becomes
 * PATH.1, replacing the former. What cannot be written is dropped, and said once. */
#ifndef AXI_MASTER_TELEMETRY_FILE_H
#define AXI_MASTER_TELEMETRY_FILE_H

#include "master/master.h"

struct axi_telemetry_file;

/* An existing file is continued. -AXC_EIO, -AXC_EPERM, -AXC_ENOENT, -AXC_ENOMEM. path: borrowed. */
AXC_MUST_USE int axi_telemetry_file_new(const char *path, struct axi_telemetry_file **ret_file);
void axi_telemetry_file_add(struct axi_telemetry_file *file, const char *node,
                            const struct axi_telemetry_sample *sample);
void axi_telemetry_file_free(struct axi_telemetry_file *file); /* NULL allowed */

#endif
