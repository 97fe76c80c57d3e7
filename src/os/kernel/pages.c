/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/pages.h"

#include "base/bytes.h"
#include "os/kernel/memory.h"

#include <string.h>

#define BITS 64u

static struct {
    uint64_t used[AXI_POOL_PAGES_MAX / BITS]; /* a bit per page */
    char *first;
    size_t count;      /* pages that the pool spans */
    size_t usable;     /* without what was reserved at boot */
    size_t free_count; /* pages */
    size_t lowest;     /* no page below is free */
} pool;

static bool is_used(size_t page)
{
    return (pool.used[page / BITS] >> (page % BITS) & 1u) != 0;
}

static void set_used(size_t page, size_t count, bool used)
{
    for (; count > 0; count--, page++) {
        uint64_t bit = 1ull << (page % BITS);

        pool.used[page / BITS] =
            used ? pool.used[page / BITS] | bit : pool.used[page / BITS] & ~bit;
    }
}

void axi_pages_init(void *first, size_t bytes)
{
    memset(&pool, 0, sizeof(pool));
    pool.first = first;
    pool.count = bytes / AXI_PAGE_BYTES;
    if (pool.count > AXI_POOL_PAGES_MAX) {
        pool.count = AXI_POOL_PAGES_MAX;
    }
    pool.usable = pool.free_count = pool.count;
}

bool axi_pages_span(const void *first, size_t bytes)
{
    uintptr_t base = (uintptr_t)pool.first;

    return axi_range_inside((uintptr_t)first, bytes, base, pool.count * AXI_PAGE_BYTES);
}

void axi_pages_reserve(const void *first, size_t bytes)
{
    uintptr_t base = (uintptr_t)pool.first, from = (uintptr_t)first, end = from + bytes;
    uintptr_t pool_end = base + pool.count * AXI_PAGE_BYTES;

    from = from < base ? base : from;
    end = end > pool_end ? pool_end : end;
    for (uintptr_t at = from & ~(uintptr_t)(AXI_PAGE_BYTES - 1); at < end; at += AXI_PAGE_BYTES) {
        size_t page = (at - base) / AXI_PAGE_BYTES;

        if (!is_used(page)) {
            set_used(page, 1, true);
            pool.usable--;
            pool.free_count--;
        }
    }
}

/* First run of `count` free pages, or SIZE_MAX. */
static size_t find_run(size_t count)
{
    size_t run = 0;

    for (size_t page = pool.lowest; page < pool.count;) {
        if (page % BITS == 0 && pool.used[page / BITS] == UINT64_MAX) {
            run = 0;
            page += BITS;
            continue;
        }
        run = is_used(page) ? 0 : run + 1;
        page++;
        if (run == count) {
            return page - count;
        }
    }
    return SIZE_MAX;
}

#define ZERO_BLOCK_BYTES 64u
#define ZERO_BLOCK_ID 4u /* DCZID_EL0: 64 bytes, allowed */

/* Clears whole pages, cache line by cache line where the processor can. */
static void *wipe(char *pages, size_t bytes)
{
    uint64_t id;

    __asm__("mrs %0, dczid_el0" : "=r"(id));
    if ((id & 0x1fu) != ZERO_BLOCK_ID) {
        return memset(pages, 0, bytes);
    }
    for (size_t at = 0; at < bytes; at += ZERO_BLOCK_BYTES) {
        __asm__ volatile("dc zva, %0" ::"r"(pages + at) : "memory");
    }
    return pages;
}

void *axi_pages_take(size_t bytes)
{
    size_t count = bytes / AXI_PAGE_BYTES + (bytes % AXI_PAGE_BYTES != 0);

    if (count == 0 || count > pool.free_count) {
        return NULL;
    }
    size_t page = find_run(count);

    if (page == SIZE_MAX) {
        return NULL;
    }
    set_used(page, count, true);
    pool.free_count -= count;
    if (page == pool.lowest) {
        pool.lowest = page + count;
    }
    return wipe(pool.first + page * AXI_PAGE_BYTES, count * AXI_PAGE_BYTES);
}

void axi_pages_give(void *pages, size_t bytes)
{
    size_t count = bytes / AXI_PAGE_BYTES + (bytes % AXI_PAGE_BYTES != 0);

    if (pages == NULL) {
        return;
    }
    size_t page = (size_t)((char *)pages - pool.first) / AXI_PAGE_BYTES;

    set_used(page, count, false);
    pool.free_count += count;
    if (page < pool.lowest) {
        pool.lowest = page;
    }
}

size_t axi_pages_free_bytes(void)
{
    return pool.free_count * AXI_PAGE_BYTES;
}

size_t axi_pages_total_bytes(void)
{
    return pool.usable * AXI_PAGE_BYTES;
}
