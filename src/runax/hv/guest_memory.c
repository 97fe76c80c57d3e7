/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/guest_memory.h"

#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES (2u << 20)

static int check_region(const struct axi_guest_memory *memory, uint64_t guest, uint64_t bytes,
                        struct axi_report *report)
{
    if (bytes == 0 || bytes % PAGE_BYTES != 0 || guest % PAGE_BYTES != 0 ||
        guest > UINT64_MAX - bytes) {
        return axi_report_set(report, -AXC_EINVALID,
                              "memory at %#" PRIx64 " of %" PRIu64
                              " bytes: not in pages of 4096 bytes",
                              guest, bytes);
    }
    for (uint32_t i = 0; i < memory->count; i++) {
        const struct axi_guest_region *other = &memory->regions[i];
        if (guest < other->guest + other->bytes && other->guest < guest + bytes) {
            return axi_report_set(report, -AXC_ERESOURCE_OVERLAP,
                                  "memory at %#" PRIx64 " of %" PRIu64
                                  " bytes overlaps that at %#" PRIx64 " of %" PRIu64,
                                  guest, bytes, other->guest, other->bytes);
        }
    }
    if (memory->count == AXI_GUEST_REGIONS_MAX) {
        return axi_report_set(report, -AXC_EFULL, "more than %u memory regions",
                              AXI_GUEST_REGIONS_MAX);
    }
    return 0;
}

/* Private memory begins at a huge page: then the kernel clears and maps it by huge pages. All of it
 * is there at once, so the guest never waits for the host's allocator. */
static uint8_t *map_private(uint64_t bytes)
{
    size_t room = bytes + HUGE_PAGE_BYTES;
    uint8_t *all = mmap(NULL, room, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) {
        return NULL;
    }
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)all % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    uint8_t *host = all + before;
    if (before != 0) {
        (void)munmap(all, before);
    }
    (void)munmap(host + bytes, room - before - bytes);
    if (bytes >= HUGE_PAGE_BYTES) {
        (void)madvise(host, bytes, MADV_HUGEPAGE); /* without huge pages: the same, slower */
    }
    if (madvise(host, bytes, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) {
        (void)munmap(host, bytes);
        errno = ENOMEM;
        return NULL;
    }
    (void)madvise(host, bytes, MADV_DONTDUMP);
    return host;
}

static int map_shared(struct axi_guest_region *region)
{
    region->host = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, 0);
    if (region->host == MAP_FAILED) {
        region->host = NULL;
        return -1;
    }
    return 0;
}

static int open_shared(struct axi_guest_region *region)
{
    region->fd = memfd_create("axcan-guest", MFD_CLOEXEC);
    if (region->fd < 0 || ftruncate(region->fd, (off_t)region->bytes) != 0 ||
        map_shared(region) != 0) {
        return -1;
    }
    return 0;
}

static void close_region(struct axi_guest_region *region)
{
    axi_guest_memory_unmap(region);
    if (region->fd >= 0) {
        (void)close(region->fd);
        region->fd = -1;
    }
}

int axi_guest_memory_add(struct axi_guest_memory *memory, enum axi_guest_memory_kind kind,
                         uint64_t guest, uint64_t bytes, struct axi_report *report)
{
    int rc = check_region(memory, guest, bytes, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_guest_region region = {.guest = guest, .bytes = bytes, .fd = -1};
    if (kind == AXI_GUEST_PRIVATE) {
        region.host = map_private(bytes);
    } else if (open_shared(&region) != 0) {
        close_region(&region);
    }
    if (region.host == NULL) {
        return axi_report_set(report, -AXC_ERESOURCE_MEMORY,
                              "the host has no %" PRIu64 " bytes for the guest: %s", bytes,
                              strerror(errno));
    }
    memory->regions[memory->count++] = region;
    return 0;
}

static bool has_peers(const struct axi_channel *channel)
{
    return channel->peers > 1;
}

static void channel_file(const struct axi_channel *channel, char *ret_path, size_t size)
{
    (void)snprintf(ret_path, size, "%s/axcan-channel-%s", AXI_CHANNEL_FOLDER, channel->name);
}

/* Everybody who maps the file holds a shared lock on it; whoever can lock it alone is the last one
 * and removes it. A file that was removed while we waited for the lock is not ours: try again. */
static int open_channel_file(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct stat ours, theirs;
        if (fd < 0 || flock(fd, LOCK_SH) != 0 || fstat(fd, &ours) != 0) {
            if (fd >= 0) {
                (void)close(fd);
            }
            return -1;
        }
        if (stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino) {
            return fd;
        }
        (void)close(fd);
    }
}

static void remove_channel_file(const char *path, int fd)
{
    struct stat ours, theirs;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 &&
        ours.st_ino == theirs.st_ino) {
        (void)unlink(path);
    }
}

static int size_channel_file(struct axi_guest_region *region, struct axi_report *report)
{
    struct stat status;
    if (fstat(region->fd, &status) != 0) {
        return axi_report_errno(report, "channel %s", region->file);
    }
    if (status.st_size != 0 && (uint64_t)status.st_size != region->bytes) {
        return axi_report_set(report, -AXC_EHV_FAILED,
                              "channel %s has %lld bytes, this partition wants %" PRIu64,
                              region->file, (long long)status.st_size, region->bytes);
    }
    if (ftruncate(region->fd, (off_t)region->bytes) != 0 || map_shared(region) != 0) {
        return axi_report_errno(report, "channel %s", region->file);
    }
    return 0;
}

int axi_guest_memory_add_channel(struct axi_guest_memory *memory, const struct axi_channel *channel,
                                 uint64_t guest, struct axi_report *report)
{
    if (!has_peers(channel)) {
        return axi_guest_memory_add(memory, AXI_GUEST_SHARED, guest, channel->bytes, report);
    }
    int rc = check_region(memory, guest, channel->bytes, report);
    if (rc != 0) {
        return rc;
    }
    if (channel->name[0] == '\0' || strchr(channel->name, '/') != NULL) {
        return axi_report_set(report, -AXC_EINVALID, "channel name \"%s\" is not usable",
                              channel->name);
    }
    struct axi_guest_region region = {.guest = guest, .bytes = channel->bytes};
    channel_file(channel, region.file, sizeof(region.file));
    region.fd = open_channel_file(region.file);
    if (region.fd < 0) {
        return axi_report_errno(report, "channel %s", region.file);
    }
    rc = size_channel_file(&region, report);
    if (rc != 0) {
        remove_channel_file(region.file, region.fd);
        close_region(&region);
        return rc;
    }
    memory->regions[memory->count++] = region;
    return 0;
}

uint8_t *axi_guest_memory_at(const struct axi_guest_memory *memory, uint64_t guest, uint64_t bytes)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        const struct axi_guest_region *region = &memory->regions[i];
        if (region->host != NULL && axi_range_inside(guest, bytes, region->guest, region->bytes)) {
            return region->host + (guest - region->guest);
        }
    }
    return NULL;
}

void axi_guest_memory_unmap(struct axi_guest_region *region)
{
    if (region->host != NULL) {
        (void)munmap(region->host, region->bytes);
        region->host = NULL;
    }
}

void axi_guest_memory_deinit(struct axi_guest_memory *memory)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        struct axi_guest_region *region = &memory->regions[i];
        if (region->file[0] != '\0') {
            remove_channel_file(region->file, region->fd);
        }
        close_region(region);
    }
    memory->count = 0;
}

void axi_guest_memory_reclaim(const struct axi_partition *partition)
{
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        if (!has_peers(&partition->channels[i])) {
            continue;
        }
        char path[64];
        channel_file(&partition->channels[i], path, sizeof(path));
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
            remove_channel_file(path, fd);
            (void)close(fd);
        }
    }
}
