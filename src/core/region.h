/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoint region of one instance: slots with generation counters in caller memory, which may be
 * shared between processes. One writer (the node's scheduler or the kernel, never the task), any
 * number of readers at their own pace. The writer never waits; a reader that is overtaken re-reads.
 *
 *     header | slot 0 | slot 1 | ... | slot n-1      write k goes to slot k mod n
 *     slot:   generation (2k-1 while write k is under way, 2k when done) | checkpoint header |
 * state
 *
 * The newest complete write is published last, so a write that is cut off at any point leaves the
 * previous checkpoint in place. Freestanding. */
#ifndef AXI_CORE_REGION_H
#define AXI_CORE_REGION_H

#include "base/error.h"
#include "core/checkpoint.h"

#include <stddef.h>
#include <stdint.h>

#define AXI_REGION_SLOTS_MIN 2u
#define AXI_REGION_SLOTS_MAX 64u
#define AXI_REGION_ALIGN 64u

/* A view of a region; private to its holder and valid as long as the memory is mapped. */
struct axi_region {
    uint8_t *memory; /* borrowed */
    uint32_t slots;
    uint32_t state_bytes_max;
    size_t slot_bytes;
};

/* Memory needed; 0 when slots or state_bytes_max are out of range. */
size_t axi_region_bytes(uint32_t slots, uint32_t state_bytes_max);

/* Makes an empty region in `memory` (AXI_REGION_ALIGN aligned, borrowed until the view is dropped).
 * -AXC_EINVALID (range, alignment), -AXC_EFULL (bytes too few). */
AXC_MUST_USE int axi_region_init(struct axi_region *ret_region, void *memory, size_t bytes,
                                 uint32_t slots, uint32_t state_bytes_max);

/* Opens an existing region, as a reader or as the next writer after the former one died. Memory
 * that is only read may be mapped read-only. -AXC_EINVALID, -AXC_ECKPT_{MAGIC,VERSION,SIZE}. */
AXC_MUST_USE int axi_region_attach(struct axi_region *ret_region, void *memory, size_t bytes);

/* Stores one checkpoint: copy and CRC in one pass, no wait, no retry. The state's CRC is computed
 * here. -AXC_ECKPT_SIZE when state_bytes is 0 or above the region's limit. Writer only. */
AXC_MUST_USE int axi_region_write(struct axi_region *region,
                                  const struct axi_checkpoint *checkpoint, const void *state);

/* The same; *ret_crc is the CRC of what was stored, even when the state changes meanwhile. */
AXC_MUST_USE int axi_region_write_crc(struct axi_region *region,
                                      const struct axi_checkpoint *checkpoint, const void *state,
                                      uint32_t *ret_crc);

/* Copies the newest complete checkpoint, header and state in the format of core/checkpoint.h, and
 * checks it. Falls back to an older slot when the newest is damaged. -AXC_ECKPT_NONE (nothing was
 * written yet), -AXC_ECKPT_TORN (overtaken again and again), -AXC_EFULL (capacity), or the decode
 * error when no slot is intact. Never waits; any reader. */
AXC_MUST_USE int axi_region_newest(const struct axi_region *region, void *copy, size_t capacity,
                                   size_t *ret_bytes);

/* Number of completed writes since init. Any reader. */
uint64_t axi_region_writes(const struct axi_region *region);

/* Header of write `number`, for readers that fetch every write (managers). -AXC_ECKPT_NONE (0, or
 * not written yet), -AXC_ECKPT_TORN (a newer write took its slot), or the decode error. Any reader.
 */
AXC_MUST_USE int axi_region_info(const struct axi_region *region, uint64_t number,
                                 struct axi_checkpoint *ret_checkpoint);

/* Copies `bytes` of write `number` from `offset` of header and state; less at the end: *ret_bytes.
 * *ret_total: header and state. What is copied is that write's, or -AXC_ECKPT_TORN; whether it is
 * intact says axi_checkpoint_decode of the whole. The errors of info, -AXC_EINVALID (offset at or
 * behind the end). Any reader. */
AXC_MUST_USE int axi_region_read(const struct axi_region *region, uint64_t number, size_t offset,
                                 void *copy, size_t bytes, size_t *ret_bytes, size_t *ret_total);

/* A file that holds the regions of one node, for readers on the same machine (ManagerHello's
 * region_path; sealed against shrinking). Its first page begins with this; a region lies at the
 * offset that its notices name, a multiple of AXI_REGION_FILE_PAGE. Native byte order. */
#define AXI_REGION_FILE_PAGE 4096u
struct axi_region_file {
    uint32_t magic; /* "AXRF", written last */
    uint32_t version;
    uint64_t node_id, boot_id;
    uint64_t file_bytes;
};

void axi_region_file_init(void *memory, uint64_t file_bytes, uint64_t node_id, uint64_t boot_id);
/* Is the mapped memory that node's? -AXC_ECKPT_{MAGIC,VERSION,SIZE}, -AXC_ENOENT (another one's).
 */
AXC_MUST_USE int axi_region_file_check(const void *memory, size_t bytes, uint64_t node_id,
                                       uint64_t boot_id);
/* Opens the region at `offset` of the mapped file; -AXC_EINVALID (offset), the errors of attach.
 * Read only: nothing may be written through this view. */
AXC_MUST_USE int axi_region_file_attach(struct axi_region *ret_region, const void *memory,
                                        size_t bytes, uint64_t offset);

#endif
