/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's port and the kernel's hooks: jobs are contexts at EL0. Kernel hooks only, with
 * interrupts masked. */
#include "core/trace.h"
#include "os/task/runtime_internal.h"

#include <string.h>

static struct axi_runtime *running; /* the hooks have no argument */

static uint64_t port_now(void *context)
{
    (void)context;
    return axi_clock_ns();
}

static void port_start_job(void *context, uint32_t slot_number, const struct axi_job_start *start)
{
    struct axi_runtime *runtime = context;
    struct axi_os_slot *slot = &runtime->slots[slot_number];
    struct axc_job *job = (void *)slot->parts[AXI_PART_JOB].memory;

    slot->start = *start;
    slot->output_bytes = 0;
    slot->output_used = 0;
    *job = (struct axc_job){
        .number = start->job,
        .release_ns = start->release_ns,
        .deadline_ns = start->deadline_ns,
        .resume_step = start->resume_step,
        .services = (const struct axc_services *)AXI_TASK_STUBS,
    };
    axi_context_init_task(&slot->context, &slot->space, &slot->fp, slot->entry, slot->stack_top,
                          AXI_TASK_STUBS + (uint64_t)(axi_task_exit - axi_task_stubs), AXI_TASK_JOB,
                          AXI_TASK_STATE);
}

static void port_kill_job(void *context, uint32_t slot_number)
{
    struct axi_runtime *runtime = context;

    atomic_store(&runtime->slots[slot_number].reset, AXI_SLOT_RESET_ASKED);
    atomic_store(&runtime->resets_asked, 1);
    axi_runtime_wake(runtime);
}

static uint64_t port_consumed(void *context, uint32_t slot)
{
    return axi_clock_from_ticks(((struct axi_runtime *)context)->slots[slot].context.ticks);
}

/* Keeps a channel's value until the server sends it. */
static void put_out(struct axi_runtime *runtime, const struct axi_os_slot *slot,
                    const struct axi_stamp *stamp, bool is_shadow)
{
    const struct axi_output *output = &runtime->output;
    struct axi_runtime_output *record = &runtime->channel_output;

    if (is_shadow && slot->to_port == 0) {
        return;
    }
    record->stamp = *stamp;
    record->is_shadow = is_shadow;
    record->to_host = slot->to_host;
    record->to_port = slot->to_port;
    record->bytes = output->bytes;
    memcpy(record->name, output->name, sizeof(record->name));
    memcpy(record->value, output->value, output->bytes);
    if (!axi_ring_push(&runtime->outputs, record)) {
        atomic_store(&runtime->outputs_lost, atomic_load(&runtime->outputs_lost) + 1);
    }
    axi_runtime_wake(runtime);
}

static uint32_t port_commit(void *context, uint32_t slot_number, bool is_shadow)
{
    struct axi_runtime *runtime = context;
    struct axi_os_slot *slot = &runtime->slots[slot_number];
    const struct axi_workspace *workspace = (void *)slot->parts[AXI_PART_WORKSPACE].memory;
    struct axi_output *output = &runtime->output;
    struct axi_slot_view view;
    struct axi_stamp stamp;
    uint32_t offset = 0;
    uint32_t used = 0;
    uint32_t crc = 0;

    if (slot->output_bytes == 0) {
        return 0;
    }
    axi_sched_view(runtime->sched, slot_number, &view);
    stamp =
        (struct axi_stamp){.task_id = view.task_id, .epoch = view.epoch, .job = slot->start.job};
    while (axi_output_take(workspace->outputs, slot->output_bytes, &offset, &used, output)) {
        crc = axi_output_crc(crc, output->name, output->value, output->bytes);
        if (output->kind != AXI_OUTPUT_TOPIC) {
            put_out(runtime, slot, &stamp, is_shadow);
        } else if (!is_shadow) {
            (void)axi_values_write(runtime->topics, output->name, output->value, output->bytes);
        }
        stamp.place++;
    }
    return crc;
}

static void port_discard(void *context, uint32_t slot)
{
    ((struct axi_runtime *)context)->slots[slot].output_bytes = 0;
}

static void port_release_slot(void *context, uint32_t slot)
{
    atomic_store(&((struct axi_runtime *)context)->slots[slot].life, AXI_SLOT_LIFE_RELEASED);
}

static bool is_urgent(uint32_t kind)
{
    switch (kind) {
    case AXI_TRACE_RELEASED:
    case AXI_TRACE_COMPLETED:
    case AXI_TRACE_MISSED:
    case AXI_TRACE_SKIPPED:
    case AXI_TRACE_STEP:
        return false;
    default:
        return true;
    }
}

static void port_trace(void *context, const struct axi_trace *record)
{
    struct axi_runtime *runtime = context;

    if (!axi_ring_push(&runtime->traces, record)) {
        atomic_store(&runtime->traces_lost, atomic_load(&runtime->traces_lost) + 1);
    }
    if (is_urgent(record->kind)) {
        axi_runtime_wake(runtime);
    }
}

struct axi_sched_port axi_runtime_port(struct axi_runtime *runtime)
{
    return (struct axi_sched_port){
        .context = runtime,
        .now_ns = port_now,
        .start_job = port_start_job,
        .kill_job = port_kill_job,
        .consumed_ns = port_consumed,
        .commit_outputs = port_commit,
        .discard_outputs = port_discard,
        .release_slot = port_release_slot,
        .trace = port_trace,
    };
}

void axi_runtime_wake(struct axi_runtime *runtime)
{
    atomic_store(&runtime->is_wake_pending, true);
}

/* ---- the kernel's hooks ---- */

static uint32_t slot_of(const struct axi_context *context)
{
    return (uint32_t)((const struct axi_os_slot *)(const void *)context - running->slots);
}

uint32_t axi_task_cause_of_address(uint64_t address)
{
    return address >= AXI_TASK_GUARD && address < AXI_TASK_STACK ? AXI_CAUSE_STACK : AXI_CAUSE_SEGV;
}

static void on_svc(struct axi_context *context, uint32_t number)
{
    axi_services_call(running, slot_of(context), number);
}

#define ABORT_ALIGNMENT 0x21u
#define ABORT_EXTERNAL 0x10u

static uint32_t cause_of_abort(const struct axi_fault *fault)
{
    uint32_t status = (uint32_t)fault->syndrome & 0x3fu;

    return status == ABORT_ALIGNMENT || status == ABORT_EXTERNAL
               ? AXI_CAUSE_BUS
               : axi_task_cause_of_address(fault->address);
}

/* The causes are those of the signals that Linux would send. */
static void on_fault(struct axi_context *context, const struct axi_fault *fault)
{
    uint32_t cause = AXI_CAUSE_ILLEGAL;
    uint64_t detail = fault->pc;

    switch (AXI_SYNDROME_CLASS(fault->syndrome)) {
    case AXI_CLASS_DATA:
    case AXI_CLASS_FETCH:
        cause = cause_of_abort(fault);
        detail = fault->address;
        break;
    case AXI_CLASS_PC_ALIGN:
    case AXI_CLASS_SERROR:
        cause = AXI_CAUSE_BUS;
        break;
    case AXI_CLASS_SP_ALIGN:
        cause = AXI_CAUSE_BUS;
        detail = context->sp;
        break;
    case AXI_CLASS_FP:
        cause = AXI_CAUSE_FPE;
        break;
    default:
        break;
    }
    axi_sched_job_fault(running->sched, slot_of(context), cause, detail);
}

/* What the last choice cost: the server's time counts when jobs were ready. */
static void account(struct axi_runtime *runtime, uint64_t now_master_ns)
{
    uint64_t ticks = runtime->server_context.ticks;

    if (runtime->was_server && runtime->was_job_ready) {
        axi_server_charge(&runtime->server, axi_clock_from_ticks(ticks - runtime->server_ticks),
                          now_master_ns);
    }
    runtime->server_ticks = ticks;
}

/* Killed jobs' images are as loaded again. */
static void take_resets(struct axi_runtime *runtime)
{
    if (atomic_load(&runtime->resets_done) == 0) {
        return;
    }
    atomic_store(&runtime->resets_done, 0);
    for (uint32_t i = 0; i < runtime->config.slots; i++) {
        struct axi_os_slot *slot = &runtime->slots[i];

        if (atomic_load(&slot->reset) == AXI_SLOT_RESET_DONE) {
            atomic_store(&slot->reset, AXI_SLOT_RESET_NONE);
            if (atomic_load(&slot->life) == AXI_SLOT_LIFE_LOADED) {
                axi_sched_runner_ready(runtime->sched, i);
            }
        }
    }
}

/* Sleeping or awake? Returns when it wants to be woken. */
static uint64_t update_server(struct axi_runtime *runtime, uint64_t now_ns, uint64_t now_master_ns)
{
    uint64_t until_ns = atomic_load(&runtime->wait_until_ns);

    if (!atomic_load(&runtime->is_waiting)) {
        return UINT64_MAX;
    }
    if (!atomic_load(&runtime->is_wake_pending) && now_ns < until_ns) {
        axi_server_sleep(&runtime->server);
        return until_ns;
    }
    atomic_store(&runtime->is_waiting, false);
    atomic_store(&runtime->is_wake_pending, false);
    axi_server_wake(&runtime->server, now_master_ns);
    return UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Jobs and server under one EDF; while the server is first, the top job is held. */
static uint64_t run_scheduler(struct axi_runtime *runtime, uint64_t now_master_ns)
{
    uint64_t next_ns;
    bool is_held;

    do {
        uint64_t key;

        next_ns = axi_sched_run(runtime->sched);
        key = axi_sched_current_key(runtime->sched);
        if (key != UINT64_MAX && !runtime->was_job_ready) {
            axi_server_rejoin(&runtime->server, now_master_ns);
        }
        runtime->was_job_ready = key != UINT64_MAX;
        is_held = runtime->is_held;
        runtime->was_server = axi_server_is_first(&runtime->server, key);
        runtime->is_held = runtime->was_server && key != UINT64_MAX;
        axi_sched_hold(runtime->sched, runtime->is_held);
    } while (runtime->is_held != is_held);
    return next_ns;
}

static struct axi_context *on_choose(void)
{
    struct axi_runtime *runtime = running;
    uint64_t now_ns = axi_clock_ns();
    uint64_t now_master_ns =
        axi_time_to_master(&runtime->timebase, (struct axc_time_local){now_ns}).ns;
    uint64_t wake_ns;
    uint64_t next_ns;
    int top;

    if (runtime->is_choice_kept) {
        runtime->is_choice_kept = false;
        return axi_kernel_current();
    }
    account(runtime, now_master_ns);
    take_resets(runtime);
    wake_ns = update_server(runtime, now_ns, now_master_ns);
    next_ns = run_scheduler(runtime, now_master_ns);
    top = axi_sched_current(runtime->sched);
    if (runtime->was_server && top >= 0) {
        next_ns = earlier(next_ns, axi_add_sat(now_ns, runtime->server.left_ns));
    }
    axi_timer_set(earlier(next_ns, wake_ns));
    if (runtime->was_server) {
        return &runtime->server_context;
    }
    return top < 0 ? NULL : &runtime->slots[top].context;
}

void axi_runtime_fill_ops(struct axi_runtime *runtime, struct axi_kernel_ops *ret_ops)
{
    running = runtime;
    *ret_ops = (struct axi_kernel_ops){.svc = on_svc, .fault = on_fault, .choose = on_choose};
}
