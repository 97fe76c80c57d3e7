/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/hist.h"
#include "base/ring.h"
#include "support/test.h"

#include <string.h>

static void crc_matches_the_published_check_values(void **state)
{
    uint8_t zeros[32] = {0};

    (void)state;
    assert_int_equal(axi_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(axi_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aau); /* RFC 3720 B.4 */
    assert_int_equal(axi_crc32c(0, "", 0), 0);
}

static void crc_hardware_equals_portable_at_every_length(void **state)
{
    static uint8_t data[8192];
    static uint8_t copy[8192];
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (uint8_t)(seed >> 24);
    }
    for (size_t n = 0; n < sizeof(data); n += n < 80 ? 1 : 331) {
        uint32_t expected = axi_crc32c_portable(7, data, n);

        assert_int_equal(axi_crc32c(7, data, n), expected);
        assert_int_equal(axi_crc32c_copy(7, copy, data, n), expected);
        assert_memory_equal(copy, data, n);
        assert_int_equal(axi_crc32c(axi_crc32c(7, data, n / 3), data + n / 3, n - n / 3), expected);
    }
}

static void heap_orders_by_key_then_order_under_random_use(void **state)
{
    enum { N = 300 };
    struct axi_heap_node nodes[N] = {0};
    struct axi_heap_node *slots[N];
    struct axi_heap heap;
    uint32_t seed = 42;

    (void)state;
    axi_heap_init(&heap, slots, N);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < N; i++) {
            seed = seed * 1664525u + 1013904223u;
            nodes[i].key = seed >> 27;
            nodes[i].order = i;
            axi_heap_insert(&heap, &nodes[i]);
        }
        for (uint32_t i = 0; i < N; i += 7) {
            axi_heap_remove(&heap, &nodes[i]);
            axi_heap_remove(&heap, &nodes[i]);
        }
        struct axi_heap_node last = {.key = 0, .order = 0};

        for (struct axi_heap_node *node; (node = axi_heap_first(&heap)) != NULL;) {
            assert_true(node->key > last.key ||
                        (node->key == last.key && node->order >= last.order));
            last = *node;
            axi_heap_remove(&heap, node);
            assert_false(axi_heap_holds(node));
        }
    }
}

static void ring_keeps_order_and_refuses_when_full(void **state)
{
    uint64_t memory[4];
    uint64_t out = 0;
    struct axi_ring ring;

    (void)state;
    axi_ring_init(&ring, memory, sizeof(uint64_t), 4);
    for (uint64_t round = 0; round < 10; round++) {
        for (uint64_t i = 0; i < 4; i++) {
            uint64_t value = round * 10 + i;

            assert_true(axi_ring_push(&ring, &value));
        }
        assert_false(axi_ring_push(&ring, &out));
        assert_int_equal(axi_ring_count(&ring), 4);
        for (uint64_t i = 0; i < 4; i++) {
            assert_true(axi_ring_pop(&ring, &out));
            assert_int_equal(out, round * 10 + i);
        }
        assert_false(axi_ring_pop(&ring, &out));
    }
}

static void hist_buckets_are_within_an_eighth(void **state)
{
    struct axi_hist hist;

    (void)state;
    for (uint64_t v = 1; v < 1ull << 33; v = v + v / 5 + 1) {
        uint32_t bucket = axi_hist_bucket(v);

        assert_true(axi_hist_bucket_low(bucket) <= v);
        assert_true(axi_hist_bucket_low(bucket + 1) > v);
        assert_true(axi_hist_bucket_low(bucket + 1) - axi_hist_bucket_low(bucket) <= v / 8 + 1);
    }
    assert_int_equal(axi_hist_bucket(UINT64_MAX), AXI_HIST_BUCKETS - 1);
    axi_hist_init(&hist);
    assert_int_equal(axi_hist_quantile(&hist, 500), 0);
    for (uint64_t v = 1; v <= 1000; v++) {
        axi_hist_add(&hist, v * 1000);
    }
    assert_in_range(axi_hist_quantile(&hist, 500), 500000, 570000);
    assert_int_equal(axi_hist_quantile(&hist, 1000), 1000000);
    assert_int_equal(hist.min_ns, 1000);
}

static void ranges_do_not_wrap(void **state)
{
    (void)state;
    assert_true(axi_range_ok(10, 10, 0));
    assert_false(axi_range_ok(10, 11, 0));
    assert_false(axi_range_ok(10, 1, UINT64_MAX));
    assert_false(axi_range_inside(5, 1, 6, 10));
    assert_true(axi_range_inside(6, 10, 6, 10));
    assert_int_equal(axi_add_sat(UINT64_MAX, 1), UINT64_MAX);
    assert_int_equal(axi_sub_sat(1, 2), 0);
}

static void every_error_has_its_own_number_name_and_text(void **state)
{
    (void)state;
    assert_string_equal(axi_error_name(-AXC_EELF_TLS), "ELF_TLS");
    assert_string_equal(axi_error_name(AXC_EELF_TLS), "ELF_TLS");
    assert_string_equal(axi_error_name(-9999), "UNKNOWN");
    assert_string_equal(axi_error_text(0), "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_matches_the_published_check_values),
        cmocka_unit_test(crc_hardware_equals_portable_at_every_length),
        cmocka_unit_test(heap_orders_by_key_then_order_under_random_use),
        cmocka_unit_test(ring_keeps_order_and_refuses_when_full),
        cmocka_unit_test(hist_buckets_are_within_an_eighth),
        cmocka_unit_test(ranges_do_not_wrap),
        cmocka_unit_test(every_error_has_its_own_number_name_and_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
