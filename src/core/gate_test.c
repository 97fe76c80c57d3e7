/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "core/gate.h"

#include <string.h>

static bool admit(struct axi_gate *gate, uint64_t epoch, uint64_t job, uint32_t place)
{
    const struct axi_stamp stamp = {.task_id = 7, .epoch = epoch, .job = job, .place = place};

    return axi_gate_admit(gate, &stamp);
}

static void takes_what_is_newer_and_nothing_twice(void **state)
{
    struct axi_gate gate = {0};

    (void)state;
    assert_true(admit(&gate, 1, 0, 0));
    assert_true(admit(&gate, 1, 0, 1));
    assert_false(admit(&gate, 1, 0, 1));
    assert_true(admit(&gate, 1, 5, 0));
    assert_false(admit(&gate, 1, 4, 0));
}

static void drops_what_a_superseded_epoch_put_out(void **state)
{
    struct axi_gate gate = {0};

    (void)state;
    assert_true(admit(&gate, 1, 8, 0));
    assert_true(admit(&gate, 2, 6, 0)); /* a restore repeats job 6 */
    assert_false(admit(&gate, 1, 9, 0));
    gate.skip_epoch_check = true;
    assert_true(admit(&gate, 1, 9, 0));
}

static void lets_another_task_take_the_channel(void **state)
{
    struct axi_gate gate = {0};
    const struct axi_stamp other = {.task_id = 3, .epoch = 1};

    (void)state;
    assert_true(admit(&gate, 9, 9, 0));
    assert_true(axi_gate_admit(&gate, &other));
}

static void stamps_travel_unchanged(void **state)
{
    const struct axi_stamp stamp = {0x1122334455667788, 2, 3, 4};
    struct axi_stamp read = {0};
    uint8_t bytes[64];
    const uint8_t *value = NULL;
    uint32_t value_bytes = 0;
    size_t count = 0;

    (void)state;
    assert_int_equal(axi_stamp_encode(&stamp, "abc", 3, bytes, sizeof(bytes), &count), 0);
    assert_int_equal(count, AXI_STAMP_BYTES + 3);
    assert_int_equal(axi_stamp_decode(bytes, count, &read, &value, &value_bytes), 0);
    assert_memory_equal(&read, &stamp, sizeof(stamp) - 4); /* without the padding */
    assert_int_equal(value_bytes, 3);
    assert_memory_equal(value, "abc", 3);
    assert_int_equal(axi_stamp_encode(&stamp, "abc", 3, bytes, 46, &count), -AXC_EFULL);
}

static void names_what_is_wrong_with_a_datagram(void **state)
{
    static const struct {
        uint32_t at;
        int error;
    } damages[] = {{0, -AXC_EWIRE_MAGIC},   {4, -AXC_EWIRE_VERSION}, {8, -AXC_EWIRE_CRC},
                   {36, -AXC_EWIRE_LENGTH}, {40, -AXC_EWIRE_CRC},    {46, -AXC_EWIRE_CRC}};
    const struct axi_stamp stamp = {1, 2, 3, 4};
    struct axi_stamp read = {0};
    uint8_t bytes[64];
    const uint8_t *value = NULL;
    uint32_t value_bytes = 0;
    size_t count = 0;

    (void)state;
    assert_int_equal(axi_stamp_encode(&stamp, "abc", 3, bytes, sizeof(bytes), &count), 0);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        bytes[damages[i].at] ^= 0x40;
        assert_int_equal(axi_stamp_decode(bytes, count, &read, &value, &value_bytes),
                         damages[i].error);
        bytes[damages[i].at] ^= 0x40;
    }
    for (size_t length = 0; length < count; length++) {
        assert_int_equal(axi_stamp_decode(bytes, length, &read, &value, &value_bytes),
                         -AXC_EWIRE_LENGTH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_newer_and_nothing_twice),
        cmocka_unit_test(drops_what_a_superseded_epoch_put_out),
        cmocka_unit_test(lets_another_task_take_the_channel),
        cmocka_unit_test(stamps_travel_unchanged),
        cmocka_unit_test(names_what_is_wrong_with_a_datagram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
