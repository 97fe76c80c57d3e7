/* SPDX-License-Identifier: Apache-2.0 */
/* What every daemon needs from its host: the log on stderr, the token file, small state files. */
#ifndef AXI_NET_HOST_H
#define AXI_NET_HOST_H

#include "base/error.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define AXI_TOKEN_BYTES 65u /* token text with the final NUL */

/* Log lines "2026-01-02T03:04:05.678Z level id key=value" go to stderr, one write each. */
void axi_host_log_to_stderr(enum axi_log_level max_level);

/* Reads the first line of a file only its owner may read. -AXC_EPERM: others may read it;
 * -AXC_ENOENT: no such file; -AXC_EINVALID: empty or longer than a token. May block on the disk. */
AXC_MUST_USE int axi_host_read_token(const char *path, char ret_token[AXI_TOKEN_BYTES]);

/* The whole of a small text file without its final newline. -AXC_EFULL: larger than size - 1. */
AXC_MUST_USE int axi_host_read_line(const char *path, char *ret_text, size_t size);

/* Replaces a small file atomically (mode 0600, synced). */
AXC_MUST_USE int axi_host_write_file(const char *path, const char *text);

/* Creates the directory (mode 0700) and its parents. */
AXC_MUST_USE int axi_host_make_directory(const char *path);

/* Puts the calling thread before ordinary work, so that heartbeats and leases survive a machine
 * that is busy with other things. Where it is not permitted nothing changes. */
void axi_host_raise_priority(void);

/* Compares in a time that does not depend on where the texts differ. */
int axi_host_token_matches(const char *expected, const char *given);

/* From the kernel's generator; never 0. */
uint64_t axi_host_random(void);
uint64_t axi_host_clock_ns(clockid_t clock);

/* The identity kept in a file: a locally administered MAC address, drawn when there is none yet. */
AXC_MUST_USE int axi_host_read_identity(const char *path, uint64_t *ret_id);

/* The same for all processes of this machine until it boots again, and for no other machine (from
 * the kernel's boot id); 0 = not known. */
uint64_t axi_host_machine_id(void);

#endif
