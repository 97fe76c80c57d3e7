/* SPDX-License-Identifier: Apache-2.0 */
#include "node/runtime.h"

#include "core/elf.h"
#include "net/sink.h"
#include "node/futex.h"
#include "node/runtime_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SLOTS_DEFAULT 16u
#define SLOTS_MAX 1024u
#define IMAGE_BYTES_DEFAULT (4u << 20)
#define REGION_SLOTS_DEFAULT 4u
#define HISTORY_RECORDS_DEFAULT 1048576u
#define COMMANDS 256u
#define TRACES 8192u
#define BUDGET_GRAIN_NS 50000u /* timer and two switches, in a virtual machine */
#define LOAD_PATIENCE_NS 2000000000u
#define LOAD_WAIT_NS 5000000u

static void set_defaults(struct axi_runtime_config *config)
{
    config->slots = config->slots == 0 ? SLOTS_DEFAULT : config->slots;
    config->region_slots = config->region_slots == 0 ? REGION_SLOTS_DEFAULT : config->region_slots;
    if (config->image_bytes_max == 0) {
        config->image_bytes_max = IMAGE_BYTES_DEFAULT;
    }
    config->image_bytes_max = (config->image_bytes_max + AXI_PAGE - 1) / AXI_PAGE * AXI_PAGE;
    if (config->history_records == 0) {
        config->history_records = HISTORY_RECORDS_DEFAULT;
    }
    config->is_pinned = config->is_pinned || config->is_realtime;
}

/* Tried in a child, so that the caller's own scheduling stays as it is. */
static bool may_use_fifo(void)
{
    pid_t pid = fork();
    int status = 1;

    if (pid == 0) {
        const struct sched_param param = {.sched_priority = AXI_SCHEDULER_PRIORITY};

        _exit(sched_setscheduler(0, SCHED_FIFO, &param) == 0 ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int allocate(struct axi_runtime *runtime)
{
    const struct axi_sched_limits limits = {
        .slots = runtime->config.slots, .commands = COMMANDS, .budget_grain_ns = BUDGET_GRAIN_NS};
    const struct axi_sched_port port = axi_runtime_port(runtime);
    size_t sched_bytes = (axi_sched_bytes(&limits) + 63) / 64 * 64;

    runtime->slots = calloc(limits.slots, sizeof(struct axi_node_slot));
    runtime->running = calloc(limits.slots, sizeof(uint16_t));
    runtime->trace_memory = calloc(TRACES, sizeof(struct axi_trace));
    runtime->sched_memory = aligned_alloc(64, sched_bytes);
    runtime->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (runtime->slots == NULL || runtime->running == NULL || runtime->trace_memory == NULL ||
        runtime->sched_memory == NULL || runtime->event_fd < 0) {
        return -AXC_ENOMEM;
    }
    axi_ring_init(&runtime->traces, runtime->trace_memory, sizeof(struct axi_trace), TRACES);
    runtime->sched =
        axi_sched_init(runtime->sched_memory, &limits, &port, &runtime->memory.world->timebase);
    return 0;
}

static int start(struct axi_runtime *runtime)
{
    const struct axi_runtime_config *config = &runtime->config;
    const struct axi_runner_options options = {
        .cpu = config->is_pinned ? (int)config->cpu : -1,
        .fifo_priority = runtime->assurance == AXI_ASSURANCE_REALTIME ? AXI_RUNNER_PRIORITY : 0,
        .is_unconfined = config->is_unconfined,
    };
    int r = axi_memory_init(&runtime->memory, config->slots, config->image_bytes_max);

    r = r < 0 ? r : axi_zygote_start(&runtime->zygote, &runtime->memory, &options);
    r = r < 0 ? r : axi_memory_map(&runtime->memory);
    r = r < 0 ? r
              : axi_memory_map_regions(&runtime->memory,
                                       axi_region_bytes(config->region_slots, AXC_STATE_BYTES_MAX),
                                       config->node_id, config->boot_id);
    r = r < 0 ? r : allocate(runtime);
    if (r == 0 && config->history_path != NULL) {
        r = axi_history_file_open(&runtime->history, config->history_path, config->node_id,
                                  config->history_records);
    }
    if (r == 0 && config->is_memory_locked) {
        (void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
    }
    r = r < 0 ? r
              : axi_channels_start(&runtime->channels, config->channels, config->channel_count,
                                   &runtime->memory.world->inputs);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < config->slots; i++) {
        runtime->slots[i].is_fork_asked = false; /* the scheduler thread asks, a few at a time */
    }
    runtime->changing = config->slots;
    return axi_sched_thread_start(runtime);
}

int axi_runtime_new(const struct axi_runtime_config *config, struct axi_runtime **ret_runtime)
{
    struct axi_runtime *runtime = aligned_alloc(64, (sizeof(*runtime) + 63) / 64 * 64);
    int r;

    if (runtime == NULL) {
        return -AXC_ENOMEM;
    }
    memset(runtime, 0, sizeof(*runtime));
    runtime->config = *config;
    runtime->event_fd = -1;
    runtime->channels.wake_fd = -1;
    set_defaults(&runtime->config);
    if (runtime->config.slots > SLOTS_MAX || runtime->config.region_slots < AXI_REGION_SLOTS_MIN ||
        runtime->config.region_slots > AXI_REGION_SLOTS_MAX) {
        free(runtime);
        return -AXC_EINVALID;
    }
    runtime->assurance =
        runtime->config.is_realtime && !runtime->config.is_unconfined && may_use_fifo()
            ? AXI_ASSURANCE_REALTIME
            : AXI_ASSURANCE_SHARED;
    r = start(runtime);
    if (r < 0) {
        axi_runtime_free(runtime);
        return r;
    }
    *ret_runtime = runtime;
    return 0;
}

void axi_runtime_free(struct axi_runtime *runtime)
{
    if (runtime == NULL) {
        return;
    }
    axi_sched_thread_stop(runtime);
    axi_channels_stop(&runtime->channels);
    axi_zygote_stop(&runtime->zygote);
    axi_history_file_close(&runtime->history);
    if (runtime->event_fd >= 0) {
        (void)close(runtime->event_fd);
    }
    if (runtime->memory.slots != 0) {
        axi_memory_deinit(&runtime->memory);
    }
    free(runtime->slots);
    free(runtime->running);
    free(runtime->trace_memory);
    free(runtime->sched_memory);
    free(runtime);
}

uint32_t axi_runtime_assurance(const struct axi_runtime *runtime)
{
    return runtime->assurance;
}

int axi_runtime_regions_fd(const struct axi_runtime *runtime)
{
    return runtime->memory.regions_fd;
}

uint64_t axi_runtime_region_offset(const struct axi_runtime *runtime, uint32_t slot)
{
    return axi_memory_region_offset(&runtime->memory, slot);
}

struct axi_timebase *axi_runtime_timebase(struct axi_runtime *runtime)
{
    return &runtime->memory.world->timebase;
}

/* Over that of the slot's former instance, which has no writer any more; a reader in another
 * process checks what it reads. */
static int make_region(struct axi_runtime *runtime, uint32_t slot, uint32_t state_bytes)
{
    struct axi_node_memory *memory = &runtime->memory;

    return axi_region_init(&runtime->slots[slot].region,
                           memory->regions_map + axi_memory_region_offset(memory, slot),
                           memory->region_bytes, runtime->config.region_slots, state_bytes);
}

/* Has the claimed runner take over its image; the scheduler's thread leaves a claimed slot alone.
 */
static void begin_load(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);

    shm->entry = slot->entry;
    shm->data_start = slot->data_start;
    shm->data_bytes = slot->data_bytes;
    shm->stack_bytes = slot->stack_bytes;
    slot->is_loading = true;
    slot->load_until_ns = axi_runtime_clock_ns() + LOAD_PATIENCE_NS;
    axi_runner_send(runtime, slot_number, AXI_RUNNER_LOAD);
}

/* Waits a little for the runner, which on a free processor needs some ten microseconds. On a
 * starved one the caller comes again: its thread also keeps the node's lease. */
static int await_load(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);
    const struct timespec nap = {.tv_nsec = LOAD_WAIT_NS};
    uint64_t now_ns = axi_runtime_clock_ns();
    uint64_t wait_until_ns = now_ns + LOAD_WAIT_NS;
    uint32_t expected = AXI_RUNNER_CLAIMED;
    uint32_t report;

    while ((report = atomic_load(&shm->report)) != AXI_REPORT_LOADED) {
        if (now_ns > slot->load_until_ns ||
            atomic_load(&slot->runner_state) != AXI_RUNNER_CLAIMED) {
            return -AXC_ENODE_NO_RUNNER;
        }
        if (now_ns > wait_until_ns) {
            return -AXC_EBUSY;
        }
        axi_futex_wait(&shm->report, report, &nap);
        now_ns = axi_runtime_clock_ns();
    }
    atomic_store(&shm->report, AXI_REPORT_NONE);
    axi_runner_read_cpu(slot); /* what starting cost is not the first job's */
    return atomic_compare_exchange_strong(&slot->runner_state, &expected, AXI_RUNNER_LOADED)
               ? 0
               : -AXC_ENODE_NO_RUNNER;
}

static int place_image(struct axi_runtime *runtime, uint32_t slot_number, const uint8_t *elf,
                       size_t bytes, const struct axi_task_meta *meta)
{
    const struct axi_elf_limits limits = {.image_bytes_max = runtime->config.image_bytes_max,
                                          .isa = AXI_ISA_HOST};
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    uint8_t *image = axi_memory_image(&runtime->memory, slot_number);
    struct axi_elf_plan plan;
    int r = axi_elf_check(elf, bytes, &limits, &plan);

    r = r < 0 ? r : axi_elf_load(elf, bytes, &plan, image, AXI_RUNNER_IMAGE_BASE);
    r = r < 0 ? r : make_region(runtime, slot_number, meta->state_bytes);
    if (r < 0) {
        return r;
    }
    __builtin___clear_cache((char *)image, (char *)image + plan.image_bytes);
    slot->entry = AXI_RUNNER_IMAGE_BASE + plan.entry;
    slot->data_start = AXI_RUNNER_IMAGE_BASE + plan.data_offset;
    slot->data_bytes = plan.data_bytes;
    slot->stack_bytes =
        meta->stack_bytes < AXC_STACK_BYTES_MAX ? meta->stack_bytes : AXC_STACK_BYTES_MAX;
    return 0;
}

static int end_load(struct axi_runtime *runtime, uint32_t slot_number, void **ret_state,
                    struct axi_region **ret_region)
{
    int r = await_load(runtime, slot_number);

    if (r == -AXC_EBUSY) {
        return r;
    }
    if (r < 0) {
        axi_runtime_unload(runtime, slot_number);
        return r;
    }
    runtime->slots[slot_number].is_loading = false;
    *ret_state = axi_memory_slot(&runtime->memory, slot_number)->state;
    *ret_region = &runtime->slots[slot_number].region;
    return 0;
}

int axi_runtime_load(struct axi_runtime *runtime, uint32_t slot_number, const uint8_t *elf,
                     size_t bytes, const struct axi_task_meta *meta, void **ret_state,
                     struct axi_region **ret_region)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);
    uint32_t expected = AXI_RUNNER_IDLE;
    int r;

    if (slot->is_loading) {
        return end_load(runtime, slot_number, ret_state, ret_region);
    }
    if (atomic_load(&slot->has_image)) {
        return -AXC_ESTATE;
    }
    if (!atomic_compare_exchange_strong(&slot->runner_state, &expected, AXI_RUNNER_CLAIMED)) {
        return -AXC_EBUSY;
    }
    r = place_image(runtime, slot_number, elf, bytes, meta);
    if (r < 0) {
        expected = AXI_RUNNER_CLAIMED;
        (void)atomic_compare_exchange_strong(&slot->runner_state, &expected, AXI_RUNNER_IDLE);
        return r;
    }
    memset(shm->state, 0, meta->state_bytes);
    slot->log_tail = atomic_load(&shm->log_head);
    slot->output_to = (struct sockaddr_in){0};
    atomic_store(&slot->has_image, true);
    begin_load(runtime, slot_number);
    return end_load(runtime, slot_number, ret_state, ret_region);
}

int axi_runtime_set_output(struct axi_runtime *runtime, uint32_t slot, const char *address)
{
    runtime->slots[slot].output_to = (struct sockaddr_in){0};
    return *address == '\0' ? 0 : axi_sink_address(address, &runtime->slots[slot].output_to);
}

void axi_runtime_unload(struct axi_runtime *runtime, uint32_t slot)
{
    runtime->slots[slot].is_loading = false;
    atomic_store(&runtime->slots[slot].is_unload_asked, true);
    atomic_store_explicit(&runtime->is_unload_asked, true, memory_order_release);
    axi_runtime_wake(runtime);
}

bool axi_runtime_is_loading(const struct axi_runtime *runtime, uint32_t slot)
{
    return runtime->slots[slot].is_loading;
}

bool axi_runtime_is_free(struct axi_runtime *runtime, uint32_t slot)
{
    return !atomic_load(&runtime->slots[slot].has_image) &&
           atomic_load(&runtime->slots[slot].runner_state) == AXI_RUNNER_IDLE;
}

uint32_t axi_runtime_free_slots(struct axi_runtime *runtime)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < runtime->config.slots; i++) {
        count += axi_runtime_is_free(runtime, i);
    }
    return count;
}

bool axi_runtime_post(struct axi_runtime *runtime, const struct axi_sched_command *command)
{
    bool is_posted = axi_sched_post(runtime->sched, command);

    axi_runtime_wake(runtime);
    return is_posted;
}

void axi_runtime_view(struct axi_runtime *runtime, uint32_t slot, struct axi_slot_view *ret_view)
{
    axi_sched_view(runtime->sched, slot, ret_view);
}

void axi_runtime_hists(struct axi_runtime *runtime, uint32_t slot, struct axi_hist *ret_response,
                       struct axi_hist *ret_exec)
{
    axi_sched_hists(runtime->sched, slot, ret_response, ret_exec);
}

void axi_runtime_set_lease(struct axi_runtime *runtime, uint64_t until_local_ns)
{
    axi_sched_set_lease(runtime->sched, until_local_ns);
    axi_runtime_wake(runtime);
}

int axi_runtime_event_fd(const struct axi_runtime *runtime)
{
    return runtime->event_fd;
}

uint32_t axi_runtime_drain(struct axi_runtime *runtime, struct axi_trace *ret_records, uint32_t max)
{
    eventfd_t ignored;
    uint32_t count = 0;

    (void)eventfd_read(runtime->event_fd, &ignored);
    while (count < max && axi_ring_pop(&runtime->traces, &ret_records[count])) {
        count++;
    }
    if (count == max && axi_ring_count(&runtime->traces) > 0) {
        (void)eventfd_write(runtime->event_fd, 1); /* the rest must not wait for the next one */
    }
    return count;
}

uint64_t axi_runtime_traces_lost(const struct axi_runtime *runtime)
{
    return atomic_load(&runtime->traces_lost);
}

bool axi_runtime_log_line(struct axi_runtime *runtime, uint32_t slot_number, uint32_t *ret_level,
                          uint64_t *ret_job, char *ret_text, size_t capacity)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    const struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);
    uint32_t head = atomic_load_explicit(&shm->log_head, memory_order_acquire);
    struct axi_log_line line;
    size_t length = 0;

    if (head == slot->log_tail || capacity == 0 || !atomic_load(&slot->has_image)) {
        return false;
    }
    if (head - slot->log_tail > AXI_LOG_LINES) {
        slot->log_tail = head - AXI_LOG_LINES; /* older lines are overwritten */
    }
    memcpy(&line, &shm->log[slot->log_tail % AXI_LOG_LINES], sizeof(line));
    slot->log_tail++;
    while (length < sizeof(line.text) && length + 1 < capacity && line.text[length] != '\0') {
        ret_text[length] =
            line.text[length] >= ' ' && line.text[length] <= '~' ? line.text[length] : '?';
        length++;
    }
    ret_text[length] = '\0';
    *ret_level = line.level;
    *ret_job = line.job;
    return true;
}

static uint64_t read_memory_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    uint64_t kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "MemAvailable:", 13) == 0) {
            kib = strtoull(line + 13, NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib * 1024;
}

/* Busy and total processor time so far, in ticks. */
static void read_cpu_ticks(uint64_t *ret_busy, uint64_t *ret_total)
{
    FILE *file = fopen("/proc/stat", "re");
    char line[512];
    char *at = line;

    *ret_busy = 0;
    *ret_total = 0;
    if (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        at += 3; /* "cpu" */
        for (int i = 0; i < 8; i++) {
            uint64_t ticks = strtoull(at, &at, 10);

            *ret_total += ticks;
            *ret_busy += i == 3 || i == 4 ? 0 : ticks; /* idle, iowait */
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

void axi_runtime_figures(struct axi_runtime *runtime, struct axi_runtime_load *ret_load)
{
    uint64_t busy;
    uint64_t total;

    read_cpu_ticks(&busy, &total);
    ret_load->cpu_load_ppm =
        total > runtime->cpu_total
            ? (uint32_t)((busy - runtime->cpu_busy) * 1000000u / (total - runtime->cpu_total))
            : 0;
    runtime->cpu_busy = busy;
    runtime->cpu_total = total;
    ret_load->task_load_ppm = axi_sched_load_ppm(runtime->sched, axi_runtime_clock_ns(),
                                                 &runtime->jobs_at_ns, &runtime->jobs_busy_ns);
    ret_load->memory_free_bytes = read_memory_available();
}
