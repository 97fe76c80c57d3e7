/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/panic.h"

#include "base/crc32c.h"
#include "os/board/board.h"
#include "os/kernel/kernel.h"
#include "os/kernel/mmu.h"

#include <string.h>

#define RECORD_MAGIC 0x4e415058u /* "XPAN" */
#define EXIT_PANIC 99

struct record {
    uint32_t magic;
    uint32_t crc; /* of the text */
    char text[AXI_RESET_REASON_BYTES];
    uint32_t boots, not_boots; /* each other's complement, or never counted */
};

static struct {
    bool is_under_way, was_before_boot, is_boot_done;
} panic;

static struct record *record(void)
{
    return (struct record *)(void *)axi_reset_page;
}

static void leave_record(const char *text)
{
    struct record *page = record();

    memset(page->text, 0, sizeof(page->text));
    memcpy(page->text, text, strnlen(text, sizeof(page->text) - 1));
    page->crc = axi_crc32c(0, page->text, sizeof(page->text));
    page->magic = RECORD_MAGIC;
    axi_cache_clean(page, sizeof(*page));
}

void axi_panic_take_record(char *ret_text, size_t capacity)
{
    struct record *page = record();

    ret_text[0] = '\0';
    if (page->magic == RECORD_MAGIC && page->crc == axi_crc32c(0, page->text, sizeof(page->text))) {
        size_t bytes = strnlen(page->text, capacity - 1);

        for (size_t i = 0; i < bytes; i++) {
            ret_text[i] = page->text[i] >= ' ' && page->text[i] <= '~' ? page->text[i] : '?';
        }
        ret_text[bytes] = '\0';
        panic.was_before_boot = true;
    }
    page->magic = 0;
    axi_cache_clean(page, sizeof(*page));
}

uint32_t axi_panic_count_boot(void)
{
    struct record *page = record();

    page->boots = page->not_boots == ~page->boots ? page->boots + 1 : 1;
    page->not_boots = ~page->boots;
    axi_cache_clean(page, sizeof(*page));
    return page->boots;
}

void axi_panic_boot_done(void)
{
    panic.is_boot_done = true;
}

/* A bug in the panic itself must not go round for ever. */
static void begin(void)
{
    (void)axi_irq_mask();
    if (panic.is_under_way) {
        axi_machine_end_after_panic(EXIT_PANIC);
    }
    panic.is_under_way = true;
}

/* A boot that fails after a reset by a panic will always fail. */
static __attribute__((noreturn)) void end(const char *text)
{
    leave_record(text);
    if (panic.was_before_boot && !panic.is_boot_done) {
        axi_console_print("panic: twice in a row while booting: off\n");
        axi_machine_off(EXIT_PANIC);
    }
    axi_machine_end_after_panic(EXIT_PANIC);
}

static void print_context(const struct axi_context *context)
{
    for (unsigned i = 0; i < 30; i += 2) {
        axi_console_print("  x%-2u %016lx   x%-2u %016lx\n", i, context->x[i], i + 1,
                          context->x[i + 1]);
    }
    axi_console_print("  x30 %016lx   sp  %016lx\n", context->x[30], context->sp);
    axi_console_print("  pc  %016lx   pstate %08lx\n", context->pc, context->pstate);
}

void axi_panic_exception(const char *what, const struct axi_context *context, uint64_t syndrome,
                         uint64_t address)
{
    char text[AXI_RESET_REASON_BYTES];

    begin();
    axi_format(text, sizeof(text), "%s: esr=%08lx elr=%016lx far=%016lx name=%s", what, syndrome,
               context->pc, address, context->name != NULL ? context->name : "-");
    axi_console_print("panic: %s\n", text);
    print_context(context);
    end(text);
}

void axi_panic(const char *format, ...)
{
    char text[AXI_RESET_REASON_BYTES];
    va_list arguments;

    begin();
    va_start(arguments, format);
    axi_vformat(text, sizeof(text), format, arguments);
    va_end(arguments);
    axi_console_print("panic: %s\n  from %p\n", text, __builtin_return_address(0));
    end(text);
}
