/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes must encode to the same bytes. Checksums are repaired first in a second try, because
 * no fuzzer guesses a CRC. The last part attaches a region to the input and reads every write. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "core/region.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_decode(const uint8_t *data, size_t size)
{
    static uint8_t again[AXI_CHECKPOINT_BYTES_MAX];
    struct axi_checkpoint checkpoint;
    const uint8_t *state;
    size_t bytes = 0;

    if (axi_checkpoint_decode(data, size, &checkpoint, &state) != 0) {
        return;
    }
    FUZZ_CHECK(state == data + AXI_CHECKPOINT_HEADER_BYTES);
    FUZZ_CHECK(axi_checkpoint_encode(&checkpoint, state, again, sizeof(again), &bytes) == 0);
    FUZZ_CHECK(bytes == size);
    FUZZ_CHECK(memcmp(again + AXI_CHECKPOINT_HEADER_BYTES, state, checkpoint.state_bytes) == 0);
}

/* As a manager reads memory of another process: by number, in parts. */
static void check_writes(const struct axi_region *region)
{
    static uint8_t copy[AXI_CHECKPOINT_BYTES_MAX];
    uint64_t newest = axi_region_writes(region);
    struct axi_checkpoint checkpoint;
    size_t bytes = 0;
    size_t total = 0;

    for (uint64_t age = 0; age <= region->slots; age++) {
        if (axi_region_info(region, newest - age, &checkpoint) != 0) {
            continue;
        }
        FUZZ_CHECK(checkpoint.state_bytes <= region->state_bytes_max);
        for (size_t at = 0;
             axi_region_read(region, newest - age, at, copy, 1000, &bytes, &total) == 0;
             at += bytes) {
            FUZZ_CHECK(bytes > 0 && bytes <= 1000 && at + bytes <= total);
            FUZZ_CHECK(total <= AXI_CHECKPOINT_BYTES_MAX);
        }
    }
}

static void check_region(const uint8_t *data, size_t size)
{
    static uint8_t copy[AXI_CHECKPOINT_BYTES_MAX];
    struct axi_region region;
    size_t rounded = (size + AXI_REGION_ALIGN - 1) / AXI_REGION_ALIGN * AXI_REGION_ALIGN;
    uint8_t *memory = aligned_alloc(AXI_REGION_ALIGN, rounded > 0 ? rounded : AXI_REGION_ALIGN);
    size_t bytes = 0;

    FUZZ_CHECK(memory != NULL);
    memcpy(memory, data, size);
    if (axi_region_attach(&region, memory, size) == 0) {
        check_writes(&region);
        if (axi_region_newest(&region, copy, sizeof(copy), &bytes) == 0) {
            check_decode(copy, bytes);
        }
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *sealed;

    check_decode(data, size);
    check_region(data, size);
    if (size <= AXI_CHECKPOINT_HEADER_BYTES || size > AXI_CHECKPOINT_BYTES_MAX) {
        return 0;
    }
    sealed = malloc(size);
    FUZZ_CHECK(sealed != NULL);
    memcpy(sealed, data, size);
    axi_put_le32(sealed + 76, axi_crc32c(0, sealed + AXI_CHECKPOINT_HEADER_BYTES,
                                         size - AXI_CHECKPOINT_HEADER_BYTES));
    axi_put_le32(sealed + 92, axi_crc32c(0, sealed, 92));
    check_decode(sealed, size);
    free(sealed);
    return 0;
}
