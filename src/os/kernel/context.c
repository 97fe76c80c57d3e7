/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/context.h"

#include "os/kernel/trap.h"

#include <string.h>

#define PSTATE_TASK 0x040u   /* EL0, only FIQ masked */
#define PSTATE_THREAD 0x244u /* EL1 on SP_EL0, FIQ and debug masked */

/* vectors.S */
_Static_assert(offsetof(struct axi_context, sp) == 248, "stored as a pair with x30");
_Static_assert(offsetof(struct axi_context, pc) == 256, "CONTEXT_PC");
_Static_assert(offsetof(struct axi_context, pstate) == 264, "stored as a pair with pc");
_Static_assert(offsetof(struct axi_fp, control) == 512, "axi_fp_save");

void axi_context_init_task(struct axi_context *context, const struct axi_space *space,
                           struct axi_fp *fp, uint64_t entry, uint64_t stack_top,
                           uint64_t return_to, uint64_t argument0, uint64_t argument1)
{
    const char *name = context->name;

    axi_context_drop(context);
    memset(context, 0, sizeof(*context));
    memset(fp, 0, sizeof(*fp));
    context->name = name;
    context->x[0] = argument0;
    context->x[1] = argument1;
    context->x[30] = return_to;
    context->sp = stack_top;
    context->pc = entry;
    context->pstate = PSTATE_TASK;
    context->space = space;
    context->fp = fp;
}

void axi_context_init_thread(struct axi_context *context, const char *name,
                             void (*entry)(void *argument), void *argument, void *stack,
                             size_t stack_bytes)
{
    memset(context, 0, sizeof(*context));
    context->name = name;
    context->x[0] = (uint64_t)(uintptr_t)argument;
    context->sp = ((uint64_t)(uintptr_t)stack + stack_bytes) & ~15ull;
    context->pc = (uint64_t)(uintptr_t)entry;
    context->pstate = PSTATE_THREAD;
}
