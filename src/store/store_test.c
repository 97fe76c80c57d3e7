/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conformance.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char directory[64];
    char path[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->directory, sizeof(f->directory), "/tmp/axcan-store-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/store.db", f->directory);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[112];
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    rmdir(f->directory);
    free(f);
    return 0;
}

static struct axi_store *open_store(struct fixture *f, int is_volatile)
{
    struct axi_store_sqlite_options options = {.path = f->path, .is_volatile = is_volatile};
    struct axi_store *store = NULL;

    assert_int_equal(axi_store_sqlite_new(&options, &store), 0);
    return store;
}

static void sqlite_conforms(void **state)
{
    struct axi_store *a = open_store(*state, 0);
    struct axi_store *b = open_store(*state, 1);

    axi_store_conformance(a, b);
    axi_store_free(a);
    axi_store_free(b);
}

#define CLAIMS 100

struct racer {
    struct axi_store *store;
    char name;
    int wins;
};

static void *race(void *argument)
{
    struct racer *racer = argument;

    for (int i = 0; i < CLAIMS; i++) {
        char key[32];
        int rc;

        snprintf(key, sizeof(key), "race/%d", i);
        do {
            rc = axi_store_cas(racer->store, key, 0, &racer->name, 1, NULL);
        } while (rc == -AXC_EUNAVAILABLE);
        racer->wins += rc == 0;
    }
    return NULL;
}

static void two_connections_race_and_each_claim_has_one_winner(void **state)
{
    struct racer racers[2] = {{open_store(*state, 1), 'a', 0}, {open_store(*state, 1), 'b', 0}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        axi_store_free(racers[i].store);
    }
    assert_int_equal(racers[0].wins + racers[1].wins, CLAIMS);
}

static void what_was_committed_is_there_after_reopening(void **state)
{
    struct axi_store *store = open_store(*state, 0);
    struct axi_store_value value;
    uint64_t revision = 0;
    uint64_t later = 0;

    assert_int_equal(axi_store_cas(store, "k", 0, "v", 1, &revision), 0);
    axi_store_free(store);
    store = open_store(*state, 0);
    assert_int_equal(axi_store_get(store, "k", &value), 0);
    assert_int_equal(value.revision, revision);
    axi_store_value_clear(&value);
    assert_int_equal(axi_store_cas(store, "l", 0, "v", 1, &later), 0);
    assert_true(later > revision);
    axi_store_free(store);
}

static void refuses_a_file_that_is_no_store(void **state)
{
    struct fixture *f = *state;
    struct axi_store_sqlite_options options = {.path = f->path};
    struct axi_store *store = NULL;
    FILE *file = fopen(f->path, "w");

    fputs("this is some other file, long enough to be looked at\n", file);
    fclose(file);
    assert_int_equal(axi_store_sqlite_new(&options, &store), -AXC_EIO);
    options.path = "/nonexistent/directory/store.db";
    assert_int_equal(axi_store_sqlite_new(&options, &store), -AXC_EIO);
    assert_null(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sqlite_conforms, setup, teardown),
        cmocka_unit_test_setup_teardown(two_connections_race_and_each_claim_has_one_winner, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_committed_is_there_after_reopening, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_is_no_store, setup, teardown),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
