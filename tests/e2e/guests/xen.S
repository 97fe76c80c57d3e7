/* SPDX-License-Identifier: Apache-2.0 */
/* A guest of Xen: says a line on the virtual PL011 and switches itself off. */
    .globl _start
_start:
    b       begin
    nop
    .quad   0               /* text offset */
    .quad   end - _start
    .quad   0xa             /* little-endian, 4 KiB pages, anywhere in memory */
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .word   0
begin:
    adr     x0, text
    mov     x1, #0x22000000
next:
    ldrb    w2, [x0], #1
    cbz     w2, off
wait:
    ldr     w3, [x1, #0x18]
    tbnz    w3, #5, wait    /* transmit FIFO full */
    str     w2, [x1]
    b       next
off:
    mov     w0, #8
    movk    w0, #0x8400, lsl #16    /* PSCI SYSTEM_OFF */
    hvc     #0
    b       .
text:
    .asciz  "hello from a partition\n"
    .balign 8
end:
