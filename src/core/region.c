/* SPDX-License-Identifier: Apache-2.0 */
/* A sequence lock per slot (Lameter, "Effective synchronization on Linux/NUMA systems", 2005;
 * fences after Boehm, "Can seqlocks get along with programming language memory models?", 2012). */
#include "core/region.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#define MAGIC 0x47525841u /* "AXRG" */
#define VERSION 1u
#define READ_ATTEMPTS 16
#define FILE_MAGIC 0x46525841u /* "AXRF" */
#define FILE_VERSION 1u

/* In the region's memory, native little endian: a region is read on the machine that writes it. */
struct header {
    uint32_t magic;
    uint32_t version;
    uint32_t slots;
    uint32_t state_bytes_max;
    uint64_t newest; /* number of the newest complete write; 0: none */
    uint64_t reserved[5];
};

struct slot {
    uint64_t generation;
    uint64_t reserved[3];
    uint8_t checkpoint[AXI_CHECKPOINT_HEADER_BYTES];
    uint8_t state[];
};

_Static_assert(sizeof(struct header) == AXI_REGION_ALIGN, "layout");
_Static_assert(sizeof(struct slot) % AXI_REGION_ALIGN == 0, "layout");

static bool is_shape_ok(uint32_t slots, uint32_t state_bytes_max)
{
    return slots >= AXI_REGION_SLOTS_MIN && slots <= AXI_REGION_SLOTS_MAX && state_bytes_max >= 1 &&
           state_bytes_max <= AXC_STATE_BYTES_MAX;
}

static size_t slot_bytes(uint32_t state_bytes_max)
{
    size_t bytes = sizeof(struct slot) + state_bytes_max;

    return (bytes + AXI_REGION_ALIGN - 1) / AXI_REGION_ALIGN * AXI_REGION_ALIGN;
}

static struct header *header_of(const struct axi_region *region)
{
    return (struct header *)(void *)region->memory;
}

static struct slot *slot_of(const struct axi_region *region, uint64_t number)
{
    size_t offset = sizeof(struct header) + (size_t)(number % region->slots) * region->slot_bytes;

    return (struct slot *)(void *)(region->memory + offset);
}

static void set_view(struct axi_region *region, void *memory, uint32_t slots,
                     uint32_t state_bytes_max)
{
    region->memory = memory;
    region->slots = slots;
    region->state_bytes_max = state_bytes_max;
    region->slot_bytes = slot_bytes(state_bytes_max);
}

size_t axi_region_bytes(uint32_t slots, uint32_t state_bytes_max)
{
    if (!is_shape_ok(slots, state_bytes_max)) {
        return 0;
    }
    return sizeof(struct header) + slots * slot_bytes(state_bytes_max);
}

int axi_region_init(struct axi_region *ret_region, void *memory, size_t bytes, uint32_t slots,
                    uint32_t state_bytes_max)
{
    struct header *header = memory;

    if (!is_shape_ok(slots, state_bytes_max) || (uintptr_t)memory % AXI_REGION_ALIGN != 0) {
        return -AXC_EINVALID;
    }
    if (bytes < axi_region_bytes(slots, state_bytes_max)) {
        return -AXC_EFULL;
    }
    memset(memory, 0, axi_region_bytes(slots, state_bytes_max));
    header->version = VERSION;
    header->slots = slots;
    header->state_bytes_max = state_bytes_max;
    __atomic_store_n(&header->magic, MAGIC, __ATOMIC_RELEASE);
    set_view(ret_region, memory, slots, state_bytes_max);
    return 0;
}

/* The shape is read once: whoever writes the memory may be another process. */
int axi_region_attach(struct axi_region *ret_region, void *memory, size_t bytes)
{
    const struct header *header = memory;
    uint32_t slots;
    uint32_t state_bytes_max;

    if ((uintptr_t)memory % AXI_REGION_ALIGN != 0 || bytes < sizeof(*header)) {
        return -AXC_EINVALID;
    }
    if (__atomic_load_n(&header->magic, __ATOMIC_ACQUIRE) != MAGIC) {
        return -AXC_ECKPT_MAGIC;
    }
    if (header->version != VERSION) {
        return -AXC_ECKPT_VERSION;
    }
    slots = __atomic_load_n(&header->slots, __ATOMIC_RELAXED);
    state_bytes_max = __atomic_load_n(&header->state_bytes_max, __ATOMIC_RELAXED);
    if (!is_shape_ok(slots, state_bytes_max) || bytes < axi_region_bytes(slots, state_bytes_max)) {
        return -AXC_ECKPT_SIZE;
    }
    set_view(ret_region, memory, slots, state_bytes_max);
    return 0;
}

uint64_t axi_region_writes(const struct axi_region *region)
{
    return __atomic_load_n(&header_of(region)->newest, __ATOMIC_ACQUIRE);
}

int axi_region_write_crc(struct axi_region *region, const struct axi_checkpoint *checkpoint,
                         const void *state, uint32_t *ret_crc)
{
    uint64_t number = header_of(region)->newest + 1;
    struct slot *slot = slot_of(region, number);
    struct axi_checkpoint stamped = *checkpoint;

    if (checkpoint->state_bytes == 0 || checkpoint->state_bytes > region->state_bytes_max) {
        return -AXC_ECKPT_SIZE;
    }
    __atomic_store_n(&slot->generation, 2 * number - 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* readers see "odd" before any new byte */
    stamped.state_crc = axi_crc32c_copy(0, slot->state, state, checkpoint->state_bytes);
    axi_checkpoint_encode_header(&stamped, slot->checkpoint);
    __atomic_store_n(&slot->generation, 2 * number, __ATOMIC_RELEASE);
    __atomic_store_n(&header_of(region)->newest, number, __ATOMIC_RELEASE);
    *ret_crc = stamped.state_crc;
    return 0;
}

int axi_region_write(struct axi_region *region, const struct axi_checkpoint *checkpoint,
                     const void *state)
{
    uint32_t crc = 0;

    return axi_region_write_crc(region, checkpoint, state, &crc);
}

/* One look at write `number`: begin_look, copies, end_look. The header comes along, since it says
 * how much there is to copy. */
static int begin_look(const struct axi_region *region, uint64_t number,
                      uint8_t header[AXI_CHECKPOINT_HEADER_BYTES],
                      struct axi_checkpoint *ret_checkpoint)
{
    const struct slot *slot = slot_of(region, number);
    int r;

    if (number == 0 || number > axi_region_writes(region)) {
        return -AXC_ECKPT_NONE;
    }
    if (__atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE) != 2 * number) {
        return -AXC_ECKPT_TORN;
    }
    memcpy(header, slot->checkpoint, AXI_CHECKPOINT_HEADER_BYTES);
    r = axi_checkpoint_decode_header(header, AXI_CHECKPOINT_HEADER_BYTES, ret_checkpoint);
    return r == 0 && ret_checkpoint->state_bytes > region->state_bytes_max ? -AXC_ECKPT_SIZE : r;
}

/* -AXC_ECKPT_TORN when the slot was overwritten meanwhile: whatever was found, also r, may come
 * from that. Else r. */
static int end_look(const struct axi_region *region, uint64_t number, int r)
{
    if (r == -AXC_ECKPT_NONE) {
        return r;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the copy is done before the counter is read again */
    return __atomic_load_n(&slot_of(region, number)->generation, __ATOMIC_RELAXED) == 2 * number
               ? r
               : -AXC_ECKPT_TORN;
}

int axi_region_info(const struct axi_region *region, uint64_t number,
                    struct axi_checkpoint *ret_checkpoint)
{
    uint8_t header[AXI_CHECKPOINT_HEADER_BYTES];
    struct axi_checkpoint checkpoint;
    int r = end_look(region, number, begin_look(region, number, header, &checkpoint));

    if (r == 0) {
        *ret_checkpoint = checkpoint;
    }
    return r;
}

/* Bytes of header and state from offset, as if they lay in one piece. */
static size_t copy_part(const uint8_t *header, const uint8_t *state, size_t total, size_t offset,
                        uint8_t *copy, size_t bytes)
{
    size_t count = total - offset < bytes ? total - offset : bytes;
    size_t of_header = 0;

    if (offset < AXI_CHECKPOINT_HEADER_BYTES) {
        of_header = AXI_CHECKPOINT_HEADER_BYTES - offset;
        of_header = of_header < count ? of_header : count;
        memcpy(copy, header + offset, of_header);
        offset = AXI_CHECKPOINT_HEADER_BYTES;
    }
    memcpy(copy + of_header, state + (offset - AXI_CHECKPOINT_HEADER_BYTES), count - of_header);
    return count;
}

int axi_region_read(const struct axi_region *region, uint64_t number, size_t offset, void *copy,
                    size_t bytes, size_t *ret_bytes, size_t *ret_total)
{
    uint8_t header[AXI_CHECKPOINT_HEADER_BYTES];
    struct axi_checkpoint checkpoint = {0};
    size_t total = 0;
    size_t count = 0;
    int r = begin_look(region, number, header, &checkpoint);

    if (r == 0) {
        total = AXI_CHECKPOINT_HEADER_BYTES + (size_t)checkpoint.state_bytes;
        r = offset >= total ? -AXC_EINVALID : 0;
    }
    if (r == 0) {
        count = copy_part(header, slot_of(region, number)->state, total, offset, copy, bytes);
    }
    r = end_look(region, number, r);
    if (r == 0) {
        *ret_bytes = count;
        *ret_total = total;
    }
    return r;
}

/* Copies the whole of write `number` and checks it. */
static int read_slot(const struct axi_region *region, uint64_t number, uint8_t *copy,
                     size_t capacity, size_t *ret_bytes)
{
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    size_t bytes = 0;
    size_t total = 0;
    int r = axi_region_read(region, number, 0, copy, capacity, &bytes, &total);

    if (r == 0 && total > capacity) {
        r = -AXC_EFULL;
    }
    if (r == 0) {
        r = axi_checkpoint_decode(copy, bytes, &checkpoint, &state);
    }
    if (r == 0) {
        *ret_bytes = bytes;
    }
    return r;
}

int axi_region_newest(const struct axi_region *region, void *copy, size_t capacity,
                      size_t *ret_bytes)
{
    size_t bytes = 0;
    int first_error = -AXC_ECKPT_NONE;

    for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        uint64_t newest = axi_region_writes(region);

        first_error = newest == 0 ? -AXC_ECKPT_NONE : -AXC_ECKPT_TORN;
        for (uint64_t age = 0; age < region->slots && age < newest; age++) {
            int r = read_slot(region, newest - age, copy, capacity, &bytes);

            if (r == 0) {
                *ret_bytes = bytes;
                return 0;
            }
            if (r == -AXC_EFULL) {
                return r;
            }
            first_error = age == 0 ? r : first_error;
            if (axi_region_writes(region) != newest) {
                first_error = -AXC_ECKPT_TORN; /* a newer one is there: take that */
                break;
            }
        }
        if (first_error != -AXC_ECKPT_TORN) {
            return first_error;
        }
    }
    return first_error;
}

void axi_region_file_init(void *memory, uint64_t file_bytes, uint64_t node_id, uint64_t boot_id)
{
    struct axi_region_file *file = memory;

    file->version = FILE_VERSION;
    file->node_id = node_id;
    file->boot_id = boot_id;
    file->file_bytes = file_bytes;
    __atomic_store_n(&file->magic, FILE_MAGIC, __ATOMIC_RELEASE);
}

int axi_region_file_check(const void *memory, size_t bytes, uint64_t node_id, uint64_t boot_id)
{
    const struct axi_region_file *file = memory;

    if (bytes < AXI_REGION_FILE_PAGE ||
        __atomic_load_n(&file->magic, __ATOMIC_ACQUIRE) != FILE_MAGIC) {
        return -AXC_ECKPT_MAGIC;
    }
    if (file->version != FILE_VERSION) {
        return -AXC_ECKPT_VERSION;
    }
    if (file->node_id != node_id || file->boot_id != boot_id) {
        return -AXC_ENOENT;
    }
    return file->file_bytes == bytes ? 0 : -AXC_ECKPT_SIZE;
}

int axi_region_file_attach(struct axi_region *ret_region, const void *memory, size_t bytes,
                           uint64_t offset)
{
    if (offset < AXI_REGION_FILE_PAGE || offset % AXI_REGION_FILE_PAGE != 0 || offset >= bytes) {
        return -AXC_EINVALID;
    }
    return axi_region_attach(ret_region, (uint8_t *)(uintptr_t)memory + offset, bytes - offset);
}
