/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C by the SSE4.2 instruction. One instruction has a latency of three cycles and a throughput
 * of one, so three streams run at once over blocks and are joined by a table of zero-extensions
 * (the method of Gopal et al., "Fast CRC computation for iSCSI polynomial", Intel 2011; the joining
 * operator is x^(8n) mod P applied by 4 byte tables). */
#include "base/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

#define STREAM_BYTES 1024u

static struct {
    uint32_t shift[4][256]; /* appends STREAM_BYTES zero bytes to a CRC register */
    int is_ready;
} joiner;

static uint32_t append_zeros(uint32_t crc, size_t bytes)
{
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        crc = crc >> 1 ^ ((crc & 1u) ? 0x82f63b78u : 0u);
    }
    return crc;
}

static void make_joiner(void)
{
    uint32_t column[32];

    for (uint32_t bit = 0; bit < 32; bit++) {
        column[bit] = append_zeros(1u << bit, STREAM_BYTES);
    }
    for (uint32_t byte = 0; byte < 4; byte++) {
        for (uint32_t value = 0; value < 256; value++) {
            uint32_t sum = 0;

            for (uint32_t bit = 0; bit < 8; bit++) {
                sum ^= (value >> bit & 1) ? column[byte * 8 + bit] : 0;
            }
            joiner.shift[byte][value] = sum;
        }
    }
    __atomic_store_n(&joiner.is_ready, 1, __ATOMIC_RELEASE);
}

static uint32_t shift_stream(uint32_t crc)
{
    return joiner.shift[0][crc & 0xff] ^ joiner.shift[1][crc >> 8 & 0xff] ^
           joiner.shift[2][crc >> 16 & 0xff] ^ joiner.shift[3][crc >> 24];
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t value;

    memcpy(&value, p, sizeof(value));
    return value;
}

__attribute__((target("sse4.2"))) static uint32_t crc_hardware(uint32_t crc, const uint8_t *p,
                                                               size_t bytes)
{
    uint64_t a = ~crc;

    for (; bytes >= 3 * STREAM_BYTES; bytes -= 3 * STREAM_BYTES, p += 3 * STREAM_BYTES) {
        uint64_t b = 0;
        uint64_t c = 0;

        for (size_t i = 0; i < STREAM_BYTES; i += 8) {
            a = _mm_crc32_u64(a, load64(p + i));
            b = _mm_crc32_u64(b, load64(p + STREAM_BYTES + i));
            c = _mm_crc32_u64(c, load64(p + 2 * STREAM_BYTES + i));
        }
        a = shift_stream((uint32_t)a) ^ (uint32_t)b;
        a = shift_stream((uint32_t)a) ^ (uint32_t)c;
    }
    for (; bytes >= 8; bytes -= 8, p += 8) {
        a = _mm_crc32_u64(a, load64(p));
    }
    uint32_t tail = (uint32_t)a;

    for (; bytes > 0; bytes--, p++) {
        tail = _mm_crc32_u8(tail, *p);
    }
    return ~tail;
}

uint32_t axi_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    if (!__builtin_cpu_supports("sse4.2")) {
        return axi_crc32c_portable(crc, data, bytes);
    }
    if (!__atomic_load_n(&joiner.is_ready, __ATOMIC_ACQUIRE)) {
        make_joiner();
    }
    return crc_hardware(crc, data, bytes);
}

uint32_t axi_crc32c_copy(uint32_t crc, void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    return axi_crc32c(crc, to, bytes);
}
