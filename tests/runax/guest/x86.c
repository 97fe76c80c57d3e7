/* SPDX-License-Identifier: Apache-2.0 */
/* The test guest on the kvm backend's x86-64 machine: 16550 with its interrupt, local APIC timer,
 * exit port. Everything in ring 0, no FP registers. */
#include "guest.h"

#include "core/host_channel.h"
#include "runax/hv/kvm/guest_abi.h"

const char guest_board[] = AXI_KVM_BOARD_X86;

#define APIC 0xfee00000u
#define APIC_EOI 0xb0u
#define APIC_SPURIOUS 0xf0u
#define APIC_TIMER 0x320u
#define APIC_TIMER_COUNT 0x380u
#define APIC_TIMER_DIVIDER 0x3e0u
#define APIC_ENABLE 0x100u
#define DIVIDE_BY_1 0xbu
#define VECTOR_TIMER 0x20u
#define VECTOR_SPURIOUS 0x3fu
#define VECTORS 0x40u
#define IDLE_US 1000u

struct gate { /* Intel SDM vol. 3, 6.14.1 */
    uint16_t offset_low, selector;
    uint16_t attributes, offset_middle;
    uint32_t offset_high, zero;
};

static struct gate gates[VECTORS];
static const struct axi_kvm_boot *boot;

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void apic(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC + offset) = value;
}

void guest_put(char c)
{
    out8(AXI_KVM_PORT_UART, (uint8_t)c);
}

int guest_get(void)
{
    return (in8(AXI_KVM_PORT_UART + 5) & 1) != 0 ? in8(AXI_KVM_PORT_UART) : -1;
}

/* Sleeps until an interrupt: the timer's at the latest. STI takes effect behind HLT. */
void guest_idle(void)
{
    apic(APIC_TIMER_COUNT, boot->apic_timer_hz / 1000000u * IDLE_US);
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}

uint64_t guest_now_us(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32 | low) * 1000u / boot->tsc_khz;
}

void guest_exit(uint32_t code)
{
    for (;;) {
        __asm__ volatile("outl %0, %1" ::"a"(code), "Nd"((uint16_t)AXI_KVM_PORT_EXIT));
    }
}

void guest_off(void)
{
    const struct axi_host_channel *channel =
        (const struct axi_host_channel *)(uintptr_t)guest_channel();
    uint32_t code = channel != 0 ? channel->exit : 0;
    guest_exit((code & AXI_HOST_CHANNEL_EXIT) != 0 ? code & 0xff : 0);
}

/* A fault without handlers. */
void guest_crash(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("lidt %0; ud2" ::"m"(none));
    __builtin_unreachable();
}

uint64_t guest_channel(void)
{
    for (uint32_t i = 0; i < boot->channel_count; i++) {
        const char *name = boot->channels[i].name;
        if (name[0] == 'h' && name[1] == 'o' && name[2] == 's' && name[3] == 't') {
            return boot->channels[i].address;
        }
    }
    return 0;
}

/* Interrupts only end a HLT. */
void guest_interrupt(void);
__asm__(".text\n"
        "guest_interrupt: push %rax\n"
        "        movl $0xfee000b0, %eax\n"
        "        movl $0, (%rax)\n"
        "        pop %rax\n"
        "        iretq\n");

void guest_boot(const struct axi_kvm_boot *info, uint64_t cpu);
void guest_boot(const struct axi_kvm_boot *info, uint64_t cpu)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt = {sizeof(gates) - 1, (uint64_t)(uintptr_t)gates};
    uint64_t handler = (uint64_t)(uintptr_t)guest_interrupt;
    if (cpu != 0) {
        for (;;) {
            __asm__ volatile("cli; hlt");
        }
    }
    boot = info;
    for (uint32_t i = VECTOR_TIMER; i < VECTORS; i++) {
        gates[i] = (struct gate){(uint16_t)handler,         8, 0x8e00, (uint16_t)(handler >> 16),
                                 (uint32_t)(handler >> 32), 0};
    }
    __asm__ volatile("lidt %0" ::"m"(idt));
    apic(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
    apic(APIC_TIMER_DIVIDER, DIVIDE_BY_1);
    apic(APIC_TIMER, VECTOR_TIMER);
    out8(AXI_KVM_PORT_UART + 1, 1); /* an interrupt when something is typed */
    guest_main();
}

__asm__(".section .text.start, \"ax\"\n"
        ".global _start\n"
        "_start: mov $stack_top, %rsp\n"
        "        test %rsi, %rsi\n"
        "        jnz 1f\n"
        "        call guest_boot\n"
        "1:      cli\n"
        "        hlt\n"
        "        jmp 1b\n"
        ".previous\n");
