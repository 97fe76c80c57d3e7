/* SPDX-License-Identifier: Apache-2.0 */
/* The small monitor for hosts with /dev/kvm: no other program, no second operating system. */
#ifndef AXI_RUNAX_KVM_H
#define AXI_RUNAX_KVM_H

#include "runax/hv/hv.h"

extern const struct axi_hv axi_hv_kvm;

#endif
