/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/os_files.h"

#include "image/file.h"
#include "image/os_image.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool axi_os_is_board(const char *board)
{
    return strcmp(board, "virt") == 0 || strcmp(board, "zcu102") == 0;
}

/* DIR/axcan-os-BOARD.elf or .bin; false when it is not there. */
static bool look(const char *dir, const char *board, bool is_elf, char *ret_path)
{
    return snprintf(ret_path, AXI_OS_PATH_BYTES, "%s/axcan-os-%s.%s", dir, board,
                    is_elf ? "elf" : "bin") < (int)AXI_OS_PATH_BYTES &&
           access(ret_path, R_OK) == 0;
}

static bool look_beside_program(const char *relative, const char *board, bool is_elf,
                                char *ret_path)
{
    char program[PATH_MAX];
    char dir[2 * PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash = NULL;

    if (length < 0) {
        return false;
    }
    program[length] = '\0';
    slash = strrchr(program, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    (void)snprintf(dir, sizeof(dir), "%s/%s", program, relative);
    return look(dir, board, is_elf, ret_path);
}

static bool find_kernel(const char *board, bool is_elf, char *ret_path)
{
    const char *environment = getenv("AXCAN_OS");

    if (environment != NULL && *environment != '\0') {
        return look(environment, board, is_elf, ret_path);
    }
    return look_beside_program("../../os", board, is_elf, ret_path) ||
           look_beside_program("../lib/axcan", board, is_elf, ret_path) ||
           look(AXI_OS_DIR, board, is_elf, ret_path);
}

int axi_os_kernel_read(const char *board, bool is_elf, char *ret_path, uint8_t **ret_kernel,
                       size_t *ret_bytes)
{
    if (!find_kernel(board, is_elf, ret_path)) {
        return -AXC_ENOENT;
    }
    return axi_file_read(ret_path, AXI_OS_IMAGE_BYTES_MAX, ret_kernel, ret_bytes);
}
