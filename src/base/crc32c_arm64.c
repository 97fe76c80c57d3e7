/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the ARMv8 CRC extension, which every Cortex-A53 has. Words are read at aligned
 * addresses only: a kernel built with -mstrict-align would call memcpy for each one that may not
 * be. */
#include "base/crc32c.h"

#include <arm_acle.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias)) word;

#define WORD sizeof(word)

uint32_t axi_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;

    crc = ~crc;
    for (; bytes > 0 && (uintptr_t)p % WORD != 0; bytes--, p++) {
        crc = __crc32cb(crc, *p);
    }
    for (; bytes >= WORD; bytes -= WORD, p += WORD) {
        crc = __crc32cd(crc, *(const word *)(const void *)p);
    }
    for (; bytes > 0; bytes--, p++) {
        crc = __crc32cb(crc, *p);
    }
    return ~crc;
}

uint32_t axi_crc32c_copy(uint32_t crc, void *to, const void *from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (((uintptr_t)to | (uintptr_t)from) % WORD == 0) {
        crc = ~crc;
        for (; bytes >= 4 * WORD; bytes -= 4 * WORD, t += 4 * WORD, f += 4 * WORD) {
            const word *source = (const word *)(const void *)f;
            word *target = (word *)(void *)t;
            uint64_t a = source[0], b = source[1], c = source[2], d = source[3];

            target[0] = a;
            target[1] = b;
            target[2] = c;
            target[3] = d;
            crc = __crc32cd(__crc32cd(__crc32cd(__crc32cd(crc, a), b), c), d);
        }
        crc = ~crc;
    }
    memcpy(t, f, bytes);
    return axi_crc32c(crc, t, bytes);
}
