/* SPDX-License-Identifier: Apache-2.0 */
/* aarch64: the machine looks like QEMU's "virt" as far as it goes, so the same images run: RAM at
 * 1 GiB, PL011, GICv3 or GICv2 of the kernel, PSCI by HVC, the virtual timer. */
#include "runax/hv/kvm/vm.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char axi_kvm_board[] = "virt";
const uint16_t axi_kvm_machine = EM_AARCH64;
const uint64_t axi_kvm_ram = 0x40000000;
const uint64_t axi_kvm_ram_end = UINT64_C(0x800000000);
const uint64_t axi_kvm_channel_address = 0x10000000; /* PCI memory on QEMU's machine */

#define GIC_DISTRIBUTOR 0x08000000u
#define GIC_CPU_INTERFACE 0x08010000u
#define GIC_REDISTRIBUTORS 0x080a0000u
#define GIC_INTERRUPTS 96u
#define UART_ADDRESS 0x09000000u
#define UART_BYTES 0x1000u
#define UART_INTID 33u
#define EXIT_ADDRESS 0x0b000000u /* a word written there ends the partition */

static int set_gic(const struct axi_hv_guest *vm, uint32_t group, uint64_t attribute,
                   const void *value)
{
    struct kvm_device_attr attr = {
        .group = group, .attr = attribute, .addr = (uint64_t)(uintptr_t)value};
    return ioctl(vm->gic, KVM_SET_DEVICE_ATTR, &attr);
}

int axi_kvm_arch_machine(struct axi_hv_guest *vm, struct axi_report *report)
{
    (void)vm;
    (void)report;
    return 0; /* the GIC wants its processors first */
}

static int set_register(const struct axi_kvm_cpu *cpu, uint64_t offset_bytes, uint64_t value)
{
    struct kvm_one_reg reg = {.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                                    offset_bytes / sizeof(uint32_t),
                              .addr = (uint64_t)(uintptr_t)&value};
    return ioctl(cpu->fd, KVM_SET_ONE_REG, &reg);
}

int axi_kvm_arch_cpu(struct axi_kvm_cpu *cpu, struct axi_report *report)
{
    struct kvm_vcpu_init init;
    if (ioctl(cpu->vm->vm, KVM_ARM_PREFERRED_TARGET, &init) != 0) {
        return axi_kvm_fail(report, "kind of processor");
    }
    init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
    if (cpu->index != 0) { /* the guest switches it on */
        init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
    }
    if (ioctl(cpu->fd, KVM_ARM_VCPU_INIT, &init) != 0 ||
        (cpu->index == 0 &&
         set_register(cpu, offsetof(struct kvm_regs, regs.pc), cpu->vm->entry) != 0)) {
        return axi_kvm_fail(report, "virtual processor");
    }
    return 0;
}

static int make_gic3(struct axi_hv_guest *vm)
{
    struct kvm_create_device device = {.type = KVM_DEV_TYPE_ARM_VGIC_V3};
    uint64_t distributor = GIC_DISTRIBUTOR, redistributors = GIC_REDISTRIBUTORS;
    if (ioctl(vm->vm, KVM_CREATE_DEVICE, &device) != 0) {
        return -1;
    }
    vm->gic = (int)device.fd;
    return set_gic(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &distributor) != 0 ||
                   set_gic(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST,
                           &redistributors) != 0
               ? -1
               : 0;
}

static int make_gic2(struct axi_hv_guest *vm)
{
    struct kvm_create_device device = {.type = KVM_DEV_TYPE_ARM_VGIC_V2};
    uint64_t distributor = GIC_DISTRIBUTOR, interface = GIC_CPU_INTERFACE;
    if (ioctl(vm->vm, KVM_CREATE_DEVICE, &device) != 0) {
        return -1;
    }
    vm->gic = (int)device.fd;
    return set_gic(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_DIST, &distributor) != 0 ||
                   set_gic(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_CPU, &interface) !=
                       0
               ? -1
               : 0;
}

int axi_kvm_arch_finish(struct axi_hv_guest *vm, struct axi_report *report)
{
    uint32_t interrupts = GIC_INTERRUPTS;
    if ((make_gic3(vm) != 0 && (vm->gic >= 0 || make_gic2(vm) != 0)) ||
        set_gic(vm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &interrupts) != 0 ||
        set_gic(vm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL) != 0) {
        return axi_kvm_fail(report, "interrupt controller");
    }
    return 0;
}

int axi_kvm_arch_pc(const struct axi_kvm_cpu *cpu, uint64_t *ret_pc)
{
    uint64_t pc = 0;
    struct kvm_one_reg reg = {.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
                                    offsetof(struct kvm_regs, regs.pc) / sizeof(uint32_t),
                              .addr = (uint64_t)(uintptr_t)&pc};
    if (cpu->index != 0) { /* off until the guest wants it */
        *ret_pc = cpu->vm->entry;
        return 0;
    }
    if (ioctl(cpu->fd, KVM_GET_ONE_REG, &reg) != 0) {
        return -AXC_EHV_FAILED;
    }
    *ret_pc = pc;
    return 0;
}

void axi_kvm_arch_uart_line(struct axi_hv_guest *vm, bool level)
{
    struct kvm_irq_level line = {.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | UART_INTID,
                                 .level = level};
    (void)ioctl(vm->vm, KVM_IRQ_LINE, &line);
}

void axi_kvm_arch_request(struct axi_hv_guest *vm)
{
    (void)vm; /* guests for "virt" look at the word */
}

static void access_uart(struct axi_hv_guest *vm, struct kvm_run *run)
{
    uint32_t offset = (uint32_t)(run->mmio.phys_addr - UART_ADDRESS), value = 0;
    size_t bytes = run->mmio.len < sizeof(value) ? run->mmio.len : sizeof(value);
    bool is_output = false;
    (void)pthread_mutex_lock(&vm->uart_lock);
    axi_kvm_console_poll(vm);
    if (run->mmio.is_write != 0) {
        memcpy(&value, run->mmio.data, bytes);
        is_output = axi_uart_pl011_write(&vm->uart, offset, value);
    } else {
        value = axi_uart_pl011_read(&vm->uart, offset);
        memcpy(run->mmio.data, &value, bytes);
    }
    axi_kvm_arch_uart_line(vm, axi_uart_pl011_line(&vm->uart));
    (void)pthread_mutex_unlock(&vm->uart_lock);
    if (is_output) {
        uint8_t byte = (uint8_t)value;
        axi_kvm_console_write(vm, &byte, 1);
    }
}

static void access_memory(struct axi_hv_guest *vm, struct kvm_run *run)
{
    uint64_t address = run->mmio.phys_addr;
    if (address >= UART_ADDRESS && address < UART_ADDRESS + UART_BYTES) {
        access_uart(vm, run);
    } else if (address == EXIT_ADDRESS && run->mmio.is_write != 0) {
        axi_kvm_end(vm, AXI_HV_STOPPED, run->mmio.data[0], NULL);
    } else if (run->mmio.is_write == 0) {
        memset(run->mmio.data, 0, sizeof(run->mmio.data)); /* nothing is there */
    }
}

static void end_by_psci(struct axi_hv_guest *vm, uint32_t event)
{
    if (event == KVM_SYSTEM_EVENT_SHUTDOWN) {
        uint32_t code = vm->channel != NULL ? vm->channel->exit : 0;
        bool is_stated = (code & AXI_HOST_CHANNEL_EXIT) != 0;
        axi_kvm_end(vm, AXI_HV_STOPPED, is_stated ? (int)(code & 0xff) : 0, NULL);
    } else {
        axi_kvm_end(vm, AXI_HV_FAILED, AXI_EXIT_CRASHED,
                    event == KVM_SYSTEM_EVENT_RESET ? "the guest reset itself"
                                                    : "the guest reports a crash");
    }
}

void axi_kvm_arch_exit(struct axi_kvm_cpu *cpu)
{
    if (cpu->run->exit_reason == KVM_EXIT_MMIO) {
        access_memory(cpu->vm, cpu->run);
    } else if (cpu->run->exit_reason == KVM_EXIT_SYSTEM_EVENT) {
        end_by_psci(cpu->vm, cpu->run->system_event.type);
    }
}
