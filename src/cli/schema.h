/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a task's state, derived from the debug information of a linked ELF file.
 *
 * Canonical text: a first line "axcan-schema 1 BYTES", then one line "PATH OFFSET BYTES KIND" per
 * field in order; OFFSET counts from the start of the state, BYTES is one element. KIND is i8..i64,
 * u8..u64, f32, f64, bool or struct. "[n]" in a path is an array; the lines under "struct" give the
 * fields of its first element. Two states may be exchanged when the texts are equal. */
#ifndef AXI_CLI_SCHEMA_H
#define AXI_CLI_SCHEMA_H

#include "base/error.h"

#include <stdint.h>

struct axi_schema_problem {
    char text[320]; /* what is wrong with which field and the cure; "" when nothing to say */
};

/* Derives the schema of `struct state`. The caller frees *ret_text. -AXC_ESCHEMA_NONE, _POINTER,
 * _LONG, _BITFIELD, _PADDING, _TYPE, _SIZE with an explanation in *problem; -AXC_EIO, -AXC_ENOMEM.
 */
AXC_MUST_USE int axi_schema_from_elf(const char *path, char **ret_text, uint32_t *ret_bytes,
                                     struct axi_schema_problem *problem);

/* -AXC_ESCHEMA_ISA when the texts differ; the problem names the first line that does. */
AXC_MUST_USE int axi_schema_compare(const char *a, const char *a_name, const char *b,
                                    const char *b_name, struct axi_schema_problem *problem);

#endif
