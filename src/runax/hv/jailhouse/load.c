/* SPDX-License-Identifier: Apache-2.0 */
/* The driver copies raw bytes to guest addresses, each piece inside one memory region. Images are
 * staged in this process first, so a bad one is refused before the cell exists. */
#include "runax/hv/guest_image.h"
#include "runax/hv/jailhouse/guest.h"

#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)
#define FIRMWARE_BYTES_MAX (64u << 20)

struct staged {
    struct axi_guest_memory memory;
    struct axi_guest_loaded loaded;
};

void axi_jailhouse_unstage(void *pointer)
{
    struct staged *staged = pointer;
    if (staged != NULL) {
        axi_guest_memory_deinit(&staged->memory);
        free(staged);
    }
}

static bool is_loadable(const struct axi_memory *memory)
{
    return (memory->flags & AXI_MEMORY_LOADABLE) != 0;
}

/* The loadable segment that begins or ends at a guest address, or NULL. */
static const struct axi_memory *segment_at(const struct axi_partition *partition, uint64_t address,
                                           bool is_end)
{
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        const struct axi_memory *memory = &partition->memory[i];
        uint64_t at = memory->guest_address + (is_end ? memory->bytes : 0);
        if (is_loadable(memory) && at == address) {
            return memory;
        }
    }
    return NULL;
}

/* Physical pieces that the guest sees as one are staged as one. */
static int stage_memory(const struct axi_partition *partition, struct staged *staged,
                        struct axi_report *report)
{
    int rc = 0;
    for (uint32_t i = 0; i < partition->memory_count && rc == 0; i++) {
        const struct axi_memory *memory = &partition->memory[i];
        uint64_t first = memory->guest_address;
        uint64_t end = first + memory->bytes;
        if (!is_loadable(memory) || segment_at(partition, first, true) != NULL) {
            continue;
        }
        while ((memory = segment_at(partition, end, false)) != NULL) {
            end += memory->bytes;
        }
        rc = axi_guest_memory_add(&staged->memory, AXI_GUEST_SHARED, first, end - first, report);
    }
    return rc;
}

static int stage_images(const struct axi_partition *partition, struct staged *staged,
                        struct axi_report *report, uint64_t *ret_entry)
{
    uint64_t ram = 0;
    for (uint32_t i = partition->memory_count; i-- > 0;) {
        ram = is_loadable(&partition->memory[i]) ? partition->memory[i].guest_address : ram;
    }
    int rc = stage_memory(partition, staged, report);
    bool is_first = true;
    for (uint32_t i = 0; i < partition->image_count && rc == 0; i++) {
        uint64_t entry = 0;
        if (partition->images[i].core >= 0) {
            continue;
        }
        rc = axi_guest_load(&staged->memory, &partition->images[i],
                            strcmp(partition->isa, "x86_64") == 0 ? AXI_MACHINE_X86_64
                            : strcmp(partition->isa, "arm") == 0  ? AXI_MACHINE_ARM
                                                                  : AXI_MACHINE_AARCH64,
                            ram, &staged->loaded, report, &entry);
        if (is_first) {
            *ret_entry = entry;
            is_first = false;
        }
    }
    return rc;
}

int axi_jailhouse_stage(const struct axi_partition *partition, struct axi_report *report,
                        void **ret_staged, uint64_t *ret_entry)
{
    struct staged *staged = calloc(1, sizeof(*staged));
    if (staged == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "out of memory");
    }
    uint64_t entry = 0;
    int rc = stage_images(partition, staged, report, &entry);
    if (rc != 0) {
        axi_jailhouse_unstage(staged);
        return rc;
    }
    *ret_staged = staged;
    *ret_entry = entry;
    return 0;
}

/* Pieces of [guest, guest + bytes) that each lie in one region of the cell. */
static uint32_t add_pieces(const struct axi_partition *partition,
                           const struct axi_guest_memory *memory, uint64_t guest, uint64_t bytes,
                           const void *zeros, struct axi_jailhouse_image *images)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        const struct axi_memory *region = &partition->memory[i];
        uint64_t first = region->guest_address > guest ? region->guest_address : guest;
        uint64_t region_end = region->guest_address + region->bytes;
        uint64_t end = region_end < guest + bytes ? region_end : guest + bytes;
        while (is_loadable(region) && first < end) {
            uint64_t length = end - first < PIECE_BYTES ? end - first : PIECE_BYTES;
            if (images != NULL) {
                const void *from = zeros;
                if (zeros == NULL) {
                    from = axi_guest_memory_at(memory, first, length);
                }
                images[count] = (struct axi_jailhouse_image){from, length, first};
            }
            count++;
            first += length;
        }
    }
    return count;
}

/* All memory is cleared first: it may hold what another partition left. */
static uint32_t list_pieces(const struct axi_hv_guest *guest, const struct staged *staged,
                            const void *zeros, struct axi_jailhouse_image *images)
{
    const struct axi_partition *partition = guest->partition;
    uint32_t count = 0;
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        count +=
            add_pieces(partition, &staged->memory, partition->memory[i].guest_address,
                       partition->memory[i].bytes, zeros, images != NULL ? images + count : NULL);
    }
    for (uint32_t i = 0; i < staged->loaded.count; i++) {
        count += add_pieces(partition, &staged->memory, staged->loaded.segments[i].guest,
                            staged->loaded.segments[i].bytes, NULL,
                            images != NULL ? images + count : NULL);
    }
    return count;
}

int axi_jailhouse_load_images(struct axi_hv_guest *guest, struct axi_report *report,
                              const struct axi_jailhouse_rcpu_image *rcpus, uint32_t rcpu_count,
                              const void *staged)
{
    char *zeros = calloc(1, PIECE_BYTES);
    uint32_t count = zeros != NULL ? list_pieces(guest, staged, zeros, NULL) : 0;
    struct axi_jailhouse_image *images = calloc(count + 1, sizeof(*images));
    int rc = -ENOMEM;
    if (zeros != NULL && images != NULL) {
        (void)list_pieces(guest, staged, zeros, images);
        rc = axi_jailhouse_load(guest->device_fd, guest->layout, guest->partition->name, images,
                                count, rcpus, rcpu_count);
    }
    free(images);
    free(zeros);
    return rc == 0 ? 0
                   : axi_report_set(report, -AXC_EHV_FAILED, "load into cell %s: %s",
                                    guest->partition->name, strerror(-rc));
}

/* --- remote cores --- */

static void firmware_name(const struct axi_partition *partition, uint32_t index, char *ret_name,
                          size_t size)
{
    (void)snprintf(ret_name, size, "axcan-%08x-%u.elf",
                   axi_crc32c(0, partition->name, strlen(partition->name)), index);
}

static int copy_file(int from, int to)
{
    static char buffer[65536];
    off_t at = 0;
    ssize_t got;
    while ((got = pread(from, buffer, sizeof(buffer), at)) > 0 && at < FIRMWARE_BYTES_MAX) {
        if (write(to, buffer, (size_t)got) != got) {
            return -1;
        }
        at += got;
    }
    errno = got == 0 ? 0 : got < 0 ? errno : EFBIG;
    return got == 0 ? 0 : -1;
}

int axi_jailhouse_put_firmware(const struct axi_platform *platform,
                               const struct axi_partition *partition,
                               struct axi_jailhouse_rcpu_image *ret_rcpus, uint32_t *ret_count,
                               struct axi_report *report)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < partition->image_count; i++) {
        const struct axi_partition_image *image = &partition->images[i];
        if (image->core < 0) {
            continue;
        }
        if ((uint32_t)image->core >= partition->remote_core_count || count == AXI_CELL_RCPUS_MAX) {
            return axi_report_set(report, -AXC_EINVALID, "image %s: no remote core %d", image->path,
                                  image->core);
        }
        char path[AXI_PARTITION_PATH_BYTES + 40];
        struct axi_jailhouse_rcpu_image *rcpu = &ret_rcpus[count];
        rcpu->rcpu = partition->remote_cores[image->core].id;
        firmware_name(partition, count, rcpu->file, sizeof(rcpu->file));
        (void)snprintf(path, sizeof(path), "%s/%s", platform->jailhouse.firmware, rcpu->file);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || copy_file(image->fd, fd) != 0) {
            int rc = axi_report_errno(report, "firmware %s", path);
            if (fd >= 0) {
                (void)close(fd);
            }
            return rc;
        }
        (void)close(fd);
        count++;
    }
    *ret_count = count;
    return 0;
}

void axi_jailhouse_remove_firmware(const struct axi_platform *platform,
                                   const struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        char name[32];
        char path[AXI_PARTITION_PATH_BYTES + 40];
        firmware_name(partition, i, name, sizeof(name));
        (void)snprintf(path, sizeof(path), "%s/%s", platform->jailhouse.firmware, name);
        (void)unlink(path);
    }
}
