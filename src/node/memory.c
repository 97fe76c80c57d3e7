/* SPDX-License-Identifier: Apache-2.0 */
#include "node/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int new_file(const char *name, size_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* A second, read-only opening of the same file: a mapping of it can never be made writable. */
static int open_read_only(int fd)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static size_t slots_bytes(const struct axi_node_memory *memory)
{
    return memory->slots * sizeof(struct axi_shm_slot);
}

static size_t images_bytes(const struct axi_node_memory *memory)
{
    return (size_t)memory->slots * memory->image_bytes;
}

int axi_memory_init(struct axi_node_memory *ret_memory, uint32_t slots, uint32_t image_bytes)
{
    struct axi_node_memory memory = {.slots = slots, .image_bytes = image_bytes, .regions_fd = -1};
    void *zygote = mmap(NULL, sizeof(struct axi_shm_zygote), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (zygote == MAP_FAILED) {
        return -AXC_ENOMEM;
    }
    memory.zygote = zygote;
    axi_ring_init(&memory.zygote->ring, memory.zygote->events, sizeof(struct axi_zygote_event),
                  AXI_ZYGOTE_EVENTS);
    memory.slots_fd = new_file("axcan-slots", slots_bytes(&memory));
    memory.images_fd = new_file("axcan-images", images_bytes(&memory));
    memory.world_fd = new_file("axcan-world", sizeof(struct axi_shm_world));
    memory.event_fd = new_file("axcan-event", AXI_PAGE);
    memory.images_read_fd = memory.images_fd < 0 ? -1 : open_read_only(memory.images_fd);
    memory.world_read_fd = memory.world_fd < 0 ? -1 : open_read_only(memory.world_fd);
    if (memory.slots_fd < 0 || memory.images_read_fd < 0 || memory.world_read_fd < 0 ||
        memory.event_fd < 0) {
        axi_memory_deinit(&memory);
        return -AXC_EIO;
    }
    *ret_memory = memory;
    return 0;
}

static void *map_shared(int fd, size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    return map == MAP_FAILED ? NULL : map;
}

int axi_memory_map(struct axi_node_memory *memory)
{
    memory->slots_map = map_shared(memory->slots_fd, slots_bytes(memory));
    memory->images_map = map_shared(memory->images_fd, images_bytes(memory));
    memory->world = map_shared(memory->world_fd, sizeof(struct axi_shm_world));
    memory->event = map_shared(memory->event_fd, AXI_PAGE);
    if (memory->slots_map == NULL || memory->images_map == NULL || memory->world == NULL ||
        memory->event == NULL) {
        return -AXC_ENOMEM;
    }
    axi_timebase_init(&memory->world->timebase);
    return 0;
}

/* Sealed, so that a reader's mapping stays valid to its end whatever becomes of this process. */
int axi_memory_map_regions(struct axi_node_memory *memory, size_t region_bytes, uint64_t node_id,
                           uint64_t boot_id)
{
    size_t page = AXI_REGION_FILE_PAGE;
    int fd = memfd_create("axcan-regions", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    memory->region_bytes = (uint32_t)((region_bytes + page - 1) / page * page);
    memory->regions_bytes = page + (size_t)memory->slots * memory->region_bytes;
    memory->regions_fd = fd;
    if (fd < 0 || ftruncate(fd, (off_t)memory->regions_bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return -AXC_EIO;
    }
    memory->regions_map = map_shared(fd, memory->regions_bytes);
    if (memory->regions_map == NULL) {
        return -AXC_ENOMEM;
    }
    axi_region_file_init(memory->regions_map, memory->regions_bytes, node_id, boot_id);
    return 0;
}

static void unmap(void *map, size_t bytes)
{
    if (map != NULL) {
        (void)munmap(map, bytes);
    }
}

static void close_file(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void axi_memory_deinit(struct axi_node_memory *memory)
{
    unmap(memory->slots_map, slots_bytes(memory));
    unmap(memory->images_map, images_bytes(memory));
    unmap(memory->regions_map, memory->regions_bytes);
    unmap(memory->world, sizeof(struct axi_shm_world));
    unmap(memory->event, AXI_PAGE);
    unmap(memory->zygote, sizeof(struct axi_shm_zygote));
    close_file(memory->slots_fd);
    close_file(memory->images_fd);
    close_file(memory->regions_fd);
    close_file(memory->images_read_fd);
    close_file(memory->world_fd);
    close_file(memory->world_read_fd);
    close_file(memory->event_fd);
    memset(memory, 0, sizeof(*memory));
}

static bool map_fixed(uint64_t address, size_t bytes, int protection, int flags, int fd,
                      off_t offset)
{
    void *wanted = (void *)(uintptr_t)address;

    return mmap(wanted, bytes, protection, flags | MAP_FIXED_NOREPLACE, fd, offset) == wanted;
}

int axi_memory_enter_runner(const struct axi_node_memory *memory, uint32_t slot,
                            struct axi_runner_view *ret_view)
{
    void *world =
        mmap(NULL, sizeof(struct axi_shm_world), PROT_READ, MAP_SHARED, memory->world_read_fd, 0);
    void *event = map_shared(memory->event_fd, AXI_PAGE);
    bool is_mapped =
        map_fixed(AXI_RUNNER_SLOT_BASE, sizeof(struct axi_shm_slot), PROT_READ | PROT_WRITE,
                  MAP_SHARED, memory->slots_fd, (off_t)(slot * sizeof(struct axi_shm_slot))) &&
        map_fixed(AXI_RUNNER_IMAGE_BASE, memory->image_bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE,
                  memory->images_read_fd, (off_t)slot * memory->image_bytes) &&
        map_fixed(AXI_RUNNER_STACK_BASE, AXI_RUNNER_GUARD_BYTES, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) &&
        map_fixed(AXI_RUNNER_STACK_BASE + AXI_RUNNER_GUARD_BYTES, AXC_STACK_BYTES_MAX,
                  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (world == MAP_FAILED || event == NULL || !is_mapped) {
        return -AXC_ENOMEM;
    }
    (void)munmap(memory->zygote, sizeof(struct axi_shm_zygote));
    ret_view->world = world;
    ret_view->event = event;
    return 0;
}
