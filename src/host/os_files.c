/* SPDX-License-Identifier: Apache-2.0 */
#include "host/os_files.h"

#include "host/programs.h"
#include "image/boards.h"
#include "image/file.h"
#include "image/os_image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 4096u

bool axi_os_is_board(const char *board)
{
    return axi_board_find(board) != NULL;
}

/* DIR/axcan-os-BOARD.elf or .bin; false when it is not there. */
static bool look(const char *dir, const char *board, bool is_elf, char *ret_path)
{
    return snprintf(ret_path, PATH_BYTES, "%s/axcan-os-%s.%s", dir, board, is_elf ? "elf" : "bin") <
               (int)PATH_BYTES &&
           access(ret_path, R_OK) == 0;
}

/* Says why; returns the error. */
static int fail(char *ret_reason, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(char *ret_reason, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(ret_reason, AXI_OS_REASON_BYTES, format, arguments);
    va_end(arguments);
    return error;
}

static bool look_beside_program(const char *relative, const char *board, bool is_elf,
                                char *ret_path)
{
    char dir[PATH_BYTES];

    return axi_beside_program(relative, dir, sizeof(dir)) && look(dir, board, is_elf, ret_path);
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

static int read_kernel(const struct axi_os_file *file, uint8_t **ret_kernel, size_t *ret_bytes,
                       char *ret_reason)
{
    char path[PATH_BYTES];
    int r = 0;

    if (!find_kernel(file->board, file->format == AXI_OS_ELF, path)) {
        return fail(ret_reason, -AXC_ENOENT,
                    "no kernel for %s (%.300s); 'make build' makes it, $AXCAN_OS names its folder",
                    file->board, path);
    }
    r = axi_file_read(path, AXI_OS_IMAGE_BYTES_MAX, ret_kernel, ret_bytes);
    return r == 0 ? 0 : fail(ret_reason, r, "%.300s: %s", path, axi_error_text(r));
}

int axi_os_parse_format(const char *text, const char *file, enum axi_os_format *ret_format)
{
    static const char *const words[] = {"raw", "elf", "config"};
    size_t length = strlen(file);

    if (text == NULL) {
        *ret_format =
            length > 4 && strcmp(file + length - 4, ".elf") == 0 ? AXI_OS_ELF : AXI_OS_RAW;
        return 0;
    }
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_format = (enum axi_os_format)i;
            return 0;
        }
    }
    return -AXC_EINVALID;
}

/* Whole or not at all; readable by its owner only when a token is inside. */
static int write_bytes(const struct axi_os_file *file, const uint8_t *bytes, size_t count,
                       char *ret_reason)
{
    unsigned mode = file->config->token[0] != '\0' ? 0600 : 0644;
    int r = axi_file_write_mode(file->path, bytes, count, mode);

    return r == 0 ? 0
                  : fail(ret_reason, r, "%.300s: %s (%s)", file->path, axi_error_text(r),
                         axi_error_name(r));
}

static int pack(const struct axi_os_file *file, const uint8_t *blob, size_t blob_bytes,
                size_t *ret_bytes, char *ret_reason)
{
    uint8_t *kernel = NULL;
    uint8_t *image = NULL;
    size_t kernel_bytes = 0;
    int r = read_kernel(file, &kernel, &kernel_bytes, ret_reason);

    if (r != 0) {
        return r;
    }
    r = axi_os_image_pack(kernel, kernel_bytes, blob, blob_bytes, &image, ret_bytes);
    r = r == 0 ? write_bytes(file, image, *ret_bytes, ret_reason)
               : fail(ret_reason, r, "the kernel of %s: %s (%s)", file->board, axi_error_text(r),
                      axi_error_name(r));
    free(kernel);
    free(image);
    return r;
}

int axi_os_write(const struct axi_os_file *file, size_t *ret_bytes, char *ret_reason)
{
    size_t capacity = axi_boot_config_bytes(file->config);
    size_t bytes = 0;
    uint8_t *blob = malloc(capacity);
    int r =
        blob == NULL ? -AXC_ENOMEM : axi_boot_config_encode(file->config, blob, capacity, &bytes);

    if (r < 0) {
        r = fail(ret_reason, r, "%s (%s)", axi_error_text(r), axi_error_name(r));
    } else if (file->format == AXI_OS_CONFIG) {
        r = write_bytes(file, blob, bytes, ret_reason);
        *ret_bytes = bytes;
    } else {
        r = pack(file, blob, bytes, ret_bytes, ret_reason);
    }
    free(blob);
    return r;
}
