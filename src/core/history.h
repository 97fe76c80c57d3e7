/* SPDX-License-Identifier: Apache-2.0 */
/* History file: every trace record of one node in order, for the history checker and for replay
 * (docs/formats/history.md). Written through a memory mapping, so it survives the death of its
 * writer at any instruction: the count is raised after the record is there. Freestanding. */
#ifndef AXI_CORE_HISTORY_H
#define AXI_CORE_HISTORY_H

#include "base/error.h"
#include "core/trace.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_HISTORY_HEADER_BYTES 64u
#define AXI_HISTORY_RECORD_BYTES 80u

struct axi_history {
    uint8_t *memory; /* borrowed: header, then records */
    uint64_t capacity;
};

/* What the header says. */
struct axi_history_info {
    uint64_t node_id;
    uint64_t count; /* records there */
    uint64_t lost;  /* records that found the file full */
};

/* Makes an empty history in `memory`. -AXC_EINVALID when there is no room for one record. */
AXC_MUST_USE int axi_history_init(struct axi_history *ret_history, void *memory, size_t bytes,
                                  uint64_t node_id);

/* Goes on with an existing one. -AXC_EINVALID: not a history, or of another version or node. */
AXC_MUST_USE int axi_history_attach(struct axi_history *ret_history, void *memory, size_t bytes,
                                    uint64_t node_id);

/* One writer, any context; never waits. A full history only counts. */
void axi_history_append(struct axi_history *history, const struct axi_trace *record);

/* Takes records that came over a network: `count` of AXI_HISTORY_RECORD_BYTES each, numbered from
 * `first` on in this boot of their node. Known ones are skipped, a gap counts as lost. Returns the
 * number wanted next. One writer, any context. */
uint64_t axi_history_take(struct axi_history *history, uint64_t boot_id, uint64_t first,
                          const uint8_t *records, uint64_t count);

/* Reader: checks the header of a whole file in memory. -AXC_EINVALID. */
AXC_MUST_USE int axi_history_info(const void *file, size_t bytes,
                                  struct axi_history_info *ret_info);

/* Reader: record `index` < count. */
void axi_history_record(const void *file, uint64_t index, struct axi_trace *ret_record);

#endif
