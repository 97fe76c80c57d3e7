/* SPDX-License-Identifier: Apache-2.0 */
/* The address space of one slot's task: three levels of tables under TTBR0, an ASID of its own.
 * Page 0 is never mapped. The kernel itself never follows a task's pointer: it copies by walking
 * the tables, so that no address a task gives can fault the kernel.
 * Server thread, or before the first context runs; the copies in any context. */
#ifndef AXI_OS_SPACE_H
#define AXI_OS_SPACE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_SPACE_BYTES (1ull << 39)
#define AXI_SPACES_MAX 1024u

/* What EL0 may do; the kernel executes none of it. */
enum axi_access { AXI_ACCESS_READ, AXI_ACCESS_READ_WRITE, AXI_ACCESS_READ_EXECUTE };

struct axi_space {
    uint64_t *root;       /* NULL: not made */
    uint32_t asid;        /* 1.. */
    uint32_t table_pages; /* taken from the pool */
};

/* -AXC_ENOMEM: no page, or AXI_SPACES_MAX exist. */
AXC_MUST_USE int axi_space_init(struct axi_space *space);
/* Maps `bytes` of physically contiguous kernel memory (from axi_pages_take) at `address`. All page
 * multiples; nothing is mapped there yet. -AXC_EINVALID, -AXC_ENOMEM (what was mapped up to there
 * stays; deinit the space). The pages stay the caller's. */
AXC_MUST_USE int axi_space_map(struct axi_space *space, uint64_t address, const void *pages,
                               size_t bytes, enum axi_access access);
/* Gives the tables back, not the mapped pages. The space does not run. Idempotent. */
void axi_space_deinit(struct axi_space *space);

/* Bytes from `address` on, at most `bytes`, that EL0 may read (write). */
size_t axi_space_readable(const struct axi_space *space, uint64_t address, size_t bytes);
size_t axi_space_writable(const struct axi_space *space, uint64_t address, size_t bytes);
/* Copies; all or nothing. -AXC_EINVALID: not all of it is EL0's to read (write). */
AXC_MUST_USE int axi_space_read(const struct axi_space *space, uint64_t address, void *to,
                                size_t bytes);
AXC_MUST_USE int axi_space_write(const struct axi_space *space, uint64_t address, const void *from,
                                 size_t bytes);

#endif
