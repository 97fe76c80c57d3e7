/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a bare-metal node: one blob that the command line writes and the kernel
 * parses at boot, so that a node is configured without being compiled (docs/formats/boot-config.md
 * has the byte table). The image header below tells the kernel where an appended blob lies
 * (docs/formats/os-image.md). Freestanding; any context. */
#ifndef AXI_CORE_BOOT_CONFIG_H
#define AXI_CORE_BOOT_CONFIG_H

#include "axcan/task.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_BOOT_MAGIC 0x43425841u /* "AXBC" */
#define AXI_BOOT_VERSION 1u
#define AXI_BOOT_HEADER_BYTES 16u
#define AXI_BOOT_ALIGN 8u /* of the blob in memory and of each record in it */
#define AXI_BOOT_BYTES_MAX (64u << 20)
#define AXI_BOOT_TASKS_MAX 32u
#define AXI_BOOT_CHANNELS_MAX 32u
#define AXI_BOOT_TEXT_BYTES 64u     /* addresses and targets, with the final NUL */
#define AXI_BOOT_MASTERS_BYTES 256u /* with the final NUL */
#define AXI_BOOT_TOKEN_BYTES 129u   /* with the final NUL */
#define AXI_BOOT_SLOTS_MAX 1024u

/* What a kernel image carries behind the 64-byte arm64 Image header, at offset
 * AXI_BOOT_IMAGE_OFFSET: 32 bytes, little endian. The packer fills in config_offset and
 * config_bytes; the kernel image is built with both 0. The blob lies behind the kernel's bss and
 * stack: the kernel keeps [image start, config_offset + config_bytes) out of its page pool. */
#define AXI_BOOT_IMAGE_OFFSET 64u
#define AXI_BOOT_IMAGE_MAGIC 0x534f5841u /* "AXOS" */
#define AXI_BOOT_IMAGE_VERSION 1u
enum axi_boot_image {
    AXI_BOOT_IMAGE_AT_MAGIC = AXI_BOOT_IMAGE_OFFSET,             /* u32 */
    AXI_BOOT_IMAGE_AT_VERSION = AXI_BOOT_IMAGE_OFFSET + 4,       /* u32 */
    AXI_BOOT_IMAGE_AT_CONFIG_OFFSET = AXI_BOOT_IMAGE_OFFSET + 8, /* u64 from the image's start; 0 =
                                                                    none appended */
    AXI_BOOT_IMAGE_AT_CONFIG_BYTES = AXI_BOOT_IMAGE_OFFSET + 16, /* u32 */
    AXI_BOOT_IMAGE_AT_RESERVED = AXI_BOOT_IMAGE_OFFSET + 20,     /* u32 0 */
    AXI_BOOT_IMAGE_AT_BOARD = AXI_BOOT_IMAGE_OFFSET + 24         /* 8 bytes: "virt", "zcu102" */
};

enum axi_boot_network {
    AXI_BOOT_NETWORK_NONE = 0, /* standalone: runs the packed tasks */
    AXI_BOOT_NETWORK_STATIC = 1,
    AXI_BOOT_NETWORK_DHCP = 2
};

/* How a standalone run ends the machine. */
enum axi_boot_exit {
    AXI_BOOT_EXIT_HALT = 0,       /* WFI for ever */
    AXI_BOOT_EXIT_PSCI = 1,       /* SYSTEM_OFF */
    AXI_BOOT_EXIT_SEMIHOSTING = 2 /* exit code: 0 all tasks ended well, 1 a task failed,
                                     2 the time limit passed first */
};

#define AXI_BOOT_FLAG_TRACE 0x1u /* every trace record is a line on the console */

/* Whose clock master time follows. */
enum axi_boot_clock {
    AXI_BOOT_CLOCK_MASTER = 0, /* the master's, by heartbeats */
    AXI_BOOT_CLOCK_PTP = 1     /* a PTP grandmaster's, on Ethernet */
};

#define AXI_BOOT_CLOCK_FLAG_LINES 0x1u /* a line `clock-sample` on the console for every Sync */

struct axi_boot_task {
    char name[AXC_NAME_BYTES]; /* of this instance, unique; else as task names are */
    uint64_t jobs;             /* 0 = as the note says */
    uint64_t wcet_ns;          /* 0 = as the note says for the board's platform */
    uint64_t offset_ns;        /* first release after the common start */
    const uint8_t *elf;        /* borrowed from the blob; AXI_BOOT_ALIGN-aligned with it */
    uint32_t elf_bytes;        /* > 0; whether it is a good ELF file is judged by who loads it */
};

struct axi_boot_channel {
    char name[AXC_NAME_BYTES];
    bool is_output;
    char target[AXI_BOOT_TEXT_BYTES]; /* "udp:PORT", "node:PORT"; outputs "udp:HOST:PORT" ... */
};

struct axi_boot_config {
    char name[AXC_NAME_BYTES]; /* of the node, as task names are */
    uint64_t node_id;          /* 0 = derive it from the MAC */
    uint64_t seed;             /* start of the random numbers; 0 = none given */
    bool has_mac;
    uint8_t mac[6]; /* when !has_mac: the NIC's own */

    enum axi_boot_network network;
    uint8_t address[4], gateway[4]; /* static only; gateway 0.0.0.0 = none */
    uint8_t loopback[4]; /* what connects to 127.x.y.z goes here instead; 0.0.0.0 = no change */
    uint32_t prefix;     /* static only: 1..30 */
    uint16_t peer_port;  /* where peers are accepted; 0 = nowhere */
    char master[AXI_BOOT_TEXT_BYTES];     /* "a.b.c.d:port" */
    char masters[AXI_BOOT_MASTERS_BYTES]; /* further ones, "a.b.c.d:port[,...]"; "" = none */
    char advertise[AXI_BOOT_TEXT_BYTES];  /* how peers reach this node; "" = address:peer_port */
    char token[AXI_BOOT_TOKEN_BYTES];     /* "" = none */

    enum axi_boot_clock clock;
    uint8_t clock_domain;    /* of PTP */
    uint32_t clock_flags;    /* AXI_BOOT_CLOCK_FLAG_* */
    uint64_t clock_bound_ns; /* error of master time that is declared at least; 0 = as measured */
    uint64_t latency_ns;     /* d of docs/time.md */

    uint64_t server_budget_ns, server_period_ns; /* 0 < budget <= period <= 1 s; 1 ms / 10 ms */
    uint32_t slots;                              /* 1..AXI_BOOT_SLOTS_MAX; 16 */
    uint32_t capacity_ppm;                       /* 1..1000000; 900000 */

    uint32_t flags; /* AXI_BOOT_FLAG_* */
    enum axi_boot_exit exit;
    uint64_t time_limit_ns; /* of a standalone run; 0 = none */
    uint64_t host_channel; /* standalone: physical address of a page of its own that the partition's
                              monitor shares (core/host_channel.h); 0 = none */

    uint32_t task_count; /* standalone only */
    uint32_t channel_count;
    struct axi_boot_task tasks[AXI_BOOT_TASKS_MAX];
    struct axi_boot_channel channels[AXI_BOOT_CHANNELS_MAX];
};

/* Clears it and sets the defaults above. */
void axi_boot_config_init(struct axi_boot_config *config);

/* Checks every field: -AXC_EBOOT_VALUE, _DUPLICATE (two tasks of one name), _MODE (tasks on a
 * networked node, or a networked node without master or a node name), _COUNT. */
AXC_MUST_USE int axi_boot_config_check(const struct axi_boot_config *config);

/* The bytes that encode writes. */
size_t axi_boot_config_bytes(const struct axi_boot_config *config);

/* Writes the blob. The errors of axi_boot_config_check; -AXC_EFULL (capacity). */
AXC_MUST_USE int axi_boot_config_encode(const struct axi_boot_config *config, uint8_t *buffer,
                                        size_t capacity, size_t *ret_bytes);

/* The blob's whole length from its first AXI_BOOT_HEADER_BYTES; `length` is what may be read. For
 * who was given only an address. -AXC_EBOOT_{TRUNCATED,MAGIC,VERSION,SIZE}. */
AXC_MUST_USE int axi_boot_config_length(const uint8_t *bytes, size_t length, size_t *ret_bytes);

/* Reads a blob of at least its own length (more may follow). What it points to is borrowed from
 * `bytes`. *ret_config is about 6 KiB: static memory, not a stack. It is undefined on failure.
 * The errors of axi_boot_config_length and axi_boot_config_check; -AXC_EBOOT_{CRC,RECORD,TYPE}. */
AXC_MUST_USE int axi_boot_config_decode(const uint8_t *bytes, size_t length,
                                        struct axi_boot_config *ret_config);

/* Puts the checksum of a changed blob right (tests, and tools that patch one). */
void axi_boot_config_seal(uint8_t *bytes, size_t length);

#endif
