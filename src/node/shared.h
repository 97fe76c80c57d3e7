/* SPDX-License-Identifier: Apache-2.0 */
/* Memory shared between the node, its zygote and the runners.
 *
 *   world     node writes; runners see it read-only: timebase, topic table, input table
 *   event     one futex word every runner may bump: "look at your slots"
 *   slot      one window per runner, written by node and task. Nothing read from it is trusted.
 *   image     one window per runner: the node writes it, the runner maps it privately
 *   zygote    what the zygote tells the node; runners do not have it
 *
 * A runner finds its parts at fixed addresses, so that images are relocated before it maps them. */
#ifndef AXI_NODE_SHARED_H
#define AXI_NODE_SHARED_H

#include "axcan/task.h"
#include "base/ring.h"
#include "core/output.h"
#include "core/values.h"
#include "time/timebase.h"

#include <stdatomic.h>
#include <stdint.h>

#define AXI_PAGE 4096u

#define AXI_RUNNER_IMAGE_BASE 0x200000000000ull
#define AXI_RUNNER_STACK_BASE                                                                      \
    0x200100000000ull /* guard first, then the stack, which grows down                             \
                       */
#define AXI_RUNNER_SLOT_BASE 0x200200000000ull
#define AXI_RUNNER_GUARD_BYTES 0x100000u

#define AXI_LOG_LINES 64u
#define AXI_LOG_TEXT 116u

enum axi_runner_command {
    AXI_RUNNER_LOAD = 1, /* make the data part writable, touch it */
    AXI_RUNNER_JOB = 2,
    AXI_RUNNER_RELOAD = 3, /* as LOAD, but it is the scheduler that waits for the report */
};

enum axi_runner_report {
    AXI_REPORT_NONE = 0,
    AXI_REPORT_ALIVE,
    AXI_REPORT_LOADED,
    AXI_REPORT_DONE,
    AXI_REPORT_STEP,
    AXI_REPORT_FAULT,
};

struct axi_log_line {
    uint64_t job;
    uint32_t level;
    char text[AXI_LOG_TEXT];
};

struct axi_shm_slot {
    /* node -> runner; `command` is a futex word that counts commands */
    _Atomic uint32_t command;
    uint32_t op;
    uint64_t entry;
    uint64_t data_start;
    uint64_t data_bytes;
    uint32_t stack_bytes;
    uint32_t resume_step;
    uint64_t job;
    uint64_t release_ns;
    uint64_t deadline_ns;
    _Atomic uint32_t step_ack; /* futex word */
    /* runner -> node */
    _Atomic uint32_t report; /* futex word */
    int32_t result;
    uint32_t step;
    uint32_t fault_cause;
    uint32_t output_bytes; /* of the area */
    uint32_t output_used;  /* as core/output.h counts */
    uint64_t fault_detail;
    _Atomic uint32_t log_head;

    _Alignas(AXI_PAGE) struct axi_log_line log[AXI_LOG_LINES];
    _Alignas(AXI_PAGE) uint8_t outputs[AXI_OUTPUT_AREA_BYTES];
    _Alignas(AXI_PAGE) uint8_t state[AXC_STATE_BYTES_MAX];
};

struct axi_shm_world {
    struct axi_timebase timebase;
    _Alignas(64) struct axi_value_table topics;
    _Alignas(64) struct axi_value_table inputs;
};

struct axi_shm_event {
    _Atomic uint32_t word;
};

enum axi_zygote_event_kind { AXI_ZYGOTE_FORKED = 1, AXI_ZYGOTE_DIED = 2 };

struct axi_zygote_event {
    uint32_t kind;
    uint32_t slot;
    int32_t pid;
    int32_t status; /* wait status, for DIED */
};

#define AXI_ZYGOTE_EVENTS 4096u

struct axi_shm_zygote {
    struct axi_ring ring;
    struct axi_zygote_event events[AXI_ZYGOTE_EVENTS];
};

#endif
