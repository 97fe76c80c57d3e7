/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/resource/allocate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- CPUs --- */

static const char *cpu_owner(const struct axi_allocation *allocation, uint32_t cpu)
{
    for (size_t i = 0; i < allocation->entry_count; i++) {
        if (axi_cpuset_has(&allocation->entries[i].partition.cpus, cpu)) {
            return allocation->entries[i].partition.id;
        }
    }
    return NULL;
}

static uint32_t cpu_users(const struct axi_allocation *allocation, uint32_t cpu)
{
    uint32_t users = 0;
    for (size_t i = 0; i < allocation->entry_count; i++) {
        users += axi_cpuset_has(&allocation->entries[i].partition.cpus, cpu);
    }
    return users;
}

/* Why this CPU cannot be taken, or NULL. `text` is room for the answer. */
static const char *cpu_refusal(const struct axi_allocation *allocation, uint32_t cpu, char *text,
                               size_t size)
{
    if (!axi_cpuset_has(&allocation->platform->cpus, cpu)) {
        return "the platform does not give it to partitions";
    }
    if (cpu == 0 && !allocation->platform->allows_cpu0) {
        return "CPU 0 is the host's (allow_cpu0 in the platform file)";
    }
    const char *owner = allocation->platform->shares_cpus ? NULL : cpu_owner(allocation, cpu);
    if (owner == NULL) {
        return NULL;
    }
    (void)snprintf(text, size, "taken by %s", owner);
    return text;
}

/* The best free CPU not yet chosen: the one with the fewest partitions, of those the highest (CPU 0
 * and its neighbours serve the host's interrupts); -1: none. */
static int next_cpu(const struct axi_allocation *allocation, const struct axi_cpuset *allowed,
                    const struct axi_cpuset *chosen)
{
    char text[AXI_PARTITION_ID_BYTES + 16];
    int best = -1;
    uint32_t best_users = UINT32_MAX;
    for (uint32_t cpu = AXI_CPUS_MAX; cpu-- > 0;) {
        if (!axi_cpuset_has(allowed, cpu) || axi_cpuset_has(chosen, cpu) ||
            cpu_refusal(allocation, cpu, text, sizeof(text)) != NULL) {
            continue;
        }
        uint32_t users = cpu_users(allocation, cpu);
        if (users < best_users) {
            best = (int)cpu;
            best_users = users;
        }
    }
    return best;
}

static int refuse_cpus(const struct axi_allocation *allocation,
                       const struct axi_partition *partition, const struct axi_cpuset *allowed,
                       uint32_t found)
{
    char set[128];
    char text[AXI_PARTITION_ID_BYTES + 16];
    axi_cpuset_print(allowed, set, sizeof(set));
    for (uint32_t cpu = 0; cpu < AXI_CPUS_MAX; cpu++) {
        const char *why =
            axi_cpuset_has(allowed, cpu) ? cpu_refusal(allocation, cpu, text, sizeof(text)) : NULL;
        if (why != NULL) {
            return axi_report_set(allocation->report, -AXC_ERESOURCE_CPU,
                                  "needs %u of CPUs %s, %u free; CPU %u: %s", partition->cpu_count,
                                  set, found, cpu, why);
        }
    }
    return axi_report_set(allocation->report, -AXC_ERESOURCE_CPU,
                          "needs %u CPUs, may use %u (CPUs \"%s\")", partition->cpu_count, found,
                          set);
}

static int allocate_cpus(const struct axi_allocation *allocation, struct axi_partition *partition)
{
    uint32_t listed = axi_cpuset_count(&partition->cpus);
    if (partition->cpu_count == 0) {
        partition->cpu_count = listed;
    }
    if (partition->cpu_count == 0 && partition->remote_core_count == 0) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_CPU,
                              "asks for no CPU and no remote core");
    }
    struct axi_cpuset allowed = listed != 0 ? partition->cpus : allocation->platform->cpus;
    struct axi_cpuset chosen = {0};
    for (uint32_t i = 0; i < partition->cpu_count; i++) {
        int cpu = next_cpu(allocation, &allowed, &chosen);
        if (cpu < 0) {
            return refuse_cpus(allocation, partition, &allowed, i);
        }
        axi_cpuset_add(&chosen, (uint32_t)cpu);
    }
    partition->cpus = chosen;
    return 0;
}

/* --- interrupts --- */

static bool has_irq(const struct axi_partition *partition, uint64_t irq)
{
    for (uint32_t i = 0; i < partition->irq_count; i++) {
        if (partition->irqs[i] == irq) {
            return true;
        }
    }
    for (uint32_t i = 0; i < partition->device_count; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            if (partition->devices[i].irqs[k] == irq) {
                return true;
            }
        }
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        if (partition->channels[i].irq == irq) {
            return true;
        }
    }
    return false;
}

static const char *irq_owner(const struct axi_allocation *allocation, uint64_t irq)
{
    for (size_t i = 0; i < allocation->entry_count; i++) {
        if (has_irq(&allocation->entries[i].partition, irq)) {
            return allocation->entries[i].partition.id;
        }
    }
    return NULL;
}

static bool is_platform_irq(const struct axi_platform *platform, uint64_t irq)
{
    for (uint32_t i = 0; i < platform->irq_count; i++) {
        if (irq >= platform->irqs[i].first &&
            irq - platform->irqs[i].first < platform->irqs[i].count) {
            return true;
        }
    }
    return false;
}

static int check_irq(const struct axi_allocation *allocation, uint64_t irq)
{
    const char *owner = irq_owner(allocation, irq);
    if (owner != NULL) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_IRQ,
                              "interrupt %" PRIu64 " is taken by %s", irq, owner);
    }
    if (!is_platform_irq(allocation->platform, irq)) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_IRQ,
                              "interrupt %" PRIu64 " is not among the platform's", irq);
    }
    return 0;
}

/* --- PCI slots and interrupts of the channels between partitions --- */

static bool is_link(const struct axi_channel *channel)
{
    return channel->peers > 1;
}

/* The channel of another name that has this slot, or the one of this name: peers have the same. */
static const struct axi_channel *find_link(const struct axi_partition *partition, const char *name,
                                           uint16_t bdf)
{
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        const struct axi_channel *channel = &partition->channels[i];
        if (is_link(channel) && channel->pci_bdf != 0 &&
            (name != NULL ? strcmp(channel->name, name) == 0 : channel->pci_bdf == bdf)) {
            return channel;
        }
    }
    return NULL;
}

static bool is_slot_used(const struct axi_allocation *allocation,
                         const struct axi_partition *partition, uint16_t bdf)
{
    bool is_used = find_link(partition, NULL, bdf) != NULL;
    for (size_t i = 0; i < allocation->entry_count && !is_used; i++) {
        is_used = find_link(&allocation->entries[i].partition, NULL, bdf) != NULL;
    }
    return is_used;
}

/* The hypervisor joins shared memory devices by their slot, so a slot is one channel everywhere.
 * Slot 0 stays with what the root cell's configuration has there. */
static int allocate_slot(const struct axi_allocation *allocation, struct axi_partition *partition,
                         struct axi_channel *channel)
{
    uint16_t wanted = channel->pci_bdf;
    for (size_t i = 0; i < allocation->entry_count; i++) {
        const struct axi_channel *peer =
            find_link(&allocation->entries[i].partition, channel->name, 0);
        if (peer != NULL && wanted != 0 && wanted != peer->pci_bdf) {
            return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                                  "channel %s has another PCI slot in %s", channel->name,
                                  allocation->entries[i].partition.id);
        }
        if (peer != NULL) {
            channel->pci_bdf = peer->pci_bdf;
            return 0;
        }
    }
    channel->pci_bdf = 0;
    if (wanted != 0 && is_slot_used(allocation, partition, wanted)) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                              "channel %s: its PCI slot is taken", channel->name);
    }
    uint16_t bdf = wanted != 0 ? wanted : 1 << 3;
    while (wanted == 0 && bdf < 32 << 3 && is_slot_used(allocation, partition, bdf)) {
        bdf = (uint16_t)(bdf + (1 << 3));
    }
    if (bdf >= 32 << 3 && wanted == 0) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                              "channel %s: no free PCI slot", channel->name);
    }
    channel->pci_bdf = bdf;
    return 0;
}

static bool is_free_irq(const struct axi_allocation *allocation,
                        const struct axi_partition *partition, uint64_t irq)
{
    return is_platform_irq(allocation->platform, irq) && !has_irq(partition, irq) &&
           irq_owner(allocation, irq) == NULL;
}

static uint32_t pin_of(const struct axi_channel *channel)
{
    return channel->pci_bdf >> 3 & 3u;
}

static bool suits(const struct axi_allocation *allocation, const struct axi_partition *partition,
                  uint64_t base)
{
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        const struct axi_channel *channel = &partition->channels[i];
        if (is_link(channel) &&
            (channel->irq == AXI_ANY ? !is_free_irq(allocation, partition, base + pin_of(channel))
                                     : channel->irq != base + pin_of(channel))) {
            return false;
        }
    }
    return true;
}

/* A cell has one base; the interrupt of a channel is the base and the pin of its slot. */
static int allocate_channel_irqs(const struct axi_allocation *allocation,
                                 struct axi_partition *partition)
{
    uint32_t links = 0;
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        struct axi_channel *channel = &partition->channels[i];
        if (!is_link(channel)) {
            channel->irq = 0; /* the host polls */
            continue;
        }
        int rc = allocate_slot(allocation, partition, channel);
        if (rc != 0) {
            return rc;
        }
        links++;
    }
    for (uint64_t base = 32; base < 1020 && links != 0; base++) {
        if (!suits(allocation, partition, base)) {
            continue;
        }
        for (uint32_t i = 0; i < partition->channel_count; i++) {
            struct axi_channel *channel = &partition->channels[i];
            channel->irq = is_link(channel) ? base + pin_of(channel) : 0;
        }
        return 0;
    }
    return links == 0
               ? 0
               : axi_report_set(allocation->report, -AXC_ERESOURCE_IRQ,
                                "no free interrupts that suit the slots of the %u channels", links);
}

static int allocate_irqs(const struct axi_allocation *allocation, struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->irq_count; i++) {
        int rc = check_irq(allocation, partition->irqs[i]);
        if (rc != 0) {
            return rc;
        }
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        uint64_t irq = partition->channels[i].irq;
        int rc = irq != AXI_ANY && irq != 0 ? check_irq(allocation, irq) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    return allocate_channel_irqs(allocation, partition);
}

/* --- devices and remote cores --- */

static const char *device_owner(const struct axi_allocation *allocation, const char *name)
{
    for (size_t i = 0; i < allocation->entry_count; i++) {
        const struct axi_partition *other = &allocation->entries[i].partition;
        for (uint32_t k = 0; k < other->device_count; k++) {
            if (strcmp(other->devices[k].name, name) == 0) {
                return other->id;
            }
        }
    }
    return NULL;
}

/* The name decides; everything else is the platform's, the guest's address excepted. */
static int take_device(const struct axi_allocation *allocation, struct axi_device *device)
{
    const struct axi_platform *platform = allocation->platform;
    const char *owner = device_owner(allocation, device->name);
    if (owner != NULL) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE, "device %s is taken by %s",
                              device->name, owner);
    }
    for (uint32_t i = 0; i < platform->device_count; i++) {
        if (strcmp(platform->devices[i].name, device->name) != 0) {
            continue;
        }
        uint64_t guest_address = device->guest_address;
        *device = platform->devices[i];
        if (guest_address != 0 && guest_address != AXI_ANY) {
            device->guest_address = guest_address;
        }
        if (device->guest_address == 0 || device->guest_address == AXI_ANY) {
            device->guest_address = device->host_address;
        }
        return 0;
    }
    return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                          "the platform has no device \"%s\"", device->name);
}

/* A console at an address belongs to a device of the platform: nobody maps registers by number. */
static int take_console(const struct axi_allocation *allocation, struct axi_partition *partition)
{
    struct axi_partition_console *console = &partition->console;
    if (console->address == 0 || console->kind == AXI_CONSOLE_NONE ||
        console->kind >= AXI_CONSOLE_HYPERVISOR) {
        return 0;
    }
    for (uint32_t i = 0; i < partition->device_count; i++) {
        const struct axi_device *device = &partition->devices[i];
        if (console->address - device->guest_address < device->bytes) {
            return 0;
        }
    }
    const struct axi_platform *platform = allocation->platform;
    for (uint32_t i = 0; i < platform->device_count; i++) {
        const struct axi_device *device = &platform->devices[i];
        if (console->address - device->host_address >= device->bytes) {
            continue;
        }
        if (partition->device_count == AXI_PARTITION_DEVICES_MAX) {
            break;
        }
        struct axi_device *taken = &partition->devices[partition->device_count++];
        *taken = *device;
        return take_device(allocation, taken);
    }
    return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                          "console: no device of the platform is at 0x%" PRIx64, console->address);
}

static int allocate_devices(const struct axi_allocation *allocation,
                            struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->device_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(partition->devices[i].name, partition->devices[k].name) == 0) {
                return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                                      "device %s is asked for twice", partition->devices[i].name);
            }
        }
        int rc = take_device(allocation, &partition->devices[i]);
        if (rc != 0) {
            return rc;
        }
    }
    return take_console(allocation, partition);
}

static const char *core_owner(const struct axi_allocation *allocation, const char *name)
{
    for (size_t i = 0; i < allocation->entry_count; i++) {
        const struct axi_partition *other = &allocation->entries[i].partition;
        for (uint32_t k = 0; k < other->remote_core_count; k++) {
            if (strcmp(other->remote_cores[k].name, name) == 0) {
                return other->id;
            }
        }
    }
    return NULL;
}

static int take_core(const struct axi_allocation *allocation, struct axi_partition *partition,
                     uint32_t index)
{
    const struct axi_platform *platform = allocation->platform;
    struct axi_remote_core *core = &partition->remote_cores[index];
    const char *owner = core_owner(allocation, core->name);
    if (owner != NULL) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                              "remote core %s is taken by %s", core->name, owner);
    }
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(partition->remote_cores[i].name, core->name) == 0) {
            return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                                  "remote core %s is asked for twice", core->name);
        }
    }
    for (uint32_t i = 0; i < platform->remote_core_count; i++) {
        if (strcmp(platform->remote_cores[i].name, core->name) == 0) {
            *core = platform->remote_cores[i];
            return 0;
        }
    }
    return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                          "the platform has no remote core \"%s\"", core->name);
}

static bool has_shared_console(const struct axi_partition *partition)
{
    return partition->console.kind == AXI_CONSOLE_HYPERVISOR;
}

static int allocate_console(const struct axi_allocation *allocation,
                            struct axi_partition *partition)
{
    bool is_default = partition->console.kind == AXI_CONSOLE_DEFAULT;
    if ((allocation->takes & AXI_TAKES_CONSOLE) == 0 ||
        (!is_default && !has_shared_console(partition))) {
        return 0;
    }
    partition->console.kind = AXI_CONSOLE_HYPERVISOR;
    for (size_t i = 0; i < allocation->entry_count; i++) {
        const struct axi_partition *other = &allocation->entries[i].partition;
        if (strcmp(other->hv, partition->hv) != 0 || !has_shared_console(other)) {
            continue;
        }
        if (!is_default) {
            return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                                  "the hypervisor's console is taken by %s", other->id);
        }
        partition->console.kind = AXI_CONSOLE_NONE; /* it did not ask for this one */
    }
    return 0;
}

static int allocate_all(const struct axi_allocation *allocation, struct axi_partition *partition)
{
    int rc = allocate_cpus(allocation, partition);
    if (rc == 0 && (allocation->takes & AXI_TAKES_DEVICES) != 0) {
        rc = allocate_devices(allocation, partition);
        for (uint32_t i = 0; i < partition->remote_core_count && rc == 0; i++) {
            rc = take_core(allocation, partition, i);
        }
        rc = rc != 0 ? rc : allocate_irqs(allocation, partition);
    }
    rc = rc != 0 ? rc : allocate_console(allocation, partition);
    return rc != 0 ? rc : axi_allocate_memory(allocation, partition);
}

int axi_allocate(const struct axi_allocation *allocation, struct axi_partition *partition)
{
    for (size_t i = 0; i < allocation->entry_count; i++) {
        const struct axi_partition *other = &allocation->entries[i].partition;
        if (partition->name[0] != '\0' && strcmp(other->name, partition->name) == 0) {
            return axi_report_set(allocation->report, -AXC_EEXIST,
                                  "the name %s is taken by partition %s", partition->name,
                                  other->id);
        }
    }
    struct axi_partition result = *partition;
    int rc = allocate_all(allocation, &result);
    if (rc == 0) {
        *partition = result;
    }
    return rc;
}
