/* SPDX-License-Identifier: Apache-2.0 */
/* A manager's checkpoint store: durable checkpoints a second, and how old the newest durable one
 * is. One JSON object a line for bench/run; the raw limit of the disk in the same run. */
#include "store/checkpoints.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TASKS 100u
#define STATE_BYTES 4000u /* 4 KiB with the header */
#define RUN_NS 2000000000ull
#define PACED_PER_SECOND 2000u
#define PERIOD_NS 50000000ull /* of each of 100 tasks at 2000 checkpoints a second */
#define SAMPLES_MAX 200000u

enum content { CHANGING, RANDOM };

static uint64_t samples[SAMPLES_MAX];
static uint64_t put_at[SAMPLES_MAX];
static size_t sample_count;
static uint8_t states[TASKS][STATE_BYTES];
static uint64_t epoch; /* of the part that runs: older checkpoints are not stored again */
static uint64_t noise = 88172645463325252ull;

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what, int error)
{
    (void)fprintf(stderr, "checkpoints_bench: %s: %s\n", what, axi_error_name(error));
    exit(1);
}

static uint64_t next_random(void)
{
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    return noise;
}

/* 8 % of the words of a state change from job to job, or all of them. */
static void change(uint8_t *state, enum content content)
{
    uint32_t words = STATE_BYTES / 8;
    uint32_t count = content == RANDOM ? words : words * 8 / 100;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = next_random();
        uint32_t at = content == RANDOM ? i : (uint32_t)(next_random() % words);

        memcpy(state + (size_t)at * 8, &value, sizeof(value));
    }
}

static size_t make(uint8_t *buffer, uint32_t task, uint64_t job, enum content content)
{
    const struct axi_checkpoint checkpoint = {.task_id = task + 1,
                                              .epoch = epoch,
                                              .job = job,
                                              .state_version = 1,
                                              .state_bytes = STATE_BYTES};
    size_t bytes = 0;

    change(states[task], content);
    int r =
        axi_checkpoint_encode(&checkpoint, states[task], buffer, AXI_CHECKPOINT_BYTES_MAX, &bytes);

    if (r < 0) {
        die("encode", r);
    }
    return bytes;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double quantile_ms(double q)
{
    if (sample_count == 0) {
        return 0;
    }
    qsort(samples, sample_count, sizeof(samples[0]), compare);
    return (double)samples[(size_t)((double)(sample_count - 1) * q)] / 1e6;
}

/* Takes results; every one is a sample of put to durable. */
static size_t collect(struct axi_checkpoints *store, int timeout_ms)
{
    struct axi_checkpoints_result results[256];
    struct pollfd waiting = {.fd = axi_checkpoints_fd(store), .events = POLLIN};
    size_t total = 0;
    size_t count = 0;

    (void)poll(&waiting, 1, timeout_ms);
    while ((count = axi_checkpoints_poll(store, results, 256)) > 0) {
        uint64_t now = now_ns();

        for (size_t i = 0; i < count; i++) {
            if (results[i].code != 0) {
                die("put", results[i].code);
            }
            if (sample_count < SAMPLES_MAX) {
                samples[sample_count++] = now - put_at[results[i].cookie % SAMPLES_MAX];
            }
        }
        total += count;
    }
    return total;
}

static struct axi_checkpoints *open_store(const char *path, bool no_delta)
{
    const struct axi_checkpoints_options options = {.path = path, .no_delta = no_delta};
    struct axi_checkpoints *store = NULL;
    int r = axi_checkpoints_new(&options, &store);

    if (r < 0) {
        die(path, r);
    }
    return store;
}

/* As many as the store takes; returns them per second. */
static double flood(const char *path, bool no_delta, enum content content, double *ret_share,
                    double *ret_per_commit)
{
    static uint8_t buffer[AXI_CHECKPOINT_BYTES_MAX];
    struct axi_checkpoints *store = open_store(path, no_delta);
    struct axi_checkpoints_figures figures;
    uint64_t start = now_ns();
    uint64_t durable = 0;
    uint64_t cookie = 0;

    epoch++;
    sample_count = 0;
    while (now_ns() - start < RUN_NS) {
        size_t bytes = make(buffer, (uint32_t)(cookie % TASKS), cookie / TASKS, content);
        int r;

        put_at[cookie % SAMPLES_MAX] = now_ns();
        while ((r = axi_checkpoints_put(store, 1, buffer, bytes, cookie)) == -AXC_EBUSY) {
            durable += collect(store, 100);
        }
        if (r < 0) {
            die("put", r);
        }
        cookie++;
        if (cookie % 64 == 0) {
            durable += collect(store, 0);
        }
    }
    double seconds = (double)(now_ns() - start) / 1e9;

    axi_checkpoints_get_figures(store, &figures);
    *ret_share = (double)figures.stored_bytes / (double)figures.whole_bytes;
    *ret_per_commit = (double)figures.puts / (double)figures.commits;
    axi_checkpoints_free(store);
    return (double)durable / seconds;
}

/* 2000 a second over 100 tasks, each at its own time. */
static void pace(const char *path)
{
    static uint8_t buffer[AXI_CHECKPOINT_BYTES_MAX];
    struct axi_checkpoints *store = open_store(path, false);
    uint64_t start = now_ns();
    uint64_t cookie = 0;

    epoch++;
    sample_count = 0;
    while (now_ns() - start < 2 * RUN_NS) {
        uint64_t due = start + cookie * (1000000000ull / PACED_PER_SECOND);

        while (now_ns() < due) {
            (void)collect(store, (int)((due - now_ns()) / 1000000 > 0));
        }
        size_t bytes = make(buffer, (uint32_t)(cookie % TASKS), cookie / TASKS, CHANGING);

        put_at[cookie % SAMPLES_MAX] = now_ns();
        int r = axi_checkpoints_put(store, 1, buffer, bytes, cookie++);

        if (r < 0) {
            die("put", r);
        }
    }
    (void)collect(store, 1000);
    axi_checkpoints_free(store);
}

/* fdatasync of a file whose blocks are there already, 4 KiB each time or in groups. */
static double raw_syncs(const char *path, size_t group)
{
    static uint8_t block[64 * 4096];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t blocks = 2048;
    uint64_t count = 0;

    for (size_t i = 0; fd >= 0 && i < blocks; i++) {
        if (write(fd, block, 4096) != 4096) {
            die("raw write", -AXC_EIO);
        }
    }
    if (fd < 0 || fsync(fd) < 0) {
        die("raw sync", -AXC_EIO);
    }
    uint64_t start = now_ns();

    while (now_ns() - start < RUN_NS / 2) {
        off_t at = (off_t)(count % (blocks / group) * group * 4096);

        if (pwrite(fd, block, group * 4096, at) < 0 || fdatasync(fd) < 0) {
            die("raw sync", -AXC_EIO);
        }
        count++;
    }
    double seconds = (double)(now_ns() - start) / 1e9;

    (void)close(fd);
    (void)unlink(path);
    return (double)count * (double)group / seconds;
}

static void print_figure(const char *name, double value, const char *unit, const char *versus,
                         double versus_value, const char *goal, const char *note)
{
    (void)printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"", name, value, unit);
    if (versus != NULL) {
        (void)printf(", \"versus\": \"%s\", \"versus_value\": %.4g", versus, versus_value);
    }
    (void)printf(", \"goal\": \"%s\", \"note\": \"%s\"}\n", goal, note);
    (void)fflush(stdout);
}

static void flood_figure(const char *path, const char *name, bool no_delta, enum content content,
                         double raw, const char *goal)
{
    char note[160];
    double share = 0;
    double per_commit = 0;
    double rate = flood(path, no_delta, content, &share, &per_commit);

    (void)snprintf(note, sizeof(note), "%.0f %% of the bytes stored, %.0f checkpoints a commit",
                   100 * share, per_commit);
    print_figure(name, rate, "/s", "raw fdatasync of 64 x 4 KiB", raw, goal, note);
}

int main(void)
{
    char directory[] = "./checkpoints-bench-XXXXXX"; /* on the disk, not in /tmp's memory */
    char path[64];
    char raw[64];
    struct rusage usage;

    if (mkdtemp(directory) == NULL) {
        die("mkdtemp", -AXC_EIO);
    }
    (void)snprintf(path, sizeof(path), "%s/checkpoints.db", directory);
    (void)snprintf(raw, sizeof(raw), "%s/raw", directory);
    double one = raw_syncs(raw, 1);
    double grouped = raw_syncs(raw, 64);

    flood_figure(path, "durable checkpoints of 4 KiB, 8 % of the words new", false, CHANGING,
                 grouped, ">= 20000 /s");
    flood_figure(path, "the same, every one stored whole", true, CHANGING, grouped, "");
    flood_figure(path, "durable checkpoints of 4 KiB, all of it random", false, RANDOM, grouped,
                 ">= 20000 /s");
    pace(path);
    double p50 = quantile_ms(0.5);

    print_figure("put to durable at 2000 /s over 100 tasks, p50", p50, "ms", "one raw fdatasync",
                 1000 / one, "", "");
    print_figure("the same, p99", quantile_ms(0.99), "ms", "two job periods",
                 2.0 * (double)PERIOD_NS / 1e6, "<= 2 job periods", "");
    (void)getrusage(RUSAGE_SELF, &usage);
    print_figure("resident memory, at most", (double)usage.ru_maxrss / 1024, "MB", NULL, 0,
                 "<= 32 MB", "of this program, whose samples take 3 MB");
    char beside[80];

    (void)snprintf(beside, sizeof(beside), "%s-wal", path);
    (void)unlink(beside);
    (void)snprintf(beside, sizeof(beside), "%s-shm", path);
    (void)unlink(beside);
    (void)unlink(path);
    (void)rmdir(directory);
    return 0;
}
