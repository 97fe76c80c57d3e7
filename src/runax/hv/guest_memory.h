/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a guest that lives in this host's memory (qemu, kvm): regions of guest addresses and
 * where this process sees them. Channels between partitions are files in AXI_CHANNEL_FOLDER. */
#ifndef AXI_RUNAX_GUEST_MEMORY_H
#define AXI_RUNAX_GUEST_MEMORY_H

#include "runax/partition.h"
#include "runax/report.h"

#define AXI_GUEST_REGIONS_MAX (AXI_PARTITION_MEMORY_MAX + AXI_PARTITION_CHANNELS_MAX)
#define AXI_CHANNEL_FOLDER "/dev/shm"

struct axi_guest_region {
    uint64_t guest; /* first guest address */
    uint64_t bytes;
    uint8_t *host; /* NULL: not mapped here (any more) */
    int fd;        /* shared memory, or -1: memory of this process alone */
    char file[64]; /* of a channel between partitions; "" otherwise */
};

struct axi_guest_memory { /* zero it before the first call */
    struct axi_guest_region regions[AXI_GUEST_REGIONS_MAX];
    uint32_t count;
};

/* How the memory is had. */
enum axi_guest_memory_kind {
    AXI_GUEST_PRIVATE, /* of this process, huge pages where possible, no page fault later */
    AXI_GUEST_SHARED,  /* an anonymous file that another process can map, too */
};

/* Adds cleared memory. -AXC_EINVALID (not in pages, wraps), -AXC_ERESOURCE_OVERLAP (with a region
 * that is there), -AXC_ERESOURCE_MEMORY (the host has none), -AXC_EFULL (too many regions). */
AXC_MUST_USE int axi_guest_memory_add(struct axi_guest_memory *memory,
                                      enum axi_guest_memory_kind kind, uint64_t guest,
                                      uint64_t bytes, struct axi_report *report);

/* The same for a channel: with peers, a file all of them map, made by the first and removed by the
 * last one; alone, shared memory. -AXC_EHV_FAILED: a file of another size has this name. */
AXC_MUST_USE int axi_guest_memory_add_channel(struct axi_guest_memory *memory,
                                              const struct axi_channel *channel, uint64_t guest,
                                              struct axi_report *report);

/* Where [guest, guest + bytes) is, or NULL when it does not lie wholly in one mapped region. */
uint8_t *axi_guest_memory_at(const struct axi_guest_memory *memory, uint64_t guest, uint64_t bytes);

/* Lets go of this process's view; a shared region stays with whoever else maps its fd. */
void axi_guest_memory_unmap(struct axi_guest_region *region);

/* Unmaps and closes all; a channel's file goes with its last user. */
void axi_guest_memory_deinit(struct axi_guest_memory *memory);

/* From any process: removes the channels' files of a partition that nobody maps any more. */
void axi_guest_memory_reclaim(const struct axi_partition *partition);

#endif
