/* SPDX-License-Identifier: Apache-2.0 */
/* Explicit little-endian access and checked ranges. Freestanding, any context. */
#ifndef AXI_BASE_BYTES_H
#define AXI_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint16_t axi_get_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t axi_get_le32(const uint8_t *p)
{
    return (uint32_t)axi_get_le16(p) | (uint32_t)axi_get_le16(p + 2) << 16;
}

static inline uint64_t axi_get_le64(const uint8_t *p)
{
    return (uint64_t)axi_get_le32(p) | (uint64_t)axi_get_le32(p + 4) << 32;
}

static inline void axi_put_le16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void axi_put_le32(uint8_t *p, uint32_t value)
{
    axi_put_le16(p, (uint16_t)value);
    axi_put_le16(p + 2, (uint16_t)(value >> 16));
}

static inline void axi_put_le64(uint8_t *p, uint64_t value)
{
    axi_put_le32(p, (uint32_t)value);
    axi_put_le32(p + 4, (uint32_t)(value >> 32));
}

/* True when [offset, offset + bytes) lies inside [0, length). Never overflows. */
static inline bool axi_range_ok(uint64_t length, uint64_t offset, uint64_t bytes)
{
    return offset <= length && bytes <= length - offset;
}

/* True when [a, a + a_bytes) lies inside [b, b + b_bytes), for addresses. */
static inline bool axi_range_inside(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a >= b && axi_range_ok(b_bytes, a - b, a_bytes);
}

/* Saturating unsigned arithmetic: a time or size that would overflow becomes the largest value. */
static inline uint64_t axi_add_sat(uint64_t a, uint64_t b)
{
    uint64_t sum = 0;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t axi_sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t axi_mul_sat(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

#endif
