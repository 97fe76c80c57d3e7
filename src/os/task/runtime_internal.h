/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the bare-metal runtime. The server thread (runtime.c) loads, drains and tidies; the
 * kernel's hooks (kernel_port.c, services.c) run with interrupts masked, so they may interrupt the
 * server thread anywhere, never the other way round. */
#ifndef AXI_OS_TASK_RUNTIME_INTERNAL_H
#define AXI_OS_TASK_RUNTIME_INTERNAL_H

#include "base/ring.h"
#include "core/output.h"
#include "core/values.h"
#include "os/kernel/kernel.h"
#include "os/task/runtime.h"
#include "os/task/server.h"
#include "os/task/svc.h"

#include <stdatomic.h>

#define AXI_LOG_LINES 64u
#define AXI_LOG_TEXT AXI_RUNTIME_LOG_TEXT

/* FREE -load-> LOADED -release_slot (kernel)-> RELEASED -tidied (server)-> FREE */
enum axi_slot_life { AXI_SLOT_LIFE_FREE = 0, AXI_SLOT_LIFE_LOADED, AXI_SLOT_LIFE_RELEASED };

/* A killed job may have left anything in the image's data: NONE -kill (kernel)-> ASKED
 * -data restored (server)-> DONE -scheduler told (kernel)-> NONE */
enum axi_slot_reset { AXI_SLOT_RESET_NONE = 0, AXI_SLOT_RESET_ASKED, AXI_SLOT_RESET_DONE };

struct axi_log_line {
    uint64_t job;
    uint32_t level;
    char text[AXI_LOG_TEXT];
};

/* Of a loaded instance; the task sees none of it. */
struct axi_workspace {
    struct axi_log_line log[AXI_LOG_LINES];
    uint8_t outputs[AXI_OUTPUT_AREA_BYTES];
};

struct axi_pages {
    uint8_t *memory; /* NULL: none */
    size_t bytes;
};

enum axi_slot_part {
    AXI_PART_IMAGE = 0,
    AXI_PART_PRISTINE, /* the image's data as loaded */
    AXI_PART_STACK,
    AXI_PART_STATE,
    AXI_PART_JOB,
    AXI_PART_WORKSPACE,
    AXI_PART_REGION,
    AXI_PART_COUNT
};

struct axi_os_slot {
    struct axi_context context; /* of the job that runs or was preempted */
    struct axi_fp fp;
    struct axi_space space;
    _Atomic uint32_t life;
    _Atomic uint32_t reset;
    struct axi_pages parts[AXI_PART_COUNT];
    struct axi_region region;
    uint64_t entry, stack_top; /* addresses of the task */
    uint64_t data_offset;      /* in the image */
    uint32_t to_host;          /* of the voter */
    uint16_t to_port;          /* 0 = none */
    uint32_t log_tail;         /* server */
    uint32_t log_head;         /* kernel */
    uint32_t output_bytes, output_used;
    struct axi_job_start start;
};

struct axi_runtime {
    struct axi_runtime_config config;
    struct axi_os_slot *slots;
    struct axi_sched *sched;
    struct axi_timebase timebase;
    struct axi_value_table *topics, *inputs;
    struct axi_ring traces, outputs;
    _Atomic uint64_t traces_lost, outputs_lost;
    _Atomic uint32_t resets_asked, resets_done; /* slots in that state, or more */
    /* the server thread */
    struct axi_context server_context;
    struct axi_server server;
    _Atomic bool is_waiting;        /* set by the thread, cleared by the kernel */
    _Atomic bool is_wake_pending;   /* somebody woke it since its last wait returned */
    _Atomic uint64_t wait_until_ns; /* local */
    /* kernel hooks only */
    bool was_server, was_job_ready; /* what the last choice was */
    bool is_choice_kept;      /* a service that changes nothing for the scheduler was called */
    bool is_held;             /* the server is before the top job */
    uint64_t server_ticks;    /* of its context, at the last look */
    struct axi_output output; /* scratch, too large for the stack */
    struct axi_runtime_output channel_output; /* the same */
    uint8_t value[AXC_VALUE_BYTES_MAX];       /* the same */
    /* server thread only */
    uint64_t load_idle_ns, load_at_ns; /* at the last call of figures */
    uint64_t jobs_busy_ns, jobs_at_ns; /* likewise */
};

/* The page of stubs.S and the address in it that a job returns to. */
extern const uint8_t axi_task_stubs[AXI_PAGE_BYTES];
extern const uint8_t axi_task_exit[];

/* kernel_port.c */
struct axi_sched_port axi_runtime_port(struct axi_runtime *runtime);
void axi_runtime_fill_ops(struct axi_runtime *runtime, struct axi_kernel_ops *ret_ops);
/* AXI_CAUSE_STACK or _SEGV. */
uint32_t axi_task_cause_of_address(uint64_t address);

/* services.c: SVC of the job of `slot`. */
void axi_services_call(struct axi_runtime *runtime, uint32_t slot, uint32_t number);

#endif
