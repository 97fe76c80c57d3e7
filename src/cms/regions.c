/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/regions.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGIONS_BYTES_MAX ((size_t)1 << 30)

static const char *skip_digits(const char *text)
{
    const char *end = text + strspn(text, "0123456789");

    return end == text || end - text > 10 ? NULL : end;
}

static bool is_descriptor_path(const char *path)
{
    if (strncmp(path, "/proc/", 6) != 0) {
        return false;
    }
    const char *at = skip_digits(path + 6);

    if (at == NULL || strncmp(at, "/fd/", 4) != 0) {
        return false;
    }
    at = skip_digits(at + 4);
    return at != NULL && *at == '\0';
}

static const uint8_t *map(int fd, size_t *ret_bytes)
{
    struct stat about;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &about) < 0 ||
        !S_ISREG(about.st_mode) || about.st_size <= 0 ||
        (uint64_t)about.st_size > REGIONS_BYTES_MAX) {
        return NULL;
    }
    void *memory = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }
    *ret_bytes = (size_t)about.st_size;
    return memory;
}

const uint8_t *axi_cms_regions_map(const char *path, size_t *ret_bytes)
{
    int fd = is_descriptor_path(path) ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    const uint8_t *memory = NULL;

    if (fd >= 0) {
        memory = map(fd, ret_bytes);
        (void)close(fd);
    }
    return memory;
}

void axi_cms_regions_unmap(const uint8_t *memory, size_t bytes)
{
    (void)munmap((void *)(uintptr_t)memory, bytes);
}
