/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trace.h"

const char *axi_trace_kind_name(uint32_t kind)
{
    static const char *const names[] = {
        [AXI_TRACE_ACTIVATED] = "activated", [AXI_TRACE_RELEASED] = "released",
        [AXI_TRACE_COMPLETED] = "completed", [AXI_TRACE_KILLED] = "killed",
        [AXI_TRACE_MISSED] = "missed",       [AXI_TRACE_SKIPPED] = "skipped",
        [AXI_TRACE_FROZEN] = "frozen",       [AXI_TRACE_RESUMED] = "resumed",
        [AXI_TRACE_FENCED] = "fenced",       [AXI_TRACE_FINISHED] = "finished",
        [AXI_TRACE_FAILED] = "failed",       [AXI_TRACE_REMOVED] = "removed",
        [AXI_TRACE_STEP] = "step",           [AXI_TRACE_INSTALLED] = "installed",
    };

    return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "unknown";
}

const char *axi_cause_name(uint32_t cause)
{
    static const char *const names[] = {
        [AXI_CAUSE_NONE] = "none",   [AXI_CAUSE_BUDGET] = "budget",
        [AXI_CAUSE_SEGV] = "segv",   [AXI_CAUSE_STACK] = "stack",
        [AXI_CAUSE_FPE] = "fpe",     [AXI_CAUSE_ILLEGAL] = "illegal",
        [AXI_CAUSE_BUS] = "bus",     [AXI_CAUSE_SYSCALL] = "syscall",
        [AXI_CAUSE_EXIT] = "exit",   [AXI_CAUSE_RESULT] = "result",
        [AXI_CAUSE_LEASE] = "lease", [AXI_CAUSE_HALT] = "halt",
    };

    return cause < sizeof(names) / sizeof(names[0]) ? names[cause] : "unknown";
}
