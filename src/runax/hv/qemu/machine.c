/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/qemu/machine.h"

#include "base/bytes.h"
#include "core/host_channel.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const struct axi_qemu_board boards[] = {
    {
        .name = "virt",
        .machine = "virt",
        .cpu = "cortex-a53",
        .ram = 0x40000000,
        .ram_bytes_max = 64 * GIB,
        .consoles = {0x09000000},
        .cpus_max = 8, /* of GICv2 */
        .has_pci = true,
    },
    {
        .name = "zcu102",
        .machine = "xlnx-zcu102",
        .ram = 0,
        .ram_bytes_max = 2 * GIB,
        .consoles = {0xff000000, 0xff010000},
        .cpus_max = 4,
        .remote_cores = 2,
    },
};

static const struct axi_qemu_board *find_board(const char *name)
{
    for (size_t i = 0; i < sizeof(boards) / sizeof(boards[0]); i++) {
        if (strcmp(boards[i].name, name) == 0) {
            return &boards[i];
        }
    }
    return NULL;
}

static bool is_remote(const struct axi_partition_image *image)
{
    return image->core >= 0;
}

static int check_cores(const struct axi_partition *p, struct axi_qemu_plan *plan,
                       struct axi_report *report)
{
    const struct axi_qemu_board *board = plan->board;
    if (p->cpu_count > board->cpus_max) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "QEMU's %s has %u CPUs, wanted are %u",
                              board->name, board->cpus_max, p->cpu_count);
    }
    for (uint32_t i = 0; i < p->image_count; i++) {
        if (!is_remote(&p->images[i])) {
            continue;
        }
        if ((uint32_t)p->images[i].core >= p->remote_core_count ||
            p->remote_cores[p->images[i].core].id >= board->remote_cores) {
            return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                                  "QEMU's %s has %u remote cores, none for image %s", board->name,
                                  board->remote_cores, p->images[i].path);
        }
        plan->has_remote_image = true;
    }
    return 0;
}

static int grow(struct axi_qemu_plan *plan, const char *what, uint64_t address, uint64_t bytes,
                struct axi_report *report)
{
    const struct axi_qemu_board *board = plan->board;
    if (!axi_range_inside(address, bytes, board->ram, board->ram_bytes_max)) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "%s at %#" PRIx64 " of %" PRIu64
                              " bytes is not in the RAM of QEMU's %s, which begins at %#" PRIx64,
                              what, address, bytes, board->name, board->ram);
    }
    uint64_t end = address - board->ram + bytes;
    if (end > plan->ram_bytes) {
        plan->ram_bytes = end;
    }
    return 0;
}

static int plan_memory(const struct axi_partition *p, struct axi_qemu_plan *plan,
                       struct axi_report *report)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < p->memory_count; i++) {
        if ((p->memory[i].flags & AXI_MEMORY_IO) != 0) {
            continue; /* registers of the machine: they are there */
        }
        uint64_t address = p->memory[i].guest_address;
        address = address != AXI_ANY ? address : plan->board->ram + plan->ram_bytes;
        rc = grow(plan, "memory", address, p->memory[i].bytes, report);
    }
    if (rc == 0 && plan->ram_bytes == 0) {
        rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED, "the partition has no memory");
    }
    return rc;
}

/* Channels without peers are RAM that the monitor maps, too. They follow the memory when their
 * address does not matter. */
static int plan_channels(const struct axi_partition *p, struct axi_qemu_plan *plan,
                         struct axi_report *report)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < p->channel_count; i++) {
        const struct axi_channel *channel = &p->channels[i];
        if (channel->peers > 1) {
            plan->peer_count++;
            continue;
        }
        uint64_t address = channel->guest_address;
        address = address != AXI_ANY ? address : plan->board->ram + plan->ram_bytes;
        rc = grow(plan, "channel", address, channel->bytes, report);
        if (rc == 0 && strcmp(channel->name, AXI_HOST_CHANNEL) == 0) {
            plan->channel = address;
        }
    }
    if (rc == 0 && plan->peer_count != 0 && !plan->board->has_pci) {
        rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                            "QEMU's %s has no PCI, so no channels between partitions",
                            plan->board->name);
    }
    return rc;
}

#define FORWARD_HOST "127.0.0.1"

struct forward {
    char host[INET_ADDRSTRLEN]; /* an address of this machine */
    unsigned port, guest_port;
};

/* Option forward: "[ADDRESS:]HOSTPORT:GUESTPORT". */
static bool read_forward(const struct axi_partition *partition, struct forward *ret)
{
    const char *text = axi_partition_option(partition, "forward");
    const char *ports = text;
    struct in_addr address;
    int used = 0;

    (void)snprintf(ret->host, sizeof(ret->host), FORWARD_HOST);
    if (text != NULL && strchr(text, '.') != NULL) {
        size_t length = strcspn(text, ":");

        if (length >= sizeof(ret->host) || text[length] == '\0') {
            return false;
        }
        memcpy(ret->host, text, length);
        ret->host[length] = '\0';
        ports = text + length + 1;
        if (inet_pton(AF_INET, ret->host, &address) != 1) {
            return false;
        }
    }
    return text != NULL && strspn(ports, "0123456789:") == strlen(ports) &&
           sscanf(ports, "%5u:%5u%n", &ret->port, &ret->guest_port, &used) == 2 &&
           ports[used] == '\0' && ret->port > 0 && ret->port <= UINT16_MAX && ret->guest_port > 0 &&
           ret->guest_port <= UINT16_MAX;
}

/* "02:00:00:00:00:01" */
static bool is_mac(const char *text)
{
    for (size_t i = 0; i < 17; i++) {
        if (i % 3 == 2 ? text[i] != ':'
                       : strchr("0123456789abcdefABCDEF", text[i]) == NULL || text[i] == '\0') {
            return false;
        }
    }
    return text[17] == '\0';
}

static int check_network(const struct axi_partition *partition, struct axi_report *report)
{
    const char *net = axi_partition_option(partition, "net");
    const char *mac = axi_partition_option(partition, "mac");
    const char *text = axi_partition_option(partition, "forward");
    struct forward forward;

    if (net != NULL && strcmp(net, "user") != 0 && strcmp(net, "none") != 0) {
        return axi_report_set(report, -AXC_EINVALID, "option net: \"%s\" is neither user nor none",
                              net);
    }
    if (mac != NULL && !is_mac(mac)) {
        return axi_report_set(report, -AXC_EINVALID, "option mac: \"%s\" is no MAC address", mac);
    }
    if (text != NULL && !read_forward(partition, &forward)) {
        return axi_report_set(report, -AXC_EINVALID,
                              "option forward: \"%s\" is not [ADDRESS:]HOSTPORT:GUESTPORT", text);
    }
    return 0;
}

int axi_qemu_plan(const struct axi_partition *partition, struct axi_report *report,
                  struct axi_qemu_plan *ret_plan)
{
    struct axi_qemu_plan plan = {.board = find_board(partition->board), .incoming = -1};
    if (plan.board == NULL) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "QEMU backend: no board \"%s\"; there are virt and zcu102",
                              partition->board);
    }
    int rc = check_network(partition, report);
    if (rc == 0) {
        rc = check_cores(partition, &plan, report);
    }
    if (rc == 0) {
        rc = plan_memory(partition, &plan, report);
    }
    if (rc == 0) {
        rc = plan_channels(partition, &plan, report);
    }
    if (rc == 0 && plan.has_remote_image) { /* a page for the stub that starts them */
        plan.ram_bytes += AXI_QEMU_STUB_BYTES;
    }
    plan.ram_bytes = (plan.ram_bytes + MIB - 1) / MIB * MIB;
    if (rc == 0) {
        *ret_plan = plan;
    }
    return rc;
}

static void add(struct axi_qemu_command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct axi_qemu_command *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof(c->text) - c->used;
    int n = vsnprintf(c->text + c->used, room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= room || c->argc + 1 >= AXI_QEMU_ARGUMENTS_MAX) {
        c->is_full = true;
        return;
    }
    c->argv[c->argc++] = c->text + c->used;
    c->used += (uint32_t)n + 1;
}

static void add_cpus(struct axi_qemu_command *c, const struct axi_partition *p,
                     const struct axi_qemu_plan *plan)
{
    const struct axi_qemu_board *board = plan->board;
    add(c, "-M");
    add(c, "%s,memory-backend=ram", board->machine);
    if (board->cpu != NULL) {
        add(c, "-cpu");
        add(c, "%s", board->cpu);
    }
    add(c, "-smp");
    add(c, "%u",
        plan->has_remote_image ? board->cpus_max + board->remote_cores
        : p->cpu_count != 0    ? p->cpu_count
                               : 1);
    if (plan->incoming < 0 && plan->entry != 0) { /* 0 is where CPUs begin anyway */
        add(c, "-device");
        add(c, "loader,addr=%#" PRIx64 ",cpu-num=0", plan->entry);
    }
}

static void add_memory(struct axi_qemu_command *c, const struct axi_partition *p,
                       const struct axi_qemu_plan *plan)
{
    add(c, "-m");
    add(c, "%" PRIu64 "M", plan->ram_bytes / MIB);
    add(c, "-object");
    add(c, "memory-backend-file,id=ram,size=%" PRIu64 ",share=on,mem-path=/proc/self/fd/%d",
        plan->ram_bytes, AXI_QEMU_RAM);
    uint32_t peer = 0;
    for (uint32_t i = 0; i < p->channel_count; i++) {
        if (p->channels[i].peers > 1) {
            add(c, "-object");
            add(c,
                "memory-backend-file,id=ch%u,size=%" PRIu64 ",share=on,mem-path=/proc/self/fd/%u",
                peer, p->channels[i].bytes, AXI_QEMU_CHANNELS + peer);
            add(c, "-device");
            add(c, "ivshmem-plain,memdev=ch%u", peer);
            peer++;
        }
    }
}

/* The container's console is the UART the partition names, else the board's first one. */
static void add_console(struct axi_qemu_command *c, const struct axi_partition *p,
                        const struct axi_qemu_board *board)
{
    add(c, "-chardev");
    add(c, "socket,id=console,fd=%d", AXI_QEMU_CONSOLE);
    if (p->console.kind == AXI_CONSOLE_NONE) {
        return;
    }
    if (board->consoles[1] != 0 && p->console.address == board->consoles[1]) {
        add(c, "-serial");
        add(c, "null");
    }
    add(c, "-serial");
    add(c, "chardev:console");
}

static void add_network(struct axi_qemu_command *c, const struct axi_partition *p,
                        const struct axi_qemu_board *board)
{
    const char *kind = axi_partition_option(p, "net");
    const char *mac = axi_partition_option(p, "mac");
    struct forward forward;

    if (kind == NULL || strcmp(kind, "user") != 0) {
        return;
    }
    add(c, "-netdev");
    if (read_forward(p, &forward)) {
        add(c, "user,id=net0,hostfwd=tcp:%s:%u-:%u", forward.host, forward.port,
            forward.guest_port);
    } else {
        add(c, "user,id=net0");
    }
    add(c, board->has_pci ? "-device" : "-net");
    add(c, "%s,netdev=net0%s%s", board->has_pci ? "virtio-net-device" : "nic",
        mac == NULL      ? ""
        : board->has_pci ? ",mac="
                         : ",macaddr=",
        mac == NULL ? "" : mac);
}

/* -no-reboot: a reset is an end, and the engine's restart policy decides what follows. Semihosting
 * serves only the exit call: with target=gdb and no debugger the guest reaches no file here. */
int axi_qemu_command(const char *program, const struct axi_partition *partition,
                     const struct axi_qemu_plan *plan, struct axi_report *report,
                     struct axi_qemu_command *ret_command)
{
    struct axi_qemu_command *c = ret_command;
    c->argc = 0;
    c->used = 0;
    c->is_full = false;
    add(c, "%s", program);
    add(c, "-name");
    add(c, "guest=%s", partition->name);
    add(c, "-nodefaults");
    add(c, "-no-user-config");
    add(c, "-no-reboot");
    add(c, "-display");
    add(c, "none");
    add(c, "-S");
    add(c, "-sandbox");
    add(c, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add(c, "-semihosting-config");
    add(c, "enable=on,target=gdb");
    add(c, "-chardev");
    add(c, "socket,id=qmp,fd=%d", AXI_QEMU_QMP);
    add(c, "-mon");
    add(c, "chardev=qmp,mode=control");
    add_cpus(c, partition, plan);
    add_memory(c, partition, plan);
    add_console(c, partition, plan->board);
    add_network(c, partition, plan->board);
    if (plan->incoming >= 0) {
        add(c, "-incoming");
        add(c, "fd:%d", plan->incoming);
    }
    c->argv[c->argc] = NULL;
    return c->is_full ? axi_report_set(report, -AXC_EFULL, "QEMU's command line is too long") : 0;
}

/* A64: MOVZ/MOVK xN, the four parts of a number. */
static uint32_t put_number(uint8_t *code, uint32_t at, uint32_t reg, uint64_t number)
{
    for (uint32_t part = 0; part < 4; part++) {
        uint32_t base = part == 0 ? 0xd2800000u : 0xf2800000u;
        uint32_t bits = (uint32_t)(number >> (16 * part)) & 0xffffu;
        axi_put_le32(code + at, base | part << 21 | bits << 5 | reg);
        at += 4;
    }
    return at;
}

uint32_t axi_qemu_stub(const struct axi_qemu_core_start *cores, uint32_t count, uint64_t next,
                       uint8_t *ret_code)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        at = put_number(ret_code, at, 0, 0xc4000003u); /* PSCI CPU_ON */
        at = put_number(ret_code, at, 1, cores[i].cpu);
        at = put_number(ret_code, at, 2, cores[i].entry);
        at = put_number(ret_code, at, 3, 0);
        axi_put_le32(ret_code + at, 0xd4000003u); /* smc #0 */
        at += 4;
    }
    if (next != 0) {
        at = put_number(ret_code, at, 4, next);
        at = put_number(ret_code, at, 0, 0);
        axi_put_le32(ret_code + at, 0xd61f0080u); /* br x4 */
        return at + 4;
    }
    axi_put_le32(ret_code + at, 0xd503207fu);     /* wfi */
    axi_put_le32(ret_code + at + 4, 0x17ffffffu); /* b .-4 */
    return at + 8;
}
