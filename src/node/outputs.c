/* SPDX-License-Identifier: Apache-2.0 */
/* A job's outputs become visible when it completes. The area is the task's to write at any time, so
 * everything is copied before it is looked at. */
#include "core/output.h"

#include "node/runtime_internal.h"

static struct axi_stamp stamp_of(struct axi_runtime *runtime, uint32_t slot)
{
    struct axi_slot_view view;

    axi_sched_view(runtime->sched, slot, &view);
    return (struct axi_stamp){
        .task_id = view.task_id, .epoch = view.epoch, .job = runtime->slots[slot].start.job};
}

uint32_t axi_outputs_commit(struct axi_runtime *runtime, uint32_t slot, bool is_shadow)
{
    const struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot);
    uint32_t end = *(const volatile uint32_t *)&shm->output_bytes;
    uint32_t offset = 0;
    uint32_t used = 0;
    uint32_t crc = 0;
    struct axi_output output;
    struct axi_stamp stamp = stamp_of(runtime, slot);
    const struct sockaddr_in *to = &runtime->slots[slot].output_to;

    end = end > AXI_OUTPUT_AREA_BYTES ? AXI_OUTPUT_AREA_BYTES : end;
    while (offset < end && axi_output_take(shm->outputs, end, &offset, &used, &output)) {
        crc = axi_output_crc(crc, output.name, output.value, output.bytes);
        bool is_topic = output.kind == AXI_OUTPUT_TOPIC;

        if (is_topic && !is_shadow) {
            (void)axi_values_write(&runtime->memory.world->topics, output.name, output.value,
                                   output.bytes);
        }
        if (!is_topic && !is_shadow) {
            axi_channels_output(&runtime->channels, &stamp, output.name, output.value,
                                output.bytes);
        }
        if (!is_topic && to->sin_port != 0) {
            axi_channels_send(&runtime->channels, &stamp, to, output.value, output.bytes);
        }
        stamp.place++;
    }
    return crc;
}
