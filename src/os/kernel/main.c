/* SPDX-License-Identifier: Apache-2.0 */
/* From the first C instruction to the first choose. */
#include "os/board/board.h"
#include "os/kernel/fdt.h"
#include "os/kernel/mmu.h"
#include "os/kernel/pages.h"
#include "os/kernel/panic.h"
#include "os/kernel/trap.h"

#include "base/bytes.h"
#include "core/boot_config.h"

#include <string.h>

#define TREE_BYTES_MAX (2u << 20)
#define BOOT_MAP_BYTES (1ull << 30) /* what start.S mapped */

extern const uint8_t axi_head[];

void axi_kernel_main(uint64_t tree, uint64_t boot_el);

/* QEMU gives no tree address to an ELF image, but may have put one at the start of RAM. */
static void read_tree(uint64_t address, struct axi_fdt_facts *ret_facts)
{
    uint64_t first = axi_board.ram.base & ~(BOOT_MAP_BYTES - 1);

    if (address == 0) {
        address = axi_board.ram.base;
    }
    *ret_facts = (struct axi_fdt_facts){0};
    if (address % 8 != 0 || address < first || address - first > BOOT_MAP_BYTES - TREE_BYTES_MAX ||
        axi_fdt_read(axi_at_physical(address), TREE_BYTES_MAX, ret_facts) != 0) {
        return;
    }
}

/* RAM as the tree says it, when that is the board's; in whole blocks, at most what the pool can
 * manage. */
static uint64_t find_ram_bytes(const struct axi_fdt_facts *facts)
{
    uint64_t bytes = axi_board.ram.bytes;

    if (facts->ram_base == axi_board.ram.base && facts->ram_bytes > 0) {
        bytes = facts->ram_bytes;
    }
    if (bytes > (uint64_t)AXI_POOL_PAGES_MAX * AXI_PAGE_BYTES) {
        bytes = (uint64_t)AXI_POOL_PAGES_MAX * AXI_PAGE_BYTES;
    }
    return bytes & ~(uint64_t)(AXI_BLOCK_BYTES - 1);
}

/* True when a blob begins at that physical address; it is kept out of the pool. */
static bool take_config(uint64_t address, uint64_t ram_end, struct axi_boot_info *boot)
{
    size_t bytes;

    if (address % AXI_BOOT_ALIGN != 0 || address < axi_board.ram.base || address >= ram_end ||
        axi_boot_config_length(axi_at_physical(address), ram_end - address, &bytes) != 0) {
        return false;
    }
    boot->config = axi_at_physical(address);
    boot->config_bytes = bytes;
    axi_pages_reserve(boot->config, bytes);
    return true;
}

static void find_config(const struct axi_fdt_facts *facts, uint64_t ram_end,
                        struct axi_boot_info *boot)
{
    uint64_t offset = axi_get_le64(axi_head + AXI_BOOT_IMAGE_AT_CONFIG_OFFSET);

    if (offset != 0 && take_config(axi_physical(axi_head) + offset, ram_end, boot)) {
        return;
    }
    if (!take_config(axi_board.config_address, ram_end, boot) && facts->config_address != 0) {
        (void)take_config(facts->config_address, ram_end, boot);
    }
}

void axi_kernel_main(uint64_t tree, uint64_t boot_el)
{
    static struct axi_boot_info boot;
    struct axi_kernel_ops ops;
    struct axi_fdt_facts facts;

    axi_machine_init((uint32_t)boot_el);
    read_tree(tree, &facts);
    uint64_t ram_bytes = find_ram_bytes(&facts);
    uint64_t ram_end = axi_board.ram.base + ram_bytes;

    axi_mmu_init(axi_board.ram.base, ram_bytes);
    if (axi_board.console_init != NULL) {
        axi_board.console_init();
    }
    axi_log_set_sink(axi_console_log, AXI_LOG_INFO);
    axi_panic_take_record(boot.reset_reason, sizeof(boot.reset_reason));
    boot.boots = axi_panic_count_boot();
    axi_pages_init((void *)(uintptr_t)axi_image_last, ram_end - axi_physical(axi_image_last));
    find_config(&facts, ram_end, &boot);
    axi_irq_init();
    axi_clock_init();
    boot.boot_el = (uint32_t)boot_el;
    axi_console_print("axcan os: board=%s el=%u memory_kib=%lu config_bytes=%zu\n", axi_board.name,
                      boot.boot_el, axi_pages_total_bytes() / 1024, boot.config_bytes);
    if (boot.reset_reason[0] != '\0') {
        axi_console_print("axcan os: reset by: %s\n", boot.reset_reason);
    }
    axi_image_start(&boot, &ops);
    axi_console_print("axcan os: started free_kib=%zu\n", axi_pages_free_bytes() / 1024);
    axi_trap_start(&ops);
}
