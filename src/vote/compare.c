/* SPDX-License-Identifier: Apache-2.0 */
#include "vote/compare.h"

#include "base/bytes.h"
#include "vote/vote.h"

#include <math.h>
#include <string.h>

static uint32_t size_of(enum axi_vote_compare compare)
{
    return compare == AXI_VOTE_F32 ? 4 : 8;
}

static double read(enum axi_vote_compare compare, const uint8_t *at)
{
    double wide = 0;
    float narrow = 0;

    if (compare == AXI_VOTE_F32) {
        uint32_t bits = axi_get_le32(at);

        memcpy(&narrow, &bits, sizeof(narrow));
        return (double)narrow;
    }
    uint64_t bits = axi_get_le64(at);

    memcpy(&wide, &bits, sizeof(wide));
    return wide;
}

static void write(enum axi_vote_compare compare, uint8_t *at, double value)
{
    if (compare == AXI_VOTE_F32) {
        float narrow = (float)value;
        uint32_t bits = 0;

        memcpy(&bits, &narrow, sizeof(bits));
        axi_put_le32(at, bits);
    } else {
        uint64_t bits = 0;

        memcpy(&bits, &value, sizeof(bits));
        axi_put_le64(at, bits);
    }
}

static bool are_near(double a, double b, double tolerance)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    if (isinf(a) || isinf(b)) {
        return isinf(a) && isinf(b) && signbit(a) == signbit(b);
    }
    return fabs(a - b) <= tolerance;
}

bool axi_vote_agree(enum axi_vote_compare compare, double tolerance, struct axi_vote_value a,
                    struct axi_vote_value b)
{
    uint32_t size = size_of(compare);
    uint32_t at = 0;

    if (a.bytes != b.bytes) {
        return false;
    }
    for (; compare != AXI_VOTE_EXACT && at + size <= a.bytes; at += size) {
        if (!are_near(read(compare, a.data + at), read(compare, b.data + at), tolerance)) {
            return false;
        }
    }
    return a.bytes == at || memcmp(a.data + at, b.data + at, a.bytes - at) == 0;
}

/* NaNs agree with each other only, so that there are either none among agreeing numbers or only
 * NaNs. */
static double median(double *numbers, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        double number = numbers[i];
        uint32_t at = i;

        for (; at > 0 && numbers[at - 1] > number; at--) {
            numbers[at] = numbers[at - 1];
        }
        numbers[at] = number;
    }
    return count % 2 == 1 ? numbers[count / 2]
                          : numbers[count / 2 - 1] / 2 + numbers[count / 2] / 2;
}

uint32_t axi_vote_median(enum axi_vote_compare compare, const struct axi_vote_value *values,
                         uint32_t count, uint8_t *ret_value)
{
    double numbers[AXI_VOTE_MEMBERS_MAX];
    uint32_t size = size_of(compare);
    uint32_t bytes = values[0].bytes;

    memcpy(ret_value, values[0].data, bytes);
    if (compare == AXI_VOTE_EXACT || count == 1) {
        return bytes;
    }
    for (uint32_t at = 0; at + size <= bytes; at += size) {
        for (uint32_t i = 0; i < count; i++) {
            numbers[i] = read(compare, values[i].data + at);
        }
        write(compare, ret_value + at, median(numbers, count));
    }
    return bytes;
}
