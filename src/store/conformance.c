/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conformance.h"

#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

struct log {
    char text[256]; /* "key=value" or "key-", each followed by a blank */
    uint64_t last;
};

static void note(void *context, const struct axi_store_change *change)
{
    struct log *log = context;
    size_t used = strlen(log->text);

    assert_true(change->revision >= log->last);
    log->last = change->revision;
    assert_int_equal(change->is_deleted, change->value == NULL);
    if (change->value != NULL) {
        assert_int_equal(change->value->revision, change->revision);
    }
    snprintf(log->text + used, sizeof(log->text) - used, "%s%s%s ", change->key,
             change->is_deleted ? "-" : "=", change->is_deleted ? "" : change->value->bytes);
}

static uint64_t watch_from_now(struct axi_store *store, const char *prefix)
{
    struct log log = {0};
    uint64_t revision = 0;

    assert_int_equal(axi_store_changes(store, prefix, 0, note, &log, &revision), -AXC_ECOMPACTED);
    assert_string_equal(log.text, "");
    return revision;
}

/* A backend may see changes late, so look until all of `text` came; a wrong one ends the test. */
static void assert_changes(struct axi_store *store, const char *prefix, uint64_t *after,
                           const char *text)
{
    struct log log = {.last = *after};

    for (int i = 0; i < 2000 && strlen(log.text) < strlen(text); i++) {
        assert_int_equal(axi_store_changes(store, prefix, *after, note, &log, after), 0);
        assert_true(*after >= log.last);
        usleep(strlen(log.text) < strlen(text) ? 1000 : 0);
    }
    assert_string_equal(log.text, text);
    assert_int_equal(axi_store_changes(store, prefix, *after, note, &log, after), 0);
    assert_string_equal(log.text, text);
}

/* What came in between may be left out. */
static void assert_ends_with(struct axi_store *store, const char *prefix, uint64_t after,
                             const char *first, const char *last)
{
    struct log log = {.last = after};

    for (int i = 0; i < 2000 && strstr(log.text, last) == NULL; i++) {
        assert_int_equal(axi_store_changes(store, prefix, after, note, &log, &after), 0);
        usleep(1000);
    }
    assert_true(strncmp(log.text, first, strlen(first)) == 0);
    assert_string_equal(log.text + strlen(log.text) - strlen(last), last);
}

static void a_watch_reports_each_change_once_in_order(struct axi_store *a, struct axi_store *b)
{
    uint64_t revision = watch_from_now(b, "w/");
    uint64_t other = watch_from_now(a, "w");
    uint64_t all = watch_from_now(a, "");
    struct axi_store_op ops[] = {
        {.kind = AXI_STORE_PUT, .key = "w/1", .value = "one", .value_bytes = 3},
        {.kind = AXI_STORE_PUT, .key = "w/2", .value = "two", .value_bytes = 3},
        {.kind = AXI_STORE_PUT, .key = "w0", .value = "no", .value_bytes = 2},
    };

    assert_int_equal(axi_store_commit(a, ops, 3, NULL), 0);
    assert_changes(b, "w/", &revision, "w/1=one w/2=two ");
    assert_changes(a, "w", &other, "w/1=one w/2=two w0=no ");
    assert_changes(a, "", &all, "w/1=one w/2=two w0=no ");
    assert_int_equal(cas_text(b, "w/2", AXI_STORE_ANY, "deux", NULL), 0);
    assert_changes(b, "w/", &revision, "w/2=deux ");
    assert_int_equal(cas_text(a, "w/1", AXI_STORE_ANY, NULL, NULL), 0);
    assert_changes(b, "w/", &revision, "w/1- ");
    assert_int_equal(cas_text(a, "w/none", AXI_STORE_ANY, NULL, NULL), 0);
    assert_int_equal(cas_text(a, "w/1", 0, "again", NULL), 0);
    assert_changes(b, "w/", &revision, "w/1=again ");
    assert_ends_with(a, "w", other, "w/2=deux ", "w/1=again ");
}

static int put_leased(struct axi_store *store, const char *key, uint64_t lease)
{
    struct axi_store_op op = {.kind = AXI_STORE_PUT,
                              .key = key,
                              .expected = AXI_STORE_ANY,
                              .value = "here",
                              .value_bytes = 4,
                              .lease = lease};

    return axi_store_commit(store, &op, 1, NULL);
}

static void keys_go_with_their_lease(struct axi_store *a, struct axi_store *b)
{
    struct axi_store_value value;
    uint64_t lease = 0;
    uint64_t other = 0;
    uint64_t revision;

    assert_int_equal(axi_store_lease_grant(a, 99, &lease), -AXC_EINVALID);
    assert_int_equal(axi_store_lease_grant(a, 600000, &lease), 0);
    assert_int_equal(axi_store_lease_grant(b, 600000, &other), 0);
    assert_true(lease != 0 && other != 0 && lease != other);
    assert_int_equal(put_leased(a, "l/1", lease), 0);
    assert_int_equal(put_leased(b, "l/2", lease), 0);
    assert_int_equal(put_leased(b, "l/3", other), 0);
    assert_int_equal(axi_store_lease_keep(b, lease), 0);
    assert_int_equal(cas_text(a, "l/2", AXI_STORE_ANY, "mine", NULL), 0);
    revision = watch_from_now(b, "l/");
    assert_int_equal(axi_store_lease_revoke(a, lease), 0);
    assert_changes(b, "l/", &revision, "l/1- ");
    assert_int_equal(axi_store_get(b, "l/1", &value), -AXC_ENOENT);
    assert_value(b, "l/2", "mine");
    assert_value(b, "l/3", "here");
    assert_int_equal(axi_store_lease_keep(a, lease), -AXC_ENOENT);
    assert_int_equal(axi_store_lease_revoke(b, lease), -AXC_ENOENT);
    assert_int_equal(put_leased(a, "l/4", lease), -AXC_ENOENT);
    assert_int_equal(axi_store_get(a, "l/4", &value), -AXC_ENOENT);
    assert_int_equal(axi_store_lease_revoke(b, other), 0);
    assert_int_equal(axi_store_get(a, "l/3", &value), -AXC_ENOENT);
}

#define CLAIMS 500

struct racer {
    struct axi_store *store;
    char name;
    int wins, losses;
};

/* An unknown outcome is read again, as every caller has to. */
static void claim(struct racer *racer, const char *key)
{
    struct axi_store_value value;
    int rc;

    do {
        rc = axi_store_cas(racer->store, key, 0, &racer->name, 1, NULL);
        if (rc == -AXC_ETIMEOUT && axi_store_get(racer->store, key, &value) == 0) {
            rc = value.bytes[0] == racer->name ? 0 : -AXC_ECONFLICT;
            axi_store_value_clear(&value);
        }
    } while (rc == -AXC_EUNAVAILABLE || rc == -AXC_ETIMEOUT);
    racer->wins += rc == 0;
    racer->losses += rc == -AXC_ECONFLICT;
}

static void *race(void *argument)
{
    for (int i = 0; i < CLAIMS; i++) {
        char key[32];

        snprintf(key, sizeof(key), "race/%d", i);
        claim(argument, key);
    }
    return NULL;
}

void axi_store_race(struct axi_store *a, struct axi_store *b)
{
    struct racer racers[2] = {{.store = a, .name = 'a'}, {.store = b, .name = 'b'}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(racers[0].wins + racers[1].wins, CLAIMS);
    assert_int_equal(racers[0].losses + racers[1].losses, CLAIMS);
}

void axi_store_conformance(struct axi_store *a, struct axi_store *b)
{
    swaps_only_the_expected_revision(a, b);
    a_revision_never_comes_back(a, b);
    exactly_one_of_two_claims_wins(a, b);
    a_transaction_is_all_or_nothing(a, b);
    lists_a_prefix_in_order(a, b);
    keeps_binary_values_and_refuses_bad_keys(a, b);
    a_watch_reports_each_change_once_in_order(a, b);
    keys_go_with_their_lease(a, b);
}
