/* SPDX-License-Identifier: Apache-2.0 */
/* Where the programs and files of an installation, or of a build tree, lie. */
#ifndef AXI_HOST_PROGRAMS_H
#define AXI_HOST_PROGRAMS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* RELATIVE to the folder of this program, as a path. */
bool axi_beside_program(const char *relative, char *ret_path, size_t size);

/* Finds a program of ours: beside this one, in the build folders beside it, in PATH. -AXC_ENOENT.
 */
AXC_MUST_USE int axi_find_program(const char *name, char *ret_path, size_t size);

#endif
