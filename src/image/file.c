/* SPDX-License-Identifier: Apache-2.0 */
#include "image/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int translate(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return -AXC_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return -AXC_EPERM;
    case ENOSPC:
    case EDQUOT:
        return -AXC_EFULL;
    case ENOMEM:
        return -AXC_ENOMEM;
    default:
        return -AXC_EIO;
    }
}

static int read_all(int fd, uint8_t *data, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t got = read(fd, data + done, bytes - done);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? translate(errno) : -AXC_EIO;
        }
        done += (size_t)got;
    }
    return 0;
}

static int read_open(int fd, size_t bytes_max, uint8_t **ret_data, size_t *ret_bytes)
{
    struct stat status;
    uint8_t *data = NULL;
    int error = 0;

    if (fstat(fd, &status) != 0) {
        return translate(errno);
    }
    if (!S_ISREG(status.st_mode)) {
        return -AXC_EIO;
    }
    if ((uint64_t)status.st_size > bytes_max) {
        return -AXC_EIMAGE_TOO_LARGE;
    }
    data = malloc((size_t)status.st_size + 1);
    if (data == NULL) {
        return -AXC_ENOMEM;
    }
    error = read_all(fd, data, (size_t)status.st_size);
    if (error != 0) {
        free(data);
        return error;
    }
    data[status.st_size] = 0;
    *ret_data = data;
    *ret_bytes = (size_t)status.st_size;
    return 0;
}

int axi_file_read(const char *path, size_t bytes_max, uint8_t **ret_data, size_t *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error = 0;

    if (fd < 0) {
        return translate(errno);
    }
    error = read_open(fd, bytes_max, ret_data, ret_bytes);
    (void)close(fd);
    return error;
}

static int write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t done = write(fd, data, bytes);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return translate(errno);
        }
        data += done;
        bytes -= (size_t)done;
    }
    /* EINVAL: pipes and devices have nothing to sync. */
    return fsync(fd) == 0 || errno == EINVAL ? 0 : translate(errno);
}

/* A device, a pipe or a link ("-o /dev/stdout") is written to, never replaced by a file. */
static int write_special(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    int error = 0;

    if (fd < 0) {
        return translate(errno);
    }
    error = write_all(fd, data, bytes);
    if (close(fd) != 0 && error == 0) {
        error = translate(errno);
    }
    return error;
}

int axi_file_write_mode(const char *path, const void *data, size_t bytes, unsigned mode)
{
    char temporary[AXI_PATH_BYTES];
    struct stat about;
    int fd = -1;
    int error = 0;

    if (lstat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        return write_special(path, data, bytes);
    }
    if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary)) {
        return -AXC_EOVERFLOW;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return translate(errno);
    }
    error = write_all(fd, data, bytes);
    if (error == 0 && fchmod(fd, (mode_t)mode) != 0) {
        error = translate(errno);
    }
    if (close(fd) != 0 && error == 0) {
        error = translate(errno);
    }
    if (error == 0 && rename(temporary, path) != 0) {
        error = translate(errno);
    }
    if (error != 0) {
        (void)unlink(temporary);
    }
    return error;
}

int axi_file_write(const char *path, const void *data, size_t bytes)
{
    return axi_file_write_mode(path, data, bytes, 0644);
}

int axi_file_make_dir(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : translate(errno);
}

int axi_file_join(char *ret_path, size_t capacity, const char *dir, const char *name)
{
    int bytes = snprintf(ret_path, capacity, "%s/%s", dir, name);

    return bytes >= 0 && (size_t)bytes < capacity ? 0 : -AXC_EOVERFLOW;
}
