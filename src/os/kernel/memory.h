/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel memory: the linear map, the page pool and cache maintenance.
 *
 *     0xffffff8000000000 + P   all RAM and devices, EL1 only (TTBR1, 39 bits)
 *     0 .. 0x7fffffffff        the task that runs (TTBR0; kernel/space.h)
 *
 * Kernel text is read-execute, its constants read-only, all else read-write and never executable.
 */
#ifndef AXI_OS_MEMORY_H
#define AXI_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_PAGE_BYTES 4096u
#define AXI_KERNEL_BASE 0xffffff8000000000ull

static inline void *axi_at_physical(uint64_t address)
{
    return (void *)(uintptr_t)(AXI_KERNEL_BASE + address);
}

static inline uint64_t axi_physical(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer - AXI_KERNEL_BASE;
}

/* A device's registers. The board lists the range. */
static inline volatile uint32_t *axi_device(uint64_t address)
{
    return (volatile uint32_t *)(uintptr_t)(AXI_KERNEL_BASE + address);
}

static inline uint32_t axi_device_read(uint64_t address)
{
    return *axi_device(address);
}

static inline void axi_device_write(uint64_t address, uint32_t value)
{
    *axi_device(address) = value;
}

/* The pool: whole pages, physically (and so in the linear map) contiguous. Bounded: first fit over
 * a bitmap. For the server thread and axi_image_start only: nothing locks it. */

/* `bytes` is rounded up to pages; the content is zero. NULL when there is no such room: the caller
 * refuses what it was asked for (-AXC_EADMIT_MEMORY or like), it never panics. */
void *axi_pages_take(size_t bytes);
/* `bytes` as taken; NULL is fine. */
void axi_pages_give(void *pages, size_t bytes);
size_t axi_pages_free_bytes(void);
size_t axi_pages_total_bytes(void);

/* After code was written through the linear map: makes it visible to instruction fetch at any
 * address it is mapped at. */
void axi_cache_sync_code(const void *code, size_t bytes);
/* For devices that read memory past the caches: writes whole 64-byte lines back. */
void axi_cache_clean(const void *data, size_t bytes);

#endif
