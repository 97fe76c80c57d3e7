/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/jailhouse/cell.h"

#include <inttypes.h>

struct flag {
    uint64_t bit;
    const char *name;
};

static const struct flag CELL_FLAGS[] = {
    {AXI_CELL_PASSIVE_COMMREG, "passive-commreg"},
    {AXI_CELL_TEST_DEVICE, "test-device"},
    {AXI_CELL_AARCH32, "aarch32"},
    {AXI_CELL_CONSOLE_PERMITTED, "console-permitted"},
    {AXI_CELL_CONSOLE_ACTIVE, "console-active"},
    {0, NULL},
};

static const struct flag MEMORY_FLAGS[] = {
    {AXI_CELL_READ, "read"},
    {AXI_CELL_WRITE, "write"},
    {AXI_CELL_EXECUTE, "execute"},
    {AXI_CELL_DMA, "dma"},
    {AXI_CELL_IO, "io"},
    {AXI_CELL_COMM_REGION, "comm"},
    {AXI_CELL_LOADABLE, "load"},
    {AXI_CELL_ROOTSHARED, "shared"},
    {0x100, "no-hugepages"},
    {0x200, "colored"},
    {0x400, "colored-no-copy"},
    {0x800, "root-remap"},
    {0x8000, "io-unaligned"},
    {0x10000, "io8"},
    {0x20000, "io16"},
    {0x40000, "io32"},
    {0x80000, "io64"},
    {0, NULL},
};

static void print_flags(uint64_t value, const struct flag *flags, FILE *file)
{
    (void)fprintf(file, " 0x%" PRIx64, value);
    const char *separator = " (";
    for (; flags->name != NULL; flags++) {
        if ((value & flags->bit) != 0) {
            (void)fprintf(file, "%s%s", separator, flags->name);
            separator = ",";
        }
    }
    (void)fputs(separator[0] == ',' ? ")\n" : "\n", file);
}

static void print_set(const char *key, const struct axi_cpuset *set, uint32_t bytes, FILE *file)
{
    char text[256];
    axi_cpuset_print(set, text, sizeof(text));
    (void)fprintf(file, "%s: \"%s\" (%u bytes)\n", key, text, bytes);
}

/* Names in files are foreign: unprintable bytes become '?'. */
static void print_name(const char *key, const char *name, size_t size, FILE *file)
{
    (void)fprintf(file, "%s", key);
    for (size_t i = 0; i < size && name[i] != '\0'; i++) {
        (void)fputc(name[i] >= ' ' && name[i] <= '~' ? name[i] : '?', file);
    }
}

static void print_devices(const struct axi_cell *cell, FILE *file)
{
    for (uint32_t i = 0; i < cell->cache_count; i++) {
        (void)fprintf(file, "cache[%u]: start %u size %u type %u flags 0x%x\n", i,
                      cell->caches[i].start, cell->caches[i].size, cell->caches[i].type,
                      cell->caches[i].flags);
    }
    for (uint32_t i = 0; i < cell->irqchip_count; i++) {
        const struct axi_cell_irqchip *chip = &cell->irqchips[i];
        (void)fprintf(file, "irqchip[%u]: address 0x%" PRIx64 " id %u interrupts", i, chip->address,
                      chip->id);
        for (uint32_t pin = 0; pin < 128; pin++) {
            if ((chip->pins[pin / 32] >> pin % 32 & 1) != 0) {
                (void)fprintf(file, " %u", chip->pin_base + pin);
            }
        }
        (void)fprintf(file, " (pins from %u)\n", chip->pin_base);
    }
    for (uint32_t i = 0; i < cell->pio_count; i++) {
        (void)fprintf(file, "pio[%u]: 0x%x length 0x%x\n", i, cell->pio[i].base,
                      cell->pio[i].length);
    }
    for (uint32_t i = 0; i < cell->pci_count; i++) {
        const struct axi_cell_pci *pci = &cell->pci[i];
        (void)fprintf(file, "pci[%u]: type %u %04x:%02x:%02x.%x iommu %u bars", i, pci->type,
                      pci->domain, pci->bdf >> 8, pci->bdf >> 3 & 0x1f, pci->bdf & 7u, pci->iommu);
        for (unsigned k = 0; k < 6; k++) {
            (void)fprintf(file, " 0x%x", pci->bar_mask[k]);
        }
        (void)fprintf(file,
                      " caps %u+%u msi %u/0x%x msix %u/0x%x/0x%" PRIx64
                      " shmem regions from %u, device %u of %u, protocol 0x%x\n",
                      pci->caps_start, pci->num_caps, pci->msi_vectors, pci->msi_flags,
                      pci->msix_vectors, pci->msix_region_size, pci->msix_address,
                      pci->shmem_regions_start, pci->shmem_dev_id, pci->shmem_peers,
                      pci->shmem_protocol);
    }
    for (uint32_t i = 0; i < cell->cap_count; i++) {
        const struct axi_cell_cap *cap = &cell->caps[i];
        (void)fprintf(file, "pci_cap[%u]: id 0x%x start 0x%x length 0x%x flags 0x%x\n", i, cap->id,
                      cap->start, cap->length, cap->flags);
    }
    for (uint32_t i = 0; i < cell->stream_count; i++) {
        (void)fprintf(file, "stream_id[%u]: 0x%x mask 0x%x\n", i, cell->streams[i] & 0xffff,
                      cell->streams[i] >> 16);
    }
}

static void print_omnivisor(const struct axi_cell *cell, FILE *file)
{
    for (uint32_t i = 0; i < cell->qos_count; i++) {
        print_name("qos: ", cell->qos[i].name, sizeof(cell->qos[i].name), file);
        (void)fprintf(file, " flags 0x%x base 0x%x\n", cell->qos[i].flags, cell->qos[i].base);
    }
    for (uint32_t i = 0; i < cell->rcpu_count; i++) {
        const struct axi_cell_rcpu *rcpu = &cell->rcpus_described[i];
        (void)fprintf(file, "rcpu[%u]:", rcpu->id);
        print_name(" name ", rcpu->name, sizeof(rcpu->name), file);
        print_name(" compatible ", rcpu->compatible, sizeof(rcpu->compatible), file);
        (void)fputc('\n', file);
    }
    for (uint32_t i = 0; i < cell->fpga_count; i++) {
        const struct axi_cell_fpga *fpga = &cell->fpgas[i];
        print_name("fpga: overlay ", fpga->overlay, sizeof(fpga->overlay), file);
        print_name(" module ", fpga->module, sizeof(fpga->module), file);
        print_name(" bitstream ", fpga->bitstream, sizeof(fpga->bitstream), file);
        (void)fprintf(file, " region %u address 0x%" PRIx64 " flags 0x%x\n", fpga->region,
                      fpga->address, fpga->flags);
    }
}

void axi_cell_print(const struct axi_cell *cell, enum axi_cell_layout layout, FILE *file)
{
    static const char *const ARCHITECTURES[] = {"x86", "arm", "arm64"};
    (void)fprintf(file, "layout: %s\n", axi_cell_layout_name(layout));
    (void)fprintf(file, "bytes: %zu\n", axi_cell_bytes(cell, layout));
    (void)fprintf(file, "architecture: %s\n",
                  cell->architecture < 3 ? ARCHITECTURES[cell->architecture] : "unknown");
    print_name("name: ", cell->name, sizeof(cell->name), file);
    (void)fprintf(file, "\nid: %u\nflags:", cell->id);
    print_flags(cell->flags, CELL_FLAGS, file);
    (void)fprintf(file,
                  "vpci_irq_base: %u\nreset_address: 0x%" PRIx64 "\nreply_timeout: %" PRIu64 "\n",
                  cell->vpci_irq_base, cell->reset_address, cell->reply_timeout);
    (void)fprintf(file,
                  "console: address 0x%" PRIx64
                  " size 0x%x type %u flags 0x%x divider %u gate %u clock 0x%" PRIx64 "\n",
                  cell->console.address, cell->console.size, cell->console.type,
                  cell->console.flags, cell->console.divider, cell->console.gate,
                  cell->console.clock);
    print_set("cpus", &cell->cpus, cell->cpu_set_bytes, file);
    if (cell->rcpu_set_bytes != 0) {
        print_set("rcpus", &cell->rcpus, cell->rcpu_set_bytes, file);
    }
    if (cell->fpga_set_bytes != 0) {
        print_set("fpga_regions", &cell->fpga_regions, cell->fpga_set_bytes, file);
    }
    for (uint32_t i = 0; i < cell->memory_count; i++) {
        const struct axi_cell_memory *memory = &cell->memory[i];
        (void)fprintf(file, "memory[%u]: phys 0x%" PRIx64 " virt 0x%" PRIx64 " size 0x%" PRIx64, i,
                      memory->phys, memory->virt, memory->bytes);
        if (memory->colors != 0) {
            (void)fprintf(file, " colors 0x%" PRIx64, memory->colors);
        }
        (void)fputs(" flags", file);
        print_flags(memory->flags, MEMORY_FLAGS, file);
    }
    print_devices(cell, file);
    print_omnivisor(cell, file);
}
