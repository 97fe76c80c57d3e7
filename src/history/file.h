/* SPDX-License-Identifier: Apache-2.0 */
/* The history (core/history.h) in a file, through a shared mapping: what was appended is in the
 * kernel's hands at once and outlives a kill -9 of the node, though not a power cut. */
#ifndef AXI_HISTORY_FILE_H
#define AXI_HISTORY_FILE_H

#include "core/history.h"

struct axi_history_file {
    struct axi_history history;
    void *map; /* NULL: no history is kept */
    size_t bytes;
};

/* Creates the file (sparse, room for `records`) or goes on with it. -AXC_EIO, -AXC_EINVALID. */
AXC_MUST_USE int axi_history_file_open(struct axi_history_file *ret_file, const char *path,
                                       uint64_t node_id, uint64_t records);
void axi_history_file_append(struct axi_history_file *file, const struct axi_trace *record);
void axi_history_file_close(struct axi_history_file *file);

#endif
