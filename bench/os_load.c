/* SPDX-License-Identifier: Apache-2.0 */
/* A bare-metal image that measures how tasks are loaded: the packed tasks of its configuration,
 * phase by phase, and the first of them again and again. In ns of virtual time (8 ns are one
 * instruction under -icount shift=3), on the console:
 *
 *   Y <ns>    from a thread into the kernel, a decision, and back
 *
 *   P <task> <file_bytes> <image_bytes> <relocations> <phase>=<ns> ...    one line per task
 *
 *   G <rounds> memory_before=<bytes> memory_after=<bytes> ns=<of one round> */
#include "core/boot_config.h"
#include "core/elf.h"
#include "os/kernel/kernel.h"
#include "os/task/runtime.h"
#include "os/task/svc.h"

#include <string.h>

#define ROUNDS 100000u
#define STACK_BYTES 16384u

static struct axi_boot_config config;
static struct axi_runtime *runtime;

static uint64_t since(uint64_t *from_ns)
{
    uint64_t now_ns = axi_clock_ns();
    uint64_t passed_ns = now_ns - *from_ns;

    *from_ns = now_ns;
    return passed_ns;
}

static void must(int r, const char *what)
{
    if (r < 0) {
        axi_console_print("os_load: %s: %s\n", what, axi_error_name(r));
        axi_machine_off(1);
    }
}

static void *must_take(size_t bytes)
{
    void *pages = axi_pages_take(bytes);

    must(pages == NULL ? -AXC_ENOMEM : 0, "pages");
    return pages;
}

struct phases {
    uint64_t check, copy, relocate, memory, map, cache;
};

/* What axi_runtime_load does with the image, one step after the other. */
static void measure_phases(const struct axi_boot_task *task, struct axi_elf_plan *ret_plan,
                           struct phases *ret_phases)
{
    const struct axi_elf_limits limits = {.image_bytes_max = 4u << 20, .isa = AXI_ISA_AARCH64};
    struct axi_space space = {0};
    struct axi_elf_plan without;
    uint64_t at_ns = axi_clock_ns();
    uint64_t again_ns;
    uint8_t *image;
    void *stack;

    must(axi_elf_check(task->elf, task->elf_bytes, &limits, ret_plan), "check");
    ret_phases->check = since(&at_ns);
    image = must_take(ret_plan->image_bytes);
    stack = must_take(STACK_BYTES);
    ret_phases->memory = since(&at_ns);
    without = *ret_plan;
    without.rela_count = 0;
    (void)since(&at_ns);
    must(axi_elf_load(task->elf, task->elf_bytes, &without, image, AXI_TASK_IMAGE), "copy");
    ret_phases->copy = since(&at_ns);
    must(axi_elf_load(task->elf, task->elf_bytes, ret_plan, image, AXI_TASK_IMAGE), "relocate");
    again_ns = since(&at_ns);
    ret_phases->relocate = again_ns > ret_phases->copy ? again_ns - ret_phases->copy : 0;
    axi_cache_sync_code(image, ret_plan->text_bytes);
    ret_phases->cache = since(&at_ns);
    must(axi_space_init(&space), "space");
    must(
        axi_space_map(&space, AXI_TASK_IMAGE, image, ret_plan->text_bytes, AXI_ACCESS_READ_EXECUTE),
        "map");
    must(axi_space_map(&space, AXI_TASK_IMAGE + ret_plan->data_offset,
                       image + ret_plan->data_offset, ret_plan->data_bytes, AXI_ACCESS_READ_WRITE),
         "map");
    must(axi_space_map(&space, AXI_TASK_STACK, stack, STACK_BYTES, AXI_ACCESS_READ_WRITE), "map");
    ret_phases->map = since(&at_ns);
    axi_space_deinit(&space);
    axi_pages_give(image, ret_plan->image_bytes);
    axi_pages_give(stack, STACK_BYTES);
}

static void load(const struct axi_boot_task *task, const struct axi_task_meta *meta)
{
    struct axi_region *region = NULL;
    void *state = NULL;

    must(axi_runtime_load(runtime, 0, task->elf, task->elf_bytes, meta, &state, &region), "load");
}

static void measure_task(const struct axi_boot_task *task)
{
    struct axi_task_meta meta;
    struct axi_elf_plan plan;
    struct phases phases;
    uint64_t at_ns;
    uint64_t load_ns;

    must(axi_meta_from_elf(task->elf, task->elf_bytes, &meta), "note");
    measure_phases(task, &plan, &phases);
    at_ns = axi_clock_ns();
    load(task, &meta);
    load_ns = since(&at_ns);
    axi_runtime_unload(runtime, 0);
    axi_console_print(
        "P %s %u %llu %llu check=%llu copy=%llu relocate=%llu memory=%llu map=%llu cache=%llu "
        "load=%llu unload=%llu\n",
        task->name, task->elf_bytes, (unsigned long long)plan.image_bytes,
        (unsigned long long)plan.rela_count, (unsigned long long)phases.check,
        (unsigned long long)phases.copy, (unsigned long long)phases.relocate,
        (unsigned long long)phases.memory, (unsigned long long)phases.map,
        (unsigned long long)phases.cache, (unsigned long long)load_ns,
        (unsigned long long)since(&at_ns));
}

static void repeat(const struct axi_boot_task *task)
{
    size_t before = axi_pages_free_bytes();
    uint64_t at_ns = axi_clock_ns();
    struct axi_task_meta meta;

    must(axi_meta_from_elf(task->elf, task->elf_bytes, &meta), "note");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        load(task, &meta);
        axi_runtime_unload(runtime, 0);
    }
    axi_console_print("G %u memory_before=%zu memory_after=%zu ns=%llu\n", ROUNDS, before,
                      axi_pages_free_bytes(), (unsigned long long)(since(&at_ns) / ROUNDS));
}

static void measure_entry(void)
{
    uint64_t at_ns = axi_clock_ns();

    for (uint32_t i = 0; i < 1000; i++) {
        axi_thread_yield();
    }
    axi_console_print("Y %llu\n", (unsigned long long)(since(&at_ns) / 1000));
}

static void run(void *argument)
{
    (void)argument;
    measure_entry();
    for (uint32_t i = 0; i < config.task_count; i++) {
        measure_task(&config.tasks[i]);
    }
    repeat(&config.tasks[0]);
    axi_machine_off(0);
}

void axi_image_start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops)
{
    const struct axi_runtime_config runtime_config = {0};

    axi_machine_allow_semihosting();
    must(axi_boot_config_decode(boot->config, boot->config_bytes, &config), "configuration");
    must(config.task_count == 0 ? -AXC_ENOENT : 0, "tasks");
    must(axi_runtime_new(&runtime_config, &runtime), "runtime");
    must(axi_runtime_start(runtime, run, NULL, ret_ops), "server");
}
