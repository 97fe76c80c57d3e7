/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image node: a bootable image of Axcan OS that joins a cluster. */
#ifndef AXI_CLI_IMAGE_NODE_H
#define AXI_CLI_IMAGE_NODE_H

/* argv starts with "node". Returns the exit code. */
int axi_image_node(int argc, char **argv);

#endif
