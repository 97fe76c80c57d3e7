/* SPDX-License-Identifier: Apache-2.0 */
/* claim_bench NAME LOCATION [NAME LOCATION]...: two handles race for the same key, as two managers
 * do that both want to restore a task. Prints one JSON figure a line (see bench/run). */
#include "store/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLAIMS 300

struct racer {
    struct axi_store *store;
    pthread_barrier_t *start;
    uint64_t nonce;
    uint64_t times_ns[CLAIMS];
    int codes[CLAIMS];
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *race(void *argument)
{
    struct racer *racer = argument;
    static const char value[256] = "a record";

    for (int i = 0; i < CLAIMS; i++) {
        char key[64];
        uint64_t start;

        snprintf(key, sizeof(key), "bench/%llx/%d", (unsigned long long)racer->nonce, i);
        pthread_barrier_wait(racer->start);
        start = now_ns();
        racer->codes[i] = axi_store_cas(racer->store, key, 0, value, sizeof(value), NULL);
        racer->times_ns[i] = now_ns() - start;
    }
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* Median of an fdatasync of 4 KB over blocks that are there, beside the store's file. */
static double sync_us(const char *location)
{
    static uint64_t times[CLAIMS];
    char block[4096] = {1};
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s.sync", location + strlen("sqlite:"));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return 0;
    }
    for (int i = -1; i < CLAIMS; i++) {
        uint64_t start = now_ns();

        if (pwrite(fd, block, sizeof(block), 0) < 0 || fdatasync(fd) < 0) {
            break;
        }
        if (i >= 0) {
            times[i] = now_ns() - start;
        }
    }
    (void)close(fd);
    (void)unlink(path);
    qsort(times, CLAIMS, sizeof(times[0]), by_number);
    return (double)times[CLAIMS / 2] / 1000;
}

static int run(const char *name, const char *location)
{
    static struct racer racers[2];
    static uint64_t winning[CLAIMS];
    pthread_barrier_t start;
    pthread_t threads[2];
    char reason[AXI_STORE_REASON_BYTES] = "";
    int exactly_one = 0;

    pthread_barrier_init(&start, NULL, 2);
    for (int i = 0; i < 2; i++) {
        racers[i] = (struct racer){.start = &start, .nonce = now_ns()};
        racers[i].nonce = racers[0].nonce;
        if (axi_store_open(location, &racers[i].store, reason) != 0) {
            (void)fprintf(stderr, "claim_bench: %s\n", reason);
            return 1;
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, race, &racers[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        axi_store_free(racers[i].store);
    }
    for (int i = 0; i < CLAIMS; i++) {
        int winner = racers[0].codes[i] == 0 ? 0 : 1;

        winning[i] = racers[winner].times_ns[i];
        exactly_one +=
            racers[winner].codes[i] == 0 && racers[1 - winner].codes[i] == -AXC_ECONFLICT;
    }
    qsort(winning, CLAIMS, sizeof(winning[0]), by_number);
    printf("{\"name\": \"claim race of two, %s\", \"value\": %.1f, \"unit\": \"us\", ", name,
           (double)winning[CLAIMS / 2] / 1000);
    if (strncmp(location, "sqlite:", 7) == 0) {
        printf(
            "\"versus\": \"fdatasync of 4 KB\", \"versus_value\": %.1f, \"goal\": \"<= 2000 us\", ",
            sync_us(location));
    }
    printf("\"note\": \"p90 %.0f us; exactly one winner in %d of %d\"}\n",
           (double)winning[CLAIMS * 9 / 10] / 1000, exactly_one, CLAIMS);
    return exactly_one == CLAIMS ? 0 : 1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (run(argv[i], argv[i + 1]) != 0) {
            return 1;
        }
    }
    return 0;
}
