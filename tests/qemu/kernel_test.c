/* SPDX-License-Identifier: Apache-2.0 */
/* An image that tests the kernel on its board: prints a line per check, ends by semihosting with 0
 * when all held. tests/qemu/test_kernel.py runs it. */
#include "os/kernel/kernel.h"

#include <string.h>

void axi_image_start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops);

static struct {
    struct axi_context task;
    struct axi_fp fp;
    struct axi_space space;
    uint64_t next_tick_ns, ticks, calls;
} test;

/* Runs at EL0, copied to a page of its own: counts in x0, calls, loops a little. */
extern const char user_code[], user_code_end[];
__asm__(".pushsection .rodata\n"
        ".balign 4\n"
        "user_code:\n"
        "    mov x0, #0\n"
        "1:  svc #7\n"
        "    mov x1, #1000\n"
        "2:  subs x1, x1, #1\n"
        "    b.ne 2b\n"
        "    b 1b\n"
        "user_code_end:\n"
        ".popsection\n");

static void svc(struct axi_context *context, uint32_t number)
{
    if (number == 7 && context->x[0] == test.calls) {
        context->x[0] = ++test.calls;
    }
}

static void fault(struct axi_context *context, const struct axi_fault *fault_seen)
{
    axi_panic("fault esr=%lx far=%lx pc=%lx x0=%lx", fault_seen->syndrome, fault_seen->address,
              fault_seen->pc, context->x[0]);
}

static struct axi_context *choose(void)
{
    uint64_t now = axi_clock_ns();

    if (now >= test.next_tick_ns) {
        test.ticks++;
        test.next_tick_ns += 1000000;
        axi_timer_set(test.next_tick_ns);
    }
    if (test.ticks == 10) {
        axi_console_print("ticks=%lu calls=%lu task_ns=%lu\n", test.ticks, test.calls,
                          axi_clock_from_ticks(test.task.ticks));
        axi_machine_off(test.calls > 0 ? 0 : 1);
    }
    return test.ticks % 2 == 0 ? NULL : &test.task;
}

void axi_image_start(const struct axi_boot_info *boot, struct axi_kernel_ops *ret_ops)
{
    char *page = axi_pages_take(AXI_PAGE_BYTES);

    (void)boot;
    axi_machine_allow_semihosting();
    memcpy(page, user_code, (size_t)(user_code_end - user_code));
    axi_cache_sync_code(page, AXI_PAGE_BYTES);
    if (axi_space_init(&test.space) != 0 ||
        axi_space_map(&test.space, 0x10000, page, AXI_PAGE_BYTES, AXI_ACCESS_READ_EXECUTE) != 0) {
        axi_panic("space");
    }
    axi_context_init_task(&test.task, &test.space, &test.fp, 0x10000, 0, 0, 0, 0);
    test.next_tick_ns = axi_clock_ns();
    *ret_ops = (struct axi_kernel_ops){.svc = svc, .fault = fault, .choose = choose};
}
