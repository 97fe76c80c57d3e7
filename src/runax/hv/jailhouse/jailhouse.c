/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/jailhouse/jailhouse.h"

#include "runax/hv/jailhouse/guest.h"
#include "runax/resource/allocate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 50u
#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* What the driver's error numbers mean when a cell is made or changed. */
static int refused(struct axi_report *report, const char *what, const char *cell, int number)
{
    const char *why = strerror(-number);
    switch (-number) {
    case EEXIST:
        why = "a cell of this name exists";
        break;
    case EBUSY:
        why = "a CPU is not the root cell's, or runs this command";
        break;
    case EPERM:
        why = "refused by a cell that is locked or denies the request";
        break;
    case E2BIG:
        why = "the configuration is larger than the hypervisor maps";
        break;
    case EINVAL:
        why = "not enabled, another layout or revision, or a value the hypervisor does not accept";
        break;
    case ENOENT:
        why = "there is no such cell";
        break;
    default:
        break;
    }
    return axi_report_set(report, -AXC_EHV_FAILED, "jailhouse %s %s: %s (%s)", what, cell, why,
                          strerrorname_np(-number));
}

static int probe_partition(const struct axi_partition *partition, enum axi_cell_layout layout,
                           struct axi_report *report)
{
    const char *why = NULL;
    if (partition->remote_core_count != 0 && layout != AXI_CELL_OMNIVISOR2025) {
        why = "remote cores need Omnivisor (layout omnivisor2025)";
    } else if (partition->cpu_count == 0 && partition->remote_core_count == 0) {
        why = "a cell needs a CPU or a remote core";
    } else if (partition->memory_count == 0) {
        why = "a cell needs memory";
    }
    return why == NULL ? 0 : axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s", why);
}

static int probe(const struct axi_platform *platform, const struct axi_partition *partition,
                 struct axi_report *report)
{
    enum axi_cell_layout layout;
    if (platform->jailhouse.layout[0] == '\0' ||
        axi_cell_layout_find(platform->jailhouse.layout, &layout) != 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "the platform file has no jailhouse.layout");
    }
    if (!axi_jailhouse_is_enabled(platform->jailhouse.sysfs)) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s/enabled is not 1: not enabled",
                              platform->jailhouse.sysfs);
    }
    int fd = open(platform->jailhouse.device, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s: %s", platform->jailhouse.device,
                              strerror(errno));
    }
    bool has_layout = axi_jailhouse_has_layout(fd, layout);
    (void)close(fd);
    if (!has_layout) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "the driver does not know the commands of layout %s",
                              platform->jailhouse.layout);
    }
    return partition != NULL ? probe_partition(partition, layout, report) : 0;
}

/* --- the hypervisor's view --- */

static bool is_same_set(const char *text, const struct axi_cpuset *set)
{
    struct axi_cpuset parsed = {0};
    return axi_cpuset_parse(text, &parsed) == 0 && memcmp(&parsed, set, sizeof(parsed)) == 0;
}

/* The driver answers 0 to a configuration for another architecture without making a cell, and takes
 * one of another layout for something else: only its own lists tell. */
static int verify(struct axi_hv_guest *guest, struct axi_report *report)
{
    const struct axi_partition *partition = guest->partition;
    struct axi_jailhouse_cell cell;
    int rc = axi_jailhouse_find(guest->platform->jailhouse.sysfs, partition->name, &cell);
    if (rc != 0) {
        return axi_report_set(report, -AXC_EHV_VERIFY, "jailhouse has no cell %s", partition->name);
    }
    if (!is_same_set(cell.cpus, &partition->cpus)) {
        char wanted[128];
        axi_cpuset_print(&partition->cpus, wanted, sizeof(wanted));
        return axi_report_set(
            report, -AXC_EHV_VERIFY, "cell %s has CPUs \"%s\", not \"%s\": is the layout %s right?",
            partition->name, cell.cpus, wanted, axi_cell_layout_name(guest->layout));
    }
    struct axi_cpuset rcpus = {0};
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        axi_cpuset_add(&rcpus, partition->remote_cores[i].id);
    }
    if (partition->remote_core_count != 0 && !is_same_set(cell.rcpus, &rcpus)) {
        return axi_report_set(report, -AXC_EHV_VERIFY, "cell %s has remote cores \"%s\"",
                              partition->name, cell.rcpus);
    }
    bool is_up = guest->status.state == AXI_HV_RUNNING;
    if (!is_up && strcmp(cell.state, "shut down") != 0) {
        return axi_report_set(report, -AXC_EHV_VERIFY, "cell %s is \"%s\", not \"shut down\"",
                              partition->name, cell.state);
    }
    return 0;
}

/* --- prepare --- */

static int map_channel(struct axi_hv_guest *guest, struct axi_report *report)
{
    const struct axi_partition *partition = guest->partition;
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        const struct axi_channel *channel = &partition->channels[i];
        if (channel->peers > 1 || strcmp(channel->name, AXI_HOST_CHANNEL) != 0) {
            continue;
        }
        int fd = open(guest->platform->jailhouse.memory, O_RDWR | O_SYNC | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED
                           : mmap(NULL, sizeof(*guest->channel), PROT_READ | PROT_WRITE, MAP_SHARED,
                                  fd, (off_t)channel->host_address);
        if (map == MAP_FAILED) {
            int rc = axi_report_errno(report, "channel %s in %s", channel->name,
                                      guest->platform->jailhouse.memory);
            if (fd >= 0) {
                (void)close(fd);
            }
            return rc;
        }
        (void)close(fd);
        guest->channel = map;
        guest->channel->request = guest->channel->exit = 0;
        guest->channel->heartbeat = 0;
        guest->channel->version = AXI_HOST_CHANNEL_VERSION;
        guest->channel->magic = AXI_HOST_CHANNEL_MAGIC;
    }
    return 0;
}

/* From here on the cell of this name is ours: reclaim destroys it. */
static int mark(const struct axi_hv_guest *guest, struct axi_report *report)
{
    int fd = openat(guest->state_fd, AXI_JAILHOUSE_MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return axi_report_errno(report, "state folder");
    }
    (void)close(fd);
    return 0;
}

static int create_cell(struct axi_hv_guest *guest, uint64_t entry, struct axi_report *report)
{
    const struct axi_partition *partition = guest->partition;
    struct axi_jailhouse_cell other;
    if (axi_jailhouse_find(guest->platform->jailhouse.sysfs, partition->name, &other) == 0) {
        return refused(report, "create", partition->name, -EEXIST);
    }
    struct axi_cell *cell = malloc(sizeof(*cell));
    uint8_t *bytes = malloc(AXI_CELL_BYTES_MAX);
    size_t length = 0;
    int rc = cell == NULL || bytes == NULL
                 ? axi_report_set(report, -AXC_ENOMEM, "out of memory")
                 : axi_cell_of_partition(guest->platform, partition, cell, report);
    if (rc == 0) {
        cell->reset_address = entry;
        rc = axi_cell_write(cell, guest->layout, bytes, AXI_CELL_BYTES_MAX, &length, report);
    }
    rc = rc != 0 ? rc : mark(guest, report);
    if (rc == 0) {
        int number = axi_jailhouse_create(guest->device_fd, bytes, length);
        guest->is_created = number == 0;
        if (number != 0) {
            rc = refused(report, "create", partition->name, number);
            (void)unlinkat(guest->state_fd, AXI_JAILHOUSE_MARK, 0);
        }
    }
    free(bytes);
    free(cell);
    return rc != 0 ? rc : verify(guest, report);
}

static void destroy(struct axi_hv_guest *guest)
{
    if (guest == NULL) {
        return;
    }
    int rc =
        guest->is_created ? axi_jailhouse_destroy(guest->device_fd, guest->partition->name) : 0;
    if (rc == 0 || rc == -ENOENT) { /* else the mark stays, for reclaim */
        (void)unlinkat(guest->state_fd, AXI_JAILHOUSE_MARK, 0);
    }
    axi_jailhouse_remove_firmware(guest->platform, guest->partition);
    axi_jailhouse_console_close(guest);
    if (guest->channel != NULL) {
        (void)munmap(guest->channel, sizeof(*guest->channel));
    }
    if (guest->device_fd >= 0) {
        (void)close(guest->device_fd);
    }
    if (guest->state_fd >= 0) {
        (void)close(guest->state_fd);
    }
    free(guest);
}

static int prepare_cell(struct axi_hv_guest *guest, struct axi_report *report)
{
    void *staged = NULL;
    uint64_t entry = 0;
    uint32_t rcpu_count = 0;
    struct axi_jailhouse_rcpu_image rcpus[AXI_CELL_RCPUS_MAX];
    guest->device_fd = open(guest->platform->jailhouse.device, O_RDWR | O_CLOEXEC);
    if (guest->device_fd < 0) {
        return axi_report_errno(report, "%s", guest->platform->jailhouse.device);
    }
    int rc = axi_jailhouse_stage(guest->partition, report, &staged, &entry);
    rc = rc != 0 ? rc : axi_jailhouse_console_open(guest, report);
    rc = rc != 0 ? rc
                 : axi_jailhouse_put_firmware(guest->platform, guest->partition, rcpus, &rcpu_count,
                                              report);
    rc = rc != 0 ? rc : create_cell(guest, entry, report);
    rc = rc != 0 ? rc : axi_jailhouse_load_images(guest, report, rcpus, rcpu_count, staged);
    rc = rc != 0 ? rc : map_channel(guest, report);
    axi_jailhouse_unstage(staged);
    return rc;
}

static int prepare(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    struct axi_hv_guest *guest = calloc(1, sizeof(*guest));
    if (guest == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "out of memory");
    }
    guest->platform = host->platform;
    guest->partition = partition;
    guest->device_fd = guest->console_fd = guest->output_fd = guest->source_fd = -1;
    guest->state_fd = fcntl(host->state_fd, F_DUPFD_CLOEXEC, 3);
    int rc = axi_cell_layout_find(host->platform->jailhouse.layout, &guest->layout);
    if (rc != 0 || guest->state_fd < 0) {
        rc = axi_report_set(report, -AXC_EHV_UNSUPPORTED, "no layout, or no state folder");
    } else {
        rc = prepare_cell(guest, report);
    }
    if (rc != 0) {
        destroy(guest);
        return rc;
    }
    *ret_guest = guest;
    return 0;
}

/* --- life --- */

static void set_ended(struct axi_hv_guest *guest, enum axi_hv_state state, int exit_code,
                      const char *reason)
{
    guest->status.state = state;
    guest->status.exit_code = exit_code;
    (void)snprintf(guest->status.reason, sizeof(guest->status.reason), "%s", reason);
    axi_jailhouse_console_end(guest);
}

static bool has_exit_code(const struct axi_hv_guest *guest, int *ret_code)
{
    uint32_t word = guest->channel != NULL ? guest->channel->exit : 0;
    *ret_code = (int)(word & 0xff);
    return (word & AXI_HOST_CHANNEL_EXIT) != 0;
}

static int start(struct axi_hv_guest *guest, struct axi_report *report)
{
    const char *name = guest->partition->name;
    int number = axi_jailhouse_start(guest->device_fd, name);
    if (number != 0) {
        return refused(report, "start", name, number);
    }
    guest->start_ns = now_ns();
    /* Omnivisor overwrites the hypervisor's answer by that of the remote cores. */
    struct axi_jailhouse_cell cell;
    int code;
    bool may_lie = guest->layout == AXI_CELL_OMNIVISOR14 || guest->layout == AXI_CELL_OMNIVISOR2025;
    if (may_lie && guest->partition->cpu_count != 0 &&
        axi_jailhouse_find(guest->platform->jailhouse.sysfs, name, &cell) == 0 &&
        strcmp(cell.state, "shut down") == 0 && cell.exits == 0 && !has_exit_code(guest, &code)) {
        return axi_report_set(report, -AXC_EHV_FAILED,
                              "jailhouse start %s: answered yes, but the cell is still shut down",
                              name);
    }
    guest->status.state = AXI_HV_RUNNING;
    return 0;
}

static int shut_down(struct axi_hv_guest *guest)
{
    return axi_jailhouse_load(guest->device_fd, guest->layout, guest->partition->name, NULL, 0,
                              NULL, 0);
}

static int stop(struct axi_hv_guest *guest, bool graceful, struct axi_report *report)
{
    if (guest->status.state == AXI_HV_STOPPED || guest->status.state == AXI_HV_FAILED) {
        return 0;
    }
    const char *commreg = axi_partition_option(guest->partition, "commreg");
    bool is_asked = commreg != NULL && strcmp(commreg, "active") == 0;
    if (graceful && guest->channel != NULL) {
        guest->channel->request = AXI_HOST_CHANNEL_END;
        return 0;
    }
    if (graceful && !is_asked) {
        return axi_report_set(
            report, -AXC_EHV_UNSUPPORTED,
            "the cell has no channel \"host\" and a passive communication region");
    }
    int number = shut_down(guest);
    if (number != 0 && number != -ENOENT) {
        return refused(report, "shutdown", guest->partition->name, number);
    }
    int code = 0;
    bool has_code = has_exit_code(guest, &code);
    set_ended(guest, AXI_HV_STOPPED, graceful ? (has_code ? code : 0) : AXI_EXIT_KILLED,
              graceful ? "shut down on request" : "killed");
    return 0;
}

static int no_pause(struct axi_hv_guest *guest, struct axi_report *report)
{
    return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                          "jailhouse cannot pause cell %s: it can only shut it down",
                          guest->partition->name);
}

static void judge(struct axi_hv_guest *guest, const struct axi_jailhouse_cell *cell)
{
    char reason[sizeof(guest->status.reason)];
    int code = 0;
    if (cell->failed_cpus[0] != '\0' || strcmp(cell->state, "failed") == 0) {
        (void)snprintf(reason, sizeof(reason), "CPU %.40s was stopped by the hypervisor",
                       cell->failed_cpus);
        set_ended(guest, AXI_HV_FAILED, 0, reason);
    } else if (has_exit_code(guest, &code)) {
        (void)shut_down(guest); /* it waits for this; refused: destroy comes later */
        set_ended(guest, AXI_HV_STOPPED, code, "exit");
    } else if (strcmp(cell->state, "shut down") == 0) {
        set_ended(guest, AXI_HV_STOPPED, 0, "shut down");
    } else if (strncmp(cell->state, "running", 7) != 0) { /* "running/locked" is one, too */
        (void)snprintf(reason, sizeof(reason), "cell state \"%s\"", cell->state);
        set_ended(guest, AXI_HV_FAILED, 0, reason);
    }
}

static void dispatch(struct axi_hv_guest *guest)
{
    axi_jailhouse_console_pump(guest);
    if (guest->status.state != AXI_HV_RUNNING) {
        return;
    }
    struct axi_jailhouse_cell cell;
    int rc = axi_jailhouse_find(guest->platform->jailhouse.sysfs, guest->partition->name, &cell);
    bool is_remote_only = guest->partition->cpu_count == 0;
    int code;
    if (rc != 0) {
        set_ended(guest, AXI_HV_FAILED, 0, "the cell is gone");
    } else if (!is_remote_only || has_exit_code(guest, &code)) {
        judge(guest, &cell); /* the state word of a cell without CPUs says nothing */
    }
}

static void status(const struct axi_hv_guest *guest, struct axi_hv_status *ret_status)
{
    *ret_status = guest->status;
}

static int event_fd(const struct axi_hv_guest *guest)
{
    (void)guest;
    return -1; /* the driver has no poll() */
}

static int console_fd(const struct axi_hv_guest *guest)
{
    return guest->console_fd;
}

/* The CPUs are the guest's alone from start on: their time is wall time. */
static int stats(struct axi_hv_guest *guest, struct axi_hv_stats *ret_stats)
{
    struct axi_jailhouse_cell cell = {0};
    struct axi_hv_stats result = {0};
    int rc = axi_jailhouse_find(guest->platform->jailhouse.sysfs, guest->partition->name, &cell);
    if (rc == 0 && guest->start_ns != 0) {
        result.cpu_ns = (now_ns() - guest->start_ns) * guest->partition->cpu_count;
    }
    for (uint32_t i = 0; i < guest->partition->memory_count; i++) {
        result.memory_bytes += guest->partition->memory[i].bytes;
    }
    result.exits = cell.exits;
    result.heartbeat = guest->channel != NULL ? guest->channel->heartbeat : 0;
    *ret_stats = result;
    return 0;
}

/* A cell of this name without our mark was there before us. Without a state folder (its file system
 * was cleared) the journal's word counts. */
static int reclaim(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report)
{
    struct axi_jailhouse_cell cell;
    bool is_ours =
        host->state_fd < 0 || faccessat(host->state_fd, AXI_JAILHOUSE_MARK, F_OK, 0) == 0;
    axi_jailhouse_remove_firmware(host->platform, partition);
    if (!is_ours ||
        axi_jailhouse_find(host->platform->jailhouse.sysfs, partition->name, &cell) != 0) {
        return 0;
    }
    int fd = open(host->platform->jailhouse.device, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_errno(report, "%s", host->platform->jailhouse.device);
    }
    int number = axi_jailhouse_destroy(fd, partition->name);
    (void)close(fd);
    if (number != 0 && number != -ENOENT) {
        return refused(report, "destroy", partition->name, number);
    }
    if (host->state_fd >= 0) {
        (void)unlinkat(host->state_fd, AXI_JAILHOUSE_MARK, 0);
    }
    return 0;
}

const struct axi_hv axi_hv_jailhouse = {
    .name = "jailhouse",
    .takes = AXI_TAKES_MEMORY | AXI_TAKES_DEVICES | AXI_TAKES_CONSOLE,
    .probe = probe,
    .prepare = prepare,
    .start = start,
    .stop = stop,
    .pause = no_pause,
    .resume = no_pause,
    .event_fd = event_fd,
    .dispatch = dispatch,
    .status = status,
    .console_fd = console_fd,
    .verify = verify,
    .stats = stats,
    .destroy = destroy,
    .reclaim = reclaim,
    .poll_ms = POLL_MS,
};
