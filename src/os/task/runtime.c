/* SPDX-License-Identifier: Apache-2.0 */
#include "os/task/runtime.h"

#include "core/elf.h"
#include "os/task/runtime_internal.h"

#include <string.h>

#define SLOTS_DEFAULT 16u
#define SLOTS_MAX 1024u
#define IMAGE_BYTES_DEFAULT (4u << 20)
#define REGION_SLOTS_DEFAULT 4u
#define TRACES_DEFAULT 4096u
#define OUTPUTS_DEFAULT 64u
#define SERVER_BUDGET_DEFAULT_NS 1000000u
#define SERVER_PERIOD_DEFAULT_NS 10000000u
#define COMMANDS 256u
#define BUDGET_GRAIN_NS 20000u /* interrupt, scheduler and two switches, with room to run */

/* The hooks of the kernel have no argument: there is one runtime. */
static struct axi_runtime the_runtime;

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static int set_config(struct axi_runtime_config *config)
{
    config->slots = config->slots == 0 ? SLOTS_DEFAULT : config->slots;
    config->region_slots = config->region_slots == 0 ? REGION_SLOTS_DEFAULT : config->region_slots;
    config->traces = config->traces == 0 ? TRACES_DEFAULT : config->traces;
    config->outputs = config->outputs == 0 ? OUTPUTS_DEFAULT : config->outputs;
    if (config->image_bytes_max == 0) {
        config->image_bytes_max = IMAGE_BYTES_DEFAULT;
    }
    if (config->server_budget_ns == 0) {
        config->server_budget_ns = SERVER_BUDGET_DEFAULT_NS;
    }
    if (config->server_period_ns == 0) {
        config->server_period_ns = SERVER_PERIOD_DEFAULT_NS;
    }
    if (config->slots > SLOTS_MAX || config->region_slots < AXI_REGION_SLOTS_MIN ||
        config->region_slots > AXI_REGION_SLOTS_MAX || !is_power_of_two(config->traces) ||
        !is_power_of_two(config->outputs) || config->image_bytes_max > AXI_TASK_IMAGE_BYTES_MAX ||
        config->server_budget_ns > config->server_period_ns) {
        return -AXC_EINVALID;
    }
    return 0;
}

/* Memory for the runtime's life. */
static int make_ring(struct axi_ring *ring, uint32_t record_bytes, uint32_t capacity)
{
    void *records = axi_pages_take((size_t)record_bytes * capacity);

    if (records == NULL) {
        return -AXC_ENOMEM;
    }
    axi_ring_init(ring, records, record_bytes, capacity);
    return 0;
}

static int allocate(struct axi_runtime *runtime)
{
    const struct axi_runtime_config *config = &runtime->config;
    const struct axi_sched_limits limits = {
        .slots = config->slots, .commands = COMMANDS, .budget_grain_ns = BUDGET_GRAIN_NS};
    const struct axi_sched_port port = axi_runtime_port(runtime);
    void *sched_memory = axi_pages_take(axi_sched_bytes(&limits));

    runtime->slots = axi_pages_take(config->slots * sizeof(struct axi_os_slot));
    runtime->topics = axi_pages_take(sizeof(struct axi_value_table));
    runtime->inputs = axi_pages_take(sizeof(struct axi_value_table));
    if (sched_memory == NULL || runtime->slots == NULL || runtime->topics == NULL ||
        runtime->inputs == NULL ||
        make_ring(&runtime->traces, sizeof(struct axi_trace), config->traces) < 0 ||
        make_ring(&runtime->outputs, sizeof(struct axi_runtime_output), config->outputs) < 0) {
        return -AXC_ENOMEM;
    }
    runtime->sched = axi_sched_init(sched_memory, &limits, &port, &runtime->timebase);
    return 0;
}

int axi_runtime_new(const struct axi_runtime_config *config, struct axi_runtime **ret_runtime)
{
    struct axi_runtime *runtime = &the_runtime;
    int r;

    runtime->config = *config;
    r = set_config(&runtime->config);
    if (r < 0) {
        return r;
    }
    axi_timebase_init(&runtime->timebase);
    axi_server_init(&runtime->server, runtime->config.server_budget_ns,
                    runtime->config.server_period_ns);
    axi_server_wake(&runtime->server, axi_clock_ns());
    r = allocate(runtime);
    if (r == 0) {
        *ret_runtime = runtime;
    }
    return r;
}

int axi_runtime_start(struct axi_runtime *runtime, void (*entry)(void *argument), void *argument,
                      struct axi_kernel_ops *ret_ops)
{
    axi_context_init_thread(&runtime->server_context, "server", entry, argument, axi_thread_stack,
                            AXI_THREAD_STACK_BYTES);
    axi_runtime_fill_ops(runtime, ret_ops);
    return 0;
}

uint32_t axi_runtime_assurance(const struct axi_runtime *runtime)
{
    (void)runtime;
    return AXI_ASSURANCE_ISOLATED;
}

uint64_t axi_runtime_clock_ns(void)
{
    return axi_clock_ns();
}

struct axi_timebase *axi_runtime_timebase(struct axi_runtime *runtime)
{
    return &runtime->timebase;
}

/* ---- loading ---- */

/* Gives everything of the slot back; it does not run any more. */
static void tidy(struct axi_os_slot *slot)
{
    axi_space_deinit(&slot->space);
    for (uint32_t i = 0; i < AXI_PART_COUNT; i++) {
        axi_pages_give(slot->parts[i].memory, slot->parts[i].bytes);
        slot->parts[i] = (struct axi_pages){0};
    }
    atomic_store(&slot->life, AXI_SLOT_LIFE_FREE);
}

static void tidy_if_released(struct axi_os_slot *slot)
{
    if (atomic_load(&slot->life) == AXI_SLOT_LIFE_RELEASED) {
        tidy(slot);
    }
}

static int take_part(struct axi_os_slot *slot, enum axi_slot_part part, uint64_t bytes)
{
    size_t rounded = (size_t)(bytes + AXI_PAGE_BYTES - 1) / AXI_PAGE_BYTES * AXI_PAGE_BYTES;

    slot->parts[part].memory = axi_pages_take(rounded);
    slot->parts[part].bytes = rounded;
    return slot->parts[part].memory == NULL ? -AXC_EADMIT_MEMORY : 0;
}

static int take_parts(struct axi_runtime *runtime, struct axi_os_slot *slot,
                      const struct axi_elf_plan *plan, const struct axi_task_meta *meta)
{
    const uint64_t bytes[AXI_PART_COUNT] = {
        [AXI_PART_IMAGE] = plan->image_bytes,
        [AXI_PART_PRISTINE] = plan->data_bytes,
        [AXI_PART_STACK] =
            meta->stack_bytes < AXC_STACK_BYTES_MAX ? meta->stack_bytes : AXC_STACK_BYTES_MAX,
        [AXI_PART_STATE] = meta->state_bytes,
        [AXI_PART_JOB] = sizeof(struct axc_job),
        [AXI_PART_WORKSPACE] = sizeof(struct axi_workspace),
        [AXI_PART_REGION] = axi_region_bytes(runtime->config.region_slots, meta->state_bytes),
    };
    int r = bytes[AXI_PART_REGION] == 0 ? -AXC_EINVALID : 0;

    for (uint32_t i = 0; r == 0 && i < AXI_PART_COUNT; i++) {
        if (bytes[i] > 0) {
            r = take_part(slot, (enum axi_slot_part)i, bytes[i]);
        }
    }
    return r;
}

/* Copies and relocates; keeps a copy of the data part for the next start after a kill. */
static int place_image(struct axi_os_slot *slot, const uint8_t *elf, size_t bytes,
                       const struct axi_elf_plan *plan)
{
    uint8_t *image = slot->parts[AXI_PART_IMAGE].memory;
    int r = axi_elf_load(elf, bytes, plan, image, AXI_TASK_IMAGE);

    if (r < 0) {
        return r;
    }
    slot->entry = AXI_TASK_IMAGE + plan->entry;
    slot->data_offset = plan->data_offset;
    if (plan->data_bytes > 0) {
        memcpy(slot->parts[AXI_PART_PRISTINE].memory, image + plan->data_offset, plan->data_bytes);
    }
    axi_cache_sync_code(image, plan->text_bytes);
    return 0;
}

static int map_part(struct axi_os_slot *slot, enum axi_slot_part part, uint64_t address,
                    enum axi_access access)
{
    int r = axi_space_map(&slot->space, address, slot->parts[part].memory, slot->parts[part].bytes,
                          access);

    return r == -AXC_ENOMEM ? -AXC_EADMIT_MEMORY : r;
}

static int map_all(struct axi_os_slot *slot, const struct axi_elf_plan *plan)
{
    const uint8_t *image = slot->parts[AXI_PART_IMAGE].memory;
    int r = axi_space_init(&slot->space);

    r = r < 0 ? r
              : axi_space_map(&slot->space, AXI_TASK_IMAGE, image, plan->text_bytes,
                              AXI_ACCESS_READ_EXECUTE);
    if (r == 0 && plan->data_bytes > 0) {
        r = axi_space_map(&slot->space, AXI_TASK_IMAGE + plan->data_offset,
                          image + plan->data_offset, plan->data_bytes, AXI_ACCESS_READ_WRITE);
    }
    r = r < 0 ? r
              : axi_space_map(&slot->space, AXI_TASK_STUBS, axi_task_stubs, AXI_PAGE_BYTES,
                              AXI_ACCESS_READ_EXECUTE);
    r = r == -AXC_ENOMEM ? -AXC_EADMIT_MEMORY : r;
    r = r < 0 ? r : map_part(slot, AXI_PART_STACK, AXI_TASK_STACK, AXI_ACCESS_READ_WRITE);
    r = r < 0 ? r : map_part(slot, AXI_PART_STATE, AXI_TASK_STATE, AXI_ACCESS_READ_WRITE);
    r = r < 0 ? r : map_part(slot, AXI_PART_JOB, AXI_TASK_JOB, AXI_ACCESS_READ);
    slot->stack_top = AXI_TASK_STACK + slot->parts[AXI_PART_STACK].bytes;
    return r;
}

void axi_runtime_set_output(struct axi_runtime *runtime, uint32_t slot, uint32_t host,
                            uint16_t port)
{
    runtime->slots[slot].to_host = host;
    runtime->slots[slot].to_port = port;
}

int axi_runtime_load(struct axi_runtime *runtime, uint32_t slot_number, const uint8_t *elf,
                     size_t bytes, const struct axi_task_meta *meta, void **ret_state,
                     struct axi_region **ret_region)
{
    const struct axi_elf_limits limits = {.image_bytes_max = runtime->config.image_bytes_max,
                                          .isa = AXI_ISA_AARCH64};
    struct axi_os_slot *slot = &runtime->slots[slot_number];
    struct axi_elf_plan plan;
    int r;

    tidy_if_released(slot);
    if (atomic_load(&slot->life) != AXI_SLOT_LIFE_FREE) {
        return -AXC_ESTATE;
    }
    r = axi_elf_check(elf, bytes, &limits, &plan);
    if (r < 0) {
        return r;
    }
    r = take_parts(runtime, slot, &plan, meta);
    r = r < 0 ? r : place_image(slot, elf, bytes, &plan);
    r = r < 0 ? r : map_all(slot, &plan);
    r = r < 0 ? r
              : axi_region_init(&slot->region, slot->parts[AXI_PART_REGION].memory,
                                slot->parts[AXI_PART_REGION].bytes, runtime->config.region_slots,
                                meta->state_bytes);
    if (r < 0) {
        tidy(slot);
        return r;
    }
    slot->log_head = 0;
    slot->log_tail = 0;
    axi_runtime_set_output(runtime, slot_number, 0, 0);
    atomic_store(&slot->reset, AXI_SLOT_RESET_NONE);
    atomic_store(&slot->life, AXI_SLOT_LIFE_LOADED);
    *ret_state = slot->parts[AXI_PART_STATE].memory;
    *ret_region = &slot->region;
    return 0;
}

void axi_runtime_unload(struct axi_runtime *runtime, uint32_t slot)
{
    tidy(&runtime->slots[slot]);
}

bool axi_runtime_is_free(struct axi_runtime *runtime, uint32_t slot)
{
    tidy_if_released(&runtime->slots[slot]);
    return atomic_load(&runtime->slots[slot].life) == AXI_SLOT_LIFE_FREE;
}

uint32_t axi_runtime_free_slots(struct axi_runtime *runtime)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < runtime->config.slots; i++) {
        count += axi_runtime_is_free(runtime, i);
    }
    return count;
}

/* Long copies are made here, at the server's cost, not in the kernel at the other tasks'. */
static void restore_data(struct axi_os_slot *slot)
{
    const struct axi_pages *pristine = &slot->parts[AXI_PART_PRISTINE];

    if (pristine->memory != NULL) {
        memcpy(slot->parts[AXI_PART_IMAGE].memory + slot->data_offset, pristine->memory,
               pristine->bytes);
    }
}

void axi_runtime_housekeep(struct axi_runtime *runtime)
{
    bool has_reset = false;

    for (uint32_t i = 0; i < runtime->config.slots; i++) {
        tidy_if_released(&runtime->slots[i]);
    }
    if (atomic_exchange(&runtime->resets_asked, 0) == 0) {
        return;
    }
    for (uint32_t i = 0; i < runtime->config.slots; i++) {
        struct axi_os_slot *slot = &runtime->slots[i];

        if (atomic_load(&slot->life) == AXI_SLOT_LIFE_LOADED &&
            atomic_load(&slot->reset) == AXI_SLOT_RESET_ASKED) {
            restore_data(slot);
            atomic_store(&slot->reset, AXI_SLOT_RESET_DONE);
            has_reset = true;
        }
    }
    if (has_reset) {
        atomic_store(&runtime->resets_done, 1);
        axi_thread_yield();
    }
}

/* ---- scheduler ---- */

bool axi_runtime_post(struct axi_runtime *runtime, const struct axi_sched_command *command)
{
    bool is_posted = axi_sched_post(runtime->sched, command);

    axi_thread_yield();
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
    axi_thread_yield();
}

void axi_runtime_wait(struct axi_runtime *runtime, uint64_t until_local_ns)
{
    atomic_store(&runtime->wait_until_ns, until_local_ns);
    atomic_store(&runtime->is_waiting, true);
    axi_thread_yield();
}

/* ---- what the server takes ---- */

uint32_t axi_runtime_drain(struct axi_runtime *runtime, struct axi_trace *ret_records, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && axi_ring_pop(&runtime->traces, &ret_records[count])) {
        count++;
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
    struct axi_os_slot *slot = &runtime->slots[slot_number];
    const struct axi_workspace *workspace = (void *)slot->parts[AXI_PART_WORKSPACE].memory;
    struct axi_log_line line;
    size_t length = 0;
    uint64_t irqs;

    if (atomic_load(&slot->life) == AXI_SLOT_LIFE_FREE || capacity == 0) {
        return false;
    }
    irqs = axi_irq_mask(); /* the kernel writes the lines */
    if (slot->log_head == slot->log_tail) {
        axi_irq_restore(irqs);
        return false;
    }
    if (slot->log_head - slot->log_tail > AXI_LOG_LINES) {
        slot->log_tail = slot->log_head - AXI_LOG_LINES; /* older lines are overwritten */
    }
    line = workspace->log[slot->log_tail % AXI_LOG_LINES];
    slot->log_tail++;
    axi_irq_restore(irqs);
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

int32_t axi_runtime_input(struct axi_runtime *runtime, const char *name, const void *value,
                          uint32_t bytes)
{
    return axi_values_write(runtime->inputs, name, value, bytes);
}

bool axi_runtime_output(struct axi_runtime *runtime, struct axi_runtime_output *ret_output)
{
    return axi_ring_pop(&runtime->outputs, ret_output);
}

uint64_t axi_runtime_outputs_lost(const struct axi_runtime *runtime)
{
    return atomic_load(&runtime->outputs_lost);
}

void axi_runtime_figures(struct axi_runtime *runtime, struct axi_runtime_load *ret_load)
{
    uint64_t now_ns = axi_clock_ns();
    uint64_t idle_ns = axi_kernel_idle_ns();
    uint64_t passed_ns = now_ns - runtime->load_at_ns;
    uint64_t idle_part_ns = idle_ns - runtime->load_idle_ns;

    idle_part_ns = idle_part_ns > passed_ns ? passed_ns : idle_part_ns;
    ret_load->cpu_load_ppm =
        passed_ns < 1000000u ? 0 : (uint32_t)((passed_ns - idle_part_ns) / (passed_ns / 1000000u));
    ret_load->cpu_load_ppm = ret_load->cpu_load_ppm > 1000000u ? 1000000u : ret_load->cpu_load_ppm;
    runtime->load_at_ns = now_ns;
    runtime->load_idle_ns = idle_ns;
    ret_load->task_load_ppm =
        axi_sched_load_ppm(runtime->sched, now_ns, &runtime->jobs_at_ns, &runtime->jobs_busy_ns);
    ret_load->memory_free_bytes = axi_pages_free_bytes();
}
