/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoints_internal.h"

#include <lz4.h>
#include <string.h>

static void xor_into(uint8_t *to, const uint8_t *a, const uint8_t *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = a[i] ^ b[i];
    }
}

/* A form that saves less than a quarter is not worth the work at every read. */
static uint32_t worthwhile(uint32_t count)
{
    return count - count / 4;
}

enum axi_ckpt_kind axi_ckpt_pack(const uint8_t *bytes, const uint8_t *base, uint32_t count,
                                 uint8_t *scratch, uint8_t *ret_data, uint32_t *ret_data_bytes)
{
    const uint8_t *source = bytes;

    if (base != NULL) {
        xor_into(scratch, bytes, base, count);
        source = scratch;
    }
    int packed = LZ4_compress_default((const char *)source, (char *)ret_data, (int)count,
                                      (int)worthwhile(count));

    if (packed > 0) {
        *ret_data_bytes = (uint32_t)packed;
        return base != NULL ? AXI_CKPT_DELTA : AXI_CKPT_LZ4;
    }
    memcpy(ret_data, bytes, count);
    *ret_data_bytes = count;
    return AXI_CKPT_RAW;
}

int axi_ckpt_unpack(enum axi_ckpt_kind kind, const uint8_t *data, size_t data_bytes,
                    const uint8_t *base, uint8_t *ret_bytes, uint32_t count)
{
    if (kind == AXI_CKPT_RAW) {
        if (data_bytes != count) {
            return -AXC_EIO;
        }
        memcpy(ret_bytes, data, count);
        return 0;
    }
    if (data_bytes > AXI_CHECKPOINT_BYTES_MAX || (kind == AXI_CKPT_DELTA && base == NULL)) {
        return -AXC_EIO;
    }
    int plain =
        LZ4_decompress_safe((const char *)data, (char *)ret_bytes, (int)data_bytes, (int)count);

    if (plain < 0 || (uint32_t)plain != count) {
        return -AXC_EIO;
    }
    if (kind == AXI_CKPT_DELTA) {
        xor_into(ret_bytes, ret_bytes, base, count);
    }
    return 0;
}
