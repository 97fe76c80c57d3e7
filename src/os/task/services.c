/* SPDX-License-Identifier: Apache-2.0 */
/* The services behind the resource table, called by SVC, with the meaning they have on Linux
 * (node/services.c). A pointer the task may not use itself is a fault of the task at the first
 * address it may not use, as if it had followed the pointer. Kernel hook: interrupts are masked. */
#include "core/trace.h"
#include "os/task/runtime_internal.h"

#include <string.h>

/* stubs.S */
_Static_assert(sizeof(struct axc_services) == 64 && AXC_ABI == 1, "size and abi of the table");
_Static_assert(offsetof(struct axc_services, log) == 8 &&
                   offsetof(struct axc_services, checkpoint) == 24 &&
                   offsetof(struct axc_services, output) == 56,
               "order of the table");

struct call {
    struct axi_runtime *runtime;
    struct axi_os_slot *slot;
    uint32_t slot_number;
    uint64_t *x; /* arguments; x[0] takes the result */
};

static void fault_at(const struct call *call, uint64_t address)
{
    call->runtime->is_choice_kept = false;
    axi_sched_job_fault(call->runtime->sched, call->slot_number, axi_task_cause_of_address(address),
                        address);
}

static bool copy_in(const struct call *call, uint64_t address, void *to, size_t bytes)
{
    if (axi_space_read(&call->slot->space, address, to, bytes) < 0) {
        fault_at(call, address + axi_space_readable(&call->slot->space, address, bytes));
        return false;
    }
    return true;
}

static bool copy_out(const struct call *call, uint64_t address, const void *from, size_t bytes)
{
    if (axi_space_write(&call->slot->space, address, from, bytes) < 0) {
        fault_at(call, address + axi_space_writable(&call->slot->space, address, bytes));
        return false;
    }
    return true;
}

/* Up to capacity bytes or the NUL; what is behind need not be readable. */
static bool copy_text(const struct call *call, uint64_t address, char *to, size_t capacity)
{
    size_t bytes = axi_space_readable(&call->slot->space, address, capacity);

    if (bytes > 0 && !copy_in(call, address, to, bytes)) {
        return false;
    }
    if (bytes < capacity && (bytes == 0 || strnlen(to, bytes) == bytes)) {
        fault_at(call, address + bytes);
        return false;
    }
    return true;
}

static struct axi_workspace *workspace_of(const struct call *call)
{
    return (void *)call->slot->parts[AXI_PART_WORKSPACE].memory;
}

static void service_log(const struct call *call)
{
    struct axi_os_slot *slot = call->slot;
    char text[AXI_LOG_TEXT];
    struct axi_log_line *line = &workspace_of(call)->log[slot->log_head % AXI_LOG_LINES];

    if (!copy_text(call, call->x[2], text, AXI_LOG_TEXT - 1)) {
        return;
    }
    text[AXI_LOG_TEXT - 1] = '\0';
    line->job = slot->start.job;
    line->level = (uint32_t)call->x[1];
    memcpy(line->text, text, sizeof(text));
    slot->log_head++;
}

static void service_now(const struct call *call)
{
    call->x[0] =
        axi_time_to_master(&call->runtime->timebase, (struct axc_time_local){axi_clock_ns()}).ns;
}

static void service_output(const struct call *call, uint8_t kind)
{
    struct axi_os_slot *slot = call->slot;
    uint8_t *value = call->runtime->value;
    uint32_t bytes = (uint32_t)call->x[3];
    char name[AXC_NAME_BYTES];
    int32_t r;

    if (!copy_text(call, call->x[1], name, sizeof(name))) {
        return;
    }
    r = axi_output_check(name, bytes, slot->output_used);
    if (r == 0) {
        if (!copy_in(call, call->x[2], value, bytes)) {
            return;
        }
        r = axi_output_append(workspace_of(call)->outputs, &slot->output_bytes, &slot->output_used,
                              kind, name, value, bytes);
    }
    call->x[0] = (uint64_t)(int64_t)r;
}

static void service_read(const struct call *call, struct axi_value_table *table)
{
    uint8_t *value = call->runtime->value;
    uint64_t sequence = 0;
    char name[AXC_NAME_BYTES];
    int32_t r;

    if (!copy_text(call, call->x[1], name, sizeof(name))) {
        return;
    }
    r = axi_values_read(table, name, value, (uint32_t)call->x[3], &sequence);
    if (r >= 0) {
        if (!copy_out(call, call->x[2], value, (size_t)r) ||
            (call->x[4] != 0 && !copy_out(call, call->x[4], &sequence, sizeof(sequence)))) {
            return;
        }
    }
    call->x[0] = (uint64_t)(int64_t)r;
}

void axi_services_call(struct axi_runtime *runtime, uint32_t slot_number, uint32_t number)
{
    struct axi_os_slot *slot = &runtime->slots[slot_number];
    const struct call call = {runtime, slot, slot_number, slot->context.x};

    runtime->is_choice_kept =
        number >= AXI_SVC_LOG && number <= AXI_SVC_OUTPUT && number != AXI_SVC_CHECKPOINT;
    switch (number) {
    case AXI_SVC_EXIT:
        axi_sched_job_done(runtime->sched, slot_number, (int32_t)slot->context.x[0]);
        break;
    case AXI_SVC_LOG:
        service_log(&call);
        break;
    case AXI_SVC_NOW:
        service_now(&call);
        break;
    case AXI_SVC_CHECKPOINT:
        axi_sched_job_step(runtime->sched, slot_number, (uint32_t)slot->context.x[1]);
        break;
    case AXI_SVC_PUBLISH:
        service_output(&call, AXI_OUTPUT_TOPIC);
        break;
    case AXI_SVC_READ_TOPIC:
        service_read(&call, runtime->topics);
        break;
    case AXI_SVC_INPUT:
        service_read(&call, runtime->inputs);
        break;
    case AXI_SVC_OUTPUT:
        service_output(&call, AXI_OUTPUT_CHANNEL);
        break;
    default: /* Linux's number, when it is made as Linux system calls are */
        axi_sched_job_fault(runtime->sched, slot_number, AXI_CAUSE_SYSCALL,
                            number == 0 ? slot->context.x[8] : number);
        break;
    }
}
