/* SPDX-License-Identifier: Apache-2.0 */
/* What the test guest needs of a machine. One file per processor and board implements it. */
#ifndef AXI_TESTS_GUEST_H
#define AXI_TESTS_GUEST_H

#include <stdint.h>

extern const char guest_board[];

void guest_put(char c);
int guest_get(void);   /* the next byte of the console, or -1 */
void guest_idle(void); /* returns when something may have come, at the latest after 1 ms */
uint64_t guest_now_us(void);
void guest_exit(uint32_t code) __attribute__((noreturn));
void guest_off(void) __attribute__((noreturn)); /* an end without a code */
void guest_crash(void) __attribute__((noreturn));
uint64_t guest_channel(void); /* address of the channel "host" if the machine tells, else 0 */

/* Runs the script in the image; never returns. */
void guest_main(void) __attribute__((noreturn));

#endif
