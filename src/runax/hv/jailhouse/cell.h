/* SPDX-License-Identifier: Apache-2.0 */
/* Jailhouse's cell configuration: the binary `.cell` files of four hypervisors whose layouts differ
 * and mostly cannot be told apart by their headers (docs/formats/cell.md). Plain data; no I/O. */
#ifndef AXI_RUNAX_JAILHOUSE_CELL_H
#define AXI_RUNAX_JAILHOUSE_CELL_H

#include "runax/partition.h"
#include "runax/platform.h"
#include "runax/report.h"

#include <stddef.h>
#include <stdio.h>

#define AXI_CELL_BYTES_MAX 65536u /* the hypervisor maps 16 pages of it */
#define AXI_CELL_MEMORY_MAX 64u
#define AXI_CELL_CACHES_MAX 4u
#define AXI_CELL_IRQCHIPS_MAX 8u
#define AXI_CELL_PIO_MAX 16u
#define AXI_CELL_PCI_MAX 16u
#define AXI_CELL_CAPS_MAX 32u
#define AXI_CELL_STREAMS_MAX 32u
#define AXI_CELL_QOS_MAX 8u
#define AXI_CELL_RCPUS_MAX 8u
#define AXI_CELL_FPGAS_MAX 4u

enum axi_cell_layout {
    AXI_CELL_SIEMENS14 = 0,     /* siemens/jailhouse master */
    AXI_CELL_BU13 = 1,          /* Boston University / Minerva */
    AXI_CELL_OMNIVISOR14 = 2,   /* Omnivisor until 2024 */
    AXI_CELL_OMNIVISOR2025 = 3, /* Omnivisor with FPGA regions */
    AXI_CELL_LAYOUTS = 4,
};

enum { AXI_CELL_X86 = 0, AXI_CELL_ARM = 1, AXI_CELL_ARM64 = 2 };

enum axi_cell_flag {
    AXI_CELL_PASSIVE_COMMREG = 0x1,
    AXI_CELL_TEST_DEVICE = 0x2,
    AXI_CELL_AARCH32 = 0x4,
    AXI_CELL_CONSOLE_PERMITTED = 0x40000000,
};
#define AXI_CELL_CONSOLE_ACTIVE 0x80000000u

enum axi_cell_memory_flag {
    AXI_CELL_READ = 0x1,
    AXI_CELL_WRITE = 0x2,
    AXI_CELL_EXECUTE = 0x4,
    AXI_CELL_DMA = 0x8,
    AXI_CELL_IO = 0x10,
    AXI_CELL_COMM_REGION = 0x20,
    AXI_CELL_LOADABLE = 0x40,
    AXI_CELL_ROOTSHARED = 0x80,
};

struct axi_cell_memory {
    uint64_t phys;
    uint64_t virt;
    uint64_t bytes;
    uint64_t flags;
    uint64_t colors; /* not in siemens14 */
};

struct axi_cell_cache {
    uint32_t start, size;
    uint8_t type;
    uint16_t flags;
};

struct axi_cell_irqchip {
    uint64_t address;
    uint32_t id, pin_base;
    uint32_t pins[4];
};

struct axi_cell_pio {
    uint16_t base, length;
};

enum { AXI_CELL_PCI_DEVICE = 1, AXI_CELL_PCI_BRIDGE = 2, AXI_CELL_PCI_IVSHMEM = 3 };

struct axi_cell_pci {
    uint8_t type, iommu;
    uint16_t domain, bdf;
    uint32_t bar_mask[6];
    uint16_t caps_start, num_caps;
    uint8_t msi_vectors, msi_flags;
    uint16_t msix_vectors, msix_region_size;
    uint64_t msix_address;
    uint32_t shmem_regions_start;
    uint8_t shmem_dev_id, shmem_peers;
    uint16_t shmem_protocol;
};

struct axi_cell_cap {
    uint16_t id, start, length, flags;
};

struct axi_cell_qos {
    char name[15];
    uint8_t flags;
    uint32_t base;
};

struct axi_cell_rcpu {
    uint32_t id;
    char name[31], compatible[31];
};

struct axi_cell_fpga {
    char overlay[32], module[32], bitstream[32];
    uint32_t region;
    uint64_t address;
    uint8_t flags;
};

struct axi_cell {
    uint8_t architecture; /* not in bu13 */
    char name[32];
    uint32_t id, flags;
    uint32_t vpci_irq_base;
    uint64_t reset_address, reply_timeout;
    struct {
        uint64_t address;
        uint32_t size;
        uint16_t type, flags;
        uint32_t divider, gate;
        uint64_t clock;
    } console;
    uint32_t cpu_set_bytes, rcpu_set_bytes, fpga_set_bytes; /* multiples of 8, at most 32 */
    struct axi_cpuset cpus, rcpus, fpga_regions;

    uint32_t memory_count, cache_count, irqchip_count, pio_count, pci_count, cap_count;
    uint32_t stream_count, qos_count, rcpu_count, fpga_count;
    struct axi_cell_memory memory[AXI_CELL_MEMORY_MAX];
    struct axi_cell_cache caches[AXI_CELL_CACHES_MAX];
    struct axi_cell_irqchip irqchips[AXI_CELL_IRQCHIPS_MAX];
    struct axi_cell_pio pio[AXI_CELL_PIO_MAX];
    struct axi_cell_pci pci[AXI_CELL_PCI_MAX];
    struct axi_cell_cap caps[AXI_CELL_CAPS_MAX];
    uint32_t streams[AXI_CELL_STREAMS_MAX]; /* id, mask of bits not compared in the upper half */
    struct axi_cell_qos qos[AXI_CELL_QOS_MAX];
    struct axi_cell_rcpu rcpus_described[AXI_CELL_RCPUS_MAX]; /* soft cores */
    struct axi_cell_fpga fpgas[AXI_CELL_FPGAS_MAX];
};

/* "siemens14", ...; -AXC_EINVALID. */
AXC_MUST_USE int axi_cell_layout_find(const char *name, enum axi_cell_layout *ret_layout);
const char *axi_cell_layout_name(enum axi_cell_layout layout);

/* What the file is long by its own counts. */
size_t axi_cell_bytes(const struct axi_cell *cell, enum axi_cell_layout layout);

/* Writes the file: *ret_bytes always equals axi_cell_bytes. -AXC_ECELL: something that this layout
 * cannot express, or more than `capacity`. */
AXC_MUST_USE int axi_cell_write(const struct axi_cell *cell, enum axi_cell_layout layout,
                                uint8_t *bytes, size_t capacity, size_t *ret_bytes,
                                struct axi_report *report);

/* Reads a file as this layout. -AXC_ECELL: header, counts or total size do not fit. */
AXC_MUST_USE int axi_cell_read(const uint8_t *bytes, size_t length, enum axi_cell_layout layout,
                               struct axi_cell *ret_cell, struct axi_report *report);

/* Bit i: the file is consistent as layout i. */
unsigned axi_cell_layouts_of(const uint8_t *bytes, size_t length);

/* Does the hypervisor accept this, and does it mean what it says? -AXC_ECELL with the first fault.
 */
AXC_MUST_USE int axi_cell_check(const struct axi_cell *cell, struct axi_report *report);

/* Two cells that may exist at once? -AXC_ECELL: CPUs, memory that is not shared, a name. */
AXC_MUST_USE int axi_cell_check_pair(const struct axi_cell *a, const struct axi_cell *b,
                                     struct axi_report *report);

/* The cell of a partition that has its resources: no AXI_ANY but in `irq` of channels without. */
AXC_MUST_USE int axi_cell_of_partition(const struct axi_platform *platform,
                                       const struct axi_partition *partition,
                                       struct axi_cell *ret_cell, struct axi_report *report);

/* Text of everything in it, one "key: value" per line, in the order of the file. */
void axi_cell_print(const struct axi_cell *cell, enum axi_cell_layout layout, FILE *file);

#endif
