/* SPDX-License-Identifier: Apache-2.0 */
/* Bugs of a kernel, one per mode: each must end in a panic that says what it was. */
#include "os/kernel/kernel.h"

void axi_kernel_test_panic(uint32_t mode);

extern const char axi_image_first[], axi_text_end[];

/* Never ends, as far as the compiler can tell. */
static uint32_t overflow(uint32_t depth)
{
    volatile uint32_t here[256];

    here[depth % 256] = depth;
    return depth == UINT32_MAX ? 0 : overflow(depth + 1) + here[depth % 256];
}

static void write_to(uintptr_t address)
{
    __asm__ volatile("str wzr, [%0]" ::"r"(address) : "memory"); /* C knows better than this */
}

void axi_kernel_test_panic(uint32_t mode)
{
    static uint32_t code = 0xd65f03c0u; /* ret */

    switch (mode) {
    case 1:
        axi_panic("asked for: %u", mode);
    case 2: /* null */
        write_to(8);
        break;
    case 3: /* text */
        write_to((uintptr_t)axi_image_first);
        break;
    case 4: /* constants */
        write_to((uintptr_t)axi_text_end);
        break;
    case 5: /* data does not execute */
        ((void (*)(void))(uintptr_t)&code)();
        break;
    case 6:
        (void)overflow(0);
        break;
    default:
        break;
    }
    axi_console_print("FAILED: mode %u did no harm\n", mode);
    axi_machine_off(1);
}
