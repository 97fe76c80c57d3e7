/* SPDX-License-Identifier: Apache-2.0 */
/* The weights' file: docs/formats/predictor.md. */
#include "predict/weights.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAGIC 0x57505841u /* "AXPW" */
#define VERSION 1u
#define INPUTS_VERSION 1u
#define NAME_AT 48u
#define HEADER_CRC_AT 92u

static void put_f32(uint8_t *p, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    axi_put_le32(p, bits);
}

static float get_f32(const uint8_t *p)
{
    uint32_t bits = axi_get_le32(p);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static const uint16_t shape[] = {INPUTS_VERSION,     AXI_LEARNED_INPUTS,  AXI_LEARNED_FIRST,
                                 AXI_LEARNED_SECOND, AXI_LEARNED_OUTPUTS, 0};

void axi_weights_encode(const struct axi_predict_weights *weights,
                        uint8_t ret_bytes[AXI_WEIGHTS_FILE_BYTES])
{
    uint8_t *p = ret_bytes;
    size_t name_bytes = strnlen(weights->name, AXI_WEIGHTS_NAME_BYTES - 1);

    memset(p, 0, AXI_WEIGHTS_FILE_BYTES);
    axi_put_le32(p, MAGIC);
    axi_put_le16(p + 4, VERSION);
    axi_put_le16(p + 6, AXI_WEIGHTS_HEADER_BYTES);
    axi_put_le32(p + 8, AXI_WEIGHTS_FILE_BYTES);
    for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
        axi_put_le16(p + 12 + 2 * i, shape[i]);
    }
    axi_put_le64(p + 24, weights->samples);
    axi_put_le64(p + 32, weights->seed);
    put_f32(p + 40, weights->quantile);
    axi_put_le32(p + 44, weights->series);
    memcpy(p + NAME_AT, weights->name, name_bytes);
    axi_put_le32(p + HEADER_CRC_AT, axi_crc32c(0, p, HEADER_CRC_AT));
    p += AXI_WEIGHTS_HEADER_BYTES;
    for (size_t i = 0; i < AXI_LEARNED_WEIGHTS; i++) {
        put_f32(p + 4 * i, weights->values[i]);
    }
    axi_put_le32(p + 4 * AXI_LEARNED_WEIGHTS, axi_crc32c(0, p, 4 * AXI_LEARNED_WEIGHTS));
}

static int check_header(const uint8_t *p, size_t count)
{
    if (count < 8) {
        return -AXC_EPREDICT_TRUNCATED;
    }
    if (axi_get_le32(p) != MAGIC) {
        return -AXC_EPREDICT_MAGIC;
    }
    if (axi_get_le16(p + 4) != VERSION) {
        return -AXC_EPREDICT_VERSION;
    }
    if (count < AXI_WEIGHTS_HEADER_BYTES) {
        return -AXC_EPREDICT_TRUNCATED;
    }
    if (axi_get_le32(p + HEADER_CRC_AT) != axi_crc32c(0, p, HEADER_CRC_AT)) {
        return -AXC_EPREDICT_CRC;
    }
    for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
        if (axi_get_le16(p + 12 + 2 * i) != shape[i]) {
            return -AXC_EPREDICT_SHAPE;
        }
    }
    if (axi_get_le16(p + 6) != AXI_WEIGHTS_HEADER_BYTES ||
        axi_get_le32(p + 8) != AXI_WEIGHTS_FILE_BYTES) {
        return -AXC_EPREDICT_SIZE;
    }
    return 0;
}

static int check_body(const uint8_t *p, size_t count)
{
    const uint8_t *values = p + AXI_WEIGHTS_HEADER_BYTES;

    if (count != AXI_WEIGHTS_FILE_BYTES) {
        return count < AXI_WEIGHTS_FILE_BYTES ? -AXC_EPREDICT_TRUNCATED : -AXC_EPREDICT_SIZE;
    }
    if (axi_get_le32(values + 4 * AXI_LEARNED_WEIGHTS) !=
        axi_crc32c(0, values, 4 * AXI_LEARNED_WEIGHTS)) {
        return -AXC_EPREDICT_CRC;
    }
    for (size_t i = 0; i < AXI_LEARNED_WEIGHTS; i++) {
        if (!(fabsf(get_f32(values + 4 * i)) <= AXI_LEARNED_LIMIT)) {
            return -AXC_EPREDICT_VALUE;
        }
    }
    return 0;
}

static bool is_name(const uint8_t *text)
{
    size_t bytes = strnlen((const char *)text, AXI_WEIGHTS_NAME_BYTES);

    for (size_t i = 0; i < AXI_WEIGHTS_NAME_BYTES; i++) {
        if (i < bytes ? text[i] < 0x20 || text[i] > 0x7e : text[i] != 0) {
            return false;
        }
    }
    return bytes < AXI_WEIGHTS_NAME_BYTES;
}

int axi_weights_decode(const uint8_t *bytes, size_t count, struct axi_predict_weights *ret_weights)
{
    int r = check_header(bytes, count);
    float quantile;

    r = r == 0 ? check_body(bytes, count) : r;
    if (r != 0) {
        return r;
    }
    quantile = get_f32(bytes + 40);
    if (!(quantile >= 0.5f && quantile < 1.0f) || !is_name(bytes + NAME_AT)) {
        return -AXC_EPREDICT_VALUE;
    }
    ret_weights->quantile = quantile;
    ret_weights->samples = axi_get_le64(bytes + 24);
    ret_weights->seed = axi_get_le64(bytes + 32);
    ret_weights->series = axi_get_le32(bytes + 44);
    memcpy(ret_weights->name, bytes + NAME_AT, AXI_WEIGHTS_NAME_BYTES);
    for (size_t i = 0; i < AXI_LEARNED_WEIGHTS; i++) {
        ret_weights->values[i] = get_f32(bytes + AXI_WEIGHTS_HEADER_BYTES + 4 * i);
    }
    return 0;
}

int axi_weights_load(const char *path, struct axi_predict_weights *ret_weights)
{
    uint8_t bytes[AXI_WEIGHTS_FILE_BYTES + 1]; /* one more shows a longer file */
    FILE *file = fopen(path, "rbe");
    size_t count;
    bool has_failed;

    if (file == NULL) {
        return errno == ENOENT ? -AXC_ENOENT : errno == EACCES ? -AXC_EPERM : -AXC_EIO;
    }
    count = fread(bytes, 1, sizeof(bytes), file);
    has_failed = ferror(file) != 0;
    (void)fclose(file);
    return has_failed ? -AXC_EIO : axi_weights_decode(bytes, count, ret_weights);
}
