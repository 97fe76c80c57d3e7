/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/irq.h"

#include "os/board/board.h"
#include "os/kernel/kernel.h"

#define NOTHING_PENDING 1020u
#define AT_ONCE_MAX 8u /* interrupts taken in one entry; the rest enter again */

static struct {
    const struct axi_irq_controller *controller;
    axi_irq_handler handlers[AXI_IRQ_COUNT];
    void *arguments[AXI_IRQ_COUNT];
} irq;

void axi_irq_init(void)
{
    irq.controller = axi_board.irq_controller();
    irq.controller->init();
}

void axi_irq_attach(uint32_t intid, axi_irq_handler handler, void *argument)
{
    if (intid >= AXI_IRQ_COUNT) {
        axi_panic("irq: no interrupt %u", intid);
    }
    uint64_t mask = axi_irq_mask();

    irq.arguments[intid] = argument;
    irq.handlers[intid] = handler;
    irq.controller->enable(intid);
    axi_irq_restore(mask);
}

void axi_irq_enable(uint32_t intid)
{
    irq.controller->enable(intid);
}

void axi_irq_disable(uint32_t intid)
{
    irq.controller->disable(intid);
}

void axi_irq_dispatch(void)
{
    for (unsigned i = 0; i < AT_ONCE_MAX; i++) {
        uint32_t intid = irq.controller->acknowledge();

        if (intid >= NOTHING_PENDING) {
            break;
        }
        if (intid < AXI_IRQ_COUNT && irq.handlers[intid] != NULL) {
            irq.handlers[intid](irq.arguments[intid]);
        } else {
            irq.controller->disable(intid);
        }
        irq.controller->end(intid);
    }
}
