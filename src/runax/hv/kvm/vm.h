/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine of the kvm backend, shared by its files.
 *
 *   monitor's thread                       one thread per virtual CPU, on a CPU of the partition
 *     prepare: everything below is made      waits at the gate
 *     start: opens the gate             -->  KVM_RUN, devices, KVM_RUN, ...
 *     pause: closes it and kicks        -->  back at the gate
 *     dispatch: learns the end          <--  axi_kvm_end, eventfd
 *
 * What both sides touch is atomic or under `lock`. No thread waits for another one with the lock
 * held; a thread that waits for room in the console is at the gate, too. */
#ifndef AXI_RUNAX_KVM_VM_H
#define AXI_RUNAX_KVM_VM_H

#include "core/host_channel.h"
#include "runax/hv/guest_memory.h"
#include "runax/hv/hv.h"
#include "runax/hv/kvm/uart.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#define AXI_KVM_CPUS_MAX 8u

struct axi_kvm_cpu {
    struct axi_hv_guest *vm;
    uint32_t index;
    int fd; /* -1: not made */
    struct kvm_run *run;
    pthread_t thread;
    bool has_thread;
    _Atomic uint64_t exits;
    uint64_t cpu_ns; /* once the thread has ended */
};

struct axi_hv_guest {
    struct axi_partition partition; /* fds inside are not used after prepare */
    const struct axi_platform *platform;
    int kvm, vm; /* /dev/kvm, the machine */
    size_t run_bytes;
    struct axi_guest_memory memory;
    uint64_t entry;
    uint64_t channels[AXI_PARTITION_CHANNELS_MAX]; /* their guest addresses */
    struct axi_host_channel *channel;              /* "host", or NULL */
    struct axi_kvm_cpu cpus[AXI_KVM_CPUS_MAX];
    uint32_t cpu_count;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic bool is_open;   /* the gate */
    _Atomic bool is_ending; /* threads leave */
    uint32_t at_gate;
    struct axi_hv_status end; /* how, under lock; valid once is_ending */

    struct axi_uart uart; /* under uart_lock */
    pthread_mutex_t uart_lock;
    int console;   /* the monitor's end */
    int uart_fd;   /* the guest's end */
    int end_event; /* eventfd */
    int events;    /* epoll: end_event, uart_fd */
    int gic;       /* aarch64: the interrupt controller's device, else -1 */

    struct axi_hv_status status; /* the monitor's */
};

/* cpu.c: threads, gate, run loop. */
AXC_MUST_USE int axi_kvm_start_threads(struct axi_hv_guest *vm, struct axi_report *report);
void axi_kvm_open_gate(struct axi_hv_guest *vm);
/* Returns when no virtual CPU runs. -AXC_ETIMEOUT. */
AXC_MUST_USE int axi_kvm_close_gate(struct axi_hv_guest *vm);
/* Any thread; the first end counts. reason may be NULL. */
void axi_kvm_end(struct axi_hv_guest *vm, enum axi_hv_state state, int exit_code,
                 const char *reason);
void axi_kvm_join_threads(struct axi_hv_guest *vm); /* after axi_kvm_end */
/* Guest output, by a virtual CPU's thread; waits for room, at the gate if need be. */
void axi_kvm_console_write(struct axi_hv_guest *vm, const uint8_t *bytes, size_t count);
/* Moves what was typed into the UART when it has room. With uart_lock. */
void axi_kvm_console_poll(struct axi_hv_guest *vm);
/* KVM_... as a report. */
int axi_kvm_fail(struct axi_report *report, const char *what);

/* Per processor: x86.c, arm64.c. */
extern const char axi_kvm_board[];
extern const uint16_t axi_kvm_machine;
extern const uint64_t axi_kvm_ram;
extern const uint64_t axi_kvm_ram_end; /* no RAM there or behind */
extern const uint64_t axi_kvm_channel_address;
/* Memory is there, processors not yet: interrupt controller, tables. */
AXC_MUST_USE int axi_kvm_arch_machine(struct axi_hv_guest *vm, struct axi_report *report);
/* One processor as it shall begin. */
AXC_MUST_USE int axi_kvm_arch_cpu(struct axi_kvm_cpu *cpu, struct axi_report *report);
/* All processors are there. */
AXC_MUST_USE int axi_kvm_arch_finish(struct axi_hv_guest *vm, struct axi_report *report);
/* Where the processor stands. */
AXC_MUST_USE int axi_kvm_arch_pc(const struct axi_kvm_cpu *cpu, uint64_t *ret_pc);
/* Device access and what else only this architecture has. */
void axi_kvm_arch_exit(struct axi_kvm_cpu *cpu);
/* The UART's interrupt line has this level now. With uart_lock. */
void axi_kvm_arch_uart_line(struct axi_hv_guest *vm, bool level);
/* Tells the guest that the request word of the channel has changed, if there is a way. */
void axi_kvm_arch_request(struct axi_hv_guest *vm);

#endif
