/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <string.h>

#define BLOCK_BYTES 64u
#define LENGTH_BYTES 8u

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value >> bits | value << (32 - bits);
}

static uint32_t load_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void store_be32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static void compress(uint32_t hash[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t v[8]; /* a..h of the standard */

    for (unsigned i = 0; i < 16; i++) {
        w[i] = load_be32(block + 4u * i);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, hash, sizeof(v));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + round_constants[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (unsigned i = 0; i < 8; i++) {
        hash[i] += v[i];
    }
}

void axi_sha256_init(struct axi_sha256 *sha)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(sha->hash, start, sizeof(start));
    sha->bytes = 0;
}

void axi_sha256_update(struct axi_sha256 *sha, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    size_t fill = sha->bytes % BLOCK_BYTES;

    sha->bytes += count;
    while (count > 0) {
        if (fill == 0 && count >= BLOCK_BYTES) {
            compress(sha->hash, from);
            from += BLOCK_BYTES;
            count -= BLOCK_BYTES;
            continue;
        }
        size_t part = BLOCK_BYTES - fill < count ? BLOCK_BYTES - fill : count;

        memcpy(sha->block + fill, from, part);
        from += part;
        count -= part;
        fill += part;
        if (fill == BLOCK_BYTES) {
            compress(sha->hash, sha->block);
            fill = 0;
        }
    }
}

void axi_sha256_final(struct axi_sha256 *sha, uint8_t ret_digest[AXI_SHA256_BYTES])
{
    uint64_t bits = sha->bytes * 8;
    size_t fill = sha->bytes % BLOCK_BYTES;

    sha->block[fill++] = 0x80;
    if (fill > BLOCK_BYTES - LENGTH_BYTES) {
        memset(sha->block + fill, 0, BLOCK_BYTES - fill);
        compress(sha->hash, sha->block);
        fill = 0;
    }
    memset(sha->block + fill, 0, BLOCK_BYTES - LENGTH_BYTES - fill);
    store_be32(sha->block + BLOCK_BYTES - 8, (uint32_t)(bits >> 32));
    store_be32(sha->block + BLOCK_BYTES - 4, (uint32_t)bits);
    compress(sha->hash, sha->block);
    for (unsigned i = 0; i < 8; i++) {
        store_be32(ret_digest + 4u * i, sha->hash[i]);
    }
}
