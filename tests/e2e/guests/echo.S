/* SPDX-License-Identifier: Apache-2.0 */
/* A guest for QEMU's virt machine that a test can talk to by its console: prints "ready", echoes what
 * comes, and on some letters: q ends with exit code 7, o switches off (PSCI), h hangs silently,
 * r resets the machine (which counts as a crash), f writes for ever. */
    .global _start
_start:
    ldr x19, =0x09000000
    adr x20, ready
1:  ldrb w0, [x20], #1
    cbz w0, loop
    bl put
    b 1b

loop:
    ldr w0, [x19, #0x18]
    tbnz w0, #4, loop           /* receive FIFO empty */
    ldr w0, [x19]
    and w21, w0, #0xff
    bl put
    cmp w21, #'q'
    b.eq quit
    cmp w21, #'o'
    b.eq off
    cmp w21, #'h'
    b.eq hang
    cmp w21, #'r'
    b.eq reset
    cmp w21, #'f'
    b.eq flood
    b loop

put:
    ldr w1, [x19, #0x18]
    tbnz w1, #5, put            /* transmit FIFO full */
    str w0, [x19]
    ret

quit:
    ldr x1, =arguments
    mov w0, #0x18               /* semihosting SYS_EXIT */
    hlt #0xf000
off:
    ldr w0, =0x84000008         /* PSCI SYSTEM_OFF */
    hvc #0
reset:
    ldr w0, =0x84000009         /* PSCI SYSTEM_RESET */
    hvc #0
hang:
    wfi
    b hang
flood:
    mov w0, #'x'
    bl put
    b flood

ready:
    .asciz "ready\n"
    .balign 8
arguments:
    .quad 0x20026               /* ADP_Stopped_ApplicationExit */
    .quad 7
