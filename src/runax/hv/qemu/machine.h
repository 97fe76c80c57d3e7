/* SPDX-License-Identifier: Apache-2.0 */
/* From a partition to a QEMU machine: which boards there are, where their RAM begins, and the
 * command line. The process gets its files as numbers, never by name. */
#ifndef AXI_RUNAX_QEMU_MACHINE_H
#define AXI_RUNAX_QEMU_MACHINE_H

#include "runax/hv/guest_memory.h"
#include "runax/partition.h"
#include "runax/report.h"

/* File descriptors of the QEMU process. */
enum { AXI_QEMU_LOG = 2, AXI_QEMU_QMP = 3, AXI_QEMU_CONSOLE = 4, AXI_QEMU_RAM = 5 };
#define AXI_QEMU_CHANNELS 6 /* the first channel with peers; the others follow */
#define AXI_QEMU_FDS_MAX (AXI_QEMU_CHANNELS + AXI_PARTITION_CHANNELS_MAX + 1)

#define AXI_QEMU_ARGUMENTS_MAX 96u
#define AXI_QEMU_TEXT_BYTES 8192u

struct axi_qemu_board {
    const char *name;
    const char *machine;
    const char *cpu; /* NULL: the machine's own */
    uint64_t ram;
    uint64_t ram_bytes_max;
    uint64_t consoles[2]; /* UARTs in the order of -serial; 0 = none */
    uint32_t cpus_max;
    uint32_t remote_cores; /* QEMU's CPUs cpus_max.. are these */
    bool has_pci;
};

struct axi_qemu_command {
    char *argv[AXI_QEMU_ARGUMENTS_MAX]; /* ends with NULL */
    uint32_t argc;
    char text[AXI_QEMU_TEXT_BYTES];
    uint32_t used;
    bool is_full;
};

struct axi_qemu_plan {
    const struct axi_qemu_board *board;
    uint64_t ram_bytes;    /* of the machine: memory and channels without peers */
    uint64_t channel;      /* guest address of the channel "host"; 0 = none */
    uint64_t entry;        /* where CPU 0 begins */
    uint32_t peer_count;   /* channels with peers, as PCI devices */
    bool has_remote_image; /* an image for a remote core: QEMU shows these cores, too */
    int incoming;          /* fd number to restore from, or -1 */
};

/* Board, processors, memory and channels: -AXC_EHV_UNSUPPORTED says what QEMU cannot do. Fills all
 * of the plan but the entry. */
AXC_MUST_USE int axi_qemu_plan(const struct axi_partition *partition, struct axi_report *report,
                               struct axi_qemu_plan *ret_plan);

/* The argument vector. -AXC_EFULL. */
AXC_MUST_USE int axi_qemu_command(const char *program, const struct axi_partition *partition,
                                  const struct axi_qemu_plan *plan, struct axi_report *report,
                                  struct axi_qemu_command *ret_command);

/* Code for CPU 0 that switches the remote cores on by PSCI and then goes to `next` (0: sleeps):
 * the boards' own firmware would do it. Returns its bytes, at most AXI_QEMU_STUB_BYTES. */
#define AXI_QEMU_STUB_BYTES 512u
struct axi_qemu_core_start {
    uint32_t cpu; /* PSCI's number */
    uint64_t entry;
};
uint32_t axi_qemu_stub(const struct axi_qemu_core_start *cores, uint32_t count, uint64_t next,
                       uint8_t *ret_code);

#endif
