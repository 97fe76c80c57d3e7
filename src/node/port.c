/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler orders, done with processes. Scheduler thread only; nothing here blocks. */
#include "core/trace.h"
#include "node/futex.h"
#include "node/local_clock.h"
#include "node/runtime_internal.h"

#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>

uint64_t axi_runtime_clock_ns(void)
{
    return axi_local_clock_ns();
}

static uint64_t port_now(void *context)
{
    (void)context;
    return axi_runtime_clock_ns();
}

void axi_runner_read_cpu(struct axi_node_slot *slot)
{
    struct timespec used;

    if (slot->pid > 0 && clock_gettime(slot->cpu_clock, &used) == 0) {
        slot->cpu_last_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
    }
}

void axi_runner_send(struct axi_runtime *runtime, uint32_t slot_number, uint32_t op)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);

    shm->op = op;
    atomic_store_explicit(&shm->report, AXI_REPORT_NONE, memory_order_relaxed);
    atomic_store_explicit(&shm->command, ++slot->commands, memory_order_release);
    axi_futex_wake(&shm->command);
}

/* Deeper preemption, higher priority; the call is saved when nothing changes. */
static void set_priority(struct axi_runtime *runtime, struct axi_node_slot *slot, uint32_t depth)
{
    const struct sched_param param = {.sched_priority = AXI_RUNNER_PRIORITY + (int)depth};

    if (runtime->assurance == AXI_ASSURANCE_REALTIME && slot->priority != param.sched_priority &&
        sched_setscheduler(slot->pid, SCHED_FIFO, &param) == 0) {
        slot->priority = param.sched_priority;
    }
}

void axi_runner_start_job(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);

    slot->is_job_waiting = false;
    slot->cpu_base_ns = slot->cpu_last_ns;
    shm->entry = slot->entry;
    shm->stack_bytes = slot->stack_bytes;
    shm->job = slot->start.job;
    shm->release_ns = slot->start.release_ns;
    shm->deadline_ns = slot->start.deadline_ns;
    shm->resume_step = slot->start.resume_step;
    shm->output_bytes = 0;
    shm->output_used = 0;
    set_priority(runtime, slot, slot->start.depth);
    axi_runner_send(runtime, slot_number, AXI_RUNNER_JOB);
}

static void running_remove(struct axi_runtime *runtime, uint32_t slot)
{
    for (uint32_t i = 0; i < runtime->running_count; i++) {
        if (runtime->running[i] == slot) {
            runtime->running[i] = runtime->running[--runtime->running_count];
            return;
        }
    }
}

static void port_start_job(void *context, uint32_t slot_number, const struct axi_job_start *start)
{
    struct axi_runtime *runtime = context;
    struct axi_node_slot *slot = &runtime->slots[slot_number];

    slot->start = *start;
    runtime->running[runtime->running_count++] = (uint16_t)slot_number;
    if (atomic_load(&slot->runner_state) == AXI_RUNNER_LOADED) {
        axi_runner_start_job(runtime, slot_number);
    } else {
        slot->is_job_waiting = true; /* it died while idle; the next one takes the job */
    }
}

void axi_runner_end(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    uint32_t state = atomic_load(&slot->runner_state);

    if (state == AXI_RUNNER_DOWN) {
        return;
    }
    if (slot->pid > 0) {
        (void)kill(slot->pid, SIGKILL);
    }
    slot->pid = 0;
    atomic_store(&slot->runner_state, AXI_RUNNER_DOWN);
    slot->is_fork_asked = axi_zygote_request(&runtime->zygote, slot_number);
    if (state != AXI_RUNNER_STARTING && state != AXI_RUNNER_RELOADING) {
        runtime->changing++; /* those two are counted already */
    }
}

/* True when the runner uses the processor though it was told to do nothing. */
bool axi_runner_is_lingering(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    uint64_t before_ns = slot->cpu_last_ns;

    for (uint32_t i = 0; i < runtime->running_count; i++) {
        if (runtime->running[i] == slot_number) {
            return false;
        }
    }
    if (atomic_load(&slot->runner_state) != AXI_RUNNER_LOADED) {
        return false;
    }
    axi_runner_read_cpu(slot);
    return slot->cpu_last_ns - before_ns > AXI_LINGER_NS;
}

static void port_kill_job(void *context, uint32_t slot_number)
{
    struct axi_runtime *runtime = context;

    running_remove(runtime, slot_number);
    runtime->slots[slot_number].is_job_waiting = false;
    axi_runner_end(runtime, slot_number);
}

static uint64_t port_consumed(void *context, uint32_t slot_number)
{
    struct axi_node_slot *slot = &((struct axi_runtime *)context)->slots[slot_number];

    axi_runner_read_cpu(slot);
    return slot->is_job_waiting ? 0 : slot->cpu_last_ns - slot->cpu_base_ns;
}

static uint32_t port_commit(void *context, uint32_t slot_number, bool is_shadow)
{
    struct axi_runtime *runtime = context;

    running_remove(runtime, slot_number);
    return axi_outputs_commit(runtime, slot_number, is_shadow);
}

static void port_discard(void *context, uint32_t slot_number)
{
    running_remove(context, slot_number);
}

static void port_release_slot(void *context, uint32_t slot_number)
{
    struct axi_runtime *runtime = context;

    running_remove(runtime, slot_number);
    axi_runner_end(runtime, slot_number);
    atomic_store(&runtime->slots[slot_number].has_image, false);
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

    axi_history_file_append(&runtime->history, record);
    if (!axi_ring_push(&runtime->traces, record)) {
        atomic_fetch_add_explicit(&runtime->traces_lost, 1, memory_order_relaxed);
    }
    if (is_urgent(record->kind)) {
        (void)eventfd_write(runtime->event_fd, 1);
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
