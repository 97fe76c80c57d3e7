/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image build, node, inspect, resolve, explain: application images (image/app_image.h). */
#ifndef AXI_CLI_IMAGE_APP_H
#define AXI_CLI_IMAGE_APP_H

#include "image/app_image.h"
#include "runax/bri/bri.h"

/* Each: argv starts with the subcommand's own name; returns the exit code. */
int axi_image_os(int argc, char **argv);
int axi_image_build(int argc, char **argv);
int axi_image_node(int argc, char **argv);
int axi_image_inspect(int argc, char **argv);
int axi_image_resolve(int argc, char **argv);
int axi_image_explain(int argc, char **argv);

/* Opens an index; an exit code after having said what is wrong. */
int axi_image_open_app(const char *command, const char *path, struct axi_app_index *ret_index);

/* The entry for a board ("virt"), else for a Linux node's architecture ("linux/amd64"); NULL when
 * there is none. */
const struct axi_app_entry *axi_image_for_board(const struct axi_app_index *index,
                                                const char *board);
const struct axi_app_entry *axi_image_for_linux(const struct axi_app_index *index,
                                                const char *architecture);

/* The binary runtime information of a loaded entry, read as runax reads it, and its images against
 * the digests it states. -AXC_ENOENT: it has none. */
int axi_image_read_bri(const struct axi_app_layers *layers, struct axi_bri *ret_bri,
                       struct axi_report *report);

/* The static program `name` ("axcan-run", "axcan-node") for a container:
 * $AXCAN_CONTAINER/linux-ISA, the build tree this program lies in, the installed prefix.
 * -AXC_ENOENT; the caller frees. */
int axi_image_read_program(const char *name, enum axi_isa isa, uint8_t **ret_data,
                           size_t *ret_bytes);

#define AXI_IMAGE_ISAS 2u
extern const enum axi_isa axi_image_isas[AXI_IMAGE_ISAS]; /* the host's first */

#endif
