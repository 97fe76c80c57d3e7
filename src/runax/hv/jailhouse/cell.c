/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/jailhouse/cell.h"

#include "runax/codec.h"

#include <string.h>

struct layout {
    const char *name;
    const char *signature;
    uint16_t revision;
    bool has_architecture; /* one byte behind a signature of five */
    bool has_rcpus;
    bool has_fpga;   /* regions, and the lists of soft cores and FPGA devices */
    bool has_colors; /* memory regions of 40 bytes, and QoS devices */
    uint16_t header_bytes;
};

static const struct layout LAYOUTS[AXI_CELL_LAYOUTS] = {
    [AXI_CELL_SIEMENS14] = {"siemens14", "JHCLL", 14, true, false, false, false, 132},
    [AXI_CELL_BU13] = {"bu13", "JHCELL", 13, false, false, false, true, 136},
    [AXI_CELL_OMNIVISOR14] = {"omnivisor14", "JHCLL", 14, true, true, false, true, 140},
    [AXI_CELL_OMNIVISOR2025] = {"omnivisor2025", "JHCLL", 14, true, true, true, true, 152},
};

int axi_cell_layout_find(const char *name, enum axi_cell_layout *ret_layout)
{
    for (unsigned i = 0; i < AXI_CELL_LAYOUTS; i++) {
        if (strcmp(LAYOUTS[i].name, name) == 0) {
            *ret_layout = (enum axi_cell_layout)i;
            return 0;
        }
    }
    return -AXC_EINVALID;
}

const char *axi_cell_layout_name(enum axi_cell_layout layout)
{
    return LAYOUTS[layout].name;
}

static void walk_set_size(struct axi_codec *codec, uint32_t *bytes)
{
    axi_codec_count(codec, bytes, AXI_CPUS_MAX / 8);
    codec->is_bad |= *bytes % 8 != 0;
}

static void walk_set(struct axi_codec *codec, struct axi_cpuset *set, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes / 8; i++) {
        axi_codec_u64(codec, &set->bits[i]);
    }
}

static void walk_console(struct axi_codec *codec, struct axi_cell *cell)
{
    axi_codec_u64(codec, &cell->console.address);
    axi_codec_u32(codec, &cell->console.size);
    axi_codec_u16(codec, &cell->console.type);
    axi_codec_u16(codec, &cell->console.flags);
    axi_codec_u32(codec, &cell->console.divider);
    axi_codec_u32(codec, &cell->console.gate);
    axi_codec_u64(codec, &cell->console.clock);
}

static void walk_signature(struct axi_codec *codec, struct axi_cell *cell,
                           const struct layout *layout)
{
    char signature[6];
    uint16_t revision = layout->revision;
    size_t length = strlen(layout->signature);
    memcpy(signature, layout->signature, length);
    axi_codec_bytes(codec, signature, length);
    codec->is_bad |= memcmp(signature, layout->signature, length) != 0;
    if (layout->has_architecture) {
        axi_codec_u8(codec, &cell->architecture);
    }
    axi_codec_u16(codec, &revision);
    codec->is_bad |= revision != layout->revision;
}

static void walk_header(struct axi_codec *codec, struct axi_cell *cell, const struct layout *layout)
{
    walk_signature(codec, cell, layout);
    axi_codec_bytes(codec, cell->name, sizeof(cell->name));
    axi_codec_u32(codec, &cell->id);
    axi_codec_u32(codec, &cell->flags);
    walk_set_size(codec, &cell->cpu_set_bytes);
    if (layout->has_rcpus) {
        walk_set_size(codec, &cell->rcpu_set_bytes);
    }
    if (layout->has_fpga) {
        walk_set_size(codec, &cell->fpga_set_bytes);
    }
    axi_codec_count(codec, &cell->memory_count, AXI_CELL_MEMORY_MAX);
    axi_codec_count(codec, &cell->cache_count, AXI_CELL_CACHES_MAX);
    axi_codec_count(codec, &cell->irqchip_count, AXI_CELL_IRQCHIPS_MAX);
    axi_codec_count(codec, &cell->pio_count, AXI_CELL_PIO_MAX);
    axi_codec_count(codec, &cell->pci_count, AXI_CELL_PCI_MAX);
    axi_codec_count(codec, &cell->cap_count, AXI_CELL_CAPS_MAX);
    axi_codec_count(codec, &cell->stream_count, AXI_CELL_STREAMS_MAX);
    if (layout->has_colors) {
        axi_codec_count(codec, &cell->qos_count, AXI_CELL_QOS_MAX);
    }
    if (layout->has_fpga) {
        axi_codec_count(codec, &cell->rcpu_count, AXI_CELL_RCPUS_MAX);
        axi_codec_count(codec, &cell->fpga_count, AXI_CELL_FPGAS_MAX);
    }
    axi_codec_u32(codec, &cell->vpci_irq_base);
    axi_codec_u64(codec, &cell->reset_address);
    axi_codec_u64(codec, &cell->reply_timeout);
    walk_console(codec, cell);
}

static void walk_pci(struct axi_codec *codec, struct axi_cell_pci *pci)
{
    axi_codec_u8(codec, &pci->type);
    axi_codec_u8(codec, &pci->iommu);
    axi_codec_u16(codec, &pci->domain);
    axi_codec_u16(codec, &pci->bdf);
    for (unsigned i = 0; i < 6; i++) {
        axi_codec_u32(codec, &pci->bar_mask[i]);
    }
    axi_codec_u16(codec, &pci->caps_start);
    axi_codec_u16(codec, &pci->num_caps);
    axi_codec_u8(codec, &pci->msi_vectors);
    axi_codec_u8(codec, &pci->msi_flags);
    axi_codec_u16(codec, &pci->msix_vectors);
    axi_codec_u16(codec, &pci->msix_region_size);
    axi_codec_u64(codec, &pci->msix_address);
    axi_codec_u32(codec, &pci->shmem_regions_start);
    axi_codec_u8(codec, &pci->shmem_dev_id);
    axi_codec_u8(codec, &pci->shmem_peers);
    axi_codec_u16(codec, &pci->shmem_protocol);
}

static void walk_memory(struct axi_codec *codec, struct axi_cell *cell, bool has_colors)
{
    for (uint32_t i = 0; i < cell->memory_count; i++) {
        struct axi_cell_memory *memory = &cell->memory[i];
        axi_codec_u64(codec, &memory->phys);
        axi_codec_u64(codec, &memory->virt);
        axi_codec_u64(codec, &memory->bytes);
        axi_codec_u64(codec, &memory->flags);
        if (has_colors) {
            axi_codec_u64(codec, &memory->colors);
        }
    }
}

static void walk_devices(struct axi_codec *codec, struct axi_cell *cell)
{
    for (uint32_t i = 0; i < cell->cache_count; i++) {
        uint8_t padding = 0;
        axi_codec_u32(codec, &cell->caches[i].start);
        axi_codec_u32(codec, &cell->caches[i].size);
        axi_codec_u8(codec, &cell->caches[i].type);
        axi_codec_u8(codec, &padding);
        axi_codec_u16(codec, &cell->caches[i].flags);
    }
    for (uint32_t i = 0; i < cell->irqchip_count; i++) {
        struct axi_cell_irqchip *chip = &cell->irqchips[i];
        axi_codec_u64(codec, &chip->address);
        axi_codec_u32(codec, &chip->id);
        axi_codec_u32(codec, &chip->pin_base);
        for (unsigned k = 0; k < 4; k++) {
            axi_codec_u32(codec, &chip->pins[k]);
        }
    }
    for (uint32_t i = 0; i < cell->pio_count; i++) {
        axi_codec_u16(codec, &cell->pio[i].base);
        axi_codec_u16(codec, &cell->pio[i].length);
    }
    for (uint32_t i = 0; i < cell->pci_count; i++) {
        walk_pci(codec, &cell->pci[i]);
    }
    for (uint32_t i = 0; i < cell->cap_count; i++) {
        struct axi_cell_cap *cap = &cell->caps[i];
        axi_codec_u16(codec, &cap->id);
        axi_codec_u16(codec, &cap->start);
        axi_codec_u16(codec, &cap->length);
        axi_codec_u16(codec, &cap->flags);
    }
    for (uint32_t i = 0; i < cell->stream_count; i++) {
        axi_codec_u32(codec, &cell->streams[i]);
    }
}

static void walk_omnivisor(struct axi_codec *codec, struct axi_cell *cell)
{
    for (uint32_t i = 0; i < cell->qos_count; i++) {
        axi_codec_bytes(codec, cell->qos[i].name, sizeof(cell->qos[i].name));
        axi_codec_u8(codec, &cell->qos[i].flags);
        axi_codec_u32(codec, &cell->qos[i].base);
    }
    for (uint32_t i = 0; i < cell->rcpu_count; i++) {
        struct axi_cell_rcpu *rcpu = &cell->rcpus_described[i];
        axi_codec_u32(codec, &rcpu->id);
        axi_codec_bytes(codec, rcpu->name, sizeof(rcpu->name));
        axi_codec_bytes(codec, rcpu->compatible, sizeof(rcpu->compatible));
    }
    for (uint32_t i = 0; i < cell->fpga_count; i++) {
        struct axi_cell_fpga *fpga = &cell->fpgas[i];
        axi_codec_bytes(codec, fpga->overlay, sizeof(fpga->overlay));
        axi_codec_bytes(codec, fpga->module, sizeof(fpga->module));
        axi_codec_bytes(codec, fpga->bitstream, sizeof(fpga->bitstream));
        axi_codec_u32(codec, &fpga->region);
        axi_codec_u64(codec, &fpga->address);
        axi_codec_u8(codec, &fpga->flags);
    }
}

static void walk(struct axi_codec *codec, struct axi_cell *cell, const struct layout *layout)
{
    walk_header(codec, cell, layout);
    walk_set(codec, &cell->cpus, cell->cpu_set_bytes);
    walk_set(codec, &cell->rcpus, cell->rcpu_set_bytes);
    walk_set(codec, &cell->fpga_regions, cell->fpga_set_bytes);
    walk_memory(codec, cell, layout->has_colors);
    walk_devices(codec, cell);
    walk_omnivisor(codec, cell);
}

/* Counted apart from the walk, as the hypervisors' headers do: one checks the other. */
size_t axi_cell_bytes(const struct axi_cell *cell, enum axi_cell_layout number)
{
    const struct layout *layout = &LAYOUTS[number];
    size_t memory_bytes = layout->has_colors ? 40 : 32;
    return layout->header_bytes + cell->cpu_set_bytes + cell->rcpu_set_bytes +
           cell->fpga_set_bytes + cell->memory_count * memory_bytes + cell->cache_count * 12u +
           cell->irqchip_count * 32u + cell->pio_count * 4u + cell->pci_count * 56u +
           cell->cap_count * 8u + cell->stream_count * 4u + cell->qos_count * 20u +
           cell->rcpu_count * 66u + cell->fpga_count * 109u;
}

static int check_expressible(const struct axi_cell *cell, const struct layout *layout,
                             struct axi_report *report)
{
    const char *what = NULL;
    if (!layout->has_rcpus && cell->rcpu_set_bytes != 0) {
        what = "remote cores";
    } else if (!layout->has_fpga &&
               (cell->fpga_set_bytes != 0 || cell->rcpu_count != 0 || cell->fpga_count != 0)) {
        what = "soft cores or FPGA regions";
    } else if (!layout->has_colors && cell->qos_count != 0) {
        what = "QoS devices";
    } else if (!layout->has_architecture && cell->architecture != AXI_CELL_ARM64) {
        what = "an architecture other than arm64";
    }
    for (uint32_t i = 0; i < cell->memory_count && !layout->has_colors; i++) {
        what = cell->memory[i].colors != 0 ? "memory colors" : what;
    }
    return what == NULL
               ? 0
               : axi_report_set(report, -AXC_ECELL, "layout %s has no %s", layout->name, what);
}

int axi_cell_write(const struct axi_cell *cell, enum axi_cell_layout number, uint8_t *bytes,
                   size_t capacity, size_t *ret_bytes, struct axi_report *report)
{
    const struct layout *layout = &LAYOUTS[number];
    int rc = check_expressible(cell, layout, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_codec codec = {.bytes = bytes, .capacity = capacity, .is_writing = true};
    walk(&codec, (struct axi_cell *)cell, layout); /* only reads it: is_writing */
    if (codec.is_bad || codec.used != axi_cell_bytes(cell, number)) {
        return axi_report_set(report, -AXC_ECELL,
                              "cell %.31s: a list is too long, or more than %zu bytes", cell->name,
                              capacity);
    }
    *ret_bytes = codec.used;
    return 0;
}

int axi_cell_read(const uint8_t *bytes, size_t length, enum axi_cell_layout number,
                  struct axi_cell *ret_cell, struct axi_report *report)
{
    const struct layout *layout = &LAYOUTS[number];
    struct axi_cell cell = {.architecture = AXI_CELL_ARM64};
    struct axi_codec codec = {.bytes = (uint8_t *)bytes, .capacity = length}; /* only reads */
    walk_header(&codec, &cell, layout);
    if (codec.is_bad) {
        return axi_report_set(report, -AXC_ECELL,
                              "no cell of layout %s: signature, revision or counts do not fit",
                              layout->name);
    }
    if (axi_cell_bytes(&cell, number) != length) {
        return axi_report_set(report, -AXC_ECELL,
                              "as layout %s the file would have %zu bytes, it has %zu",
                              layout->name, axi_cell_bytes(&cell, number), length);
    }
    codec.used = 0;
    walk(&codec, &cell, layout);
    if (codec.is_bad || memchr(cell.name, 0, sizeof(cell.name)) == NULL) {
        return axi_report_set(report, -AXC_ECELL, "the cell's name has no end");
    }
    *ret_cell = cell;
    return 0;
}

unsigned axi_cell_layouts_of(const uint8_t *bytes, size_t length)
{
    unsigned layouts = 0;
    struct axi_cell cell;
    for (unsigned i = 0; i < AXI_CELL_LAYOUTS; i++) {
        if (axi_cell_read(bytes, length, (enum axi_cell_layout)i, &cell, NULL) == 0) {
            layouts |= 1u << i;
        }
    }
    return layouts;
}
