/* SPDX-License-Identifier: Apache-2.0 */
/* Task metadata: what the ELF note `.note.axcan` says about a task (docs/formats/task-note.md).
 * Freestanding; no function keeps a pointer; any context. */
#ifndef AXI_CORE_META_H
#define AXI_CORE_META_H

#include "axcan/task.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_META_BYTES 248u                        /* the note's descriptor */
#define AXI_META_NOTE_BYTES (20u + AXI_META_BYTES) /* the whole note: header, owner, descriptor */
#define AXI_META_NOTE_OWNER "axcan"
#define AXI_META_NOTE_TYPE 1u
#define AXI_META_CRITICALITY_MAX 15u
#define AXI_SCHEMA_HASH_BYTES 32u

/* Without padding: two may be compared by memcmp when both were decoded or cleared first. */
struct axi_task_meta {
    uint32_t abi;              /* 1..AXC_ABI */
    char name[AXC_NAME_BYTES]; /* [a-z][a-z0-9-]*, NUL-terminated, rest zero */
    uint32_t state_bytes;      /* 1..AXC_STATE_BYTES_MAX */
    uint32_t state_version;
    uint8_t schema_hash[AXI_SCHEMA_HASH_BYTES]; /* SHA-256 of the state's schema text */
    uint32_t period_us;                         /* > 0 */
    uint32_t deadline_us;                       /* 1..period_us */
    uint32_t criticality;                       /* 0..AXI_META_CRITICALITY_MAX */
    uint32_t needs;                     /* AXC_SVC_*; unknown bits are the node's to refuse */
    uint32_t stack_bytes;               /* default resolved, never 0 */
    uint64_t jobs;                      /* 0: unbounded */
    uint32_t overrun_policy;            /* enum axc_policy */
    uint32_t fault_policy;              /* enum axc_policy */
    uint32_t restart_limit;             /* default resolved, never 0 */
    uint32_t checkpoint_every;          /* default resolved, never 0 */
    struct axc_wcet wcet[AXC_WCET_MAX]; /* unused entries are all zero */
};

/* Replaces the zeros that mean "default" (abi, stack_bytes, restart_limit, checkpoint_every). */
void axi_meta_set_defaults(struct axi_task_meta *meta);

/* Checks every field; -AXC_EMETA_{ABI,NAME,STATE_BYTES,PARAM,CRITICALITY,STACK,POLICY,WCET}. */
AXC_MUST_USE int axi_meta_check(const struct axi_task_meta *meta);

/* True for a valid task, topic or channel name: [a-z][a-z0-9-]*, shorter than AXC_NAME_BYTES.
 * `name` is an array of AXC_NAME_BYTES; the bytes after the NUL are not looked at. */
bool axi_meta_is_name(const char *name);

/* Writes the note's descriptor, AXI_META_BYTES, defaults resolved. The errors of axi_meta_check;
 * -AXC_EFULL when capacity is too small. */
AXC_MUST_USE int axi_meta_encode(const struct axi_task_meta *meta, uint8_t *buffer, size_t capacity,
                                 size_t *ret_bytes);

/* The same with ELF note header and owner in front: the content of section .note.axcan. */
AXC_MUST_USE int axi_meta_encode_note(const struct axi_task_meta *meta, uint8_t *buffer,
                                      size_t capacity, size_t *ret_bytes);

/* Reads a descriptor. -AXC_EMETA_{SIZE,MAGIC,VERSION,CRC} and the errors of axi_meta_check. */
AXC_MUST_USE int axi_meta_decode(const uint8_t *bytes, size_t length,
                                 struct axi_task_meta *ret_meta);

/* Finds the note in an ELF file (first in PT_NOTE segments, then in SHT_NOTE sections) and decodes
 * it. -AXC_EMETA_NONE when there is none or the file is no 64-bit little-endian ELF. This judges
 * the note only: call axi_elf_check for the rest. */
AXC_MUST_USE int axi_meta_from_elf(const uint8_t *file, size_t length,
                                   struct axi_task_meta *ret_meta);

/* The WCET for a platform name in ns; -AXC_EADMIT_NO_WCET when the image declares none. */
AXC_MUST_USE int axi_meta_wcet_ns(const struct axi_task_meta *meta, const char *platform,
                                  uint64_t *ret_ns);

#endif
