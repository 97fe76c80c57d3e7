/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the agent, executed in the scheduler context. One that does not fit the slot's state
 * is dropped: the agent sees in the view that nothing changed. */
#include "core/sched.h"
#include "core/sched_slot.h"

#include <string.h>

static void install(struct axi_sched *sched, struct axi_sched_slot *slot,
                    const struct axi_instance_config *config)
{
    if (slot->state != AXI_SLOT_FREE || config->period_ns == 0) {
        return;
    }
    slot->config = *config;
    slot->next_job = config->first_job;
    slot->resume_step = config->resume_step;
    slot->since_checkpoint = 0;
    slot->failures_in_a_row = 0;
    slot->is_restore_needed = false;
    slot->has_missed = false;
    slot->is_late = false;
    slot->is_runner_ready = true;
    slot->view = (struct axi_slot_view){0};
    axi_hist_init(&slot->response);
    axi_hist_init(&slot->exec);
    axi_sched_set_state(sched, slot, AXI_SLOT_STANDBY);
    axi_sched_emit_kind(sched, slot, AXI_TRACE_INSTALLED);
}

/* The state comes from the region, or is zero; a checkpoint of this epoch is made at once, so that
 * a kill of the first job has something to go back to. */
static void activate(struct axi_sched *sched, struct axi_sched_slot *slot,
                     const struct axi_instance_config *config)
{
    struct axi_trace record;
    uint32_t crc = 0;
    int r;

    if (slot->state != AXI_SLOT_STANDBY || config->epoch < slot->config.epoch) {
        return;
    }
    slot->config.epoch = config->epoch;
    slot->config.release_ns = config->release_ns;
    slot->next_job = config->first_job;
    slot->resume_step = config->resume_step;
    slot->late_until_ns = sched->now_master_ns;
    r = axi_slot_restore(sched, slot);
    if (r == -AXC_ECKPT_NONE) {
        memset(slot->config.state, 0, slot->config.state_bytes);
        r = 0;
    }
    axi_sched_set_state(sched, slot, r == 0 ? AXI_SLOT_ACTIVE : AXI_SLOT_FAILED);
    record = axi_slot_record(sched, slot, r == 0 ? AXI_TRACE_ACTIVATED : AXI_TRACE_FAILED);
    record.detail = r == 0 ? slot->resume_step : (uint64_t)-r;
    record.response_ns = r == 0 ? config->seed : 0;
    record.detail2 = r == 0 && config->is_mapped;
    if (r == 0) {
        (void)axi_slot_checkpoint(sched, slot, &crc);
        record.state_crc = crc;
    }
    axi_sched_emit(sched, slot, &record);
    axi_slot_settle(sched, slot);
}

static void freeze(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->state != AXI_SLOT_ACTIVE && slot->state != AXI_SLOT_FENCED) {
        return;
    }
    axi_slot_disarm(sched, slot);
    axi_sched_set_state(sched, slot, AXI_SLOT_FREEZING);
    if (slot->is_running) {
        axi_slot_publish(slot);
    } else {
        axi_slot_settle(sched, slot);
    }
}

static void resume(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->state != AXI_SLOT_FROZEN && slot->state != AXI_SLOT_FENCED &&
        slot->state != AXI_SLOT_FREEZING) {
        return;
    }
    slot->late_until_ns = sched->now_master_ns;
    axi_sched_set_state(sched, slot, AXI_SLOT_ACTIVE);
    axi_sched_emit_kind(sched, slot, AXI_TRACE_RESUMED);
    if (!slot->is_running) {
        axi_slot_settle(sched, slot);
    }
}

static void set_output(struct axi_sched_slot *slot, const struct axi_instance_config *config)
{
    if (slot->state == AXI_SLOT_FREE || slot->config.task_id != config->task_id ||
        slot->config.epoch != config->epoch) {
        return;
    }
    slot->config.output_from = config->output_from;
    slot->config.output_until = config->output_until;
    axi_slot_publish(slot);
}

static void remove_instance(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    if (slot->state == AXI_SLOT_FREE) {
        return;
    }
    if (slot->is_running) {
        axi_slot_kill(sched, slot, AXI_CAUSE_HALT, 0);
    }
    axi_slot_disarm(sched, slot);
    slot->is_runner_ready = false;
    axi_sched_set_state(sched, slot, AXI_SLOT_FREE);
    axi_sched_emit_kind(sched, slot, AXI_TRACE_REMOVED);
    sched->port.release_slot(sched->port.context, slot->index);
}

void axi_sched_take_commands(struct axi_sched *sched)
{
    struct axi_sched_command command;

    while (axi_ring_pop(&sched->commands, &command)) {
        struct axi_sched_slot *slot;

        if (command.slot >= sched->limits.slots) {
            continue;
        }
        slot = &sched->slots[command.slot];
        switch (command.op) {
        case AXI_SCHED_INSTALL:
            install(sched, slot, &command.config);
            break;
        case AXI_SCHED_ACTIVATE:
            activate(sched, slot, &command.config);
            break;
        case AXI_SCHED_FREEZE:
            freeze(sched, slot);
            break;
        case AXI_SCHED_RESUME:
            resume(sched, slot);
            break;
        case AXI_SCHED_OUTPUT:
            set_output(slot, &command.config);
            break;
        case AXI_SCHED_REMOVE:
            remove_instance(sched, slot);
            break;
        case AXI_SCHED_FENCE:
            axi_sched_fence_all(sched);
            break;
        default:
            break;
        }
    }
}
