/* SPDX-License-Identifier: Apache-2.0 */
#include "os/task/standalone.h"

#include "base/sha256.h"
#include "core/demand.h"
#include "os/kernel/kernel.h"
#include "os/kernel/memory.h"
#include "os/task/monitor.h"

#include <string.h>

#define START_GRID_NS 10000000u
#define TICK_NS 100000000u /* the trace ring holds what happens in between */
#define BATCH 16u
#define BACKLOG_MAX 1000u

struct run {
    struct axi_runtime *runtime;
    const struct axi_boot_config *config;
    const char *platform;
    struct axi_task_meta metas[AXI_BOOT_TASKS_MAX];
    struct axi_instance_config instances[AXI_BOOT_TASKS_MAX];
    bool is_loaded[AXI_BOOT_TASKS_MAX];
    bool has_refused;
    uint64_t start_ns;
};

/* About 12 KiB: too much for the thread's stack; there is one run. */
static struct run the_run;

static const char *name_of(const struct run *run, uint32_t slot)
{
    return run->config->tasks[slot].name;
}

static int prepare(struct run *run, uint32_t slot)
{
    const struct axi_boot_task *task = &run->config->tasks[slot];
    struct axi_task_meta *meta = &run->metas[slot];
    struct axi_instance_config *instance = &run->instances[slot];
    uint64_t wcet_ns = task->wcet_ns;
    int r = axi_meta_from_elf(task->elf, task->elf_bytes, meta);

    if (r == 0 && wcet_ns == 0) {
        r = axi_meta_wcet_ns(meta, run->platform, &wcet_ns);
    }
    if (r < 0) {
        return r;
    }
    *instance = (struct axi_instance_config){
        .task_id = slot + 1,
        .epoch = 1,
        .period_ns = meta->period_us * 1000ull,
        .deadline_ns = meta->deadline_us * 1000ull,
        .budget_ns = wcet_ns,
        .jobs = task->jobs != 0 ? task->jobs : meta->jobs,
        .state_version = meta->state_version,
        .state_bytes = meta->state_bytes,
        .overrun_policy = meta->overrun_policy,
        .fault_policy = meta->fault_policy,
        .restart_limit = meta->restart_limit,
        .checkpoint_every = meta->checkpoint_every,
        .backlog_max = BACKLOG_MAX,
    };
    memcpy(instance->schema_hash, meta->schema_hash, sizeof(instance->schema_hash));
    return axi_runtime_load(run->runtime, slot, task->elf, task->elf_bytes, meta, &instance->state,
                            &instance->region);
}

/* Which file runs: the same digest means the same bytes, on every host. */
static void print_digest(const struct axi_boot_task *task)
{
    static const char digits[] = "0123456789abcdef";
    struct axi_sha256 sha;
    uint8_t digest[AXI_SHA256_BYTES];
    char text[2 * AXI_SHA256_BYTES + 1] = {0};

    axi_sha256_init(&sha);
    axi_sha256_update(&sha, task->elf, task->elf_bytes);
    axi_sha256_final(&sha, digest);
    for (uint32_t i = 0; i < AXI_SHA256_BYTES; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15u];
    }
    axi_console_print("E %s %s\n", task->name, text);
}

static void post(struct run *run, uint32_t op, uint32_t slot)
{
    const struct axi_sched_command command = {
        .op = op, .slot = slot, .config = run->instances[slot]};

    (void)axi_runtime_post(run->runtime, &command); /* taken at once: the ring is never full */
}

/* Whoever made the image decides what runs; it is told when that cannot work. */
static void judge_load(const struct run *run)
{
    struct axi_demand_task tasks[AXI_BOOT_TASKS_MAX + 1];
    struct axi_demand_verdict verdict = {0};
    const struct axi_demand_margin no_margin = {0};
    char why[AXI_DEMAND_TEXT_BYTES];
    uint32_t n = 0;

    tasks[n++] = (struct axi_demand_task){.wcet_ns = run->config->server_budget_ns,
                                          .period_ns = run->config->server_period_ns,
                                          .deadline_ns = run->config->server_period_ns};
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        if (run->is_loaded[i]) {
            tasks[n++] = (struct axi_demand_task){.wcet_ns = run->instances[i].budget_ns,
                                                  .period_ns = run->instances[i].period_ns,
                                                  .deadline_ns = run->instances[i].deadline_ns};
        }
    }
    int r = axi_demand_admit(tasks, n - 1, &tasks[n - 1], run->config->capacity_ppm, &verdict);

    if (r < 0) {
        axi_demand_explain(r, &tasks[n - 1], tasks[n - 1].deadline_ns, &no_margin, &verdict, why,
                           sizeof(why));
        axi_console_print("axcan-os: warning: the tasks and the server do not fit: %s\n", why);
    }
}

static void start(struct run *run)
{
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        int r = prepare(run, i);

        run->is_loaded[i] = r == 0;
        if (r < 0) {
            axi_console_print("axcan-os: task %s refused: %s (%s)\n", name_of(run, i),
                              axi_error_text(r), axi_error_name(r));
            run->has_refused = true;
            continue;
        }
        print_digest(&run->config->tasks[i]);
        post(run, AXI_SCHED_INSTALL, i);
    }
    judge_load(run);
    axi_runtime_set_lease(run->runtime, UINT64_MAX - 1);
    run->start_ns = (axi_runtime_clock_ns() / START_GRID_NS + 2) * START_GRID_NS;
    axi_console_print("axcan-os: start %llu\n", (unsigned long long)run->start_ns);
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        if (run->is_loaded[i]) {
            run->instances[i].release_ns = run->start_ns + run->config->tasks[i].offset_ns;
            post(run, AXI_SCHED_ACTIVATE, i);
        }
    }
}

static void print_trace(const struct run *run, const struct axi_trace *record)
{
    axi_console_print("T %llu %s %s %llu %llu %llu %llu %08x %08x %s %llu\n",
                      (unsigned long long)record->master_ns, axi_trace_kind_name(record->kind),
                      name_of(run, record->slot), (unsigned long long)record->job,
                      (unsigned long long)record->release_ns,
                      (unsigned long long)record->response_ns, (unsigned long long)record->exec_ns,
                      record->state_crc, record->output_crc, axi_cause_name(record->cause),
                      (unsigned long long)record->detail);
}

static void print_news(struct run *run)
{
    struct axi_trace records[BATCH];
    char text[AXI_RUNTIME_LOG_TEXT];
    uint32_t level = 0;
    uint64_t job = 0;
    uint32_t count;

    while ((count = axi_runtime_drain(run->runtime, records, BATCH)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if ((run->config->flags & AXI_BOOT_FLAG_TRACE) != 0) {
                print_trace(run, &records[i]);
            }
        }
    }
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        while (axi_runtime_log_line(run->runtime, i, &level, &job, text, sizeof(text))) {
            axi_console_print("L %s %u %llu %s\n", name_of(run, i), level, (unsigned long long)job,
                              text);
        }
    }
}

/* True when no task with a number of jobs still has some to do. */
static bool is_done(struct run *run, bool *ret_has_failed)
{
    bool has_bounded = false;
    bool is_going = false;

    *ret_has_failed = run->has_refused;
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        struct axi_slot_view view;

        if (!run->is_loaded[i]) {
            continue;
        }
        axi_runtime_view(run->runtime, i, &view);
        *ret_has_failed = *ret_has_failed || view.state == AXI_SLOT_FAILED;
        has_bounded = has_bounded || run->instances[i].jobs != 0;
        is_going = is_going || (view.state != AXI_SLOT_FAILED && view.state != AXI_SLOT_FINISHED &&
                                run->instances[i].jobs != 0);
    }
    return has_bounded && !is_going;
}

/* The exit code: see enum axi_boot_exit. */
static int run_to_end(struct run *run)
{
    uint64_t limit_ns =
        run->config->time_limit_ns == 0 ? UINT64_MAX : run->start_ns + run->config->time_limit_ns;

    for (;;) {
        uint64_t now_ns = axi_runtime_clock_ns();
        bool has_failed = false;
        bool is_over = is_done(run, &has_failed); /* before: what ended it is printed below */

        axi_runtime_housekeep(run->runtime);
        print_news(run);
        if (axi_monitor_beat() || is_over) {
            return has_failed ? 1 : 0;
        }
        if (now_ns >= limit_ns) {
            return 2;
        }
        axi_runtime_wait(run->runtime, limit_ns < now_ns + TICK_NS ? limit_ns : now_ns + TICK_NS);
    }
}

static const char *state_name(uint32_t state)
{
    switch (state) {
    case AXI_SLOT_ACTIVE:
        return "ACTIVE";
    case AXI_SLOT_FINISHED:
        return "FINISHED";
    case AXI_SLOT_FAILED:
        return "FAILED";
    case AXI_SLOT_FREE:
        return "REFUSED";
    default:
        return "STOPPED";
    }
}

static void print_summary(struct run *run)
{
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        struct axi_slot_view view;

        axi_runtime_view(run->runtime, i, &view);
        axi_console_print(
            "S %s %s released=%llu completed=%llu missed=%llu killed=%llu skipped=%llu "
            "overruns=%llu response_max_ns=%llu exec_max_ns=%llu cause=%s detail=%llu\n",
            name_of(run, i), state_name(view.state), (unsigned long long)view.released,
            (unsigned long long)view.completed, (unsigned long long)view.missed,
            (unsigned long long)view.killed, (unsigned long long)view.skipped,
            (unsigned long long)view.overruns, (unsigned long long)view.response_max_ns,
            (unsigned long long)view.exec_max_ns, axi_cause_name(view.last_cause),
            (unsigned long long)view.last_detail);
    }
}

/* Everything goes back; the pool is as it was before. */
static void remove_all(struct run *run)
{
    for (uint32_t i = 0; i < run->config->task_count; i++) {
        if (run->is_loaded[i]) {
            post(run, AXI_SCHED_REMOVE, i);
        }
    }
    axi_runtime_housekeep(run->runtime);
}

void axi_standalone_run(void *argument)
{
    const struct axi_standalone *standalone = argument;
    struct run *run = &the_run;
    size_t free_bytes = axi_pages_free_bytes();
    int code;

    run->runtime = standalone->runtime;
    run->config = standalone->config;
    run->platform = standalone->platform;
    axi_monitor_open(run->config->host_channel);
    start(run);
    code = run_to_end(run);
    print_summary(run);
    remove_all(run);
    axi_console_print("axcan-os: end %llu code %d traces_lost %llu memory_before %zu "
                      "memory_after %zu\n",
                      (unsigned long long)axi_runtime_clock_ns(), code,
                      (unsigned long long)axi_runtime_traces_lost(run->runtime), free_bytes,
                      axi_pages_free_bytes());
    axi_monitor_set_exit_code(code);
    if (run->config->exit != AXI_BOOT_EXIT_HALT) {
        axi_machine_off(code);
    }
    for (;;) {
        axi_runtime_wait(run->runtime, UINT64_MAX);
    }
}
