/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a kernel that found a bug in itself, and what it leaves for the next one: the page
 * before the image, which no loader writes and a warm reset keeps. For kernel/ only. */
#ifndef AXI_OS_PANIC_H
#define AXI_OS_PANIC_H

#include "os/kernel/context.h"

__attribute__((noreturn)) void axi_panic_exception(const char *what,
                                                   const struct axi_context *context,
                                                   uint64_t syndrome, uint64_t address);

/* The former kernel's last words, once: the record is void afterwards. "" without one. `capacity`
 * bytes with final NUL. */
void axi_panic_take_record(char *ret_text, size_t capacity);

/* The image runs: a panic from now on may be reset away. */
void axi_panic_boot_done(void);

/* Boots since the memory lost its content, this one included. Once per boot. */
uint32_t axi_panic_count_boot(void);

#endif
