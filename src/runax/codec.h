/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over a binary format for both directions: the same code writes a struct and reads it
 * back, so the two cannot disagree. Little-endian, no alignment. After the first step beyond the
 * end, or a refused value, is_bad stays set and every further call does nothing; the walk checks it
 * once at its end. */
#ifndef AXI_RUNAX_CODEC_H
#define AXI_RUNAX_CODEC_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct axi_codec {
    uint8_t *bytes; /* when reading, never written to */
    size_t capacity;
    size_t used;
    bool is_writing;
    bool is_bad;
};

/* The next n bytes, or NULL. */
static inline uint8_t *axi_codec_take(struct axi_codec *codec, size_t n)
{
    if (codec->is_bad || !axi_range_ok(codec->capacity, codec->used, n)) {
        codec->is_bad = true;
        return NULL;
    }
    uint8_t *p = codec->bytes + codec->used;
    codec->used += n;
    return p;
}

static inline void axi_codec_bytes(struct axi_codec *codec, void *data, size_t n)
{
    uint8_t *p = axi_codec_take(codec, n);
    if (p == NULL) {
        return;
    }
    if (codec->is_writing) {
        memcpy(p, data, n);
    } else {
        memcpy(data, p, n);
    }
}

static inline void axi_codec_u8(struct axi_codec *codec, uint8_t *value)
{
    axi_codec_bytes(codec, value, 1);
}

static inline void axi_codec_u16(struct axi_codec *codec, uint16_t *value)
{
    uint8_t *p = axi_codec_take(codec, 2);
    if (p != NULL && codec->is_writing) {
        axi_put_le16(p, *value);
    } else if (p != NULL) {
        *value = axi_get_le16(p);
    }
}

static inline void axi_codec_u32(struct axi_codec *codec, uint32_t *value)
{
    uint8_t *p = axi_codec_take(codec, 4);
    if (p != NULL && codec->is_writing) {
        axi_put_le32(p, *value);
    } else if (p != NULL) {
        *value = axi_get_le32(p);
    }
}

static inline void axi_codec_u64(struct axi_codec *codec, uint64_t *value)
{
    uint8_t *p = axi_codec_take(codec, 8);
    if (p != NULL && codec->is_writing) {
        axi_put_le64(p, *value);
    } else if (p != NULL) {
        *value = axi_get_le64(p);
    }
}

/* A u32 that counts elements of an array with room for `max`. */
static inline void axi_codec_count(struct axi_codec *codec, uint32_t *count, uint32_t max)
{
    if (codec->is_writing && *count > max) {
        codec->is_bad = true;
    }
    uint32_t value = *count;
    axi_codec_u32(codec, &value);
    if (value > max) {
        codec->is_bad = true;
    }
    if (!codec->is_writing) {
        *count = codec->is_bad ? 0 : value;
    }
}

/* A text in a field of fixed width in the struct; u16 length and the characters in the format. */
static inline void axi_codec_text(struct axi_codec *codec, char *text, size_t size)
{
    uint16_t length = codec->is_writing ? (uint16_t)strnlen(text, size) : 0;
    axi_codec_u16(codec, &length);
    if (length >= size) {
        codec->is_bad = true;
        return;
    }
    axi_codec_bytes(codec, text, length);
    if (!codec->is_writing) {
        memset(text + length, 0, size - length);
        codec->is_bad |= memchr(text, 0, length) != NULL;
    }
}

#endif
