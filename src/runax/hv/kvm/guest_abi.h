/* SPDX-License-Identifier: Apache-2.0 */
/* What an x86-64 guest of the kvm backend finds (docs/runax-guests.md says it in words). Guests
 * include this file, too. On aarch64 the machine looks like QEMU's "virt" instead. */
#ifndef AXI_RUNAX_KVM_GUEST_ABI_H
#define AXI_RUNAX_KVM_GUEST_ABI_H

#include <stdint.h>

#define AXI_KVM_BOARD_X86 "kvm-x86"

/* Ports. */
#define AXI_KVM_PORT_UART 0x3f8u /* 16550; receive interrupt: vector below */
#define AXI_KVM_PORT_EXIT 0xf4u  /* 32-bit out: ends the partition, exit code = lowest 8 bits */

/* Interrupt vectors on the first CPU's local APIC (at 0xfee00000; x2APIC, too). */
#define AXI_KVM_VECTOR_UART 0x24u
#define AXI_KVM_VECTOR_REQUEST 0x25u /* the request word of the channel "host" has changed */

/* Boot page: page tables, GDT and the struct below; the guest must not need it after boot. */
#define AXI_KVM_BOOT_ADDRESS 0xe0000000u
#define AXI_KVM_BOOT_BYTES 0x8000u
#define AXI_KVM_CHANNEL_ADDRESS 0xe0100000u /* channels whose address does not matter, in order */

#define AXI_KVM_BOOT_MAGIC 0x564b5841u /* "AXKV" */
#define AXI_KVM_BOOT_VERSION 1u
#define AXI_KVM_BOOT_CHANNELS 8u

struct axi_kvm_boot_channel {
    uint64_t address, bytes;
    char name[24];
    uint32_t device_id, peers;
};

struct axi_kvm_boot { /* RDI of every CPU; RSI is the CPU's number */
    uint32_t magic, version;
    uint32_t cpu_count;
    uint32_t channel_count;
    uint64_t ram, ram_bytes; /* the first memory region */
    uint32_t tsc_khz;
    uint32_t apic_timer_hz; /* of the local APIC's timer, divider 1 */
    struct axi_kvm_boot_channel channels[AXI_KVM_BOOT_CHANNELS];
};

#endif
