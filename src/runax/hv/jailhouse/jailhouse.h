/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of Jailhouse (docs/runax.md, "jailhouse"). Options: "commreg" = "passive" (default) or
 * "active": the guest is asked before it is stopped; "pci_domain"; "clear" = "no": leave what was
 * in the memory before. */
#ifndef AXI_RUNAX_JAILHOUSE_H
#define AXI_RUNAX_JAILHOUSE_H

#include "runax/hv/hv.h"

extern const struct axi_hv axi_hv_jailhouse;

#endif
