/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output.h"

#include <string.h>

int32_t axi_output_append(uint8_t *area, uint32_t *bytes, uint32_t *used, uint8_t kind,
                          const char *name, const void *value, uint32_t value_bytes)
{
    uint32_t name_bytes = axi_output_name_bytes(name);
    uint32_t total = AXI_OUTPUT_HEAD_BYTES + name_bytes + value_bytes;
    uint8_t *at = area + *bytes;
    int32_t r = axi_output_check(name, value_bytes, *used);

    if (r < 0) {
        return r;
    }
    if (!axi_range_ok(AXI_OUTPUT_AREA_BYTES, *bytes, total)) {
        return AXC_SERVICE_EFULL;
    }
    at[0] = kind;
    axi_put_le32(at + 1, value_bytes);
    memcpy(at + AXI_OUTPUT_HEAD_BYTES, name, name_bytes);
    memcpy(at + AXI_OUTPUT_HEAD_BYTES + name_bytes, value, value_bytes);
    *bytes += total;
    *used += name_bytes + 4 + value_bytes;
    return 0;
}

bool axi_output_take(const uint8_t *area, uint32_t end, uint32_t *offset, uint32_t *used,
                     struct axi_output *ret_output)
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
