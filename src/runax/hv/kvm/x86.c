/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64: the guest begins in 64-bit mode with an identity map (guest_abi.h). The interrupt
 * controller in the kernel is only the local APIC ("split"): no PIC, I/O APIC or PIT to make, which
 * costs milliseconds, and device interrupts are messages to fixed vectors. */
#include "runax/hv/kvm/guest_abi.h"
#include "runax/hv/kvm/vm.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

const char axi_kvm_board[] = AXI_KVM_BOARD_X86;
const uint16_t axi_kvm_machine = EM_X86_64;
const uint64_t axi_kvm_ram = 0;
const uint64_t axi_kvm_ram_end = AXI_KVM_BOOT_ADDRESS;
const uint64_t axi_kvm_channel_address = AXI_KVM_CHANNEL_ADDRESS;

#define PML4 0x0u
#define PDPT 0x1000u
#define DIRECTORIES 0x2000u /* four: 4 GiB in pages of 2 MiB */
#define GDT 0x6000u
#define BOOT 0x7000u

#define PAGE_PRESENT 0x1u
#define PAGE_WRITE 0x2u
#define PAGE_UNCACHED 0x10u
#define PAGE_LARGE 0x80u
#define DEVICES_BEGIN 0xfec00000u

#define CR0_PE 0x1u
#define CR0_ET 0x10u
#define CR0_NE 0x20u
#define CR0_WP 0x10000u
#define CR0_PG 0x80000000u
#define CR4_PAE 0x20u
#define CR4_FXSR 0x200u
#define CR4_EXCEPTIONS 0x400u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u
#define EFER_NXE 0x800u

#define SELECTOR_CODE 0x8u
#define SELECTOR_DATA 0x10u
#define DESCRIPTOR_CODE UINT64_C(0x00af9b000000ffff)
#define DESCRIPTOR_DATA UINT64_C(0x00cf93000000ffff)

#define IO_APIC_PINS 24
#define CPUID_ENTRIES_MAX 128u
#define APIC_TIMER_HZ 1000000000u /* KVM's */
#define MSI_ADDRESS 0xfee00000u   /* local APIC 0 */

static void write_tables(uint8_t *page)
{
    uint64_t *pml4 = (uint64_t *)(void *)(page + PML4);
    uint64_t *pdpt = (uint64_t *)(void *)(page + PDPT);
    uint64_t *directories = (uint64_t *)(void *)(page + DIRECTORIES);
    uint64_t *gdt = (uint64_t *)(void *)(page + GDT);
    pml4[0] = (AXI_KVM_BOOT_ADDRESS + PDPT) | PAGE_PRESENT | PAGE_WRITE;
    for (uint64_t i = 0; i < 4; i++) {
        pdpt[i] = (AXI_KVM_BOOT_ADDRESS + DIRECTORIES + i * 4096) | PAGE_PRESENT | PAGE_WRITE;
    }
    for (uint64_t i = 0; i < UINT64_C(4) * 512; i++) {
        uint64_t address = i << 21;
        directories[i] = address | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE |
                         (address >= DEVICES_BEGIN ? PAGE_UNCACHED : 0);
    }
    gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE;
    gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
}

static void write_boot(const struct axi_hv_guest *vm, uint32_t tsc_khz, struct axi_kvm_boot *boot)
{
    const struct axi_partition *p = &vm->partition;
    *boot = (struct axi_kvm_boot){
        .magic = AXI_KVM_BOOT_MAGIC,
        .version = AXI_KVM_BOOT_VERSION,
        .cpu_count = vm->cpu_count,
        .channel_count = p->channel_count,
        .ram = vm->memory.regions[0].guest,
        .ram_bytes = vm->memory.regions[0].bytes,
        .tsc_khz = tsc_khz,
        .apic_timer_hz = APIC_TIMER_HZ,
    };
    for (uint32_t i = 0; i < p->channel_count && i < AXI_KVM_BOOT_CHANNELS; i++) {
        boot->channels[i].address = vm->channels[i];
        boot->channels[i].bytes = p->channels[i].bytes;
        boot->channels[i].device_id = p->channels[i].device_id;
        boot->channels[i].peers = p->channels[i].peers;
        memcpy(boot->channels[i].name, p->channels[i].name, sizeof(boot->channels[i].name));
    }
}

int axi_kvm_arch_machine(struct axi_hv_guest *vm, struct axi_report *report)
{
    int rc = axi_guest_memory_add(&vm->memory, AXI_GUEST_PRIVATE, AXI_KVM_BOOT_ADDRESS,
                                  AXI_KVM_BOOT_BYTES, report);
    if (rc != 0) {
        return rc;
    }
    write_tables(axi_guest_memory_at(&vm->memory, AXI_KVM_BOOT_ADDRESS, AXI_KVM_BOOT_BYTES));
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {IO_APIC_PINS}};
    if (ioctl(vm->vm, KVM_ENABLE_CAP, &split) != 0) {
        return axi_kvm_fail(report, "interrupt controller");
    }
    return 0;
}

/* The guest sees the host's processor, as far as KVM supports it. */
static int set_cpuid(const struct axi_kvm_cpu *cpu, struct axi_report *report)
{
    struct kvm_cpuid2 *cpuid =
        calloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
    if (cpuid == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "no memory for a partition");
    }
    cpuid->nent = CPUID_ENTRIES_MAX;
    int rc = 0;
    if (ioctl(cpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) != 0) {
        rc = axi_kvm_fail(report, "features of the processor");
    }
    for (uint32_t i = 0; rc == 0 && i < cpuid->nent; i++) {
        if (cpuid->entries[i].function == 1) {
            cpuid->entries[i].ebx = (cpuid->entries[i].ebx & 0x00ffffffu) | cpu->index << 24;
        }
    }
    if (rc == 0 && ioctl(cpu->fd, KVM_SET_CPUID2, cpuid) != 0) {
        rc = axi_kvm_fail(report, "features of the virtual processor");
    }
    free(cpuid);
    return rc;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool is_code)
{
    return (struct kvm_segment){
        .limit = 0xffffffffu,
        .selector = selector,
        .type = type,
        .present = 1,
        .db = !is_code,
        .s = 1,
        .l = is_code,
        .g = 1,
    };
}

static int set_registers(const struct axi_kvm_cpu *cpu, struct axi_report *report)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = {
        .rip = cpu->vm->entry, .rdi = AXI_KVM_BOOT_ADDRESS + BOOT, .rsi = cpu->index, .rflags = 2};
    if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs) != 0) {
        return axi_kvm_fail(report, "registers");
    }
    sregs.cs = segment(SELECTOR_CODE, 11, true);
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(SELECTOR_DATA, 3, false);
    sregs.gdt.base = AXI_KVM_BOOT_ADDRESS + GDT;
    sregs.gdt.limit = 3 * 8 - 1;
    sregs.idt.limit = 0; /* an exception before the guest has handlers is a triple fault */
    sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    sregs.cr3 = AXI_KVM_BOOT_ADDRESS + PML4;
    sregs.cr4 = CR4_PAE | CR4_FXSR | CR4_EXCEPTIONS;
    sregs.efer = EFER_LME | EFER_LMA | EFER_NXE;
    struct kvm_mp_state runnable = {.mp_state = KVM_MP_STATE_RUNNABLE};
    if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs) != 0 || ioctl(cpu->fd, KVM_SET_REGS, &regs) != 0 ||
        ioctl(cpu->fd, KVM_SET_MP_STATE, &runnable) != 0) {
        return axi_kvm_fail(report, "registers");
    }
    return 0;
}

int axi_kvm_arch_cpu(struct axi_kvm_cpu *cpu, struct axi_report *report)
{
    int rc = set_cpuid(cpu, report);
    return rc != 0 ? rc : set_registers(cpu, report);
}

int axi_kvm_arch_finish(struct axi_hv_guest *vm, struct axi_report *report)
{
    int khz = ioctl(vm->cpus[0].fd, KVM_GET_TSC_KHZ, 0);
    if (khz <= 0) {
        return axi_kvm_fail(report, "frequency of the time stamp counter");
    }
    uint8_t *at =
        axi_guest_memory_at(&vm->memory, AXI_KVM_BOOT_ADDRESS + BOOT, sizeof(struct axi_kvm_boot));
    write_boot(vm, (uint32_t)khz, (struct axi_kvm_boot *)(void *)at);
    return 0;
}

int axi_kvm_arch_pc(const struct axi_kvm_cpu *cpu, uint64_t *ret_pc)
{
    struct kvm_regs regs;
    if (ioctl(cpu->fd, KVM_GET_REGS, &regs) != 0) {
        return -AXC_EHV_FAILED;
    }
    *ret_pc = regs.rip;
    return 0;
}

static void interrupt(const struct axi_hv_guest *vm, uint32_t vector)
{
    struct kvm_msi message = {.address_lo = MSI_ADDRESS, .data = vector};
    (void)ioctl(vm->vm, KVM_SIGNAL_MSI, &message);
}

/* A message is an edge: the 16550's line is asked after each access, so a cause that is left raises
 * it again. */
void axi_kvm_arch_uart_line(struct axi_hv_guest *vm, bool level)
{
    if (level) {
        interrupt(vm, AXI_KVM_VECTOR_UART);
    }
}

void axi_kvm_arch_request(struct axi_hv_guest *vm)
{
    interrupt(vm, AXI_KVM_VECTOR_REQUEST);
}

static uint8_t read_uart(struct axi_hv_guest *vm, uint32_t reg)
{
    (void)pthread_mutex_lock(&vm->uart_lock);
    axi_kvm_console_poll(vm);
    uint8_t value = axi_uart_8250_read(&vm->uart, reg);
    (void)pthread_mutex_unlock(&vm->uart_lock);
    return value;
}

static void write_uart(struct axi_hv_guest *vm, uint32_t reg, uint8_t value)
{
    (void)pthread_mutex_lock(&vm->uart_lock);
    bool is_output = axi_uart_8250_write(&vm->uart, reg, value);
    bool level = axi_uart_8250_line(&vm->uart);
    (void)pthread_mutex_unlock(&vm->uart_lock);
    if (is_output) {
        axi_kvm_console_write(vm, &value, 1);
    }
    axi_kvm_arch_uart_line(vm, level);
}

/* OUTSB to the transmit register comes as one exit with many bytes. */
static void access_uart(struct axi_kvm_cpu *cpu, uint32_t reg, uint8_t *data)
{
    const struct kvm_run *run = cpu->run;
    size_t count = (size_t)run->io.size * run->io.count;
    if (run->io.direction == KVM_EXIT_IO_OUT && reg == 0 && count > 1) {
        axi_kvm_console_write(cpu->vm, data, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            write_uart(cpu->vm, reg, data[i]);
        } else {
            data[i] = read_uart(cpu->vm, reg);
        }
    }
}

static void access_port(struct axi_kvm_cpu *cpu)
{
    const struct kvm_run *run = cpu->run;
    uint8_t *data = (uint8_t *)cpu->run + run->io.data_offset;
    uint32_t port = run->io.port;
    if (port >= AXI_KVM_PORT_UART && port < AXI_KVM_PORT_UART + 8) {
        access_uart(cpu, port - AXI_KVM_PORT_UART, data);
    } else if (port == AXI_KVM_PORT_EXIT && run->io.direction == KVM_EXIT_IO_OUT) {
        axi_kvm_end(cpu->vm, AXI_HV_STOPPED, data[0], NULL);
    } else if (run->io.direction == KVM_EXIT_IO_IN) {
        memset(data, 0xff, (size_t)run->io.size * run->io.count);
    }
}

void axi_kvm_arch_exit(struct axi_kvm_cpu *cpu)
{
    struct kvm_run *run = cpu->run;
    if (run->exit_reason == KVM_EXIT_IO) {
        access_port(cpu);
    } else if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write == 0) {
        memset(run->mmio.data, 0xff, sizeof(run->mmio.data)); /* nothing is there */
    }
}
