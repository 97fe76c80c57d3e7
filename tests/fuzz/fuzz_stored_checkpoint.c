/* SPDX-License-Identifier: Apache-2.0 */
/* The data of a row in a manager's store. As it comes: unpacking keeps within its buffers. Packed
 * by us: the same bytes come back. */
#include "fuzz/fuzz.h"
#include "store/checkpoints_internal.h"

#include <stdlib.h>
#include <string.h>

static void check_foreign(const uint8_t *data, size_t size, uint32_t count)
{
    uint8_t *base = calloc(1, count);
    uint8_t *bytes = malloc(count);

    FUZZ_CHECK(base != NULL && bytes != NULL);
    for (int kind = AXI_CKPT_RAW; kind <= AXI_CKPT_DELTA; kind++) {
        (void)!axi_ckpt_unpack((enum axi_ckpt_kind)kind, data, size, base, bytes, count);
    }
    free(bytes);
    free(base);
}

static void check_own(const uint8_t *data, uint32_t count)
{
    uint8_t *base = malloc(count);
    uint8_t *scratch = malloc(count);
    uint8_t *packed = malloc(count);
    uint8_t *bytes = malloc(count);

    FUZZ_CHECK(base != NULL && scratch != NULL && packed != NULL && bytes != NULL);
    memcpy(base, data, count);
    base[count / 2] ^= 0x5a;
    for (int with_base = 0; with_base < 2; with_base++) {
        const uint8_t *from = with_base ? base : NULL;
        uint32_t packed_bytes = 0;
        enum axi_ckpt_kind kind = axi_ckpt_pack(data, from, count, scratch, packed, &packed_bytes);

        FUZZ_CHECK(packed_bytes <= count && (kind != AXI_CKPT_DELTA || with_base));
        FUZZ_CHECK(axi_ckpt_unpack(kind, packed, packed_bytes, from, bytes, count) == 0);
        FUZZ_CHECK(memcmp(bytes, data, count) == 0);
    }
    free(bytes);
    free(packed);
    free(scratch);
    free(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    uint32_t count = ((uint32_t)data[0] | (uint32_t)data[1] << 8) % 8192 + 1;

    check_foreign(data + 2, size - 2, count);
    check_own(data + 2, size - 2 < 65536 ? (uint32_t)(size - 2) : 65536);
    return 0;
}
