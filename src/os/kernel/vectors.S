/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions. TPIDR_EL1 holds the context that runs; SP_EL1 is the top of the kernel stack whenever
 * a context runs. Offsets: struct axi_context (context.h, asserted in context.c). */

    .arch_extension fp                  /* whatever the C code may use */
    .arch_extension simd
    .equ    CONTEXT_X30, 240            /* then sp */
    .equ    CONTEXT_PC, 256             /* then pstate */

/* Saves everything of the context and calls axi_trap(context, kind); the answer goes on. */
    .macro  entry kind
    .balign 128
    stp     x0, x1, [sp, #-16]!
    mov     x1, #\kind
    b       save
    .endm

    .macro  kernel_bug
    .balign 128
    msr     tpidr_el0, x0               /* the stack may be what broke: take another one */
    mov     x0, sp
    msr     tpidrro_el0, x0
    b       bug
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global axi_vectors
axi_vectors:
    entry   0                           /* thread: synchronous, IRQ, FIQ, SError */
    entry   1
    entry   2
    entry   3
    kernel_bug                          /* the kernel itself */
    kernel_bug  
    kernel_bug  
    kernel_bug  
    entry   4                           /* task (AArch64) */
    entry   5
    entry   6
    entry   7
    entry   6                           /* AArch32: nothing of it is ever started */
    entry   6
    entry   6
    entry   6

save:
    mrs     x0, tpidr_el1
    stp     x2, x3, [x0, #16]
    stp     x4, x5, [x0, #32]
    stp     x6, x7, [x0, #48]
    stp     x8, x9, [x0, #64]
    stp     x10, x11, [x0, #80]
    stp     x12, x13, [x0, #96]
    stp     x14, x15, [x0, #112]
    stp     x16, x17, [x0, #128]
    stp     x18, x19, [x0, #144]
    stp     x20, x21, [x0, #160]
    stp     x22, x23, [x0, #176]
    stp     x24, x25, [x0, #192]
    stp     x26, x27, [x0, #208]
    stp     x28, x29, [x0, #224]
    ldp     x2, x3, [sp], #16
    stp     x2, x3, [x0]
    mrs     x2, sp_el0
    stp     x30, x2, [x0, #CONTEXT_X30]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [x0, #CONTEXT_PC]
    mov     x29, xzr
    bl      axi_trap

/* void axi_context_resume(struct axi_context *): does not return. */
    .global axi_context_resume
axi_context_resume:
    msr     tpidr_el1, x0
    ldp     x30, x2, [x0, #CONTEXT_X30]
    msr     sp_el0, x2
    ldp     x2, x3, [x0, #CONTEXT_PC]
    msr     elr_el1, x2
    msr     spsr_el1, x3
    ldp     x28, x29, [x0, #224]
    ldp     x26, x27, [x0, #208]
    ldp     x24, x25, [x0, #192]
    ldp     x22, x23, [x0, #176]
    ldp     x20, x21, [x0, #160]
    ldp     x18, x19, [x0, #144]
    ldp     x16, x17, [x0, #128]
    ldp     x14, x15, [x0, #112]
    ldp     x12, x13, [x0, #96]
    ldp     x10, x11, [x0, #80]
    ldp     x8, x9, [x0, #64]
    ldp     x6, x7, [x0, #48]
    ldp     x4, x5, [x0, #32]
    ldp     x2, x3, [x0, #16]
    ldp     x0, x1, [x0]
    eret

/* An exception in the kernel: axi_trap_bug(context) on the emergency stack. x0 and sp are in the two
 * thread registers that nobody uses. */
bug:
    adrp    x0, bug_stack_top
    mov     sp, x0
    sub     sp, sp, #288
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x0, tpidr_el0
    stp     x0, x1, [sp]
    mrs     x2, tpidrro_el0
    stp     x30, x2, [sp, #CONTEXT_X30]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x3, [sp, #CONTEXT_PC]
    mov     x0, sp
    mov     x29, xzr
    bl      axi_trap_bug
1:  wfe
    b       1b

/* void axi_fp_save(struct axi_fp *), axi_fp_load(const struct axi_fp *) */
    .macro  each_pair operation
    \operation q0, q1, [x0, #0]
    \operation q2, q3, [x0, #32]
    \operation q4, q5, [x0, #64]
    \operation q6, q7, [x0, #96]
    \operation q8, q9, [x0, #128]
    \operation q10, q11, [x0, #160]
    \operation q12, q13, [x0, #192]
    \operation q14, q15, [x0, #224]
    \operation q16, q17, [x0, #256]
    \operation q18, q19, [x0, #288]
    \operation q20, q21, [x0, #320]
    \operation q22, q23, [x0, #352]
    \operation q24, q25, [x0, #384]
    \operation q26, q27, [x0, #416]
    \operation q28, q29, [x0, #448]
    \operation q30, q31, [x0, #480]
    .endm

    .text
    .global axi_fp_save
axi_fp_save:
    each_pair stp
    mrs     x1, fpcr
    mrs     x2, fpsr
    add     x0, x0, #512
    stp     x1, x2, [x0]
    ret

    .global axi_fp_load
axi_fp_load:
    each_pair ldp
    add     x0, x0, #512
    ldp     x1, x2, [x0]
    msr     fpcr, x1
    msr     fpsr, x2
    ret

/* void axi_thread_yield(void): everything is saved and comes back. */
    .global axi_thread_yield
axi_thread_yield:
    svc     #0
    ret

    .section .bss.bug_stack, "aw", %nobits
    .balign 4096
    .skip   4096
bug_stack_top:
