/* SPDX-License-Identifier: Apache-2.0 */
/* The node's shared memory (shared.h says what is in it). Made before the zygote forks: afterwards
 * the node maps it writable, a runner maps its own windows only, the zygote only its ring. */
#ifndef AXI_NODE_MEMORY_H
#define AXI_NODE_MEMORY_H

#include "base/error.h"
#include "core/region.h"
#include "node/shared.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axi_node_memory {
    uint32_t slots;
    uint32_t image_bytes; /* window per slot, page multiple */
    int slots_fd, images_fd, images_read_fd, world_fd, world_read_fd, event_fd;
    int regions_fd;                /* core/region.h's file; never seen by the zygote */
    uint32_t region_bytes;         /* window per slot, a multiple of AXI_REGION_FILE_PAGE */
    size_t regions_bytes;          /* of the file */
    struct axi_shm_zygote *zygote; /* inherited by the zygote */
    /* node only, NULL in the zygote */
    uint8_t *slots_map;
    uint8_t *images_map;
    uint8_t *regions_map;
    struct axi_shm_world *world;
    struct axi_shm_event *event;
};

struct axi_runner_view {
    struct axi_shm_world *world;
    struct axi_shm_event *event;
};

/* Creates the files and the zygote's ring; maps nothing else. -AXC_ENOMEM, -AXC_EIO. */
AXC_MUST_USE int axi_memory_init(struct axi_node_memory *ret_memory, uint32_t slots,
                                 uint32_t image_bytes);

/* In the node, after the zygote was forked. -AXC_ENOMEM; undone by deinit. */
AXC_MUST_USE int axi_memory_map(struct axi_node_memory *memory);

/* Likewise: makes and maps the file of checkpoint regions, one window of region_bytes per slot.
 * -AXC_EIO, -AXC_ENOMEM. */
AXC_MUST_USE int axi_memory_map_regions(struct axi_node_memory *memory, size_t region_bytes,
                                        uint64_t node_id, uint64_t boot_id);
void axi_memory_deinit(struct axi_node_memory *memory);

/* In a runner: maps its windows at the fixed addresses, unmaps the zygote's ring. -AXC_ENOMEM. */
AXC_MUST_USE int axi_memory_enter_runner(const struct axi_node_memory *memory, uint32_t slot,
                                         struct axi_runner_view *ret_view);

static inline struct axi_shm_slot *axi_memory_slot(const struct axi_node_memory *memory,
                                                   uint32_t slot)
{
    return (struct axi_shm_slot *)(void *)(memory->slots_map +
                                           (size_t)slot * sizeof(struct axi_shm_slot));
}

static inline uint8_t *axi_memory_image(const struct axi_node_memory *memory, uint32_t slot)
{
    return memory->images_map + (size_t)slot * memory->image_bytes;
}

/* Where the slot's region lies in the file. */
static inline uint64_t axi_memory_region_offset(const struct axi_node_memory *memory, uint32_t slot)
{
    return AXI_REGION_FILE_PAGE + (uint64_t)slot * memory->region_bytes;
}

#endif
