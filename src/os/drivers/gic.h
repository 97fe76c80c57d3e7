/* SPDX-License-Identifier: Apache-2.0 */
/* Arm's generic interrupt controllers for one core: every interrupt level-triggered, one priority
 * (the kernel never nests), shared ones to this core. Addresses are physical. */
#ifndef AXI_OS_DRIVERS_GIC_H
#define AXI_OS_DRIVERS_GIC_H

#include "os/kernel/irq.h"

#include <stdbool.h>
#include <stdint.h>

/* GICv2 (Arm IHI 0048): distributor and processor interface. */
const struct axi_irq_controller *axi_gicv2(uint64_t distributor, uint64_t interface);

/* GICv3 (Arm IHI 0069): distributor, and redistributor of core 0. */
const struct axi_irq_controller *axi_gicv3(uint64_t distributor, uint64_t redistributor);

/* True when the processor interface is system registers: GICv3 or later. */
static inline bool axi_gic_is_v3(void)
{
    uint64_t features;

    __asm__("mrs %0, id_aa64pfr0_el1" : "=r"(features));
    return (features >> 24 & 0xfu) != 0;
}

#endif
