/* SPDX-License-Identifier: Apache-2.0 */
/* A guest for the Cortex-R5 of zcu102: prints a line on UART1 and ends by semihosting with code 5.
 * Position independent but for its stack-less simplicity: no data section. */
    .syntax unified
    .arch armv7-r
    .arm
    .section .text.start, "ax"
    .global _start
_start:
    ldr r4, =0xff010000
    mov r0, #0x14
    str r0, [r4]            /* transmitter and receiver on */
    adr r5, text
1:  ldrb r0, [r5], #1
    cmp r0, #0
    beq 3f
2:  ldr r1, [r4, #0x2c]
    tst r1, #0x10           /* full */
    bne 2b
    str r0, [r4, #0x30]
    b 1b
3:  adr r1, arguments
    mov r0, #0x20           /* exit, extended: the 32-bit form takes a block, too */
    svc #0x123456
4:  b 4b
    .ltorg
    .balign 4
arguments:
    .word 0x20026, 5
text:
    .asciz "hello from r5\r\n"
    .balign 4
stack_top:
