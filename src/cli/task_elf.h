/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor that AXCAN_TASK puts into section .axcan.task, and the note made from it. */
#ifndef AXI_CLI_TASK_ELF_H
#define AXI_CLI_TASK_ELF_H

#include "core/meta.h"

/* Reads the descriptor of a linked ELF file, defaults resolved, checked; the schema hash is still
 * zero. -AXC_EMETA_NONE when the section is missing or not one descriptor, the errors of
 * axi_meta_check, -AXC_EIO. */
AXC_MUST_USE int axi_task_elf_describe(const char *path, struct axi_task_meta *ret_meta);

/* Writes the note into the space that AXCAN_TASK reserved. -AXC_EMETA_NONE when there is no such
 * space. */
AXC_MUST_USE int axi_task_elf_fill_note(uint8_t *elf, size_t bytes,
                                        const struct axi_task_meta *meta);

#endif
