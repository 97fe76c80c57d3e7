/* SPDX-License-Identifier: Apache-2.0 */
/* The way into the kernel and out of it. For kernel/ only. */
#ifndef AXI_OS_TRAP_H
#define AXI_OS_TRAP_H

#include "os/kernel/kernel.h"

/* The first choose; does not return. */
__attribute__((noreturn)) void axi_trap_start(const struct axi_kernel_ops *ops);

/* vectors.S */
struct axi_context *axi_trap(struct axi_context *context, uint64_t kind);
__attribute__((noreturn)) void axi_trap_bug(const struct axi_context *context);
__attribute__((noreturn)) void axi_context_resume(struct axi_context *context);
void axi_fp_save(struct axi_fp *fp);
void axi_fp_load(const struct axi_fp *fp);

/* Clock and timer (timer.c). */
void axi_clock_init(void);

#endif
