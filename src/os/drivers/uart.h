/* SPDX-License-Identifier: Apache-2.0 */
/* Console output, polled: no interrupt, no buffer. `base`: physical address of the registers. A
 * line feed is sent as carriage return and line feed. */
#ifndef AXI_OS_DRIVERS_UART_H
#define AXI_OS_DRIVERS_UART_H

#include <stdint.h>

/* Arm PL011 (Arm DDI 0183); set up by firmware. */
void axi_pl011_put(uint64_t base, char byte);

/* Cadence UART of Zynq UltraScale+ (Xilinx UG1085, chapter 21). */
void axi_cadence_uart_init(uint64_t base);
void axi_cadence_uart_put(uint64_t base, char byte);

#endif
