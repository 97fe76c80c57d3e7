/* SPDX-License-Identifier: Apache-2.0 */
/* The machine that partitions are cut from: what may be given away, and which hypervisors are
 * there. Read from a JSON file (--platform FILE, annotation none, default AXI_PLATFORM_FILE;
 * format: docs/formats/platform.md); without a file the default describes a host on which only the
 * hypervisors in host memory (kvm, qemu) can run. Plain data without pointers. */
#ifndef AXI_RUNAX_PLATFORM_H
#define AXI_RUNAX_PLATFORM_H

#include "runax/partition.h"
#include "runax/report.h"

#include <stddef.h>

#define AXI_PLATFORM_BYTES_MAX 65536u
#define AXI_PLATFORM_FILE "/etc/axcan/platform.json"
#define AXI_PLATFORM_HVS_MAX 4u
#define AXI_PLATFORM_POOLS_MAX 16u
#define AXI_PLATFORM_IRQS_MAX 16u
#define AXI_PLATFORM_DEVICES_MAX 32u
#define AXI_PLATFORM_REMOTE_CORES_MAX 8u

struct axi_platform_pool { /* physical memory; several with one name: not contiguous */
    char name[16];
    uint64_t address;
    uint64_t bytes;
    uint64_t align; /* 0 = 4096 */
};

struct axi_platform_irqs {
    uint32_t first;
    uint32_t count;
};

struct axi_platform {
    char board[16]; /* "zcu102", ...; "host" for the default */
    char isa[16];
    char hvs[AXI_PLATFORM_HVS_MAX][16]; /* backends, best first */
    uint32_t hv_count;

    struct axi_cpuset cpus;         /* may be given to partitions */
    struct axi_cpuset housekeeping; /* monitors run here, never on the others; not empty */
    bool allows_cpu0;
    bool shares_cpus; /* several partitions may have the same CPU (kvm, qemu); default platform */

    struct axi_platform_pool pools[AXI_PLATFORM_POOLS_MAX]; /* none: host memory only */
    uint32_t pool_count;
    uint64_t host_memory_bytes; /* limit of all partitions in host memory; 0 = none */
    struct axi_platform_irqs irqs[AXI_PLATFORM_IRQS_MAX];
    uint32_t irq_count;
    struct axi_device devices[AXI_PLATFORM_DEVICES_MAX];
    uint32_t device_count;
    struct axi_remote_core remote_cores[AXI_PLATFORM_REMOTE_CORES_MAX];
    uint32_t remote_core_count;

    struct {
        char layout[16]; /* siemens14, bu13, omnivisor14, omnivisor2025: explicit, never guessed */
        char device[AXI_PARTITION_PATH_BYTES];   /* "/dev/jailhouse" */
        char sysfs[AXI_PARTITION_PATH_BYTES];    /* "/sys/devices/jailhouse" */
        char memory[AXI_PARTITION_PATH_BYTES];   /* "/dev/mem": where the host sees channels */
        char firmware[AXI_PARTITION_PATH_BYTES]; /* "/lib/firmware": images of remote cores */
        uint64_t gic_address;  /* of the interrupt controller's distributor; 0: no interrupts */
        uint64_t comm_address; /* 0 = 0x80000000 */
    } jailhouse;
    struct {
        char xl[AXI_PARTITION_PATH_BYTES]; /* "/usr/sbin/xl" */
    } xen;
    struct {
        char folder[AXI_PARTITION_PATH_BYTES]; /* where qemu-system-* are: "/usr/bin" */
    } qemu;
    struct {
        char device[64]; /* "/dev/kvm" */
    } kvm;
};

/* What this host offers without any file: all its CPUs shared, kvm and qemu, no physical pools. */
void axi_platform_default(struct axi_platform *ret_platform);

/* A platform of this JSON text. -AXC_EPLATFORM: the report names line or member. */
AXC_MUST_USE int axi_platform_parse(const char *text, size_t bytes,
                                    struct axi_platform *ret_platform, struct axi_report *report);

/* Reads a platform file. -AXC_ENOENT, -AXC_EPLATFORM (the report names line or member), -AXC_EIO.
 */
AXC_MUST_USE int axi_platform_read(const char *path, struct axi_platform *ret_platform,
                                   struct axi_report *report);

#endif
