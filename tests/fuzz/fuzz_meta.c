/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes must pass the check and survive a round trip. Descriptors are tried as they are and
 * with a repaired CRC; files are searched for a note. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "core/meta.h"
#include "fuzz/fuzz.h"

#include <string.h>

static void check_meta(const struct axi_task_meta *meta)
{
    uint8_t note[AXI_META_BYTES];
    struct axi_task_meta back;
    size_t bytes = 0;
    uint64_t ns = 0;

    FUZZ_CHECK(axi_meta_check(meta) == 0);
    FUZZ_CHECK(axi_meta_encode(meta, note, sizeof(note), &bytes) == 0);
    FUZZ_CHECK(axi_meta_decode(note, bytes, &back) == 0);
    FUZZ_CHECK(strcmp(back.name, meta->name) == 0 && back.jobs == meta->jobs);
    if (meta->wcet[0].wcet_us != 0) {
        FUZZ_CHECK(axi_meta_wcet_ns(meta, meta->wcet[0].platform, &ns) == 0 && ns > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct axi_task_meta meta;
    uint8_t sealed[AXI_META_BYTES];

    if (axi_meta_from_elf(data, size, &meta) == 0) {
        check_meta(&meta);
    }
    if (axi_meta_decode(data, size, &meta) == 0) {
        check_meta(&meta);
    }
    if (size == AXI_META_BYTES) {
        memcpy(sealed, data, size);
        axi_put_le32(sealed + AXI_META_BYTES - 4, axi_crc32c(0, sealed, AXI_META_BYTES - 4));
        if (axi_meta_decode(sealed, size, &meta) == 0) {
            check_meta(&meta);
        }
    }
    return 0;
}
