/* SPDX-License-Identifier: Apache-2.0 */
/* A job's outputs become visible when it completes. The area is the task's to write at any time, so
 * everything is copied before it is looked at. */
#include "core/output.h"

#include "node/runtime_internal.h"

#include <string.h>

struct output {
    uint8_t kind;
    uint32_t bytes;
    char name[AXC_NAME_BYTES];
    uint8_t value[AXC_VALUE_BYTES_MAX];
};

/* Takes the record at *offset of `end`; false at the end or at the first malformed one. */
static bool take(const uint8_t *area, uint32_t end, uint32_t *offset, uint32_t *used,
                 struct output *ret_output)
{
    uint32_t at = *offset;
    uint32_t name_bytes = 0;

    if (!axi_range_ok(end, at, AXI_OUTPUT_HEAD_BYTES)) {
        return false;
    }
    ret_output->kind = area[at];
    ret_output->bytes = axi_get_le32(area + at + 1);
    at += AXI_OUTPUT_HEAD_BYTES;
    memset(ret_output->name, 0, sizeof(ret_output->name));
    memcpy(ret_output->name, area + at,
           end - at < sizeof(ret_output->name) ? end - at : sizeof(ret_output->name));
    name_bytes = axi_output_name_bytes(ret_output->name);
    if (axi_output_check(ret_output->name, ret_output->bytes, *used) < 0 ||
        !axi_range_ok(end, at, name_bytes + ret_output->bytes)) {
        return false;
    }
    memcpy(ret_output->value, area + at + name_bytes, ret_output->bytes);
    *offset = at + name_bytes + ret_output->bytes;
    *used += name_bytes + 4 + ret_output->bytes;
    return true;
}

static struct axi_stamp stamp_of(struct axi_runtime *runtime, uint32_t slot)
{
    struct axi_slot_view view;

    axi_sched_view(runtime->sched, slot, &view);
    return (struct axi_stamp){
        .task_id = view.task_id, .epoch = view.epoch, .job = runtime->slots[slot].start.job};
}

uint32_t axi_outputs_commit(struct axi_runtime *runtime, uint32_t slot)
{
    const struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot);
    uint32_t end = *(const volatile uint32_t *)&shm->output_bytes;
    uint32_t offset = 0;
    uint32_t used = 0;
    uint32_t crc = 0;
    struct output output;
    struct axi_stamp stamp = stamp_of(runtime, slot);

    end = end > AXI_OUTPUT_AREA_BYTES ? AXI_OUTPUT_AREA_BYTES : end;
    while (offset < end && take(shm->outputs, end, &offset, &used, &output)) {
        crc = axi_output_crc(crc, output.name, output.value, output.bytes);
        if (output.kind == AXI_OUTPUT_TOPIC) {
            (void)axi_values_write(&runtime->memory.world->topics, output.name, output.value,
                                   output.bytes);
        } else {
            axi_channels_output(&runtime->channels, &stamp, output.name, output.value,
                                output.bytes);
        }
        stamp.place++;
    }
    return crc;
}
