/* SPDX-License-Identifier: Apache-2.0 */
/* What a node costs: loading, dispatching, checkpointing. Medians, one JSON object a line for
 * bench/run. Everything runs on one processor, as scheduler and tasks do on a real-time node. */
#include "base/crc32c.h"
#include "node/futex.h"
#include "node/runtime_rig.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU 1u
#define LOADS 200u
#define SPAWNS 100u
#define JOBS 2000u
#define STATE_BYTES 10240u
#define SAMPLES_MAX 4096u

extern char **environ;

static uint64_t samples[SAMPLES_MAX];
static uint32_t sample_count;

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void add_sample(uint64_t value)
{
    if (sample_count < SAMPLES_MAX) {
        samples[sample_count++] = value;
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double median_us(void)
{
    double median = 0;

    if (sample_count > 0) {
        qsort(samples, sample_count, sizeof(samples[0]), compare);
        median = (double)samples[sample_count / 2] / 1000.0;
    }
    sample_count = 0;
    return median;
}

static void print_figure(const char *name, double value, const char *unit, const char *versus,
                         double versus_value, const char *goal, const char *note)
{
    printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"", name, value, unit);
    if (versus != NULL) {
        printf(", \"versus\": \"%s\", \"versus_value\": %.4g", versus, versus_value);
    }
    printf(", \"goal\": \"%s\", \"note\": \"%s\"}\n", goal, note);
    (void)fflush(stdout);
}

static struct axi_task_meta stamp_meta(void)
{
    struct axi_task_meta meta = rig_meta();

    meta.state_bytes = 16;
    return meta;
}

static void wait_free(struct rig *rig)
{
    while (!axi_runtime_is_free(rig->runtime, 0)) {
        rig_nap();
    }
}

static double bench_load(struct rig *rig)
{
    const struct axi_task_meta meta = stamp_meta();
    size_t bytes = 0;
    uint8_t *elf = rig_read_task("stamp", &bytes);

    for (uint32_t i = 0; i < LOADS; i++) {
        uint64_t start_ns;
        int r;

        wait_free(rig);
        start_ns = now_ns();
        r = axi_runtime_load(rig->runtime, 0, elf, bytes, &meta, &rig->state, &rig->region);
        if (r == 0) {
            add_sample(now_ns() - start_ns);
            axi_runtime_unload(rig->runtime, 0);
        }
    }
    free(elf);
    return median_us();
}

static double bench_spawn(void)
{
    char path[512];
    char *const arguments[] = {path, NULL};

    (void)snprintf(path, sizeof(path), "%s/stamp-program", AXI_TEST_TASKS);
    for (uint32_t i = 0; i < SPAWNS; i++) {
        uint64_t start_ns = now_ns();
        pid_t pid = 0;

        if (posix_spawn(&pid, path, NULL, NULL, arguments, environ) != 0 ||
            waitpid(pid, NULL, 0) != pid) {
            abort();
        }
        add_sample(now_ns() - start_ns);
    }
    return median_us();
}

static double bench_dlopen(void)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/stamp-library.so", AXI_TEST_TASKS);
    for (uint32_t i = 0; i < SPAWNS; i++) {
        uint64_t start_ns = now_ns();
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

        if (library == NULL || dlsym(library, "axcan_entry") == NULL) {
            abort();
        }
        add_sample(now_ns() - start_ns);
        (void)dlclose(library);
    }
    return median_us();
}

static void start_task(struct rig *rig, uint32_t slot, const char *image,
                       struct axi_instance_config config)
{
    const struct axi_task_meta meta = stamp_meta();
    size_t bytes = 0;
    uint8_t *elf = rig_read_task(image, &bytes);

    while (!axi_runtime_is_free(rig->runtime, slot)) {
        rig_nap();
    }
    if (axi_runtime_load(rig->runtime, slot, elf, bytes, &meta, &rig->state, &rig->region) < 0) {
        abort();
    }
    config.task_id = slot + 1;
    config.epoch = 1;
    config.jobs = JOBS;
    config.state_bytes = 16;
    config.state_version = 1;
    config.backlog_max = 1000000;
    config.state = rig->state;
    config.region = rig->region;
    rig->config = config;
    rig_post(rig, AXI_SCHED_INSTALL, slot);
    rig_post(rig, AXI_SCHED_ACTIVATE, slot);
    free(elf);
}

/* The stamp of the first instruction, in the state of the task in `slot`, the last one started,
 * against the clock of the scheduler's decision, which the trace has. */
static double watch_stamps(struct rig *rig, uint32_t slot)
{
    struct axi_trace records[256];
    struct axi_slot_view view = {0};
    uint64_t released_ns = 0;

    while (view.state != AXI_SLOT_FINISHED) {
        uint32_t count = axi_runtime_drain(rig->runtime, records, 256);
        uint64_t first_ns = *(volatile uint64_t *)rig->state;

        for (uint32_t i = 0; i < count; i++) {
            if (records[i].slot == slot && records[i].kind == AXI_TRACE_RELEASED) {
                released_ns = records[i].master_ns;
            }
        }
        if (first_ns > released_ns && first_ns - released_ns < 200000) {
            add_sample(first_ns - released_ns); /* both of the same job */
        }
        axi_runtime_view(rig->runtime, slot, &view);
        (void)usleep(700);
    }
    for (uint32_t i = 0; i <= slot; i++) {
        rig_post(rig, AXI_SCHED_REMOVE, i);
    }
    return median_us();
}

/* A task that preempts another one in every job. */
static double bench_preemption(struct rig *rig)
{
    const uint64_t release_ns = axi_runtime_clock_ns() + 50000000;

    start_task(rig, 0, "spin",
               (struct axi_instance_config){.release_ns = release_ns,
                                            .period_ns = 1000000,
                                            .deadline_ns = 1000000,
                                            .budget_ns = 900000});
    start_task(rig, 1, "stamp",
               (struct axi_instance_config){.release_ns = release_ns + 300000,
                                            .period_ns = 1000000,
                                            .deadline_ns = 200000,
                                            .budget_ns = 100000});
    return watch_stamps(rig, 1);
}

/* `tasks` tasks that are released together; the last one follows upon another job's end. */
static double bench_dispatch(struct rig *rig, uint32_t tasks)
{
    const uint64_t release_ns = axi_runtime_clock_ns() + 50000000;

    for (uint32_t i = 0; i < tasks; i++) {
        start_task(rig, i, "stamp",
                   (struct axi_instance_config){.release_ns = release_ns,
                                                .period_ns = 1000000,
                                                .deadline_ns = 900000 + i * 1000,
                                                .budget_ns = 400000});
    }
    return watch_stamps(rig, tasks - 1);
}

static double write_us(struct axi_region *region, uint8_t *state)
{
    const struct axi_checkpoint checkpoint = {.task_id = 1, .epoch = 1, .state_bytes = STATE_BYTES};

    for (uint32_t i = 0; i < SAMPLES_MAX; i++) {
        uint64_t start_ns = now_ns();

        state[i % STATE_BYTES]++;
        if (axi_region_write(region, &checkpoint, state) < 0) {
            abort();
        }
        add_sample(now_ns() - start_ns);
    }
    return median_us();
}

struct bench_reader {
    const uint8_t *file; /* mapped read-only */
    size_t bytes;
    uint64_t reads;
    _Atomic bool is_ready, is_done;
};

/* A manager on the same machine that takes every write it can get, on the other processor. */
static void *read_writes(void *argument)
{
    static uint8_t copy[AXI_CHECKPOINT_HEADER_BYTES + STATE_BYTES];
    struct bench_reader *reader = argument;
    struct axi_region region;
    cpu_set_t cpus;
    size_t bytes = 0;
    size_t total = 0;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    if (axi_region_file_attach(&region, reader->file, reader->bytes, AXI_REGION_FILE_PAGE) < 0) {
        abort();
    }
    while (!reader->is_done) {
        int r = axi_region_read(&region, axi_region_writes(&region), 0, copy, sizeof(copy), &bytes,
                                &total);

        reader->reads += r == 0;
        reader->is_ready = true;
    }
    return NULL;
}

static void bench_shared_checkpoint(uint8_t *state, double alone_us)
{
    size_t bytes = AXI_REGION_FILE_PAGE + axi_region_bytes(4, STATE_BYTES);
    int fd = memfd_create("bench-regions", MFD_CLOEXEC);
    bool is_sized = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0;
    uint8_t *file = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint8_t *view = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    struct bench_reader reader = {.file = view, .bytes = bytes};
    struct axi_region region;
    pthread_t thread;

    if (!is_sized || file == MAP_FAILED || view == MAP_FAILED ||
        axi_region_init(&region, file + AXI_REGION_FILE_PAGE, bytes - AXI_REGION_FILE_PAGE, 4,
                        STATE_BYTES) < 0 ||
        pthread_create(&thread, NULL, read_writes, &reader) != 0) {
        abort();
    }
    while (!reader.is_ready) {
        (void)sched_yield();
    }
    print_figure("checkpoint of 10 KB while a manager reads them all", write_us(&region, state),
                 "us", "nobody reads", alone_us, "<= 5 us more",
                 "region in a shared file, reader on the other processor without pause");
    reader.is_done = true;
    (void)pthread_join(thread, NULL);
    if (reader.reads == 0) {
        abort(); /* nothing was measured */
    }
    (void)munmap(file, bytes);
    (void)munmap(view, bytes);
    (void)close(fd);
}

static void bench_checkpoint(void)
{
    static uint8_t state[STATE_BYTES];
    static uint8_t copy[STATE_BYTES];
    size_t bytes = axi_region_bytes(4, STATE_BYTES);
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    struct axi_region region;
    volatile uint32_t sink = 0;
    double plain_us;
    double alone_us;

    if (memory == NULL || axi_region_init(&region, memory, bytes, 4, STATE_BYTES) < 0) {
        abort();
    }
    for (uint32_t i = 0; i < SAMPLES_MAX; i++) {
        uint64_t start_ns = now_ns();

        state[i % STATE_BYTES]++;
        memcpy(copy, state, sizeof(copy));
        sink = sink + axi_crc32c(0, copy, sizeof(copy));
        add_sample(now_ns() - start_ns);
    }
    plain_us = median_us();
    alone_us = write_us(&region, state);
    print_figure("checkpoint of 10 KB", alone_us, "us", "memcpy + hardware CRC32C", plain_us,
                 "<= 2 x", "header and generation counters included");
    bench_shared_checkpoint(state, alone_us);
    free(memory);
}

/* ---- decision time by number of tasks: the scheduler alone, virtual jobs ---- */

struct bare {
    uint64_t now_ns;
    int started;
};

static uint64_t bare_now(void *context)
{
    return ((struct bare *)context)->now_ns;
}

static void bare_start(void *context, uint32_t slot, const struct axi_job_start *start)
{
    (void)start;
    ((struct bare *)context)->started = (int)slot;
}

static void bare_slot(void *context, uint32_t slot)
{
    (void)context;
    (void)slot;
}

static uint64_t bare_consumed(void *context, uint32_t slot)
{
    (void)context;
    (void)slot;
    return 1;
}

static uint32_t bare_commit(void *context, uint32_t slot, bool is_shadow)
{
    (void)context;
    (void)slot;
    (void)is_shadow;
    return 0;
}

static void bare_trace(void *context, const struct axi_trace *record)
{
    (void)context;
    (void)record;
}

static double decide_ns(uint32_t tasks)
{
    const struct axi_sched_limits limits = {.slots = 512, .commands = 2048};
    struct bare bare = {.started = -1};
    const struct axi_sched_port port = {&bare,     bare_now,      bare_start,
                                        bare_slot, bare_consumed, bare_commit,
                                        bare_slot, bare_slot,     bare_trace};
    static uint8_t states[512][16];
    static struct axi_region regions[512];
    static _Alignas(64) uint8_t region_memory[512][1024];
    struct axi_timebase timebase;
    void *memory = aligned_alloc(64, (axi_sched_bytes(&limits) + 63) / 64 * 64);
    struct axi_sched *sched;
    double result;

    axi_timebase_init(&timebase);
    sched = axi_sched_init(memory, &limits, &port, &timebase);
    axi_sched_set_lease(sched, UINT64_MAX - 1);
    for (uint32_t i = 0; i < tasks; i++) {
        struct axi_sched_command command = {.op = AXI_SCHED_INSTALL, .slot = i};

        if (axi_region_init(&regions[i], region_memory[i], sizeof(region_memory[i]), 2, 16) < 0) {
            abort();
        }
        command.config = (struct axi_instance_config){.task_id = i + 1,
                                                      .epoch = 1,
                                                      .release_ns = 1000 + i * 7919u % 1000000,
                                                      .period_ns = 1000000 + i * 1000,
                                                      .deadline_ns = 900000 + i * 500,
                                                      .budget_ns = 100000,
                                                      .state_bytes = 16,
                                                      .backlog_max = 1000000,
                                                      .state = states[i],
                                                      .region = &regions[i]};
        (void)axi_sched_post(sched, &command);
        command.op = AXI_SCHED_ACTIVATE;
        (void)axi_sched_post(sched, &command);
    }
    (void)axi_sched_run(sched);
    for (uint32_t i = 0; i < 40u * SAMPLES_MAX; i++) {
        uint64_t next_ns = axi_sched_run(sched);
        int top = axi_sched_current(sched);
        uint64_t start_ns;

        if (top < 0) {
            bare.now_ns = next_ns;
            start_ns = now_ns();
            (void)axi_sched_run(sched); /* release, choose, start */
            add_sample(now_ns() - start_ns);
            top = axi_sched_current(sched);
        }
        if (top >= 0) {
            bare.now_ns += 100;
            axi_sched_job_done(sched, (uint32_t)top, 0);
        }
        if (sample_count == SAMPLES_MAX) {
            break;
        }
    }
    free(memory);
    result = median_us() * 1000.0;
    return result;
}

static void bench_decisions(void)
{
    static const uint32_t sizes[] = {1, 10, 50, 100, 250, 500};
    double one_ns = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char name[64];
        double value_ns = decide_ns(sizes[i]);

        one_ns = i == 0 ? value_ns : one_ns;
        (void)snprintf(name, sizeof(name), "EDF decision, %u tasks", sizes[i]);
        print_figure(name, value_ns, "ns", i == 0 ? NULL : "1 task", one_ns, "grows as log n",
                     "release, choose, start; scheduler alone");
    }
}

static void pin_self(uint32_t cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* ---- the floor of a dispatch ---- */

struct handover {
    _Atomic uint32_t word, never;
    uint64_t sent_ns[JOBS], got_ns[JOBS];
};

static void on_alarm(int number)
{
    (void)number; /* interrupts a wait */
}

/* The child runs `body` on this processor and dies with this process. */
static pid_t fork_child(int policy, int priority, void (*body)(struct handover *),
                        struct handover *h)
{
    const struct sched_param param = {.sched_priority = priority};
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)sched_setscheduler(0, policy, &param);
        body(h);
        _exit(0);
    }
    return pid;
}

static void take_over(struct handover *h)
{
    for (uint32_t i = 0; i < JOBS; i++) {
        while (atomic_load(&h->word) == i) {
            axi_futex_wait(&h->word, i, NULL);
        }
        h->got_ns[i] = now_ns();
    }
}

static void spin(struct handover *h)
{
    while (atomic_load(&h->never) == 0) {
    }
}

/* What the kernel alone takes: a process that a timer woke wakes another one of less priority with
 * a futex and sleeps, above a third one that computes. 0 without the right to SCHED_FIFO. */
static double bench_handover(uint32_t cpu)
{
    const struct sched_param high = {.sched_priority = 50}, other = {0};
    const struct sigaction action = {.sa_handler = on_alarm};
    const struct itimerval every_ms = {.it_interval = {0, 1000}, .it_value = {0, 1000}};
    struct handover *h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    cpu_set_t before;
    pid_t children[2];

    if (h == MAP_FAILED || sched_getaffinity(0, sizeof(before), &before) < 0 ||
        sched_setscheduler(0, SCHED_FIFO, &high) < 0) {
        return 0;
    }
    pin_self(cpu);
    (void)sigaction(SIGALRM, &action, NULL);
    children[0] = fork_child(SCHED_FIFO, 40, take_over, h);
    children[1] = fork_child(SCHED_OTHER, 0, spin, h);
    (void)setitimer(ITIMER_REAL, &every_ms, NULL);
    for (uint32_t i = 0; i < JOBS; i++) {
        axi_futex_wait(&h->never, 0, NULL);
        h->sent_ns[i] = now_ns();
        atomic_store(&h->word, i + 1);
        axi_futex_wake(&h->word);
    }
    (void)setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    (void)waitpid(children[0], NULL, 0);
    (void)kill(children[1], SIGKILL);
    (void)waitpid(children[1], NULL, 0);
    (void)sched_setscheduler(0, SCHED_OTHER, &other);
    (void)sched_setaffinity(0, sizeof(before), &before);
    for (uint32_t i = 1; i < JOBS; i++) {
        add_sample(h->got_ns[i] - h->sent_ns[i]);
    }
    return median_us();
}

int main(void)
{
    uint32_t cpu = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? CPU : 0;
    const struct axi_runtime_config config = {.slots = 4, .is_realtime = true, .cpu = cpu};
    double handover_us = bench_handover(cpu);
    struct rig *rig = rig_new(&config);
    const char *note;
    double load_us;

    note = axi_runtime_assurance(rig->runtime) == AXI_ASSURANCE_REALTIME
               ? "SCHED_FIFO, one core"
               : "SCHED_OTHER: no privilege for SCHED_FIFO, one core";
    print_figure("EDF decision to first instruction", bench_preemption(rig), "us",
                 handover_us > 0 ? "futex from process to process" : NULL, handover_us, "<= 3 us",
                 "preempts another task; SCHED_FIFO, one core");
    print_figure("the same upon another job's end", bench_dispatch(rig, 4), "us", NULL, 0, "",
                 "the ended job's runner goes to sleep first");
    print_figure("the same after an idle core was woken", bench_dispatch(rig, 1), "us", NULL, 0, "",
                 "caches cold");
    pin_self(cpu);
    wait_free(rig);
    load_us = bench_load(rig);
    print_figure("load of a 16 KiB image", load_us, "us", "posix_spawn + wait of the same code",
                 bench_spawn(), "<= 30 us, < 1/10", note);
    print_figure("load of a 16 KiB image", load_us, "us", "dlopen of the same code", bench_dlopen(),
                 "", note);
    rig_free(rig);
    bench_checkpoint();
    bench_decisions();
    return 0;
}
