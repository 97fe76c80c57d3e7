/* SPDX-License-Identifier: Apache-2.0 */
#include "history/file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its node was killed between making the file and writing the header. */
static bool is_blank(const uint8_t *bytes)
{
    for (size_t i = 0; i < AXI_HISTORY_HEADER_BYTES; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

int axi_history_file_open(struct axi_history_file *ret_file, const char *path, uint64_t node_id,
                          uint64_t records)
{
    struct axi_history_file file = {0};
    struct stat status;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int r = 0;

    if (fd < 0 || fstat(fd, &status) != 0) {
        r = -AXC_EIO;
        goto done;
    }
    file.bytes = status.st_size > 0
                     ? (size_t)status.st_size
                     : AXI_HISTORY_HEADER_BYTES + (size_t)records * AXI_HISTORY_RECORD_BYTES;
    if (status.st_size == 0 && ftruncate(fd, (off_t)file.bytes) != 0) {
        r = -AXC_EIO;
        goto done;
    }
    file.map = mmap(NULL, file.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file.map == MAP_FAILED) {
        r = -AXC_EIO;
        goto done;
    }
    r = file.bytes >= AXI_HISTORY_HEADER_BYTES && is_blank(file.map)
            ? axi_history_init(&file.history, file.map, file.bytes, node_id)
            : axi_history_attach(&file.history, file.map, file.bytes, node_id);
    if (r < 0) {
        (void)munmap(file.map, file.bytes);
        goto done;
    }
    *ret_file = file;
done:
    if (fd >= 0) {
        (void)close(fd);
    }
    return r;
}

void axi_history_file_append(struct axi_history_file *file, const struct axi_trace *record)
{
    if (file->map != NULL) {
        axi_history_append(&file->history, record);
    }
}

void axi_history_file_close(struct axi_history_file *file)
{
    if (file->map != NULL) {
        (void)munmap(file->map, file->bytes);
        file->map = NULL;
    }
}
