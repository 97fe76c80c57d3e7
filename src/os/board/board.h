/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel knows about the machine it runs on. Each folder beside this file defines
 * `axi_board` once; nothing else in src/os is particular to a board. docs/os.md says how to add
 * one. Addresses here are physical; axi_device() (kernel/memory.h) gives the pointer to use. */
#ifndef AXI_OS_BOARD_H
#define AXI_OS_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct axi_irq_controller; /* os/kernel/irq.h */
struct axi_nic_driver;     /* os/drivers/nic.h */

struct axi_board_range {
    uint64_t base, bytes;
};

/* A network interface, or a row of places where one may be (virtio-mmio). */
struct axi_board_nic {
    const struct axi_nic_driver *driver; /* NULL: the board has none */
    uint64_t base;
    uint64_t stride;       /* from one place to the next */
    uint32_t count;        /* places */
    uint32_t first_intid;  /* of place 0 */
    uint32_t intid_stride; /* from one place to the next */
};

struct axi_board {
    const char *name;     /* "virt" */
    const char *platform; /* "axcan-virt": what images and WCETs call it */
    struct axi_board_range ram;
    /* Where a loader may put the configuration blob (core/boot_config.h), inside RAM. */
    uint64_t config_address;
    const struct axi_board_range *devices; /* 2 MiB aligned parts to map as device memory */
    uint32_t device_count;
    struct axi_board_nic nic;
    uint32_t timer_intid; /* of the virtual timer */
    /* The console: polled, used from the first C function on and in a panic. */
    void (*console_init)(void); /* NULL: nothing to do */
    void (*console_put)(char byte);
    /* The interrupt controller: see kernel/irq.h, which is the only caller. */
    const struct axi_irq_controller *(*irq_controller)(void);
    bool (*psci_by_smc)(uint32_t boot_el); /* else by hvc */
};

extern const struct axi_board axi_board;

#endif
