/* SPDX-License-Identifier: Apache-2.0 */
/* What decodes must encode, and decode again to the same configuration. The checksum is repaired in
 * a second try, because no fuzzer guesses a CRC. */
#include "base/bytes.h"
#include "core/boot_config.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_decode(const uint8_t *data, size_t size)
{
    static struct axi_boot_config first;
    static struct axi_boot_config second;
    size_t bytes = 0;
    uint8_t *again = NULL;
    uint8_t *third = NULL;

    if (axi_boot_config_decode(data, size, &first) != 0) {
        return;
    }
    again = malloc(axi_boot_config_bytes(&first));
    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(axi_boot_config_encode(&first, again, axi_boot_config_bytes(&first), &bytes) == 0);
    FUZZ_CHECK(axi_boot_config_decode(again, bytes, &second) == 0);
    FUZZ_CHECK(second.task_count == first.task_count);
    for (uint32_t i = 0; i < first.task_count; i++) {
        const struct axi_boot_task *task = &first.tasks[i];

        FUZZ_CHECK(task->elf >= data && task->elf + task->elf_bytes <= data + size);
    }
    /* the same configuration has the same encoding */
    third = malloc(bytes);
    FUZZ_CHECK(third != NULL && axi_boot_config_bytes(&second) == bytes);
    FUZZ_CHECK(axi_boot_config_encode(&second, third, bytes, &bytes) == 0);
    FUZZ_CHECK(memcmp(again, third, bytes) == 0);
    free(third);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *sealed = NULL;
    size_t bytes = 0;

    check_decode(data, size);
    if (size < AXI_BOOT_HEADER_BYTES) {
        return 0;
    }
    bytes = size / AXI_BOOT_ALIGN * AXI_BOOT_ALIGN;
    sealed = malloc(size);
    FUZZ_CHECK(sealed != NULL);
    memcpy(sealed, data, size);
    axi_put_le32(sealed, AXI_BOOT_MAGIC);
    axi_put_le16(sealed + 4, AXI_BOOT_VERSION);
    axi_put_le16(sealed + 6, AXI_BOOT_HEADER_BYTES);
    axi_put_le32(sealed + 8, (uint32_t)bytes);
    axi_boot_config_seal(sealed, bytes);
    check_decode(sealed, size);
    free(sealed);
    return 0;
}
