/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts by number (GIC INTID: 16..31 private, 32.. shared). Handlers run in the kernel with
 * interrupts masked; they acknowledge the device, note what happened and return: choose follows. */
#ifndef AXI_OS_IRQ_H
#define AXI_OS_IRQ_H

#include <stdint.h>

#define AXI_IRQ_COUNT 256u

typedef void (*axi_irq_handler)(void *argument);

/* Attaches and enables, level-triggered. One handler per number. Before or after start. */
void axi_irq_attach(uint32_t intid, axi_irq_handler handler, void *argument);
/* Any context. A disabled interrupt stays pending while the device asserts it. */
void axi_irq_enable(uint32_t intid);
void axi_irq_disable(uint32_t intid);

/* For drivers of controllers. acknowledge returns an INTID or one >= 1020 (nothing pending). */
struct axi_irq_controller {
    void (*init)(void);
    void (*enable)(uint32_t intid);
    void (*disable)(uint32_t intid);
    uint32_t (*acknowledge)(void);
    void (*end)(uint32_t intid);
};

/* Kernel only. */
void axi_irq_init(void);
void axi_irq_dispatch(void);

#endif
