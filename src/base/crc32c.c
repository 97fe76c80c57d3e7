/* SPDX-License-Identifier: Apache-2.0 */
/* Slicing by 8 (Kounavis and Berry, "A systematic approach to building high performance, software
 * based, CRC generators", 2005). The tables are made on first use. */
#include "base/crc32c.h"

#include "base/bytes.h"

#define POLYNOMIAL 0x82f63b78u
#define STEP(c) ((c) >> 1 ^ (((c)&1u) ? POLYNOMIAL : 0u))

struct tables {
    uint32_t slice[8][256];
};

static const struct tables *get_tables(void)
{
    static struct tables tables;
    static int is_ready;

    if (__atomic_load_n(&is_ready, __ATOMIC_ACQUIRE)) {
        return &tables;
    }
    /* Racing first callers write the same values. */
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;

        for (int bit = 0; bit < 8; bit++) {
            crc = STEP(crc);
        }
        tables.slice[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int k = 1; k < 8; k++) {
            uint32_t last = tables.slice[k - 1][byte];

            tables.slice[k][byte] = last >> 8 ^ tables.slice[0][last & 0xff];
        }
    }
    __atomic_store_n(&is_ready, 1, __ATOMIC_RELEASE);
    return &tables;
}

uint32_t axi_crc32c_portable(uint32_t crc, const void *data, size_t bytes)
{
    const struct tables *t = get_tables();
    const uint8_t *p = data;

    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t low = axi_get_le32(p) ^ crc;
        uint32_t high = axi_get_le32(p + 4);

        crc = t->slice[7][low & 0xff] ^ t->slice[6][low >> 8 & 0xff] ^
              t->slice[5][low >> 16 & 0xff] ^ t->slice[4][low >> 24] ^ t->slice[3][high & 0xff] ^
              t->slice[2][high >> 8 & 0xff] ^ t->slice[1][high >> 16 & 0xff] ^
              t->slice[0][high >> 24];
    }
    for (; bytes > 0; bytes--, p++) {
        crc = crc >> 8 ^ t->slice[0][(crc ^ *p) & 0xff];
    }
    return ~crc;
}
