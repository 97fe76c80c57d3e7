/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tar.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 512u
#define ARCHIVE_BYTES_MAX (1024ull << 20)
#define DIRS_MAX 64u

enum {
    AT_NAME = 0,
    AT_MODE = 100,
    AT_OWNER = 108,
    AT_GROUP = 116,
    AT_SIZE = 124,
    AT_TIME = 136,
    AT_SUM = 148,
    AT_TYPE = 156,
    AT_MAGIC = 257,
    AT_PREFIX = 345,
    PREFIX_BYTES = 155,
    NUMBER = 8,
    LONG_NUMBER = 12,
};

struct archive {
    uint8_t *data; /* NULL: only count */
    size_t used;
    char dirs[DIRS_MAX][AXI_TAR_PATH_BYTES]; /* written so far */
    size_t dir_count;
};

static uint64_t round_up(uint64_t bytes)
{
    return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

static void put_octal(uint8_t *field, size_t width, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%0*llo", (int)width - 1, (unsigned long long)value);
    memcpy(field, text, width);
}

/* The sum of the header's bytes with the sum itself taken as blanks. */
static uint32_t header_sum(const uint8_t *header)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        sum += i >= AT_SUM && i < AT_SUM + NUMBER ? ' ' : header[i];
    }
    return sum;
}

static void append(struct archive *archive, const struct axi_tar_file *file)
{
    if (archive->data != NULL) {
        uint8_t *header = archive->data + archive->used;
        bool is_dir = file->path[strlen(file->path) - 1] == '/';

        memcpy(header + AT_NAME, file->path, strlen(file->path));
        put_octal(header + AT_MODE, NUMBER, file->mode);
        put_octal(header + AT_OWNER, NUMBER, 0);
        put_octal(header + AT_GROUP, NUMBER, 0);
        put_octal(header + AT_SIZE, LONG_NUMBER, file->bytes);
        put_octal(header + AT_TIME, LONG_NUMBER, 0);
        header[AT_TYPE] = is_dir ? '5' : '0';
        memcpy(header + AT_MAGIC, "ustar\00000", 8);
        put_octal(header + AT_SUM, NUMBER - 1, header_sum(header));
        header[AT_SUM + NUMBER - 1] = ' ';
        if (file->bytes > 0) {
            memcpy(header + BLOCK, file->data, file->bytes);
        }
    }
    archive->used += BLOCK + round_up(file->bytes);
}

static bool is_known(const struct archive *archive, const char *dir)
{
    for (size_t i = 0; i < archive->dir_count; i++) {
        if (strcmp(archive->dirs[i], dir) == 0) {
            return true;
        }
    }
    return false;
}

/* A directory once, with its parents before it. */
static int append_dirs(struct archive *archive, const char *path, size_t length, unsigned mode)
{
    for (size_t i = 0; i < length; i++) {
        char dir[AXI_TAR_PATH_BYTES];

        if (path[i] != '/') {
            continue;
        }
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)i + 1, path);
        if (is_known(archive, dir)) {
            continue;
        }
        if (archive->dir_count == DIRS_MAX) {
            return -AXC_EOVERFLOW;
        }
        memcpy(archive->dirs[archive->dir_count++], dir, sizeof(dir));
        append(archive, &(struct axi_tar_file){.path = dir, .mode = i + 1 == length ? mode : 0755});
    }
    return 0;
}

static int append_all(struct archive *archive, const struct axi_tar_file *files, size_t count)
{
    archive->used = archive->dir_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(files[i].path);
        int error = 0;

        if (length == 0 || length >= AXI_TAR_PATH_BYTES || files[i].path[0] == '/') {
            return -AXC_EOVERFLOW;
        }
        if (files[i].bytes > ARCHIVE_BYTES_MAX || archive->used > ARCHIVE_BYTES_MAX) {
            return -AXC_EIMAGE_TOO_LARGE;
        }
        error = append_dirs(archive, files[i].path, length, files[i].mode);
        if (error != 0) {
            return error;
        }
        if (files[i].path[length - 1] != '/') {
            append(archive, &files[i]);
        }
    }
    archive->used += 2ull * BLOCK; /* the end: two blocks of zeros */
    return 0;
}

int axi_tar_write(const struct axi_tar_file *files, size_t count, uint8_t **ret_data,
                  size_t *ret_bytes)
{
    struct archive *archive = calloc(1, sizeof(*archive));
    int error = archive != NULL ? append_all(archive, files, count) : -AXC_ENOMEM;

    if (error == 0) {
        archive->data = calloc(1, archive->used);
        error = archive->data != NULL ? append_all(archive, files, count) : -AXC_ENOMEM;
    }
    if (error == 0) {
        *ret_data = archive->data;
        *ret_bytes = archive->used;
    }
    free(archive);
    return error;
}

static bool get_octal(const uint8_t *field, size_t width, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;

    while (i < width && field[i] == ' ') {
        i++;
    }
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    *ret_value = value;
    return i == width || field[i] == '\0' || field[i] == ' ';
}

/* Whether the header names this path. */
static bool is_path(const uint8_t *header, const char *path)
{
    char name[PREFIX_BYTES + AXI_TAR_PATH_BYTES + 2];
    const char *start = name;

    if (header[AT_PREFIX] != '\0') {
        (void)snprintf(name, sizeof(name), "%.*s/%.*s", PREFIX_BYTES,
                       (const char *)header + AT_PREFIX, (int)AXI_TAR_PATH_BYTES,
                       (const char *)header);
    } else {
        (void)snprintf(name, sizeof(name), "%.*s", (int)AXI_TAR_PATH_BYTES, (const char *)header);
    }
    while (strncmp(start, "./", 2) == 0) {
        start += 2;
    }
    while (*start == '/') {
        start++;
    }
    return strcmp(start, path) == 0;
}

int axi_tar_find(const uint8_t *data, size_t bytes, const char *path, struct axi_tar_file *ret_file)
{
    size_t at = 0;
    int found = -AXC_ENOENT;

    while (axi_range_ok(bytes, at, BLOCK) && data[at] != '\0') {
        const uint8_t *header = data + at;
        uint64_t sum = 0;
        uint64_t size = 0;
        uint64_t mode = 0;

        if (!get_octal(header + AT_SUM, NUMBER, &sum) || sum != header_sum(header) ||
            memcmp(header + AT_MAGIC, "ustar", 5) != 0 ||
            !get_octal(header + AT_SIZE, LONG_NUMBER, &size) ||
            !get_octal(header + AT_MODE, NUMBER, &mode) || !axi_range_ok(bytes, at + BLOCK, size)) {
            return -AXC_EIMAGE_LAYER;
        }
        if ((header[AT_TYPE] == '0' || header[AT_TYPE] == '\0') && is_path(header, path)) {
            *ret_file = (struct axi_tar_file){.path = path,
                                              .data = header + BLOCK,
                                              .bytes = size,
                                              .mode = (unsigned)mode & 07777};
            found = 0;
        }
        at += BLOCK + round_up(size);
    }
    return at == 0 ? -AXC_EIMAGE_LAYER : found;
}
