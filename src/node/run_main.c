/* SPDX-License-Identifier: Apache-2.0 */
/* axcan-run: tasks on Linux without a cluster, as Axcan OS runs what `axcan image os` packs: the
 * same start, the same lines on the console, the same exit codes. What the Linux entry of an
 * application image executes. One thread besides the runtime's own. */
#include "core/meta.h"
#include "node/runtime.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TASKS_MAX 32u
#define ELF_BYTES_MAX (16u << 20)
#define IMAGE_BYTES_MAX (16u << 20)
#define START_GRID_NS 10000000u
#define TICK_MS 100
#define LOAD_PATIENCE_NS 10000000000ull
#define BACKLOG_MAX 1000u
#define BATCH 64u

static const char usage[] = "usage: axcan-run [options] TASK.elf...\n"
                            "  --jobs N         jobs of each task (default: as the task says)\n"
                            "  --time-limit MS  end after this time, whatever the tasks do\n"
                            "  --trace          every event is a line\n"
                            "  --fifo           ask for SCHED_FIFO and locked memory\n"
                            "  --no-sandbox     do not confine tasks: for kernels without seccomp\n"
                            "  --version, --help\n"
                            "Exit code: 0 all jobs are done or SIGTERM came, 1 a task failed, 2 "
                            "the time limit came first.\n";

struct run {
    struct axi_runtime *runtime;
    uint64_t jobs, limit_ms, start_ns;
    bool is_traced, is_realtime, is_unconfined;
    uint32_t count;
    uint8_t *elfs[TASKS_MAX];
    size_t sizes[TASKS_MAX];
    struct axi_task_meta metas[TASKS_MAX];
    struct axi_instance_config instances[TASKS_MAX];
};

static struct run the_run;
static volatile sig_atomic_t is_told_to_end;

static void on_signal(int number)
{
    (void)number;
    is_told_to_end = 1;
}

static int read_task(struct run *run, const char *path)
{
    uint32_t n = run->count;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = -AXC_ENOENT;

    if (fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0 && info.st_size <= ELF_BYTES_MAX) {
        run->sizes[n] = (size_t)info.st_size;
        run->elfs[n] = malloc(run->sizes[n]);
        r = run->elfs[n] == NULL ? -AXC_ENOMEM
            : read(fd, run->elfs[n], run->sizes[n]) == info.st_size
                ? axi_meta_from_elf(run->elfs[n], run->sizes[n], &run->metas[n])
                : -AXC_EIO;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (r < 0) {
        (void)fprintf(stderr, "axcan-run: %s: %s (%s)\n", path, axi_error_text(r),
                      axi_error_name(r));
        return r;
    }
    run->count++;
    return 0;
}

static void post(struct run *run, uint32_t op, uint32_t slot)
{
    const struct axi_sched_command command = {
        .op = op, .slot = slot, .config = run->instances[slot]};

    (void)axi_runtime_post(run->runtime, &command); /* three commands a task: never full */
}

/* A task without a WCET for this platform has no budget, as when it is profiled. */
static int load(struct run *run, uint32_t slot)
{
    const struct axi_task_meta *meta = &run->metas[slot];
    struct axi_instance_config *instance = &run->instances[slot];
    uint64_t give_up_ns = axi_runtime_clock_ns() + LOAD_PATIENCE_NS;
    uint64_t budget_ns = 0;
    int r = axi_meta_wcet_ns(meta, AXI_RUN_PLATFORM, &budget_ns);

    *instance = (struct axi_instance_config){
        .task_id = slot + 1,
        .epoch = 1,
        .period_ns = meta->period_us * 1000ull,
        .deadline_ns = meta->deadline_us * 1000ull,
        .budget_ns = r == 0 ? budget_ns : 0,
        .jobs = run->jobs != 0 ? run->jobs : meta->jobs,
        .state_version = meta->state_version,
        .state_bytes = meta->state_bytes,
        .overrun_policy = meta->overrun_policy,
        .fault_policy = meta->fault_policy,
        .restart_limit = meta->restart_limit,
        .checkpoint_every = meta->checkpoint_every,
        .backlog_max = BACKLOG_MAX,
    };
    memcpy(instance->schema_hash, meta->schema_hash, sizeof(instance->schema_hash));
    while ((r = axi_runtime_load(run->runtime, slot, run->elfs[slot], run->sizes[slot], meta,
                                 &instance->state, &instance->region)) == -AXC_EBUSY &&
           axi_runtime_clock_ns() < give_up_ns) {
        (void)poll(NULL, 0, 1);
    }
    if (r < 0) {
        (void)fprintf(stderr, "axcan-run: task %s refused: %s (%s)\n", meta->name,
                      axi_error_text(r), axi_error_name(r));
    }
    return r;
}

static int start(struct run *run)
{
    const struct axi_runtime_config config = {.slots = run->count,
                                              .image_bytes_max = IMAGE_BYTES_MAX,
                                              .is_realtime = run->is_realtime,
                                              .is_memory_locked = run->is_realtime,
                                              .is_unconfined = run->is_unconfined};
    int r = axi_runtime_new(&config, &run->runtime);

    if (r < 0) {
        (void)fprintf(stderr, "axcan-run: %s (%s)\n", axi_error_text(r), axi_error_name(r));
        return r;
    }
    axi_runtime_set_lease(run->runtime, UINT64_MAX - 1);
    for (uint32_t i = 0; i < run->count && r == 0; i++) {
        r = load(run, i);
    }
    if (r < 0) {
        return r;
    }
    run->start_ns = axi_time_to_master(axi_runtime_timebase(run->runtime),
                                       (struct axc_time_local){axi_runtime_clock_ns()})
                        .ns;
    run->start_ns = (run->start_ns / START_GRID_NS + 2) * START_GRID_NS;
    (void)printf("axcan-run: start %" PRIu64 "\n", run->start_ns);
    for (uint32_t i = 0; i < run->count; i++) {
        run->instances[i].release_ns = run->start_ns;
        post(run, AXI_SCHED_INSTALL, i);
        post(run, AXI_SCHED_ACTIVATE, i);
    }
    return 0;
}

static void print_trace(const struct run *run, const struct axi_trace *record)
{
    (void)printf("T %" PRIu64 " %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
                 " %08x %08x %s %" PRIu64 "\n",
                 record->master_ns, axi_trace_kind_name(record->kind),
                 run->metas[record->slot].name, record->job, record->release_ns,
                 record->response_ns, record->exec_ns, record->state_crc, record->output_crc,
                 axi_cause_name(record->cause), record->detail);
}

static void print_news(struct run *run)
{
    struct axi_trace records[BATCH];
    char text[128];
    uint32_t level = 0;
    uint64_t job = 0;
    uint32_t count = 0;

    while ((count = axi_runtime_drain(run->runtime, records, BATCH)) > 0) {
        for (uint32_t i = 0; i < count && run->is_traced; i++) {
            print_trace(run, &records[i]);
        }
    }
    for (uint32_t i = 0; i < run->count; i++) {
        while (axi_runtime_log_line(run->runtime, i, &level, &job, text, sizeof(text))) {
            (void)printf("L %s %u %" PRIu64 " %s\n", run->metas[i].name, level, job, text);
        }
    }
    (void)fflush(stdout);
}

/* True when no task with a number of jobs still has some to do. */
static bool is_done(struct run *run, bool *ret_has_failed)
{
    bool has_bounded = false;
    bool is_going = false;

    *ret_has_failed = false;
    for (uint32_t i = 0; i < run->count; i++) {
        struct axi_slot_view view;

        axi_runtime_view(run->runtime, i, &view);
        *ret_has_failed = *ret_has_failed || view.state == AXI_SLOT_FAILED;
        has_bounded = has_bounded || run->instances[i].jobs != 0;
        is_going = is_going || (view.state != AXI_SLOT_FAILED && view.state != AXI_SLOT_FINISHED &&
                                run->instances[i].jobs != 0);
    }
    return has_bounded && !is_going;
}

static int run_to_end(struct run *run)
{
    uint64_t limit_ns = axi_runtime_clock_ns() + run->limit_ms * 1000000u;
    struct pollfd events = {.fd = axi_runtime_event_fd(run->runtime), .events = POLLIN};

    for (;;) {
        bool has_failed = false;
        bool is_over = is_done(run, &has_failed); /* before: what ended it is printed below */

        print_news(run);
        if (is_over || is_told_to_end) {
            return has_failed ? 1 : 0;
        }
        if (run->limit_ms != 0 && axi_runtime_clock_ns() >= limit_ns) {
            return 2;
        }
        (void)poll(&events, 1, run->limit_ms != 0 && run->limit_ms < TICK_MS ? 1 : TICK_MS);
    }
}

static const char *state_name(uint32_t state)
{
    return state == AXI_SLOT_ACTIVE     ? "ACTIVE"
           : state == AXI_SLOT_FINISHED ? "FINISHED"
           : state == AXI_SLOT_FAILED   ? "FAILED"
                                        : "STOPPED";
}

static void print_summary(struct run *run, int code)
{
    for (uint32_t i = 0; i < run->count; i++) {
        struct axi_slot_view view;

        axi_runtime_view(run->runtime, i, &view);
        (void)printf("S %s %s released=%" PRIu64 " completed=%" PRIu64 " missed=%" PRIu64
                     " killed=%" PRIu64 " skipped=%" PRIu64 " overruns=%" PRIu64
                     " response_max_ns=%" PRIu64 " exec_max_ns=%" PRIu64 " cause=%s detail=%" PRIu64
                     "\n",
                     run->metas[i].name, state_name(view.state), view.released, view.completed,
                     view.missed, view.killed, view.skipped, view.overruns, view.response_max_ns,
                     view.exec_max_ns, axi_cause_name(view.last_cause), view.last_detail);
    }
    (void)printf("axcan-run: end %" PRIu64 " code %d traces_lost %" PRIu64 "\n",
                 axi_runtime_clock_ns(), code, axi_runtime_traces_lost(run->runtime));
    (void)fflush(stdout);
}

static uint64_t read_number(const char *option, const char *text)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > 1000000000u) {
        (void)fprintf(stderr, "axcan-run: --%s: '%s' is not a number from 1 to 1000000000\n",
                      option, text);
        exit(2);
    }
    return value;
}

static int read_options(struct run *run, int argc, char **argv)
{
    static const struct option names[] = {
        {"jobs", required_argument, NULL, 'j'}, {"time-limit", required_argument, NULL, 'l'},
        {"trace", no_argument, NULL, 't'},      {"fifo", no_argument, NULL, 'f'},
        {"no-sandbox", no_argument, NULL, 'S'}, {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
    int option = 0;

    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        switch (option) {
        case 'j':
            run->jobs = read_number("jobs", optarg);
            break;
        case 'l':
            run->limit_ms = read_number("time-limit", optarg);
            break;
        case 't':
            run->is_traced = true;
            break;
        case 'f':
            run->is_realtime = true;
            break;
        case 'S':
            run->is_unconfined = true;
            break;
        case 'V':
            (void)puts("axcan-run " AXI_VERSION);
            exit(0);
        case 'h':
            (void)fputs(usage, stdout);
            exit(0);
        default:
            return -AXC_EINVALID;
        }
    }
    return optind < argc && argc - optind <= (int)TASKS_MAX ? 0 : -AXC_EINVALID;
}

int main(int argc, char **argv)
{
    struct run *run = &the_run;
    const struct sigaction action = {.sa_handler = on_signal};
    int code = 1;

    if (read_options(run, argc, argv) < 0) {
        (void)fputs(usage, stderr);
        return 2;
    }
    for (int i = optind; i < argc; i++) {
        if (read_task(run, argv[i]) < 0) {
            return 1;
        }
    }
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    if (start(run) == 0) {
        code = run_to_end(run);
        print_summary(run, code);
    }
    axi_runtime_free(run->runtime);
    for (uint32_t i = 0; i < run->count; i++) {
        free(run->elfs[i]);
    }
    return code;
}
