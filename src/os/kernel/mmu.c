/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/mmu.h"

#include "os/board/board.h"
#include "os/kernel/kernel.h"

#define TABLES_MAX 16u

/* Sizes of 2 MiB of image need a level 3 table each; RAM and devices a level 2 table per GiB. */
static struct {
    uint64_t root[AXI_TABLE_ENTRIES] __attribute__((aligned(AXI_PAGE_BYTES)));
    uint64_t empty_root[AXI_TABLE_ENTRIES];
    uint64_t tables[TABLES_MAX][AXI_TABLE_ENTRIES];
    uint32_t table_count;
} mmu;

void axi_mmu_use_tables(uint64_t ttbr1, uint64_t ttbr0); /* start.S */

static uint64_t *table_below(uint64_t *entry)
{
    if (*entry == 0) {
        if (mmu.table_count == TABLES_MAX) {
            axi_panic("mmu: the board's map needs more than %u tables", TABLES_MAX);
        }
        *entry = axi_physical(mmu.tables[mmu.table_count++]) | AXI_DESCRIPTOR_TABLE;
    }
    return axi_at_physical(*entry & AXI_DESCRIPTOR_ADDRESS);
}

/* One page or, when `is_block`, one block of 2 MiB. */
static void map_one(uint64_t physical, uint64_t attributes, bool is_block)
{
    uint64_t *level2 = table_below(&mmu.root[axi_table_index(physical, 1)]);
    uint64_t *entry = &level2[axi_table_index(physical, 2)];

    attributes |= physical | AXI_DESCRIPTOR_ACCESSED | AXI_DESCRIPTOR_SHARED | AXI_DESCRIPTOR_UXN;
    if (is_block) {
        *entry = attributes | AXI_DESCRIPTOR_BLOCK;
    } else {
        table_below(entry)[axi_table_index(physical, 3)] = attributes | AXI_DESCRIPTOR_PAGE;
    }
}

static void map_blocks(uint64_t first, uint64_t end, uint64_t attributes)
{
    for (uint64_t at = first; at < end; at += AXI_BLOCK_BYTES) {
        map_one(at, attributes, true);
    }
}

static void map_pages(const char *first, const char *end, uint64_t attributes)
{
    for (const char *at = first; at < end; at += AXI_PAGE_BYTES) {
        map_one(axi_physical(at), attributes, false);
    }
}

static void map_image(const char *end)
{
    map_pages(axi_image_first, axi_text_end, AXI_DESCRIPTOR_READ_ONLY);
    map_pages(axi_text_end, axi_rodata_end, AXI_DESCRIPTOR_READ_ONLY | AXI_DESCRIPTOR_PXN);
    map_pages(axi_rodata_end, axi_stack_guard, AXI_DESCRIPTOR_PXN);
    map_pages(axi_stack_bottom, axi_thread_guard, AXI_DESCRIPTOR_PXN);
    map_pages((const char *)axi_thread_stack, end, AXI_DESCRIPTOR_PXN);
}

void axi_mmu_init(uint64_t ram_base, uint64_t ram_bytes)
{
    uint64_t image_first = axi_physical(axi_image_first);
    uint64_t image_end = axi_physical(axi_image_last) + AXI_BLOCK_BYTES - 1;
    uint64_t control;

    image_end -= image_end % AXI_BLOCK_BYTES;
    map_blocks(ram_base, image_first, AXI_DESCRIPTOR_PXN);
    map_image(axi_at_physical(image_end));
    map_blocks(image_end, ram_base + ram_bytes, AXI_DESCRIPTOR_PXN);
    for (uint32_t i = 0; i < axi_board.device_count; i++) {
        const struct axi_board_range *device = &axi_board.devices[i];

        map_blocks(device->base, device->base + device->bytes,
                   AXI_DESCRIPTOR_DEVICE | AXI_DESCRIPTOR_PXN);
    }
    __asm__ volatile("dsb ishst" ::: "memory");
    axi_mmu_use_tables(axi_physical(mmu.root), axi_physical(mmu.empty_root));
    /* WXN: whatever is writable does not execute, whatever a table says. */
    __asm__ volatile("mrs %0, sctlr_el1" : "=r"(control));
    __asm__ volatile("msr sctlr_el1, %0\n\tisb" ::"r"(control | (1ull << 19)) : "memory");
}

uint64_t axi_mmu_empty_root(void)
{
    return axi_physical(mmu.empty_root);
}
