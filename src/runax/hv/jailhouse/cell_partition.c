/* SPDX-License-Identifier: Apache-2.0 */
/* From a partition with its resources to a cell. Memory regions stand in the order of the upstream
 * configurations: ivshmem regions (their device refers to them by number), registers, RAM, memory
 * shared with the host, communication region. */
#include "runax/hv/jailhouse/cell.h"
#include "runax/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define COMM_ADDRESS UINT64_C(0x80000000)
#define UART_FLAGS                                                                                 \
    0x93u /* READ WRITE IO ROOTSHARED: the host's debug output may go there as well */
#define CONSOLE_MMIO_REGDIST_4 0x3u
#define SOFT_CORES_FROM 2u
/* Polls of the message register; some ten milliseconds on the boards at hand. */
#define REPLY_TIMEOUT UINT64_C(10000000)

struct target {
    struct axi_cell *cell;
    const struct axi_platform *platform;
    const struct axi_partition *partition;
    struct axi_report *report;
};

static int add_memory(const struct target *target, struct axi_cell_memory memory)
{
    struct axi_cell *cell = target->cell;
    if (cell->memory_count == AXI_CELL_MEMORY_MAX) {
        return axi_report_set(target->report, -AXC_ECELL, "more than %u memory regions",
                              AXI_CELL_MEMORY_MAX);
    }
    cell->memory[cell->memory_count++] = memory;
    return 0;
}

static int add_irq(const struct target *target, uint32_t irq)
{
    struct axi_cell *cell = target->cell;
    if (irq < 32 || target->platform->jailhouse.gic_address == 0) {
        return axi_report_set(target->report, -AXC_ECELL,
                              irq < 32 ? "interrupt %u is private to a CPU"
                                       : "interrupt %u: the platform file has no gic_address",
                              irq);
    }
    uint32_t base = 32 + (irq - 32) / 128 * 128;
    uint32_t i = 0;
    while (i < cell->irqchip_count && cell->irqchips[i].pin_base != base) {
        i++;
    }
    if (i == AXI_CELL_IRQCHIPS_MAX) {
        return axi_report_set(target->report, -AXC_ECELL, "interrupts in more than %u groups",
                              AXI_CELL_IRQCHIPS_MAX);
    }
    if (i == cell->irqchip_count) {
        cell->irqchips[cell->irqchip_count++] = (struct axi_cell_irqchip){
            .address = target->platform->jailhouse.gic_address, .pin_base = base};
    }
    cell->irqchips[i].pins[(irq - base) / 32] |= 1u << (irq - base) % 32;
    return 0;
}

/* --- channels --- */

/* Sections of a shared memory device: state table, common part, one output part per peer. Peers
 * compute the same from the same size (docs/formats/cell.md). */
struct sections {
    uint64_t common_bytes;
    uint64_t output_bytes;
    uint64_t output_step;
};

static struct sections divide(const struct axi_channel *channel)
{
    if (channel->protocol == 1) { /* virtual Ethernet: no common part, halves */
        uint64_t half = channel->bytes / 2 & ~(PAGE - 1);
        return (struct sections){.output_bytes = half - PAGE, .output_step = half - PAGE};
    }
    uint64_t parts = 2 * (channel->peers + UINT64_C(1));
    uint64_t output = channel->bytes / (parts < 8 ? 8 : parts) & ~(PAGE - 1);
    return (struct sections){.common_bytes = channel->bytes - PAGE - channel->peers * output,
                             .output_bytes = output,
                             .output_step = output};
}

static int add_ivshmem_regions(const struct target *target, const struct axi_channel *channel)
{
    struct sections sections = divide(channel);
    uint64_t phys = channel->host_address;
    uint64_t virt = channel->guest_address;
    if (sections.output_bytes < PAGE || sections.output_bytes > channel->bytes) {
        return axi_report_set(target->report, -AXC_ECELL,
                              "channel %s: 0x%" PRIx64 " bytes are too few for %u peers",
                              channel->name, channel->bytes, channel->peers);
    }
    uint64_t shared = AXI_CELL_READ | AXI_CELL_ROOTSHARED;
    int rc = add_memory(target, (struct axi_cell_memory){phys, virt, PAGE, shared, 0});
    struct axi_cell_memory common = {0};
    if (sections.common_bytes != 0) {
        common = (struct axi_cell_memory){phys + PAGE, virt + PAGE, sections.common_bytes,
                                          shared | AXI_CELL_WRITE, 0};
    }
    rc = rc != 0 ? rc : add_memory(target, common);
    uint64_t at = PAGE + sections.common_bytes;
    for (uint32_t i = 0; i < channel->peers && rc == 0; i++) {
        uint64_t flags = shared | (i == channel->device_id ? AXI_CELL_WRITE : 0);
        rc = add_memory(target, (struct axi_cell_memory){phys + at, virt + at,
                                                         sections.output_bytes, flags, 0});
        at += sections.output_step;
    }
    return rc;
}

/* The pin follows from the slot, the interrupt from the pin: one base must suit all devices. */
static int add_channel(const struct target *target, const struct axi_channel *channel,
                       uint16_t domain)
{
    struct axi_cell *cell = target->cell;
    uint32_t slot_pin = channel->pci_bdf >> 3 & 3u;
    uint32_t base = (uint32_t)channel->irq - 32 - slot_pin;
    if (channel->irq < 32 + slot_pin || channel->irq > UINT32_MAX ||
        (cell->pci_count != 0 && cell->vpci_irq_base != base)) {
        return axi_report_set(target->report, -AXC_ECELL,
                              "channel %s: interrupt %" PRIu64 " does not suit its PCI slot",
                              channel->name, channel->irq);
    }
    cell->vpci_irq_base = base;
    cell->pci[cell->pci_count++] = (struct axi_cell_pci){
        .type = AXI_CELL_PCI_IVSHMEM,
        .domain = domain,
        .bdf = channel->pci_bdf,
        .bar_mask = {0xfffff000},
        .shmem_regions_start = cell->memory_count,
        .shmem_dev_id = (uint8_t)channel->device_id,
        .shmem_peers = (uint8_t)channel->peers,
        .shmem_protocol = channel->protocol,
    };
    int rc = add_ivshmem_regions(target, channel);
    return rc != 0 ? rc : add_irq(target, (uint32_t)channel->irq);
}

static int add_channels(const struct target *target)
{
    const char *text = axi_partition_option(target->partition, "pci_domain");
    uint64_t domain = 0;
    if (text != NULL && (axi_parse_u64(text, &domain) != 0 || domain > UINT16_MAX)) {
        return axi_report_set(target->report, -AXC_ECELL, "pci_domain: \"%.64s\" is no number",
                              text);
    }
    int rc = 0;
    for (uint32_t i = 0; i < target->partition->channel_count && rc == 0; i++) {
        const struct axi_channel *channel = &target->partition->channels[i];
        rc = channel->peers > 1 ? add_channel(target, channel, (uint16_t)domain) : 0;
    }
    return rc;
}

/* --- registers, RAM, memory shared with the host --- */

static int add_devices(const struct target *target)
{
    const struct axi_partition *partition = target->partition;
    struct axi_cell *cell = target->cell;
    int rc = 0;
    for (uint32_t i = 0; i < partition->device_count && rc == 0; i++) {
        const struct axi_device *device = &partition->devices[i];
        bool is_console = partition->console.address - device->guest_address < device->bytes;
        uint64_t flags = is_console ? UART_FLAGS : UART_FLAGS & ~(uint64_t)AXI_CELL_ROOTSHARED;
        if (device->bytes != 0) {
            rc = add_memory(target,
                            (struct axi_cell_memory){device->host_address, device->guest_address,
                                                     device->bytes, flags, 0});
        }
        for (uint32_t k = 0; k < 4 && rc == 0; k++) {
            rc = device->irqs[k] != 0 ? add_irq(target, device->irqs[k]) : 0;
        }
        for (uint32_t k = 0; k < device->stream_id_count && rc == 0; k++) {
            if (cell->stream_count == AXI_CELL_STREAMS_MAX) {
                return axi_report_set(target->report, -AXC_ECELL, "more than %u stream ids",
                                      AXI_CELL_STREAMS_MAX);
            }
            cell->streams[cell->stream_count++] = device->stream_ids[k];
        }
    }
    return rc;
}

static int add_segments(const struct target *target)
{
    const struct axi_partition *partition = target->partition;
    int rc = 0;
    for (uint32_t i = 0; i < partition->memory_count && rc == 0; i++) {
        const struct axi_memory *memory = &partition->memory[i];
        uint64_t flags = memory->flags & 0x1f; /* the first five bits are the same */
        flags |= (memory->flags & AXI_MEMORY_LOADABLE) != 0 ? AXI_CELL_LOADABLE : 0;
        flags |= (memory->flags & AXI_MEMORY_SHARED) != 0 ? AXI_CELL_ROOTSHARED : 0;
        rc =
            add_memory(target, (struct axi_cell_memory){memory->host_address, memory->guest_address,
                                                        memory->bytes, flags, 0});
    }
    for (uint32_t i = 0; i < partition->channel_count && rc == 0; i++) {
        const struct axi_channel *channel = &partition->channels[i];
        if (channel->peers < 2) {
            rc = add_memory(target,
                            (struct axi_cell_memory){
                                channel->host_address, channel->guest_address, channel->bytes,
                                AXI_CELL_READ | AXI_CELL_WRITE | AXI_CELL_ROOTSHARED, 0});
        }
    }
    uint64_t address = target->platform->jailhouse.comm_address;
    return rc != 0 ? rc
                   : add_memory(target,
                                (struct axi_cell_memory){
                                    0, address != 0 ? address : COMM_ADDRESS,
                                    target->cell->architecture == AXI_CELL_X86 ? 0x100000 : PAGE,
                                    AXI_CELL_READ | AXI_CELL_WRITE | AXI_CELL_COMM_REGION, 0});
}

static int add_cores(const struct target *target)
{
    const struct axi_partition *partition = target->partition;
    struct axi_cell *cell = target->cell;
    cell->cpus = partition->cpus;
    cell->cpu_set_bytes = 8;
    for (uint32_t i = 1; i < AXI_CPUS_MAX / 64; i++) {
        cell->cpu_set_bytes = cell->cpus.bits[i] != 0 ? (i + 1) * 8 : cell->cpu_set_bytes;
    }
    cell->rcpu_set_bytes = partition->remote_core_count != 0 ? 8 : 0;
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        const struct axi_remote_core *core = &partition->remote_cores[i];
        if (core->id > 63) {
            return axi_report_set(target->report, -AXC_ECELL, "remote core %s: number %u",
                                  core->name, core->id);
        }
        axi_cpuset_add(&cell->rcpus, core->id);
        if (core->id >= SOFT_CORES_FROM) {
            struct axi_cell_rcpu *rcpu = &cell->rcpus_described[cell->rcpu_count++];
            rcpu->id = core->id;
            (void)snprintf(rcpu->name, sizeof(rcpu->name), "%.30s", core->name);
            (void)snprintf(rcpu->compatible, sizeof(rcpu->compatible), "%.30s", core->compatible);
        }
    }
    return 0;
}

static int set_header(const struct target *target)
{
    const struct axi_partition *partition = target->partition;
    struct axi_cell *cell = target->cell;
    const char *isa = target->platform->isa;
    const char *commreg = axi_partition_option(partition, "commreg");
    cell->architecture = strcmp(isa, "x86_64") == 0 ? AXI_CELL_X86
                         : strcmp(isa, "arm") == 0  ? AXI_CELL_ARM
                                                    : AXI_CELL_ARM64;
    (void)snprintf(cell->name, sizeof(cell->name), "%s", partition->name);
    if (commreg == NULL || strcmp(commreg, "passive") == 0) {
        cell->flags = AXI_CELL_PASSIVE_COMMREG;
    } else if (strcmp(commreg, "active") == 0) {
        cell->reply_timeout = REPLY_TIMEOUT;
    } else {
        return axi_report_set(target->report, -AXC_ECELL,
                              "commreg: \"%.64s\" is neither active nor passive", commreg);
    }
    const struct axi_partition_console *console = &partition->console;
    if (console->kind == AXI_CONSOLE_HYPERVISOR || console->kind == AXI_CONSOLE_DEFAULT) {
        cell->flags |= AXI_CELL_CONSOLE_ACTIVE | AXI_CELL_CONSOLE_PERMITTED;
    } else if (console->kind != AXI_CONSOLE_NONE) {
        cell->console.address = console->address;
        cell->console.type = (uint16_t)console->kind;
        cell->console.flags = CONSOLE_MMIO_REGDIST_4;
    }
    for (uint32_t i = 0; i < partition->image_count; i++) {
        const struct axi_partition_image *image = &partition->images[i];
        if (image->core < 0 && image->format == AXI_IMAGE_RAW) {
            cell->reset_address = image->entry != AXI_ANY          ? image->entry
                                  : image->load_address != AXI_ANY ? image->load_address
                                                                   : 0;
            break;
        }
    }
    return 0;
}

int axi_cell_of_partition(const struct axi_platform *platform,
                          const struct axi_partition *partition, struct axi_cell *ret_cell,
                          struct axi_report *report)
{
    struct axi_cell cell = {0};
    struct target target = {&cell, platform, partition, report};
    int rc = set_header(&target);
    rc = rc != 0 ? rc : add_cores(&target);
    rc = rc != 0 ? rc : add_channels(&target);
    rc = rc != 0 ? rc : add_devices(&target);
    rc = rc != 0 ? rc : add_segments(&target);
    for (uint32_t i = 0; i < partition->irq_count && rc == 0; i++) {
        rc = add_irq(&target, partition->irqs[i]);
    }
    rc = rc != 0 ? rc : axi_cell_check(&cell, report);
    if (rc == 0) {
        *ret_cell = cell;
    }
    return rc;
}
