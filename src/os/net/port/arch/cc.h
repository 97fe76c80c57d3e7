/* SPDX-License-Identifier: Apache-2.0 */
/* What lwIP wants to know about compiler and system. */
#ifndef AXI_OS_NET_ARCH_CC_H
#define AXI_OS_NET_ARCH_CC_H

#include <stdint.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H (!__STDC_HOSTED__) /* hosted: unit tests */
#define LWIP_NO_CTYPE_H 1

#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"

void axi_net_broken(const char *what) __attribute__((noreturn));
uint32_t axi_net_random32(void);

/* A broken invariant of the stack itself; what peers send never gets here. */
#define LWIP_PLATFORM_ASSERT(message) axi_net_broken(message)
#define LWIP_PLATFORM_DIAG(arguments) ((void)0)
#define LWIP_RAND() axi_net_random32()

#endif
