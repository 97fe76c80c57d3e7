/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's test image runs at EL0: one page, entered at the offset of a label. SVC #0 ends a
 * run; the other numbers are named in kernel_test.c. x0 is the argument. */

    .arch_extension fp
    .arch_extension simd
    .section .rodata.user, "a"
    .balign 4096
    .global user_page
user_page:
    .global user_add
user_add:                               /* x0 + 1 by the kernel, twice */
    svc     #1
    svc     #1
    svc     #0
    .global user_read
user_read:
    ldr     x1, [x0]
    svc     #0
    .global user_write
user_write:
    str     x0, [x0]
    svc     #0
    .global user_jump
user_jump:
    br      x0
    .global user_illegal
user_illegal:
    .word   0
    .global user_break
user_break:
    brk     #1
    .global user_counter
user_counter:
    mrs     x0, cntvct_el0
    svc     #0
    .global user_kernel_register
user_kernel_register:
    msr     ttbr0_el1, x0
    svc     #0
    .global user_mask_interrupts
user_mask_interrupts:
    msr     daifset, #2
    svc     #0
    .global user_thread_register
user_thread_register:                   /* x0 = what was there */
    mrs     x1, tpidr_el0
    msr     tpidr_el0, x0
    mov     x0, x1
    svc     #0
    .global user_wait
user_wait:
    wfi
    svc     #0
    .global user_hypercall
user_hypercall:
    smc     #0
    svc     #0
    .global user_cache
user_cache:
    adr     x1, user_page
    ic      ivau, x1
    svc     #0

    /* Fills every register from x0, then compares for ever and counts the rounds in x29; ends by
     * SVC #0 with x0 = 0 when one changed. */
    .global user_registers
user_registers:
    .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
    add     x\n, x0, #\n
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    add     x30, x0, #(64 + \n)
    fmov    d\n, x30
    mov     v\n\().d[1], x30
    .endr
    and     x30, x0, #0xc00000          /* rounding mode */
    msr     fpcr, x30
    mov     x29, #0
1:  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28
    sub     x30, x\n, x0
    cmp     x30, #\n
    b.ne    2f
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    mov     x30, v\n\().d[1]
    sub     x30, x30, x0
    cmp     x30, #(64 + \n)
    b.ne    2f
    .endr
    mrs     x30, fpcr
    eor     x30, x30, x0
    tst     x30, #0xc00000
    b.ne    2f
    add     x29, x29, #1
    b       1b
2:  mov     x0, #0
    svc     #0

    /* x0 = or of all FP registers: what a new job finds in them. */
    .global user_fp_left
user_fp_left:
    mov     x0, #0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fmov    x1, d\n
    orr     x0, x0, x1
    mov     x1, v\n\().d[1]
    orr     x0, x0, x1
    .endr
    mrs     x1, fpcr
    orr     x0, x0, x1
    svc     #0
    .balign 4096

    .section .note.GNU-stack, "", %progbits
