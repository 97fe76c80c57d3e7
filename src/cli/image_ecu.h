/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image ecu: a bootable image of Axcan OS that joins a cluster. */
#ifndef AXI_CLI_IMAGE_ECU_H
#define AXI_CLI_IMAGE_ECU_H

/* argv starts with "ecu". Returns the exit code. */
int axi_image_ecu(int argc, char **argv);

#endif
