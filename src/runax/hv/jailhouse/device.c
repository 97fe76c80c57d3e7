/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/jailhouse/device.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* --- the driver's structs and commands (driver/jailhouse.h of the four hypervisors) --- */

struct cell_id {
    int32_t id; /* -1: by name */
    uint32_t padding;
    char name[32];
};

struct create_arguments {
    uint64_t config;
    uint32_t bytes;
    uint32_t padding;
};

struct image {
    uint64_t source;
    uint64_t bytes;
    uint64_t target;
    uint64_t padding;
};

struct rcpu_image {
    uint32_t id;
    uint32_t padding;
    char name[32];
};

struct load_arguments {
    struct cell_id cell;
    uint32_t image_count;
    uint32_t padding;
    struct image images[];
};

struct load_arguments_2025 {
    struct cell_id cell;
    uint32_t image_count;
    uint32_t rcpu_count;
    uint64_t rcpus;
    struct image images[];
};

#define CELL_CREATE _IOW(0, 2, struct create_arguments)
#define CELL_LOAD _IOW(0, 3, struct load_arguments)
#define CELL_LOAD_2025 _IOW(0, 3, struct load_arguments_2025)
#define CELL_START _IOW(0, 4, struct cell_id)
#define CELL_DESTROY _IOW(0, 5, struct cell_id)

_Static_assert(CELL_CREATE == 0x40100002 && CELL_LOAD == 0x40300003 &&
                   CELL_LOAD_2025 == 0x40380003 && CELL_START == 0x40280004 &&
                   CELL_DESTROY == 0x40280005,
               "the numbers are the driver's ABI");

/* A signal ends the driver's wait for its lock with EINTR before anything is done. */
static int command(int fd, unsigned long request, const void *arguments)
{
    int rc = ioctl(fd, request, arguments);
    while (rc != 0 && errno == EINTR) {
        rc = ioctl(fd, request, arguments);
    }
    return rc != 0 ? -errno : 0;
}

static struct cell_id by_name(const char *name)
{
    struct cell_id id = {.id = -1};
    (void)snprintf(id.name, sizeof(id.name), "%s", name);
    return id;
}

int axi_jailhouse_create(int fd, const void *config, size_t length)
{
    struct create_arguments arguments = {.config = (uint64_t)(uintptr_t)config,
                                         .bytes = (uint32_t)length};
    return command(fd, CELL_CREATE, &arguments);
}

static void copy_images(struct image *to, const struct axi_jailhouse_image *from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (struct image){.source = (uint64_t)(uintptr_t)from[i].bytes,
                               .bytes = from[i].length,
                               .target = from[i].guest_address};
    }
}

static int load_2025(int fd, const char *cell, const struct axi_jailhouse_image *images,
                     uint32_t image_count, const struct axi_jailhouse_rcpu_image *rcpus,
                     uint32_t rcpu_count)
{
    struct rcpu_image names[AXI_CELL_RCPUS_MAX] = {0};
    struct load_arguments_2025 *arguments =
        calloc(1, sizeof(*arguments) + image_count * sizeof(arguments->images[0]));
    if (arguments == NULL || rcpu_count > AXI_CELL_RCPUS_MAX) {
        free(arguments);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < rcpu_count; i++) {
        names[i].id = rcpus[i].rcpu;
        (void)snprintf(names[i].name, sizeof(names[i].name), "%s", rcpus[i].file);
    }
    arguments->cell = by_name(cell);
    arguments->image_count = image_count;
    arguments->rcpu_count = rcpu_count;
    arguments->rcpus = (uint64_t)(uintptr_t)names;
    copy_images(arguments->images, images, image_count);
    int rc = command(fd, CELL_LOAD_2025, arguments);
    free(arguments);
    return rc;
}

int axi_jailhouse_load(int fd, enum axi_cell_layout layout, const char *cell,
                       const struct axi_jailhouse_image *images, uint32_t image_count,
                       const struct axi_jailhouse_rcpu_image *rcpus, uint32_t rcpu_count)
{
    if (layout == AXI_CELL_OMNIVISOR2025) {
        return load_2025(fd, cell, images, image_count, rcpus, rcpu_count);
    }
    struct load_arguments *arguments =
        calloc(1, sizeof(*arguments) + image_count * sizeof(arguments->images[0]));
    if (arguments == NULL) {
        return -ENOMEM;
    }
    arguments->cell = by_name(cell);
    arguments->image_count = image_count;
    copy_images(arguments->images, images, image_count);
    int rc = command(fd, CELL_LOAD, arguments);
    free(arguments);
    return rc;
}

int axi_jailhouse_start(int fd, const char *cell)
{
    struct cell_id id = by_name(cell);
    return command(fd, CELL_START, &id);
}

int axi_jailhouse_destroy(int fd, const char *cell)
{
    struct cell_id id = by_name(cell);
    return command(fd, CELL_DESTROY, &id);
}

/* An unknown command is EINVAL, a known one for a cell that cannot exist is ENOENT. */
bool axi_jailhouse_has_layout(int fd, enum axi_cell_layout layout)
{
    return axi_jailhouse_load(fd, layout, "", NULL, 0, NULL, 0) == -ENOENT;
}

/* --- sysfs --- */

/* The first line of a file; "" when there is none. Returns whether the file could be read. */
static bool read_line(const char *sysfs, const char *cell, const char *name, char *ret_text,
                      size_t size)
{
    char path[512];
    ret_text[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/%s%s", sysfs, cell, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool is_read = fgets(ret_text, (int)size, file) != NULL || ferror(file) == 0;
    (void)fclose(file);
    ret_text[strcspn(ret_text, "\n")] = '\0';
    return is_read;
}

bool axi_jailhouse_is_enabled(const char *sysfs)
{
    char text[8];
    return read_line(sysfs, "", "enabled", text, sizeof(text)) && strcmp(text, "1") == 0;
}

static bool read_cell(const char *sysfs, const char *folder, struct axi_jailhouse_cell *cell)
{
    char exits[32];
    bool is_read = read_line(sysfs, folder, "/state", cell->state, sizeof(cell->state)) &&
                   read_line(sysfs, folder, "/cpus_assigned_list", cell->cpus, sizeof(cell->cpus));
    (void)read_line(sysfs, folder, "/cpus_failed_list", cell->failed_cpus,
                    sizeof(cell->failed_cpus));
    (void)read_line(sysfs, folder, "/rcpus_assigned_list", cell->rcpus, sizeof(cell->rcpus));
    (void)read_line(sysfs, folder, "/statistics/vmexits_total", exits, sizeof(exits));
    cell->exits = strtoull(exits, NULL, 10);
    return is_read;
}

int axi_jailhouse_find(const char *sysfs, const char *name, struct axi_jailhouse_cell *ret_cell)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/cells", sysfs);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return -AXC_EIO;
    }
    int rc = -AXC_ENOENT;
    struct dirent *item;
    while (rc == -AXC_ENOENT && (item = readdir(folder)) != NULL) {
        char cell[64];
        char text[64];
        if (item->d_name[0] < '0' || item->d_name[0] > '9' || strlen(item->d_name) > 10) {
            continue;
        }
        (void)snprintf(cell, sizeof(cell), "cells/%.10s", item->d_name);
        if (!read_line(sysfs, cell, "/name", text, sizeof(text)) || strcmp(text, name) != 0) {
            continue;
        }
        struct axi_jailhouse_cell found = {.id = (uint32_t)strtoul(item->d_name, NULL, 10)};
        if (read_cell(sysfs, cell, &found)) { /* else it went away between two reads */
            *ret_cell = found;
            rc = 0;
        }
    }
    (void)closedir(folder);
    return rc;
}
