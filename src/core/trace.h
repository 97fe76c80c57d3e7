/* SPDX-License-Identifier: Apache-2.0 */
/* Trace records: what an instance did. The scheduler writes them (real-time context), the agent
 * drains them, the history file and the history checker see nothing else. */
#ifndef AXI_CORE_TRACE_H
#define AXI_CORE_TRACE_H

#include <stdint.h>

enum axi_trace_kind {
    AXI_TRACE_ACTIVATED =
        1,                  /* job = first job of this epoch here; detail = resume step; response_ns
                               = task whose state the first epoch begins with (its own: zero state,
                               later jobs of a grid; 0: neither), detail2 = 1: mapped by field */
    AXI_TRACE_RELEASED = 2, /* the job is handed to the task */
    AXI_TRACE_COMPLETED = 3, /* state_crc, output_crc, response_ns, exec_ns are set */
    AXI_TRACE_KILLED = 4,    /* cause, detail; the number is consumed unless detail2 = step > 0,
                                from which the same job is repeated */
    AXI_TRACE_MISSED = 5,    /* the job went past its deadline (once per job) */
    AXI_TRACE_SKIPPED = 6,   /* releases job .. job + detail - 1 were dropped: backlog longer than
                                allowed */
    AXI_TRACE_FROZEN = 7,    /* job = next job, the first the successor will release */
    AXI_TRACE_RESUMED = 8,
    AXI_TRACE_FENCED = 9,    /* the lease went: no release until RESUME or REMOVE */
    AXI_TRACE_FINISHED = 10, /* all N jobs are done */
    AXI_TRACE_FAILED = 11,   /* the policy gave up; cause = last cause */
    AXI_TRACE_REMOVED = 12,
    AXI_TRACE_STEP = 13,      /* intermediate checkpoint, detail = step */
    AXI_TRACE_INSTALLED = 14, /* standby: loaded, releases nothing */
};

enum axi_cause {
    AXI_CAUSE_NONE = 0,
    AXI_CAUSE_BUDGET = 1, /* used more processor time than its budget */
    AXI_CAUSE_SEGV = 2,   /* detail = fault address */
    AXI_CAUSE_STACK = 3,  /* hit the stack's guard page */
    AXI_CAUSE_FPE = 4,
    AXI_CAUSE_ILLEGAL = 5,
    AXI_CAUSE_BUS = 6,
    AXI_CAUSE_SYSCALL = 7, /* detail = system call number */
    AXI_CAUSE_EXIT = 8,    /* the runner died without a word; detail = wait status */
    AXI_CAUSE_RESULT = 9,  /* the job returned non-zero; detail = its result */
    AXI_CAUSE_LEASE = 10,  /* killed because the lease went */
    AXI_CAUSE_HALT = 11,   /* killed because the instance was removed */
};

struct axi_trace {
    uint64_t master_ns; /* when, in master time */
    uint64_t task_id;
    uint64_t epoch;
    uint64_t job;
    uint64_t release_ns;  /* nominal release r + kT, master time */
    uint64_t response_ns; /* completion - nominal release */
    uint64_t exec_ns;     /* processor time used */
    uint64_t detail;
    uint32_t detail2;
    uint32_t state_crc;  /* CRC32C of the state after the job */
    uint32_t output_crc; /* CRC32C of the job's outputs, in order */
    uint16_t slot;
    uint8_t kind;  /* enum axi_trace_kind */
    uint8_t cause; /* enum axi_cause */
};
_Static_assert(sizeof(struct axi_trace) == 80, "fixed record");

const char *axi_trace_kind_name(uint32_t kind);
const char *axi_cause_name(uint32_t cause);

#endif
