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
        FUZZ_CHECK(second.tasks[i].elf_bytes == task->elf_bytes);
        FUZZ_CHECK(memcmp(second.tasks[i].elf, task->elf, task->elf_bytes) == 0);
        second.tasks[i].elf = task->elf;
        /* what stands behind a name's NUL is not part of it */
        memset(first.tasks[i].name, 0, sizeof(task->name));
        memset(second.tasks[i].name, 0, sizeof(task->name));
    }
    for (uint32_t i = 0; i < first.channel_count; i++) {
        memset(first.channels[i].name, 0, sizeof(first.channels[i].name));
        memset(second.channels[i].name, 0, sizeof(second.channels[i].name));
    }
    FUZZ_CHECK(memcmp(&first, &second, sizeof(first)) == 0);
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
