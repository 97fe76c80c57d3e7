/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands for application images share, and axcan image node. */
#include "cli/image_app.h"

#include "cli/command.h"
#include "cli/options.h"
#include "host/programs.h"
#include "image/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM_BYTES_MAX (64u << 20)

#ifdef __aarch64__
const enum axi_isa axi_image_isas[AXI_IMAGE_ISAS] = {AXI_ISA_AARCH64, AXI_ISA_X86_64};
#else
const enum axi_isa axi_image_isas[AXI_IMAGE_ISAS] = {AXI_ISA_X86_64, AXI_ISA_AARCH64};
#endif

int axi_image_open_app(const char *command, const char *path, struct axi_app_index *ret_index)
{
    int r = axi_app_open(path, ret_index);

    return r == 0
               ? 0
               : axi_cli_fail(command, "%s: %s (%s)", path, axi_error_text(r), axi_error_name(r));
}

const struct axi_app_entry *axi_image_for_board(const struct axi_app_index *index,
                                                const char *board)
{
    for (uint32_t i = 0; i < index->count; i++) {
        if (strcmp(index->entries[i].board, board) == 0) {
            return &index->entries[i];
        }
    }
    return NULL;
}

const struct axi_app_entry *axi_image_for_linux(const struct axi_app_index *index,
                                                const char *architecture)
{
    for (uint32_t i = 0; i < index->count; i++) {
        const struct axi_app_entry *entry = &index->entries[i];

        if (strcmp(entry->os, "linux") == 0 && entry->board[0] == '\0' &&
            strcmp(entry->architecture, architecture) == 0) {
            return entry;
        }
    }
    return NULL;
}

static int check_digest(const struct axi_app_layers *layers, const struct axi_bri *bri, uint32_t i,
                        struct axi_report *report)
{
    const char *path = bri->partition.images[i].path;
    struct axi_tar_file file;
    struct axi_digest digest;
    char text[AXI_DIGEST_TEXT_BYTES];
    int r = axi_app_find(layers, path + strspn(path, "/"), &file);

    if (r < 0) {
        return axi_report_set(report, r, "images[%u]: %s: not in the image", i, path);
    }
    axi_digest_of(file.data, file.bytes, &digest);
    axi_digest_format(&digest, text);
    if (bri->digests[i][0] != '\0' && strcmp(bri->digests[i], text) != 0) {
        return axi_report_set(report, -AXC_EIMAGE_DIGEST,
                              "images[%u]: %s has digest %s, stated is %s", i, path, text,
                              bri->digests[i]);
    }
    return 0;
}

int axi_image_read_bri(const struct axi_app_layers *layers, struct axi_bri *ret_bri,
                       struct axi_report *report)
{
    struct axi_tar_file file;
    int r = axi_app_find(layers, AXI_BRI_PATH, &file);

    r = r != 0 ? r : axi_bri_parse(file.data, file.bytes, ret_bri, report);
    for (uint32_t i = 0; r == 0 && i < ret_bri->partition.image_count; i++) {
        r = check_digest(layers, ret_bri, i, report);
    }
    return r;
}

int axi_image_read_program(const char *name, enum axi_isa isa, uint8_t **ret_data,
                           size_t *ret_bytes)
{
    const char *folder = getenv("AXCAN_CONTAINER");
    bool is_host = isa == axi_image_isas[0];
    /* The cross-compiled node is static as it is. */
    const char *suffix = is_host && strcmp(name, "axcan-node") == 0 ? "-static" : "";
    char relative[256];
    char path[AXI_PATH_BYTES];
    int r = -AXC_ENOENT;

    if (folder != NULL && *folder != '\0') {
        (void)snprintf(path, sizeof(path), "%s/linux-%s/%s%s", folder, axi_isa_name(isa), name,
                       suffix);
        return axi_file_read(path, PROGRAM_BYTES_MAX, ret_data, ret_bytes);
    }
    (void)snprintf(relative, sizeof(relative), "%s/node/%s%s", is_host ? ".." : "../../aarch64/src",
                   name, suffix);
    if (axi_beside_program(relative, path, sizeof(path))) {
        r = axi_file_read(path, PROGRAM_BYTES_MAX, ret_data, ret_bytes);
    }
    (void)snprintf(relative, sizeof(relative), "../lib/axcan/linux-%s/%s%s", axi_isa_name(isa),
                   name, suffix);
    if (r == -AXC_ENOENT && axi_beside_program(relative, path, sizeof(path))) {
        r = axi_file_read(path, PROGRAM_BYTES_MAX, ret_data, ret_bytes);
    }
    return r;
}

/* The container of a node: the program, a place for its state, a place for sockets and locks. */
static int write_node(const char *out, const char *name, uint8_t *programs[AXI_IMAGE_ISAS],
                      const size_t sizes[AXI_IMAGE_ISAS])
{
    static const char *const args[] = {"/usr/bin/axcan-node", "--dir", "/var/lib/axcan", NULL};
    struct axi_tar_file files[AXI_IMAGE_ISAS][3];
    struct axi_app_part parts[AXI_IMAGE_ISAS];
    struct axi_app_index index;
    uint32_t count = 0;
    int r = 0;

    memset(parts, 0, sizeof(parts));
    for (uint32_t i = 0; i < AXI_IMAGE_ISAS; i++) {
        const char *architecture = axi_isa_oci_architecture(axi_image_isas[i]);
        struct axi_app_part *part = &parts[count];

        if (programs[i] == NULL) {
            (void)fprintf(stderr, "axcan image node: no axcan-node for %s here: left out\n",
                          axi_isa_name(axi_image_isas[i]));
            continue;
        }
        files[count][0] = (struct axi_tar_file){"usr/bin/axcan-node", programs[i], sizes[i], 0755};
        files[count][1] = (struct axi_tar_file){"var/lib/axcan/", NULL, 0, 0700};
        files[count][2] = (struct axi_tar_file){"tmp/", NULL, 0, 01777};
        part->files = files[count];
        part->file_count = 3;
        part->args = args;
        (void)snprintf(part->entry.os, sizeof(part->entry.os), "linux");
        (void)snprintf(part->entry.architecture, sizeof(part->entry.architecture), "%s",
                       architecture);
        (void)snprintf(part->entry.ref, sizeof(part->entry.ref), "linux-%s", architecture);
        count++;
    }
    r = count == 0 ? -AXC_ENOENT : axi_app_write(out, name, parts, count, &index);
    if (r != 0) {
        return axi_cli_fail("image node", "%s: %s (%s)", count == 0 ? "axcan-node" : out,
                            axi_error_text(r), axi_error_name(r));
    }
    (void)printf("%s: axcan-node as a container for %u architecture%s\n", out, count,
                 count == 1 ? "" : "s");
    return 0;
}

int axi_image_node(int argc, char **argv)
{
    const char *out = NULL;
    const char *name = "axcan-node";
    const struct axi_option options[] = {{"o", AXI_OPTION_TEXT, &out},
                                         {"name", AXI_OPTION_TEXT, &name}};
    uint8_t *programs[AXI_IMAGE_ISAS] = {NULL};
    size_t sizes[AXI_IMAGE_ISAS] = {0};
    int r = axi_options_parse("image node", argc, argv, options, 2, "", 0, 0, NULL, NULL);

    if (r != 0 || out == NULL) {
        return r != 0
                   ? r
                   : axi_cli_usage("image node", "-o APP is needed (a bootable image that joins a "
                                                 "cluster: 'axcan image ecu')");
    }
    for (uint32_t i = 0; i < AXI_IMAGE_ISAS && r == 0; i++) {
        r = axi_image_read_program("axcan-node", axi_image_isas[i], &programs[i], &sizes[i]);
        r = r == -AXC_ENOENT ? 0 : r;
    }
    r = r == 0 ? write_node(out, name, programs, sizes)
               : axi_cli_fail("image node", "axcan-node: %s", axi_error_text(r));
    for (uint32_t i = 0; i < AXI_IMAGE_ISAS; i++) {
        free(programs[i]);
    }
    return r;
}
