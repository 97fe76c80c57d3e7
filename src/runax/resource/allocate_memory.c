/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/resource/allocate.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <string.h>

#define PAGE 4096u

struct range {
    uint64_t first;
    uint64_t bytes;
};

static bool overlaps(struct range a, struct range b)
{
    return a.bytes != 0 && b.bytes != 0 && a.first < axi_add_sat(b.first, b.bytes) &&
           b.first < axi_add_sat(a.first, a.bytes);
}

/* The memory, channel or device of this partition that lies in the range, as a range; bytes 0:
 * none. The item at `except` (memory first, then channels) does not count. */
static struct range find_in(const struct axi_partition *partition, struct range range,
                            uint32_t except)
{
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        struct range own = {partition->memory[i].host_address, partition->memory[i].bytes};
        if (i != except && own.first != AXI_ANY && overlaps(own, range)) {
            return own;
        }
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        struct range own = {partition->channels[i].host_address, partition->channels[i].bytes};
        if (partition->memory_count + i != except && own.first != AXI_ANY && overlaps(own, range)) {
            return own;
        }
    }
    for (uint32_t i = 0; i < partition->device_count; i++) {
        struct range own = {partition->devices[i].host_address, partition->devices[i].bytes};
        if (overlaps(own, range)) {
            return own;
        }
    }
    return (struct range){0};
}

static struct range find_taken(const struct axi_allocation *allocation, struct range range,
                               const char **ret_owner)
{
    for (size_t i = 0; i < allocation->entry_count; i++) {
        struct range taken = find_in(&allocation->entries[i].partition, range, UINT32_MAX);
        if (taken.bytes != 0) {
            *ret_owner = allocation->entries[i].partition.id;
            return taken;
        }
    }
    *ret_owner = NULL;
    return (struct range){0};
}

static bool is_offered(const struct axi_allocation *allocation, struct range range, uint32_t flags)
{
    const struct axi_platform *platform = allocation->platform;
    for (uint32_t i = 0; i < platform->pool_count && (flags & AXI_MEMORY_IO) == 0; i++) {
        if (axi_range_inside(range.first, range.bytes, platform->pools[i].address,
                             platform->pools[i].bytes)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < platform->device_count && (flags & AXI_MEMORY_IO) != 0; i++) {
        if (axi_range_inside(range.first, range.bytes, platform->devices[i].host_address,
                             platform->devices[i].bytes)) {
            return true;
        }
    }
    return false;
}

static int check_fixed(const struct axi_allocation *allocation,
                       const struct axi_partition *partition, struct range range, uint32_t flags,
                       uint32_t except)
{
    const char *owner;
    if (!is_offered(allocation, range, flags)) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                              "memory at 0x%" PRIx64 " (0x%" PRIx64
                              " bytes) is not offered by the platform",
                              range.first, range.bytes);
    }
    if (find_in(partition, range, except).bytes != 0) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_OVERLAP,
                              "memory at 0x%" PRIx64 " is asked for twice", range.first);
    }
    if (find_taken(allocation, range, &owner).bytes != 0) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                              "memory at 0x%" PRIx64 " is taken by %s", range.first, owner);
    }
    return 0;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
    return axi_add_sat(value, align - 1) & ~(align - 1);
}

struct wish {
    const char *pool;
    uint64_t align;
};

/* The first hole in a pool of this name with at least `bytes`; with bytes 0: the largest. */
static struct range find_hole(const struct axi_allocation *allocation,
                              const struct axi_partition *partition, struct wish wish,
                              uint64_t bytes)
{
    const struct axi_platform *platform = allocation->platform;
    struct range best = {0};
    for (uint32_t i = 0; i < platform->pool_count; i++) {
        const struct axi_platform_pool *pool = &platform->pools[i];
        if (strcmp(pool->name, wish.pool) != 0) {
            continue;
        }
        uint64_t align = pool->align > wish.align ? pool->align : wish.align;
        uint64_t end = pool->address + pool->bytes;
        uint64_t at = align_up(pool->address, align);
        while (at < end && axi_range_ok(end - at, 0, bytes != 0 ? bytes : PAGE)) {
            const char *owner;
            struct range hole = {at, bytes != 0 ? bytes : PAGE};
            struct range used = find_in(partition, hole, UINT32_MAX);
            used = used.bytes != 0 ? used : find_taken(allocation, hole, &owner);
            if (used.bytes != 0) {
                at = align_up(used.first + used.bytes, align);
                continue;
            }
            if (bytes != 0) {
                return hole;
            }
            hole.bytes = end - at;
            while ((used = find_in(partition, hole, UINT32_MAX)).bytes != 0 ||
                   (used = find_taken(allocation, hole, &owner)).bytes != 0) {
                hole.bytes = used.first - at; /* ends at the nearest neighbour at last */
            }
            hole.bytes &= ~(uint64_t)(PAGE - 1);
            best = hole.bytes > best.bytes ? hole : best;
            at = align_up(at + (hole.bytes != 0 ? hole.bytes : PAGE), align);
        }
    }
    return best;
}

static int refuse_pool(const struct axi_allocation *allocation, struct wish wish, uint64_t bytes)
{
    return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                          "no 0x%" PRIx64 " bytes free in memory pool \"%s\"", bytes, wish.pool);
}

/* Takes one hole, or, where the guest's addresses are given, several: the guest does not see the
 * difference. The segment is split in place. */
static int take_segment(const struct axi_allocation *allocation, struct axi_partition *partition,
                        uint32_t index)
{
    struct axi_memory *memory = &partition->memory[index];
    struct wish wish = {memory->pool[0] != '\0' ? memory->pool : "ram",
                        memory->align != 0 ? memory->align : PAGE};
    struct range hole = find_hole(allocation, partition, wish, memory->bytes);
    if (hole.bytes != 0) {
        memory->host_address = hole.first;
        return 0;
    }
    if (memory->guest_address == AXI_ANY) {
        return refuse_pool(allocation, wish, memory->bytes);
    }
    hole = find_hole(allocation, partition, wish, 0);
    if (hole.bytes == 0 || hole.bytes >= memory->bytes) {
        return refuse_pool(allocation, wish, memory->bytes);
    }
    if (partition->memory_count == AXI_PARTITION_MEMORY_MAX) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                              "memory pool \"%s\" is too fragmented for 0x%" PRIx64 " bytes",
                              wish.pool, memory->bytes);
    }
    struct axi_memory *rest = &partition->memory[partition->memory_count];
    *rest = *memory;
    memory->host_address = hole.first;
    memory->bytes = hole.bytes;
    rest->guest_address += hole.bytes;
    rest->bytes -= hole.bytes;
    partition->memory_count++;
    return take_segment(allocation, partition, partition->memory_count - 1);
}

static int check_shape(const struct axi_allocation *allocation, const struct axi_memory *memory,
                       uint32_t index)
{
    const char *why = NULL;
    uint64_t mask = PAGE - 1;
    if (memory->bytes == 0) {
        why = "is empty";
    } else if ((memory->flags & AXI_MEMORY_IO) == 0 && (memory->bytes & mask) != 0) {
        why = "is no multiple of 4096 bytes";
    } else if (memory->align != 0 && (memory->align & (memory->align - 1)) != 0) {
        why = "has an alignment that is no power of two";
    } else if ((memory->flags & AXI_MEMORY_IO) == 0 &&
               ((memory->guest_address != AXI_ANY && (memory->guest_address & mask) != 0) ||
                (memory->host_address != AXI_ANY && (memory->host_address & mask) != 0))) {
        why = "does not begin at a page";
    } else if ((memory->guest_address != AXI_ANY &&
                !axi_range_ok(UINT64_MAX, memory->guest_address, memory->bytes)) ||
               (memory->host_address != AXI_ANY &&
                !axi_range_ok(UINT64_MAX, memory->host_address, memory->bytes))) {
        why = "wraps around";
    }
    return why == NULL ? 0
                       : axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY, "memory[%u] %s",
                                        index, why);
}

static int check_guest_overlap(const struct axi_allocation *allocation,
                               const struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        struct range a = {partition->memory[i].guest_address, partition->memory[i].bytes};
        for (uint32_t k = 0; k < i && a.first != AXI_ANY; k++) {
            struct range b = {partition->memory[k].guest_address, partition->memory[k].bytes};
            if (b.first != AXI_ANY && overlaps(a, b)) {
                return axi_report_set(
                    allocation->report, -AXC_ERESOURCE_OVERLAP,
                    "memory[%u] and memory[%u] overlap in the guest at 0x%" PRIx64, k, i,
                    a.first > b.first ? a.first : b.first);
            }
        }
    }
    return 0;
}

/* --- channels: partitions that name the same one share its memory --- */

static int join_channel(const struct axi_allocation *allocation, struct axi_channel *channel,
                        const struct axi_channel *other, const char *owner)
{
    const char *why = NULL;
    if (channel->bytes != other->bytes || channel->peers != other->peers ||
        channel->protocol != other->protocol) {
        why = "differs in size, peers or protocol";
    } else if (channel->device_id == other->device_id) {
        why = "has the same device id";
    } else if (channel->host_address != AXI_ANY && channel->host_address != other->host_address) {
        why = "is at another address";
    }
    if (why != NULL) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                              "channel %s %s than that of %s", channel->name, why, owner);
    }
    channel->host_address = other->host_address;
    return 0;
}

static int take_channel(const struct axi_allocation *allocation, struct axi_partition *partition,
                        uint32_t index)
{
    struct axi_channel *channel = &partition->channels[index];
    if (channel->peers > 12 || channel->bytes < 2 * PAGE || channel->bytes % PAGE != 0 ||
        (channel->peers > 1 && channel->device_id >= channel->peers)) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                              "channel %s: size, peers or device id out of range", channel->name);
    }
    bool is_joined = false;
    for (size_t i = 0; i < allocation->entry_count && channel->peers > 1; i++) {
        const struct axi_partition *other = &allocation->entries[i].partition;
        for (uint32_t k = 0; k < other->channel_count; k++) {
            if (other->channels[k].peers > 1 &&
                strcmp(other->channels[k].name, channel->name) == 0) {
                int rc = join_channel(allocation, channel, &other->channels[k], other->id);
                if (rc != 0) {
                    return rc;
                }
                is_joined = true;
            }
        }
    }
    struct range own = {channel->host_address, channel->bytes};
    if (is_joined) {
        return 0;
    }
    if (own.first != AXI_ANY) {
        return check_fixed(allocation, partition, own, 0, partition->memory_count + index);
    }
    struct wish wish = {"shared", PAGE};
    struct range hole = find_hole(allocation, partition, wish, channel->bytes);
    if (hole.bytes == 0) {
        wish.pool = "ram";
        hole = find_hole(allocation, partition, wish, channel->bytes);
    }
    if (hole.bytes == 0) {
        return refuse_pool(allocation, wish, channel->bytes);
    }
    channel->host_address = hole.first;
    return 0;
}

/* --- host memory --- */

static uint64_t bytes_of(const struct axi_partition *partition)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        bytes = axi_add_sat(bytes, partition->memory[i].bytes);
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        bytes = axi_add_sat(bytes, partition->channels[i].bytes);
    }
    return bytes;
}

static bool is_in_host_memory(const struct axi_partition *partition)
{
    return partition->memory_count != 0 && partition->memory[0].host_address == AXI_ANY;
}

static int check_host_memory(const struct axi_allocation *allocation,
                             struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        partition->memory[i].host_address = AXI_ANY; /* the hypervisor chooses */
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        partition->channels[i].host_address = AXI_ANY;
    }
    uint64_t limit = allocation->platform->host_memory_bytes;
    uint64_t used = bytes_of(partition);
    for (size_t i = 0; i < allocation->entry_count; i++) {
        if (is_in_host_memory(&allocation->entries[i].partition)) {
            used = axi_add_sat(used, bytes_of(&allocation->entries[i].partition));
        }
    }
    if (limit != 0 && used > limit) {
        return axi_report_set(allocation->report, -AXC_ERESOURCE_MEMORY,
                              "needs 0x%" PRIx64 " bytes, 0x%" PRIx64
                              " of the platform's 0x%" PRIx64 " are taken",
                              bytes_of(partition), used - bytes_of(partition), limit);
    }
    return 0;
}

/* A device's registers may have been taken as memory, by their address. */
static int check_devices(const struct axi_allocation *allocation,
                         const struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->device_count; i++) {
        const struct axi_device *device = &partition->devices[i];
        struct range registers = {device->host_address, device->bytes};
        const char *owner;
        if (find_taken(allocation, registers, &owner).bytes != 0) {
            return axi_report_set(allocation->report, -AXC_ERESOURCE_DEVICE,
                                  "the registers of device %s are taken by %s", device->name,
                                  owner);
        }
    }
    return 0;
}

int axi_allocate_memory(const struct axi_allocation *allocation, struct axi_partition *partition)
{
    int rc = check_guest_overlap(allocation, partition);
    for (uint32_t i = 0; i < partition->memory_count && rc == 0; i++) {
        rc = check_shape(allocation, &partition->memory[i], i);
    }
    if (rc != 0 || (allocation->takes & AXI_TAKES_MEMORY) == 0) {
        return rc != 0 ? rc : check_host_memory(allocation, partition);
    }
    rc = check_devices(allocation, partition);
    for (uint32_t i = 0; i < partition->memory_count && rc == 0; i++) {
        const struct axi_memory *memory = &partition->memory[i];
        struct range own = {memory->host_address, memory->bytes};
        rc = own.first == AXI_ANY ? 0 : check_fixed(allocation, partition, own, memory->flags, i);
    }
    for (uint32_t i = 0; i < partition->memory_count && rc == 0; i++) {
        if (partition->memory[i].host_address == AXI_ANY) {
            rc = take_segment(allocation, partition, i);
        }
    }
    for (uint32_t i = 0; i < partition->memory_count && rc == 0; i++) {
        if (partition->memory[i].guest_address == AXI_ANY) {
            partition->memory[i].guest_address = partition->memory[i].host_address;
        }
    }
    for (uint32_t i = 0; i < partition->channel_count && rc == 0; i++) {
        rc = take_channel(allocation, partition, i);
        if (rc == 0 && partition->channels[i].guest_address == AXI_ANY) {
            partition->channels[i].guest_address = partition->channels[i].host_address;
        }
    }
    return rc != 0 ? rc : check_guest_overlap(allocation, partition);
}
