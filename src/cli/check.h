/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-check: judges history files (core/history.h) with the history checker. May block (files).
 */
#ifndef AXI_CLI_CHECK_H
#define AXI_CLI_CHECK_H

#include "history/checker.h"

#define AXI_CHECK_FILES_MAX 64u
#define AXI_CHECK_IMAGES_MAX 256u

struct axi_check_image {
    uint64_t task_id;
    const char *path; /* image layout directory, or one ELF file */
};

struct axi_check_request {
    const char *files[AXI_CHECK_FILES_MAX];
    uint32_t file_count;
    struct axi_check_image images[AXI_CHECK_IMAGES_MAX];
    uint32_t image_count;
    uint64_t refused[AXI_CHECK_IMAGES_MAX];
    uint32_t refused_count;
    uint64_t bound_ns;
    bool is_torn, is_json;
    bool is_grid;   /* judge where releases lie, too (history/grid.h) */
    bool is_strict; /* lost, dropped or unseen jobs and digests not judged fail too */
};

/* Prints the report on stdout. Returns the exit code: 0 all right, 1 something is broken, 2 a file
 * or image cannot be read (said on stderr). */
int axi_check_run(const struct axi_check_request *request);

#endif
