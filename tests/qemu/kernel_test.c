/* SPDX-License-Identifier: Apache-2.0 */
/* An image that tests the kernel on its board. It prints a line per broken check and a last line
 * `N passed, N failed`, and ends by semihosting with 0 when all held. A word that the loader put
 * before the configuration's address asks for a panic instead. tests/qemu/test_kernel.py runs it.
 */
#include "os/board/board.h"
#include "os/kernel/kernel.h"

#include <string.h>

#define CODE 0x10000u
#define READ_ONLY 0x20000u
#define DATA 0x30000u
#define STACK_TOP (DATA + 2 * AXI_PAGE_BYTES)
#define SLICES 300u
#define MODE_MAGIC 0x54455354u
#define MODE_OVERFLOW 6u
#define MODE_THREAD 7u  /* the same, but in a thread */
#define MODE_RESET 16u  /* added: the panic ends in a reset */
#define MODE_ALWAYS 32u /* added: in each boot */

void axi_kernel_test_panic(uint32_t mode);

extern const char user_page[], user_add[], user_read[], user_write[], user_jump[], user_illegal[];
extern const char user_break[], user_counter[], user_kernel_register[], user_mask_interrupts[];
extern const char user_thread_register[], user_wait[], user_hypercall[], user_cache[];
extern const char user_registers[], user_fp_left[];

struct task {
    struct axi_context context;
    struct axi_fp fp;
    struct axi_space space;
};

static struct {
    struct axi_context thread, helper;
    struct task tasks[2];
    char *data; /* the tasks' pages of DATA */
    /* What runs: the main thread until it sets `task`, then that until it ends by SVC #0 or a
     * fault. With `slice_ns` the two tasks take turns. */
    struct axi_context *task;
    bool helper_runs;
    uint64_t slice_ns;
    uint32_t slices;
    struct axi_fault fault;
    bool has_faulted;
    uint64_t timer_at_ns, timer_seen_ns;
    uint32_t passed, failed;
    uint8_t helper_stack[4096];
} test;

static void check(bool is_good, const char *what)
{
    test.passed += is_good;
    test.failed += !is_good;
    if (!is_good) {
        axi_console_print("FAILED: %s\n", what);
    }
}

/* Kernel hooks. */

static void svc(struct axi_context *context, uint32_t number)
{
    if (number == 1) {
        context->x[0]++;
    } else {
        test.task = NULL;
    }
}

static void fault(struct axi_context *context, const struct axi_fault *seen)
{
    (void)context;
    test.fault = *seen;
    test.has_faulted = true;
    test.task = NULL;
}

static void take_turns(uint64_t now)
{
    if (test.slices >= SLICES && test.tasks[0].context.x[29] > 0 &&
        test.tasks[1].context.x[29] > 0) {
        test.task = NULL;
    } else if (axi_kernel_current() == test.task) { /* its slice ended */
        test.task =
            test.task == &test.tasks[0].context ? &test.tasks[1].context : &test.tasks[0].context;
        test.slices++;
    }
    axi_timer_set(now + test.slice_ns);
}

static struct axi_context *choose(void)
{
    uint64_t now = axi_kernel_entry_ns();

    if (test.timer_at_ns != 0) {
        if (now < test.timer_at_ns) {
            return NULL; /* whatever woke us: not yet */
        }
        test.timer_seen_ns = now;
        test.timer_at_ns = 0;
    }
    if (test.task != NULL && test.slice_ns != 0) {
        take_turns(now);
    }
    return test.task != NULL ? test.task : test.helper_runs ? &test.helper : &test.thread;
}

/* In the main thread. */

static void start_task(struct task *task, const char *entry, uint64_t argument)
{
    axi_context_init_task(&task->context, &task->space, &task->fp,
                          CODE + (uint64_t)(entry - user_page), STACK_TOP, 0, argument, 0);
}

/* Runs it to its end; true when it ended by itself, not by a fault. */
static bool run(const char *entry, uint64_t argument)
{
    start_task(&test.tasks[0], entry, argument);
    test.has_faulted = false;
    test.task = &test.tasks[0].context;
    axi_thread_yield();
    return !test.has_faulted;
}

static bool faults(const char *entry, uint64_t argument, uint32_t class)
{
    return !run(entry, argument) && AXI_SYNDROME_CLASS(test.fault.syndrome) == class;
}

static void test_pages(void)
{
    size_t before = axi_pages_free_bytes(), count = 0;
    char *first = axi_pages_take(3 * AXI_PAGE_BYTES - 1), *hole, *last = NULL;

    check(first != NULL && (uintptr_t)first % AXI_PAGE_BYTES == 0, "pages are aligned");
    if (first == NULL) {
        return;
    }
    check(axi_pages_free_bytes() == before - 3 * AXI_PAGE_BYTES, "sizes are rounded up");
    memset(first, 0xaa, 3 * AXI_PAGE_BYTES);
    hole = axi_pages_take(AXI_PAGE_BYTES);
    axi_pages_give(first, 3 * AXI_PAGE_BYTES - 1);
    char *again = axi_pages_take(3 * AXI_PAGE_BYTES);

    check(again == first, "the first room that fits is taken");
    check(again[0] == 0 && again[3 * AXI_PAGE_BYTES - 1] == 0, "pages come cleared");
    axi_pages_give(again, 3 * AXI_PAGE_BYTES);
    axi_pages_give(hole, AXI_PAGE_BYTES);
    check(axi_pages_take(0) == NULL && axi_pages_take(SIZE_MAX) == NULL &&
              axi_pages_take(axi_pages_total_bytes() + AXI_PAGE_BYTES) == NULL,
          "what does not fit is refused");
    for (char *block; (block = axi_pages_take(AXI_PAGE_BYTES << 8)) != NULL; count++) {
        *(char **)(void *)block = last; /* a chain of all that there is */
        last = block;
    }
    check(count > 16, "the pool has megabytes");
    while (last != NULL) {
        char *next = *(char **)(void *)last;

        axi_pages_give(last, AXI_PAGE_BYTES << 8);
        last = next;
    }
    check(axi_pages_free_bytes() == before, "nothing leaks");
}

static void test_spaces(void)
{
    static struct axi_space spaces[AXI_SPACES_MAX + 1];
    size_t before = axi_pages_free_bytes();
    uint32_t made = 0;
    char *pages = axi_pages_take(2 * AXI_PAGE_BYTES);
    struct axi_space *space = &spaces[0];

    while (made <= AXI_SPACES_MAX && axi_space_init(&spaces[made]) == 0) {
        made++;
    }
    check(made == AXI_SPACES_MAX - 2, "so many spaces, two are in use"); /* the tasks' */
    for (; made > 0; made--) {
        axi_space_deinit(&spaces[made - 1]);
    }
    check(axi_space_init(space) == 0, "spaces can be made anew");
    check(axi_space_map(space, 0, pages, AXI_PAGE_BYTES, AXI_ACCESS_READ) == -AXC_EINVALID &&
              axi_space_map(space, 0x1800, pages, AXI_PAGE_BYTES, AXI_ACCESS_READ) != 0 &&
              axi_space_map(space, 0x1000, pages, 100, AXI_ACCESS_READ) != 0 &&
              axi_space_map(space, AXI_SPACE_BYTES, pages, AXI_PAGE_BYTES, AXI_ACCESS_READ) != 0 &&
              axi_space_map(space, AXI_KERNEL_BASE, pages, AXI_PAGE_BYTES, AXI_ACCESS_READ) != 0 &&
              axi_space_map(space, AXI_SPACE_BYTES - 0x1000, pages, 0x2000, AXI_ACCESS_READ) != 0,
          "bad ranges are refused");
    check(axi_space_map(space, 0x1ff000, pages, 2 * AXI_PAGE_BYTES, AXI_ACCESS_READ_WRITE) == 0,
          "a mapping may cross a table");
    check(axi_space_map(space, 0x200000, pages, AXI_PAGE_BYTES, AXI_ACCESS_READ) == -AXC_EINVALID,
          "nothing is mapped over");
    check(axi_space_map(space, 0x300000, pages, AXI_PAGE_BYTES, AXI_ACCESS_READ) == 0, "map");
    char text[8] = "crosses";

    check(axi_space_write(space, 0x1ffffc, text, 8) == 0 && memcmp(pages + 0xffc, text, 8) == 0,
          "copies cross pages");
    check(axi_space_writable(space, 0x200ff0, 100) == 16, "as far as it is mapped");
    check(axi_space_write(space, 0x200ffc, text, 8) == -AXC_EINVALID &&
              memcmp(pages + 0x1ffc, text, 4) != 0,
          "all or nothing");
    check(axi_space_write(space, 0x300000, text, 8) == -AXC_EINVALID &&
              axi_space_read(space, 0x300000, text, 8) == 0,
          "read-only is read-only");
    check(axi_space_read(space, 0, text, 1) != 0 &&
              axi_space_read(space, UINT64_MAX, text, 8) != 0 &&
              axi_space_read(space, AXI_KERNEL_BASE + 0x1ff000, text, 8) != 0 &&
              axi_space_read(space, AXI_SPACE_BYTES - 4, text, 8) != 0,
          "foreign addresses are refused");
    axi_space_deinit(space);
    axi_space_deinit(space);
    axi_pages_give(pages, 2 * AXI_PAGE_BYTES);
    check(axi_pages_free_bytes() == before, "tables are given back");
}

static void test_calls(void)
{
    check(run(user_add, 40) && test.tasks[0].context.x[0] == 42, "SVC takes and gives registers");
    check(test.tasks[0].context.ticks > 0, "time is charged");
    *(uint64_t *)(void *)test.data = 7;
    check(run(user_read, DATA) && test.tasks[0].context.x[1] == 7, "a task reads its memory");
    check(run(user_write, DATA + 8) && *(uint64_t *)(void *)(test.data + 8) == DATA + 8,
          "a task writes its memory");
    check(run(user_thread_register, 7), "a task may use TPIDR_EL0");
    check(run(user_thread_register, 7) && test.tasks[0].context.x[0] == 0,
          "TPIDR_EL0 carries nothing over");
    check(run(user_read, READ_ONLY) && run(user_read, CODE), "a task reads its constants");
}

static void test_faults(void)
{
    static const uint64_t foreign[] = {
        0, 0x8000, DATA - 8, AXI_SPACE_BYTES, AXI_KERNEL_BASE, UINT64_MAX - 7};
    uint64_t kernel = (uint64_t)(uintptr_t)&test;

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        check(faults(user_read, foreign[i], AXI_CLASS_DATA) && test.fault.address == foreign[i],
              "a foreign address cannot be read");
        check(faults(user_write, foreign[i], AXI_CLASS_DATA), "nor written");
    }
    check(faults(user_read, kernel, AXI_CLASS_DATA), "the kernel cannot be read");
    check(faults(user_write, READ_ONLY, AXI_CLASS_DATA) && test.fault.address == READ_ONLY &&
              faults(user_write, CODE, AXI_CLASS_DATA),
          "constants cannot be written");
    check(faults(user_jump, DATA, AXI_CLASS_FETCH) && faults(user_jump, READ_ONLY, AXI_CLASS_FETCH),
          "data does not execute");
    check(faults(user_jump, 0, AXI_CLASS_FETCH) &&
              faults(user_jump, (uint64_t)(uintptr_t)test_faults, AXI_CLASS_FETCH),
          "neither does null or the kernel");
    check(faults(user_jump, CODE + 2, AXI_CLASS_PC_ALIGN), "a misaligned pc is a fault");
    check(faults(user_illegal, 0, AXI_CLASS_UNKNOWN), "an illegal instruction is a fault");
    check(faults(user_break, 0, AXI_CLASS_BRK), "a breakpoint is a fault");
    check(faults(user_counter, 0, AXI_CLASS_TRAPPED), "the counter is the kernel's");
    check(!run(user_kernel_register, 0), "so are its registers");
    check(!run(user_mask_interrupts, 0), "and its interrupts");
    check(!run(user_wait, 0), "a task cannot stop the processor");
    check(!run(user_hypercall, 0), "nor call the firmware");
    check(!run(user_cache, 0), "nor invalidate caches");
    check(run(user_add, 1), "the kernel goes on");
}

/* Two tasks with different values in all registers, switched some hundred times. */
static void test_registers(void)
{
    start_task(&test.tasks[0], user_registers, 0x400123456789abcull);
    start_task(&test.tasks[1], user_registers, 0x5a5a00a5a5812345ull);
    test.slice_ns = 20000;
    test.slices = 0;
    test.task = &test.tasks[0].context;
    axi_thread_yield();
    test.slice_ns = 0;
    check(test.slices >= SLICES, "no task found a changed register");
    check(test.tasks[0].context.x[0] != 0 && test.tasks[1].context.x[0] != 0, "neither did");
    check(run(user_fp_left, 0) && test.tasks[0].context.x[0] == 0,
          "a job starts with clear FP registers");
}

static void help(void *argument)
{
    for (;;) {
        ++*(uint64_t *)argument;
        test.helper_runs = false;
        axi_thread_yield();
    }
}

static void test_threads(void)
{
    static uint64_t helped;

    axi_context_init_thread(&test.helper, "helper", help, &helped, test.helper_stack,
                            sizeof(test.helper_stack));
    for (int i = 0; i < 100; i++) {
        test.helper_runs = true;
        axi_thread_yield();
    }
    check(helped == 100, "threads switch by yield");
}

static void test_timer(void)
{
    uint64_t last = axi_clock_ns(), idle = axi_kernel_idle_ns();

    for (int i = 1; i <= 50; i++) {
        uint64_t at = axi_clock_ns() + (uint64_t)i * 7919;
        uint64_t mask = axi_irq_mask();

        test.timer_at_ns = at;
        axi_timer_set(at);
        axi_irq_restore(mask);
        axi_thread_yield();
        check(test.timer_seen_ns >= at, "the timer is not early");
        check(test.timer_seen_ns > last, "time goes on");
        last = test.timer_seen_ns;
    }
    axi_timer_set(UINT64_MAX);
    check(axi_kernel_idle_ns() > idle, "waiting is idling");
    check(axi_clock_from_ticks(axi_clock_ticks()) >= last, "ticks and ns agree");
}

static void run_tests(void *argument)
{
    (void)argument;
    test_pages();
    test_spaces();
    test_calls();
    test_faults();
    test_registers();
    test_threads();
    test_timer();
    axi_console_print("%u passed, %u failed\n", test.passed, test.failed);
    axi_machine_off(test.failed != 0);
}

static void run_overflow(void *argument)
{
    (void)argument;
    axi_kernel_test_panic(MODE_OVERFLOW);
}

static void make_task(struct task *task)
{
    int error = axi_space_init(&task->space);

    error |= axi_space_map(&task->space, CODE, user_page, AXI_PAGE_BYTES, AXI_ACCESS_READ_EXECUTE);
    error |= axi_space_map(&task->space, READ_ONLY, user_page, AXI_PAGE_BYTES, AXI_ACCESS_READ);
    error |=
        axi_space_map(&task->space, DATA, test.data, 2 * AXI_PAGE_BYTES, AXI_ACCESS_READ_WRITE);
    task->context.name = "user";
    check(error == 0, "a task's space can be made");
}

void axi_image_start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops)
{
    const uint32_t *mode = axi_at_physical(axi_board.config_address - 16);
    void (*entry)(void *argument) = run_tests;

    if (mode[0] == MODE_MAGIC &&
        (mode[1] >= MODE_ALWAYS || (mode[1] >= MODE_RESET && boot->reset_reason[0] == '\0'))) {
        axi_kernel_test_panic(mode[1] % MODE_RESET);
    }
    axi_machine_allow_semihosting();
    if (mode[0] == MODE_MAGIC) {
        if (mode[1] >= MODE_RESET) {
            axi_machine_off(boot->boots == 2 ? 0 : 2); /* the record is there */
        }
        if (mode[1] != MODE_THREAD) {
            axi_kernel_test_panic(mode[1]);
        }
        entry = run_overflow;
    }
    check(boot->reset_reason[0] == '\0' && boot->boots == 1, "this is the first boot");
    test.data = axi_pages_take(2 * AXI_PAGE_BYTES);
    make_task(&test.tasks[0]);
    make_task(&test.tasks[1]);
    axi_context_init_thread(&test.thread, "test", entry, NULL, axi_thread_stack,
                            AXI_THREAD_STACK_BYTES);
    *ret_ops = (struct axi_kernel_ops){.svc = svc, .fault = fault, .choose = choose};
}
