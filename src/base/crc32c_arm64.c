/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the ARMv8 CRC extension, which every Cortex-A53 has. */
#include "base/crc32c.h"

#include <arm_acle.h>
#include <string.h>

uint32_t axi_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;

    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        crc = __crc32cd(crc, word);
    }
    for (; bytes > 0; bytes--, p++) {
        crc = __crc32cb(crc, *p);
    }
    return ~crc;
}

uint32_t axi_crc32c_copy(uint32_t crc, void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    return axi_crc32c(crc, to, bytes);
}
