/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's RAM is an anonymous file: this process writes the images into it, QEMU maps it, and
 * both see the channel "host". QEMU stands at its gate (-S) after prepare; start is one QMP
 * command.
 *
 *    monitor                                     QEMU process (fds by number, no paths)
 *      qmp     <---- socketpair, QMP ---->       3
 *      console <---- socketpair, bytes --->      4   -serial
 *      RAM     <---- memfd ---------------->     5   memory-backend-file
 */
#include "runax/hv/qemu/qemu.h"

#include "runax/hv/guest_image.h"
#include "runax/hv/qemu/process.h"
#include "runax/hv/qemu/qemu_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000 /* a zcu102 on a busy host */
#define PAUSE_TIMEOUT_MS 500

static void fail(struct axi_hv_guest *g, const char *reason)
{
    g->status.state = AXI_HV_FAILED;
    g->status.exit_code = AXI_EXIT_CRASHED;
    (void)snprintf(g->status.reason, sizeof(g->status.reason), "%s", reason);
}

static void on_event(void *context, const char *name, const json_t *data)
{
    struct axi_hv_guest *g = context;
    if (strcmp(name, AXI_QMP_REFUSED) == 0 && g->pid > 0) { /* the guest does not run: say so */
        g->cause = AXI_QEMU_HOST;
        (void)kill(g->pid, SIGKILL);
    }
    if (strcmp(name, "SHUTDOWN") != 0) {
        return;
    }
    const char *reason = json_string_value(json_object_get(data, "reason"));
    if (reason == NULL || strcmp(reason, "guest-shutdown") == 0) {
        g->cause = AXI_QEMU_OFF;
    } else if (strcmp(reason, "guest-reset") == 0) {
        g->cause = AXI_QEMU_RESET;
    } else {
        g->cause = AXI_QEMU_HOST;
    }
}

static int program_path(const struct axi_platform *platform, char *ret_path, size_t size)
{
    const char *folder = platform->qemu.folder[0] != '\0' ? platform->qemu.folder : "/usr/bin";
    (void)snprintf(ret_path, size, "%s/qemu-system-aarch64", folder);
    return access(ret_path, X_OK);
}

static int probe(const struct axi_platform *platform, const struct axi_partition *partition,
                 struct axi_report *report)
{
    char path[AXI_PARTITION_PATH_BYTES + 32];
    if (program_path(platform, path, sizeof(path)) != 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "%s is not there; apt-get install qemu-system-arm", path);
    }
    struct axi_qemu_plan plan;
    return partition == NULL ? 0 : axi_qemu_plan(partition, report, &plan);
}

static uint16_t machine_of(const struct axi_partition_image *image)
{
    return image->core >= 0 ? AXI_MACHINE_ARM : AXI_MACHINE_AARCH64;
}

/* Puts all images into RAM and, when there are remote cores to start, the stub behind them. */
static int load_images(struct axi_hv_guest *g, struct axi_report *report)
{
    const struct axi_partition *p = &g->partition;
    struct axi_guest_loaded loaded = {0};
    struct axi_qemu_core_start cores[AXI_PARTITION_IMAGES_MAX];
    uint32_t core_count = 0;
    uint64_t main_entry = AXI_ANY;
    for (uint32_t i = 0; i < p->image_count; i++) {
        const struct axi_partition_image *image = &p->images[i];
        uint64_t entry = 0;
        int rc = axi_guest_load(&g->memory, image, machine_of(image), g->plan.board->ram, &loaded,
                                report, &entry);
        if (rc != 0) {
            return rc;
        }
        if (image->core >= 0) {
            cores[core_count++] = (struct axi_qemu_core_start){
                .cpu = g->plan.board->cpus_max + p->remote_cores[image->core].id, .entry = entry};
        } else if (main_entry == AXI_ANY) {
            main_entry = entry;
        }
    }
    if (core_count == 0 && main_entry == AXI_ANY) {
        return axi_report_set(report, -AXC_EINVALID, "the partition has no image to start");
    }
    g->plan.entry = main_entry;
    if (core_count != 0) {
        struct axi_guest_region *ram = &g->memory.regions[0];
        uint64_t offset = ram->bytes - AXI_QEMU_STUB_BYTES;
        uint64_t next = main_entry != AXI_ANY ? main_entry : 0;
        (void)axi_qemu_stub(cores, core_count, next, ram->host + offset);
        g->plan.entry = ram->guest + offset;
    }
    return 0;
}

/* Of the whole RAM this process keeps only the page of the channel mapped. */
static int map_host_channel(struct axi_hv_guest *g, struct axi_report *report)
{
    struct axi_guest_region *ram = &g->memory.regions[0];
    axi_guest_memory_unmap(ram);
    if (g->plan.channel == 0) {
        return 0;
    }
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
                      ram->fd, (off_t)(g->plan.channel - ram->guest));
    if (page == MAP_FAILED) {
        return axi_report_errno(report, "channel host");
    }
    g->channel = page;
    g->channel->magic = AXI_HOST_CHANNEL_MAGIC;
    g->channel->version = AXI_HOST_CHANNEL_VERSION;
    return 0;
}

static int make_memory(struct axi_hv_guest *g, bool is_restored, struct axi_report *report)
{
    int rc = axi_guest_memory_add(&g->memory, AXI_GUEST_SHARED, g->plan.board->ram,
                                  g->plan.ram_bytes, report);
    uint32_t peer = 0;
    for (uint32_t i = 0; rc == 0 && i < g->partition.channel_count; i++) {
        if (g->partition.channels[i].peers > 1) { /* PCI decides where the guest sees it */
            uint64_t nowhere = (UINT64_C(1) << 48) + ((uint64_t)peer++ << 40);
            rc = axi_guest_memory_add_channel(&g->memory, &g->partition.channels[i], nowhere,
                                              report);
        }
    }
    if (rc == 0 && !is_restored) {
        rc = load_images(g, report);
    }
    return rc != 0 ? rc : map_host_channel(g, report);
}

static int add_event(const struct axi_hv_guest *g, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(g->events, EPOLL_CTL_ADD, fd, &event);
}

static int spawn(struct axi_hv_guest *g, int incoming, struct axi_report *report)
{
    char path[AXI_PARTITION_PATH_BYTES + 32];
    struct axi_qemu_command command;
    int qmp[2] = {-1, -1}, console[2] = {-1, -1};
    int fds[AXI_QEMU_FDS_MAX] = {-1, -1};
    uint32_t count = AXI_QEMU_CHANNELS;

    (void)program_path(g->platform, path, sizeof(path));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) != 0) {
        return axi_report_errno(report, "sockets for QEMU");
    }
    axi_qmp_init(&g->qmp, qmp[0], on_event, g);
    g->console = console[0];
    (void)fcntl(g->console, F_SETFL, O_NONBLOCK);
    fds[AXI_QEMU_LOG] = g->log;
    fds[AXI_QEMU_QMP] = qmp[1];
    fds[AXI_QEMU_CONSOLE] = console[1];
    for (uint32_t i = 0; i < g->memory.count; i++) {
        fds[i == 0 ? AXI_QEMU_RAM : (int)count++] = g->memory.regions[i].fd;
    }
    if (incoming >= 0) {
        g->plan.incoming = (int)count;
        fds[count++] = incoming;
    }
    int rc = axi_qemu_command(path, &g->partition, &g->plan, report, &command);
    if (rc == 0) {
        rc = axi_qemu_spawn(&command, fds, count, g->state_fd, report, &g->pid, &g->pidfd);
    }
    (void)close(qmp[1]);
    (void)close(console[1]);
    if (rc == 0 && (add_event(g, g->qmp.fd) != 0 || add_event(g, g->pidfd) != 0)) {
        rc = axi_report_errno(report, "epoll");
    }
    return rc;
}

/* QEMU ended before it answered: its last message is the reason. */
static int explain_start(const struct axi_hv_guest *g, int rc, struct axi_report *report)
{
    char words[200];
    axi_qemu_last_words(g->log, words, sizeof(words));
    if (rc == -AXC_EUNAVAILABLE && words[0] != '\0') {
        return axi_report_set(report, -AXC_EHV_FAILED, "QEMU does not start: %s", words);
    }
    return rc;
}

static void destroy(struct axi_hv_guest *g);

static int new_guest(const struct axi_partition *partition, const struct axi_hv_host *host,
                     struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    struct axi_hv_guest *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "no memory for a partition");
    }
    g->partition = *partition;
    g->platform = host->platform;
    g->state_fd = host->state_fd;
    g->pidfd = g->console = g->qmp.fd = -1;
    g->log = memfd_create("axcan-qemu-log", MFD_CLOEXEC);
    g->events = epoll_create1(EPOLL_CLOEXEC);
    if (g->log < 0 || g->events < 0) {
        int rc = axi_report_errno(report, "QEMU's files");
        destroy(g);
        return rc;
    }
    *ret_guest = g;
    return 0;
}

static int prepare_from(const struct axi_partition *partition, const struct axi_hv_host *host,
                        int incoming, struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    struct axi_hv_guest *g = NULL;
    int rc = new_guest(partition, host, report, &g);
    if (rc != 0) {
        return rc;
    }
    rc = axi_qemu_plan(partition, report, &g->plan);
    if (rc == 0) {
        rc = make_memory(g, incoming >= 0, report);
    }
    if (rc == 0) {
        rc = spawn(g, incoming, report);
    }
    if (rc == 0) {
        rc = explain_start(g, axi_qmp_open(&g->qmp, START_TIMEOUT_MS, report), report);
    }
    if (rc == 0) {
        rc = axi_qemu_pin_cpus(g, report);
    }
    if (rc != 0) {
        destroy(g);
        return rc;
    }
    *ret_guest = g;
    return 0;
}

static int prepare(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    return prepare_from(partition, host, -1, report, ret_guest);
}

static int check_state(const struct axi_hv_guest *g, enum axi_hv_state wanted, const char *what,
                       struct axi_report *report)
{
    static const char *const names[] = {"prepared", "running", "paused", "stopped", "failed"};
    if (g->status.state != wanted) {
        return axi_report_set(report, -AXC_ESTATE, "cannot %s: the partition is %s", what,
                              names[g->status.state]);
    }
    return 0;
}

/* No answer is waited for: it may come late (see axi_qmp_send). */
static int open_gate(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = axi_qmp_send(&g->qmp, "cont", report);
    if (rc == 0) {
        g->status.state = AXI_HV_RUNNING;
    }
    return rc;
}

static int start(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = check_state(g, AXI_HV_PREPARED, "start", report);
    return rc != 0 ? rc : open_gate(g, report);
}

/* A QEMU that waits for room in its console answers nothing; then the whole process stands still,
 * and finds the "stop" when it goes on. */
static int pause_guest(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = check_state(g, AXI_HV_RUNNING, "pause", report);
    if (rc == 0) {
        rc = axi_qmp_call(&g->qmp, "stop", NULL, PAUSE_TIMEOUT_MS, report, NULL);
    }
    if (rc == -AXC_ETIMEOUT) {
        g->is_frozen = kill(g->pid, SIGSTOP) == 0;
        rc = g->is_frozen ? 0 : rc;
    }
    if (rc == 0) {
        g->status.state = AXI_HV_PAUSED;
    }
    return rc;
}

static int resume(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = check_state(g, AXI_HV_PAUSED, "resume", report);
    if (rc == 0 && g->is_frozen) {
        g->is_frozen = false;
        (void)kill(g->pid, SIGCONT);
    }
    return rc != 0 ? rc : open_gate(g, report);
}

/* What the guest left in its channel, or 0. */
static int channel_exit_code(const struct axi_hv_guest *g)
{
    uint32_t code = g->channel != NULL ? g->channel->exit : 0;
    return (code & AXI_HOST_CHANNEL_EXIT) != 0 ? (int)(code & 0xff) : 0;
}

static void judge_end(struct axi_hv_guest *g, int wait_status)
{
    char reason[sizeof(g->status.reason)];
    g->status.state = AXI_HV_STOPPED;
    if (g->is_killed) {
        g->status.exit_code = AXI_EXIT_KILLED;
    } else if (g->cause == AXI_QEMU_OFF) {
        g->status.exit_code = channel_exit_code(g);
    } else if (g->cause == AXI_QEMU_RESET) {
        fail(g, "the guest reset itself");
    } else if (g->cause == AXI_QEMU_HOST) {
        fail(g, "QEMU shut the guest down");
    } else if (WIFSIGNALED(wait_status)) {
        (void)snprintf(reason, sizeof(reason), "QEMU was killed by signal %d",
                       WTERMSIG(wait_status));
        fail(g, reason);
    } else { /* the guest's semihosting exit */
        g->status.exit_code = WEXITSTATUS(wait_status);
    }
}

static void dispatch(struct axi_hv_guest *g)
{
    axi_qmp_dispatch(&g->qmp);
    if (g->qmp.is_closed && g->qmp.fd >= 0) { /* it would stay readable for ever */
        (void)epoll_ctl(g->events, EPOLL_CTL_DEL, g->qmp.fd, NULL);
    }
    int wait_status = 0;
    if (g->pid > 0 && waitpid(g->pid, &wait_status, WNOHANG) == g->pid) {
        axi_qmp_dispatch(&g->qmp);
        g->pid = 0;
        (void)epoll_ctl(g->events, EPOLL_CTL_DEL, g->pidfd, NULL);
        judge_end(g, wait_status);
    }
}

static int stop(struct axi_hv_guest *g, bool graceful, struct axi_report *report)
{
    if (g->status.state >= AXI_HV_STOPPED) {
        return 0;
    }
    if (graceful) {
        if (g->channel == NULL || g->status.state == AXI_HV_PREPARED) {
            return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                                  "the guest has no channel \"host\" to be asked by");
        }
        g->channel->request = AXI_HOST_CHANNEL_END;
        return 0;
    }
    g->is_killed = true;
    if (g->pid > 0) {
        (void)kill(g->pid, SIGKILL);
        int wait_status = 0;
        (void)waitpid(g->pid, &wait_status, 0);
        g->pid = 0;
        (void)epoll_ctl(g->events, EPOLL_CTL_DEL, g->pidfd, NULL);
        judge_end(g, wait_status);
    }
    return 0;
}

static int event_fd(const struct axi_hv_guest *g)
{
    return g->events;
}

static void status(const struct axi_hv_guest *g, struct axi_hv_status *ret_status)
{
    *ret_status = g->status;
}

static int console_fd(const struct axi_hv_guest *g)
{
    return g->console;
}

static int stats(struct axi_hv_guest *g, struct axi_hv_stats *ret_stats)
{
    struct axi_hv_stats s = {.memory_bytes = g->plan.ram_bytes};
    clockid_t clock;
    struct timespec used;
    if (g->pid > 0 && clock_getcpuclockid(g->pid, &clock) == 0 &&
        clock_gettime(clock, &used) == 0) {
        s.cpu_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
    }
    if (g->channel != NULL) {
        s.heartbeat = g->channel->heartbeat;
    }
    *ret_stats = s;
    return 0;
}

static int checkpoint(struct axi_hv_guest *g, int folder_fd, struct axi_report *report)
{
    bool was_running = g->status.state == AXI_HV_RUNNING;
    int rc =
        was_running ? pause_guest(g, report) : check_state(g, AXI_HV_PAUSED, "checkpoint", report);
    if (rc != 0) {
        return rc;
    }
    rc = axi_qemu_save(g, folder_fd, report);
    struct axi_report again;
    int resumed = was_running ? resume(g, &again) : 0;
    return rc != 0 || resumed == 0 ? rc : axi_report_set(report, resumed, "%s", again.text);
}

static int restore(const struct axi_partition *partition, const struct axi_hv_host *host,
                   int folder_fd, struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    int fd = openat(folder_fd, AXI_QEMU_STATE_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_errno(report, AXI_QEMU_STATE_FILE);
    }
    struct axi_hv_guest *g = NULL;
    int rc = prepare_from(partition, host, fd, report, &g);
    (void)close(fd);
    if (rc == 0) {
        rc = axi_qemu_wait_migration(g, report);
        rc = explain_start(g, rc, report);
        if (rc != 0) {
            destroy(g);
            return rc;
        }
        *ret_guest = g;
    }
    return rc;
}

static void close_if_open(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void destroy(struct axi_hv_guest *g)
{
    if (g == NULL) {
        return;
    }
    if (g->pid > 0) {
        (void)stop(g, false, NULL);
    }
    if (g->pidfd >= 0) {
        (void)unlinkat(g->state_fd, AXI_QEMU_PID_FILE, 0);
    }
    if (g->channel != NULL) {
        (void)munmap(g->channel, (size_t)sysconf(_SC_PAGESIZE));
    }
    axi_qmp_deinit(&g->qmp);
    axi_guest_memory_deinit(&g->memory);
    close_if_open(g->pidfd);
    close_if_open(g->console);
    close_if_open(g->log);
    close_if_open(g->events);
    free(g);
}

static int reclaim(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report)
{
    int rc = axi_qemu_reap(host->state_fd, report);
    axi_guest_memory_reclaim(partition);
    return rc;
}

const struct axi_hv axi_hv_qemu = {
    .name = "qemu",
    .probe = probe,
    .prepare = prepare,
    .start = start,
    .stop = stop,
    .pause = pause_guest,
    .resume = resume,
    .event_fd = event_fd,
    .dispatch = dispatch,
    .status = status,
    .console_fd = console_fd,
    .verify = axi_qemu_verify,
    .stats = stats,
    .checkpoint = checkpoint,
    .restore = restore,
    .destroy = destroy,
    .reclaim = reclaim,
};
