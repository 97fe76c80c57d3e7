/* SPDX-License-Identifier: Apache-2.0 */
/* A partition, independent of the hypervisor: what it is made of and what runs in it. It begins as
 * a request (bundle, binary runtime information, annotations: src/runax/oci/request.h), in which
 * whatever does not matter is AXI_ANY; the resource manager replaces every AXI_ANY by something
 * free (src/runax/resource/resource.h); the backends translate the result (src/runax/hv/hv.h).
 *
 * Plain data without pointers: it is copied, journalled (resource/) and compared. All texts end in
 * NUL. Unused array elements are zero. */
#ifndef AXI_RUNAX_PARTITION_H
#define AXI_RUNAX_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#define AXI_ANY UINT64_MAX /* an address or a number that the resource manager shall choose */

#define AXI_PARTITION_ID_BYTES 128u  /* container id: [A-Za-z0-9_.+-], not beginning with '.' */
#define AXI_PARTITION_NAME_BYTES 32u /* Jailhouse's limit, with NUL */
#define AXI_PARTITION_PATH_BYTES 256u
#define AXI_PARTITION_MEMORY_MAX 32u
#define AXI_PARTITION_IRQS_MAX 64u
#define AXI_PARTITION_CHANNELS_MAX 8u
#define AXI_PARTITION_DEVICES_MAX 16u
#define AXI_PARTITION_REMOTE_CORES_MAX 8u
#define AXI_PARTITION_IMAGES_MAX 8u
#define AXI_PARTITION_OPTIONS_MAX 16u
#define AXI_CPUS_MAX 256u

struct axi_cpuset {
    uint64_t bits[AXI_CPUS_MAX / 64];
};

enum axi_memory_flag {
    AXI_MEMORY_READ = 0x1,
    AXI_MEMORY_WRITE = 0x2,
    AXI_MEMORY_EXECUTE = 0x4,
    AXI_MEMORY_DMA = 0x8,
    AXI_MEMORY_IO = 0x10,       /* device registers */
    AXI_MEMORY_LOADABLE = 0x20, /* images are copied into it */
    AXI_MEMORY_SHARED = 0x40,   /* the host keeps access */
};

struct axi_memory {
    char pool[16];          /* "ram", "tcm", "ocm", ...: of the platform file; "" = "ram" */
    uint64_t host_address;  /* physical; AXI_ANY: resource manager, or host memory of the backend */
    uint64_t guest_address; /* as the guest sees it; AXI_ANY: equal to the host's */
    uint64_t bytes;         /* multiple of 4096 unless AXI_MEMORY_IO */
    uint64_t align;         /* of host_address, a power of two; 0 = 4096 */
    uint32_t flags;         /* enum axi_memory_flag */
};

/* Memory shared with the host or with another partition (ivshmem). Layout of the host's channel
 * with the heartbeat: docs/runax.md. */
struct axi_channel {
    char name[24];          /* peers use the same name */
    uint64_t host_address;  /* AXI_ANY as above */
    uint64_t guest_address; /* AXI_ANY: the backend's default */
    uint64_t bytes;
    uint32_t device_id; /* this peer's number, 0..peers-1 */
    uint32_t peers;     /* 2..12; 1 = host only */
    uint16_t protocol;  /* ivshmem protocol: 0 undefined, 1 veth, 0x4000.. custom */
    uint16_t pci_bdf;   /* 0 = the backend's next free one */
    uint64_t irq;       /* AXI_ANY */
};

struct axi_device {
    char name[32];                       /* of the platform file */
    char path[AXI_PARTITION_PATH_BYTES]; /* device tree or PCI path; may be "" */
    uint64_t host_address;               /* registers; 0 with bytes 0: none */
    uint64_t guest_address;
    uint64_t bytes;
    uint32_t irqs[4]; /* interrupt ids (GIC INTID), 0 = unused */
    uint32_t stream_ids[4];
    uint32_t stream_id_count;
};

/* A processor that Linux does not schedule (RPU, soft core); name and id of the platform file. */
struct axi_remote_core {
    char name[32];
    char compatible[32];
    uint32_t id;
};

enum axi_image_format { AXI_IMAGE_RAW = 0, AXI_IMAGE_ELF = 1 };

struct axi_partition_image {
    char path[AXI_PARTITION_PATH_BYTES]; /* inside the bundle's rootfs, for messages only */
    int fd;         /* open for reading, owned by the caller; -1 in a journal: never use the path */
    uint64_t bytes; /* size of the file */
    uint32_t format;       /* enum axi_image_format */
    int32_t core;          /* -1: application processors; else index in remote_cores */
    uint64_t load_address; /* guest address of a raw image's first byte; ELF: AXI_ANY */
    uint64_t entry;        /* guest address; AXI_ANY: load address, or what the ELF file says */
};

enum axi_console_kind {
    AXI_CONSOLE_NONE = 0,
    AXI_CONSOLE_8250 = 2, /* numbers as in Jailhouse, AXI_CONSOLE_DEFAULT excepted */
    AXI_CONSOLE_PL011 = 3,
    AXI_CONSOLE_XUARTPS = 4,
    AXI_CONSOLE_HYPERVISOR = 254, /* Jailhouse's virtual console, Xen's vPL011 */
    AXI_CONSOLE_DEFAULT = 255,    /* what the board has */
};

struct axi_partition_console {
    uint32_t kind;    /* enum axi_console_kind */
    uint64_t address; /* guest; 0 = the board's */
    uint64_t bytes;
    uint32_t irq;
};

/* When a running guest counts as hung. Each period in ms, 0 = not watched. */
struct axi_watch {
    uint32_t heartbeat_ms;       /* the counter in channel "host" must change within this time */
    uint32_t console_silence_ms; /* the guest must write something within this time */
    uint32_t start_ms;           /* first sign of life after start; 0 = as the two above */
    bool is_fatal;               /* hung: destroy the guest, exit code 124; else an event only */
};

struct axi_partition_option { /* backend's own settings: annotation dev.axcan.hv.KEY */
    char key[32];
    char value[AXI_PARTITION_PATH_BYTES];
};

struct axi_partition {
    char id[AXI_PARTITION_ID_BYTES];
    char name[AXI_PARTITION_NAME_BYTES]; /* for the hypervisor: unique, axi_partition_name */
    char board[16];                      /* what the image is built for: "virt", "zcu102", ... */
    char isa[16];                        /* "aarch64", "x86_64", "arm" (R5) */
    char hv[16];                         /* backend; "" until chosen */

    uint32_t cpu_count;     /* application processors wanted */
    struct axi_cpuset cpus; /* host's numbers; empty: any cpu_count of them */

    struct axi_memory memory[AXI_PARTITION_MEMORY_MAX];
    uint32_t memory_count;
    uint32_t irqs[AXI_PARTITION_IRQS_MAX]; /* INTIDs besides those of devices and channels */
    uint32_t irq_count;
    struct axi_channel channels[AXI_PARTITION_CHANNELS_MAX];
    uint32_t channel_count;
    struct axi_device devices[AXI_PARTITION_DEVICES_MAX];
    uint32_t device_count;
    struct axi_remote_core remote_cores[AXI_PARTITION_REMOTE_CORES_MAX];
    uint32_t remote_core_count;

    struct axi_partition_image images[AXI_PARTITION_IMAGES_MAX];
    uint32_t image_count;
    struct axi_partition_console console;
    struct axi_watch watch;
    struct axi_partition_option options[AXI_PARTITION_OPTIONS_MAX];
    uint32_t option_count;
};

/* The value of an option, or NULL. Borrowed from the partition. */
const char *axi_partition_option(const struct axi_partition *partition, const char *key);

/* Fills name from id: the id itself when it is short enough, else its beginning, '-' and 12 digits
 * of a hash of the whole. */
void axi_partition_name(struct axi_partition *partition);

/* CPU sets. "0-3,8": axi_cpuset_parse returns -AXC_EINVALID or -AXC_EOVERFLOW (number too large);
 * empty text gives an empty set. */
int axi_cpuset_parse(const char *text, struct axi_cpuset *ret_set);
void axi_cpuset_print(const struct axi_cpuset *set, char *ret_text, uint32_t size);
uint32_t axi_cpuset_count(const struct axi_cpuset *set);

static inline bool axi_cpuset_has(const struct axi_cpuset *set, uint32_t cpu)
{
    return cpu < AXI_CPUS_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1) != 0;
}

static inline void axi_cpuset_add(struct axi_cpuset *set, uint32_t cpu)
{
    set->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

#endif
