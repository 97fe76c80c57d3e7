/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU as a hypervisor: boards "virt" and "zcu102" (with its R5 cores), on any host. */
#ifndef AXI_RUNAX_QEMU_H
#define AXI_RUNAX_QEMU_H

#include "runax/hv/hv.h"

extern const struct axi_hv axi_hv_qemu;

#endif
