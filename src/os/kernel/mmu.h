/* SPDX-License-Identifier: Apache-2.0 */
/* Translation tables: descriptors, and the kernel's own map. For kernel/ only. */
#ifndef AXI_OS_MMU_H
#define AXI_OS_MMU_H

#include <stddef.h>
#include <stdint.h>

#define AXI_TABLE_ENTRIES 512u
#define AXI_BLOCK_BYTES (2u << 20) /* what a level 2 entry maps */

/* Arm ARM D5.3 (VMSAv8-64 descriptors, 4 KiB granule). */
#define AXI_DESCRIPTOR_BLOCK 0x1ull
#define AXI_DESCRIPTOR_TABLE 0x3ull /* levels 1 and 2; the same bits are a page in level 3 */
#define AXI_DESCRIPTOR_PAGE 0x3ull
#define AXI_DESCRIPTOR_ADDRESS 0x0000fffffffff000ull
#define AXI_DESCRIPTOR_DEVICE (1ull << 2) /* attribute 1 of MAIR (start.S), else 0: memory */
#define AXI_DESCRIPTOR_EL0 (1ull << 6)
#define AXI_DESCRIPTOR_READ_ONLY (1ull << 7)
#define AXI_DESCRIPTOR_SHARED (3ull << 8)
#define AXI_DESCRIPTOR_ACCESSED (1ull << 10)
#define AXI_DESCRIPTOR_NOT_GLOBAL (1ull << 11)
#define AXI_DESCRIPTOR_PXN (1ull << 53) /* EL1 does not execute it */
#define AXI_DESCRIPTOR_UXN (1ull << 54) /* EL0 does not execute it */

/* Index into the table of a level 1..3. */
static inline uint32_t axi_table_index(uint64_t address, unsigned level)
{
    return (uint32_t)(address >> (39 - 9 * level)) & (AXI_TABLE_ENTRIES - 1);
}

/* Makes the final kernel map (memory.h) and uses it; TTBR0 is empty afterwards. Once, at boot. */
void axi_mmu_init(uint64_t ram_base, uint64_t ram_bytes);

/* Physical address of a root that maps nothing. */
uint64_t axi_mmu_empty_root(void);

/* Linker script. */
extern const char axi_image_first[], axi_text_end[], axi_rodata_end[], axi_image_last[];
extern const char axi_stack_guard[], axi_stack_bottom[], axi_thread_guard[];
extern char axi_reset_page[]; /* written */

#endif
