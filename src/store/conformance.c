/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conformance.h"

#include "support/test.h"

#include <string.h>

static int cas_text(struct axi_store *store, const char *key, uint64_t expected, const char *text,
                    uint64_t *ret_revision)
{
    return axi_store_cas(store, key, expected, text, text == NULL ? 0 : strlen(text), ret_revision);
}

static uint64_t assert_value(struct axi_store *store, const char *key, const char *text)
{
    struct axi_store_value value;
    uint64_t revision;

    assert_int_equal(axi_store_get(store, key, &value), 0);
    assert_string_equal(value.bytes, text);
    assert_int_equal(value.value_bytes, strlen(text));
    revision = value.revision;
    axi_store_value_clear(&value);
    return revision;
}

static void swaps_only_the_expected_revision(struct axi_store *a, struct axi_store *b)
{
    struct axi_store_value value;
    uint64_t first = 0;
    uint64_t second = 0;

    assert_int_equal(axi_store_get(a, "t/none", &value), -AXC_ENOENT);
    assert_int_equal(cas_text(a, "t/x", 7, "no", NULL), -AXC_ECONFLICT);
    assert_int_equal(cas_text(a, "t/x", 0, "one", &first), 0);
    assert_int_equal(cas_text(b, "t/x", 0, "two", NULL), -AXC_ECONFLICT);
    assert_int_equal(assert_value(b, "t/x", "one"), first);
    assert_int_equal(cas_text(b, "t/x", first, "two", &second), 0);
    assert_true(second > first);
    assert_int_equal(cas_text(a, "t/x", first, "three", NULL), -AXC_ECONFLICT);
    assert_int_equal(assert_value(a, "t/x", "two"), second);
}

static void a_revision_never_comes_back(struct axi_store *a, struct axi_store *b)
{
    uint64_t old = 0;
    uint64_t again = 0;

    assert_int_equal(cas_text(a, "t/gone", 0, "1", &old), 0);
    assert_int_equal(cas_text(b, "t/gone", old, NULL, NULL), 0);
    assert_int_equal(cas_text(b, "t/gone", old, NULL, NULL), -AXC_ECONFLICT);
    assert_int_equal(cas_text(a, "t/gone", 0, "1", &again), 0);
    assert_true(again > old);
    assert_int_equal(cas_text(b, "t/gone", old, "2", NULL), -AXC_ECONFLICT);
}

static void exactly_one_of_two_claims_wins(struct axi_store *a, struct axi_store *b)
{
    for (int round = 0; round < 50; round++) {
        struct axi_store_value value;
        uint64_t seen = 0;
        int first;
        int second;

        if (axi_store_get(a, "t/claim", &value) == 0) {
            seen = value.revision;
            axi_store_value_clear(&value);
        }
        first = cas_text(round % 2 == 0 ? a : b, "t/claim", seen, "first", NULL);
        second = cas_text(round % 2 == 0 ? b : a, "t/claim", seen, "second", NULL);
        assert_int_equal(first, 0);
        assert_int_equal(second, -AXC_ECONFLICT);
        assert_value(a, "t/claim", "first");
    }
}

static void a_transaction_is_all_or_nothing(struct axi_store *a, struct axi_store *b)
{
    uint64_t lease = 0;
    uint64_t both = 0;

    assert_int_equal(cas_text(a, "t/lease", 0, "l", &lease), 0);
    struct axi_store_op ops[] = {
        {.kind = AXI_STORE_PUT, .key = "t/p", .value = "p", .value_bytes = 1},
        {.kind = AXI_STORE_CHECK, .key = "t/lease", .expected = lease + 1},
        {.kind = AXI_STORE_PUT, .key = "t/q", .expected = AXI_STORE_ANY, .value = ""},
    };
    assert_int_equal(axi_store_commit(a, ops, 3, NULL), -AXC_ECONFLICT);
    struct axi_store_value value;
    assert_int_equal(axi_store_get(b, "t/p", &value), -AXC_ENOENT);
    ops[1].expected = lease;
    assert_int_equal(axi_store_commit(a, ops, 3, &both), 0);
    assert_int_equal(assert_value(b, "t/p", "p"), both);
    assert_int_equal(assert_value(b, "t/q", ""), both);
    assert_int_equal(assert_value(b, "t/lease", "l"), lease);
    ops[2].key = "t/p";
    assert_int_equal(axi_store_commit(a, ops, 3, NULL), -AXC_EINVALID);
    assert_int_equal(axi_store_commit(a, ops, 0, NULL), -AXC_EINVALID);
}

struct listing {
    size_t count;
    char last[64];
};

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    struct listing *listing = context;

    assert_true(strcmp(key, listing->last) > 0);
    assert_true(value->revision > 0);
    strncpy(listing->last, key, sizeof(listing->last) - 1);
    listing->count++;
    return 0;
}

static void lists_a_prefix_in_order(struct axi_store *a, struct axi_store *b)
{
    struct listing listing = {0};

    assert_int_equal(cas_text(a, "u/2", 0, "b", NULL), 0);
    assert_int_equal(cas_text(a, "u/1", 0, "a", NULL), 0);
    assert_int_equal(cas_text(a, "u0", 0, "no", NULL), 0);
    assert_int_equal(axi_store_list(b, "u/", visit, &listing), 0);
    assert_int_equal(listing.count, 2);
    assert_string_equal(listing.last, "u/2");
}

static void keeps_binary_values_and_refuses_bad_keys(struct axi_store *a, struct axi_store *b)
{
    static const char binary[] = {0, 1, 0, (char)0xff};
    struct axi_store_value value;
    char key[AXI_STORE_KEY_MAX + 2];

    assert_int_equal(axi_store_cas(a, "t/bin", 0, binary, sizeof(binary), NULL), 0);
    assert_int_equal(axi_store_get(b, "t/bin", &value), 0);
    assert_int_equal(value.value_bytes, sizeof(binary));
    assert_memory_equal(value.bytes, binary, sizeof(binary));
    axi_store_value_clear(&value);
    memset(key, 'k', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(cas_text(a, key, 0, "x", NULL), -AXC_EINVALID);
    assert_int_equal(cas_text(a, "", 0, "x", NULL), -AXC_EINVALID);
}

void axi_store_conformance(struct axi_store *a, struct axi_store *b)
{
    swaps_only_the_expected_revision(a, b);
    a_revision_never_comes_back(a, b);
    exactly_one_of_two_claims_wins(a, b);
    a_transaction_is_all_or_nothing(a, b);
    lists_a_prefix_in_order(a, b);
    keeps_binary_values_and_refuses_bad_keys(a, b);
}
