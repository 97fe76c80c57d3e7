/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver and the hypervisor check late, badly or not at all. */
#include "runax/hv/jailhouse/cell.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <string.h>

#define PAGE 4096u
#define KNOWN_MEMORY_FLAGS UINT64_C(0xf8fff) /* access, coloring and the I/O widths */

static bool overlaps(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a_bytes != 0 && b_bytes != 0 && a < axi_add_sat(b, b_bytes) &&
           b < axi_add_sat(a, a_bytes);
}

static int check_region(const struct axi_cell *cell, uint32_t index, struct axi_report *report)
{
    const struct axi_cell_memory *memory = &cell->memory[index];
    const char *why = NULL;
    if ((memory->flags & ~KNOWN_MEMORY_FLAGS) != 0) {
        why = "has unknown flags";
    } else if (!axi_range_ok(UINT64_MAX, memory->phys, memory->bytes) ||
               !axi_range_ok(UINT64_MAX, memory->virt, memory->bytes)) {
        why = "wraps around";
    } else if ((memory->flags & AXI_CELL_COMM_REGION) != 0 && memory->bytes % PAGE != 0) {
        why = "is a communication region of no whole pages";
    } else if ((memory->flags & AXI_CELL_IO) == 0 &&
               (memory->virt % PAGE != 0 || memory->bytes % PAGE != 0 ||
                memory->phys % PAGE != 0)) {
        why = "is smaller than a page or not aligned to one, and not marked as registers";
    } else if ((memory->flags & AXI_CELL_LOADABLE) != 0 && (memory->flags & AXI_CELL_WRITE) == 0) {
        why = "is loadable, but not writable: loading would fail";
    } else if ((memory->flags & AXI_CELL_LOADABLE) != 0 &&
               (memory->flags & AXI_CELL_ROOTSHARED) != 0) {
        why = "is loadable and shared with the root cell";
    }
    if (why != NULL) {
        return axi_report_set(report, -AXC_ECELL, "memory[%u] at 0x%" PRIx64 " %s", index,
                              memory->virt, why);
    }
    for (uint32_t i = 0; i < index; i++) {
        const struct axi_cell_memory *other = &cell->memory[i];
        if (overlaps(memory->virt, memory->bytes, other->virt, other->bytes)) {
            return axi_report_set(report, -AXC_ECELL,
                                  "memory[%u] and memory[%u] overlap at 0x%" PRIx64, i, index,
                                  memory->virt);
        }
    }
    return 0;
}

static int check_ivshmem(const struct axi_cell *cell, uint32_t index, struct axi_report *report)
{
    const struct axi_cell_pci *pci = &cell->pci[index];
    uint64_t end = (uint64_t)pci->shmem_regions_start + 2 + pci->shmem_peers;
    const char *why = NULL;
    if (pci->shmem_peers < 1 || pci->shmem_peers > 12) {
        why = "has no peers or more than 12";
    } else if (pci->shmem_dev_id >= pci->shmem_peers) {
        why = "has a device id beyond its peers";
    } else if (end > cell->memory_count) {
        why = "refers to memory regions that are not there";
    } else if ((cell->memory[pci->shmem_regions_start].flags & AXI_CELL_WRITE) != 0) {
        why = "may write to its state table";
    }
    for (uint32_t i = 0; i < pci->shmem_peers && why == NULL; i++) {
        const struct axi_cell_memory *output = &cell->memory[pci->shmem_regions_start + 2 + i];
        bool is_writable = (output->flags & AXI_CELL_WRITE) != 0;
        if (output->bytes != 0 && is_writable != (i == pci->shmem_dev_id)) {
            why = "may not write to its own output region, or to another's";
        }
    }
    return why == NULL ? 0
                       : axi_report_set(report, -AXC_ECELL, "shared memory device %02x:%02x.%x %s",
                                        pci->bdf >> 8, pci->bdf >> 3 & 0x1f, pci->bdf & 7u, why);
}

static int check_interrupts(const struct axi_cell *cell, struct axi_report *report)
{
    for (uint32_t i = 0; i < cell->irqchip_count; i++) {
        if (cell->irqchips[i].pin_base % 32 != 0) {
            return axi_report_set(report, -AXC_ECELL,
                                  "irqchip[%u]: pins begin at %u, not at a "
                                  "multiple of 32",
                                  i, cell->irqchips[i].pin_base);
        }
    }
    for (uint32_t i = 0; i < cell->pci_count; i++) {
        const struct axi_cell_pci *pci = &cell->pci[i];
        if (pci->type != AXI_CELL_PCI_IVSHMEM || cell->architecture == AXI_CELL_X86 ||
            pci->msix_vectors != 0) {
            continue;
        }
        uint32_t irq = 32 + cell->vpci_irq_base + (pci->bdf >> 3 & 3u);
        bool is_there = false;
        for (uint32_t k = 0; k < cell->irqchip_count; k++) {
            uint32_t pin = irq - cell->irqchips[k].pin_base;
            is_there |= pin < 128 && (cell->irqchips[k].pins[pin / 32] >> pin % 32 & 1) != 0;
        }
        if (!is_there) {
            return axi_report_set(report, -AXC_ECELL,
                                  "pci[%u]: its interrupt %u is not among the cell's", i, irq);
        }
    }
    return 0;
}

static bool is_empty(const struct axi_cpuset *set)
{
    return axi_cpuset_count(set) == 0;
}

int axi_cell_check(const struct axi_cell *cell, struct axi_report *report)
{
    if (cell->name[0] == '\0') {
        return axi_report_set(report, -AXC_ECELL, "the cell has no name");
    }
    if (is_empty(&cell->cpus) && is_empty(&cell->rcpus)) {
        return axi_report_set(report, -AXC_ECELL, "the cell has no CPU");
    }
    if (cell->architecture == AXI_CELL_X86 && axi_cpuset_has(&cell->cpus, 0)) {
        return axi_report_set(report, -AXC_ECELL, "CPU 0 cannot be given away on x86");
    }
    if ((cell->flags & AXI_CELL_PASSIVE_COMMREG) == 0 && cell->reply_timeout == 0) {
        return axi_report_set(report, -AXC_ECELL,
                              "reply_timeout 0: the host would wait for ever for a guest that "
                              "does not answer");
    }
    uint32_t comm_regions = 0;
    for (uint32_t i = 0; i < cell->memory_count; i++) {
        int rc = check_region(cell, i, report);
        if (rc != 0) {
            return rc;
        }
        comm_regions += (cell->memory[i].flags & AXI_CELL_COMM_REGION) != 0;
    }
    if (comm_regions > 1) {
        return axi_report_set(report, -AXC_ECELL, "%u communication regions", comm_regions);
    }
    for (uint32_t i = 0; i < cell->pci_count; i++) {
        int rc = cell->pci[i].type == AXI_CELL_PCI_IVSHMEM ? check_ivshmem(cell, i, report) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    return check_interrupts(cell, report);
}

static bool is_private(const struct axi_cell_memory *memory)
{
    return (memory->flags & (AXI_CELL_ROOTSHARED | AXI_CELL_COMM_REGION)) == 0;
}

int axi_cell_check_pair(const struct axi_cell *a, const struct axi_cell *b,
                        struct axi_report *report)
{
    if (strncmp(a->name, b->name, sizeof(a->name)) == 0) {
        return axi_report_set(report, -AXC_ECELL, "both cells are called %.31s", a->name);
    }
    for (uint32_t i = 0; i < AXI_CPUS_MAX / 64; i++) {
        uint64_t both = a->cpus.bits[i] & b->cpus.bits[i];
        uint64_t remote = a->rcpus.bits[i] & b->rcpus.bits[i];
        if ((both | remote) != 0) {
            return axi_report_set(report, -AXC_ECELL, "%.31s and %.31s both have %s %u", a->name,
                                  b->name, both != 0 ? "CPU" : "remote core",
                                  i * 64 + (uint32_t)__builtin_ctzll(both != 0 ? both : remote));
        }
    }
    for (uint32_t i = 0; i < a->memory_count; i++) {
        for (uint32_t k = 0; k < b->memory_count; k++) {
            const struct axi_cell_memory *own = &a->memory[i];
            const struct axi_cell_memory *other = &b->memory[k];
            if ((is_private(own) || is_private(other)) &&
                ((own->flags | other->flags) & AXI_CELL_COMM_REGION) == 0 &&
                overlaps(own->phys, own->bytes, other->phys, other->bytes)) {
                return axi_report_set(report, -AXC_ECELL,
                                      "memory[%u] of %.31s and memory[%u] of %.31s overlap at "
                                      "physical 0x%" PRIx64,
                                      i, a->name, k, b->name, own->phys);
            }
        }
    }
    return 0;
}
