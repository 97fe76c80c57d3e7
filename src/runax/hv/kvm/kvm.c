/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/kvm/kvm.h"

#include "runax/hv/guest_image.h"
#include "runax/hv/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CONSOLE_WAIT_US                                                                            \
    50000 /* how long a virtual CPU waits for room before it looks at its gate */

static const char *device_path(const struct axi_platform *platform)
{
    return platform->kvm.device[0] != '\0' ? platform->kvm.device : "/dev/kvm";
}

static int check_memory(const struct axi_partition *p, struct axi_report *report)
{
    if (p->memory_count == 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "the partition has no memory");
    }
    for (uint32_t i = 0; i < p->memory_count; i++) {
        uint64_t address = p->memory[i].guest_address, bytes = p->memory[i].bytes;
        if ((p->memory[i].flags & AXI_MEMORY_IO) != 0) {
            return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                                  "kvm backend: no device registers for guests");
        }
        if (address != AXI_ANY && (address < axi_kvm_ram || address > axi_kvm_ram_end ||
                                   bytes > axi_kvm_ram_end - address)) {
            return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                                  "kvm backend: memory at %#" PRIx64 " of %" PRIu64
                                  " bytes is not between %#" PRIx64 " and %#" PRIx64,
                                  address, bytes, axi_kvm_ram, axi_kvm_ram_end);
        }
    }
    return 0;
}

static int check_partition(const struct axi_partition *p, struct axi_report *report)
{
    if (strcmp(p->board, axi_kvm_board) != 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "kvm backend: the image is for board \"%s\", here it must be \"%s\"",
                              p->board, axi_kvm_board);
    }
    if (p->cpu_count > AXI_KVM_CPUS_MAX) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "kvm backend: at most %u CPUs, not %u",
                              AXI_KVM_CPUS_MAX, p->cpu_count);
    }
    if (p->remote_core_count != 0 || p->device_count != 0 || p->irq_count != 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "kvm backend: no remote cores, devices or interrupts of the host");
    }
    return check_memory(p, report);
}

static int probe(const struct axi_platform *platform, const struct axi_partition *partition,
                 struct axi_report *report)
{
    const char *path = device_path(platform);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s: %s", path, strerror(errno));
    }
    int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    (void)close(fd);
    if (version != KVM_API_VERSION) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s: API version %d, not %d", path,
                              version, KVM_API_VERSION);
    }
    return partition == NULL ? 0 : check_partition(partition, report);
}

static int make_memory(struct axi_hv_guest *g, struct axi_report *report)
{
    const struct axi_partition *p = &g->partition;
    uint64_t next = axi_kvm_ram, next_channel = axi_kvm_channel_address;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < p->memory_count; i++) {
        uint64_t at = p->memory[i].guest_address != AXI_ANY ? p->memory[i].guest_address : next;
        rc = axi_guest_memory_add(&g->memory, AXI_GUEST_PRIVATE, at, p->memory[i].bytes, report);
        next = at + p->memory[i].bytes;
    }
    for (uint32_t i = 0; rc == 0 && i < p->channel_count; i++) {
        const struct axi_channel *channel = &p->channels[i];
        uint64_t at = channel->guest_address != AXI_ANY ? channel->guest_address : next_channel;
        rc = axi_guest_memory_add_channel(&g->memory, channel, at, report);
        next_channel = at + channel->bytes;
        g->channels[i] = at;
        if (rc == 0 && strcmp(channel->name, AXI_HOST_CHANNEL) == 0) {
            g->channel = (struct axi_host_channel *)(void *)axi_guest_memory_at(
                &g->memory, at, sizeof(*g->channel));
            g->channel->magic = AXI_HOST_CHANNEL_MAGIC;
            g->channel->version = AXI_HOST_CHANNEL_VERSION;
        }
    }
    return rc;
}

static int load_images(struct axi_hv_guest *g, struct axi_report *report)
{
    struct axi_guest_loaded loaded = {0};
    uint64_t entry = AXI_ANY;
    for (uint32_t i = 0; i < g->partition.image_count; i++) {
        uint64_t found = 0;
        int rc = axi_guest_load(&g->memory, &g->partition.images[i], axi_kvm_machine, axi_kvm_ram,
                                &loaded, report, &found);
        if (rc != 0) {
            return rc;
        }
        entry = entry == AXI_ANY ? found : entry;
    }
    if (entry == AXI_ANY) {
        return axi_report_set(report, -AXC_EINVALID, "the partition has no image to start");
    }
    g->entry = entry;
    return 0;
}

/* All memory must be known to KVM before the interrupt controller is made: later is slow. */
static int give_memory(const struct axi_hv_guest *g, struct axi_report *report)
{
    for (uint32_t i = 0; i < g->memory.count; i++) {
        const struct axi_guest_region *region = &g->memory.regions[i];
        bool is_ram = i < g->partition.memory_count;
        bool is_read_only =
            is_ram && g->partition.memory[i].flags != 0 &&
            (g->partition.memory[i].flags & (AXI_MEMORY_WRITE | AXI_MEMORY_LOADABLE)) == 0;
        struct kvm_userspace_memory_region slot = {
            .slot = i,
            .flags = is_read_only ? KVM_MEM_READONLY : 0,
            .guest_phys_addr = region->guest,
            .memory_size = region->bytes,
            .userspace_addr = (uint64_t)(uintptr_t)region->host,
        };
        if (ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot) != 0) {
            return axi_kvm_fail(report, "memory");
        }
    }
    return 0;
}

static int make_cpus(struct axi_hv_guest *g, struct axi_report *report)
{
    uint32_t count = g->partition.cpu_count != 0 ? g->partition.cpu_count : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct axi_kvm_cpu *cpu = &g->cpus[i];
        cpu->vm = g;
        cpu->index = i;
        cpu->fd = ioctl(g->vm, KVM_CREATE_VCPU, (unsigned long)i);
        if (cpu->fd < 0) {
            return axi_kvm_fail(report, "virtual CPU");
        }
        g->cpu_count = i + 1;
        cpu->run = mmap(NULL, g->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
        if (cpu->run == MAP_FAILED) {
            cpu->run = NULL;
            return axi_kvm_fail(report, "virtual CPU's page");
        }
        int rc = axi_kvm_arch_cpu(cpu, report);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int make_console(struct axi_hv_guest *g, struct axi_report *report)
{
    int pair[2];
    struct timeval wait = {.tv_usec = CONSOLE_WAIT_US};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return axi_report_errno(report, "console");
    }
    g->console = pair[0];
    g->uart_fd = pair[1];
    g->end_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g->events = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event end = {.events = EPOLLIN, .data.fd = g->end_event};
    struct epoll_event typed = {.events = EPOLLIN | EPOLLET, .data.fd = g->uart_fd};
    if (fcntl(g->console, F_SETFL, O_NONBLOCK) != 0 ||
        setsockopt(g->uart_fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
        epoll_ctl(g->events, EPOLL_CTL_ADD, g->end_event, &end) != 0 ||
        epoll_ctl(g->events, EPOLL_CTL_ADD, g->uart_fd, &typed) != 0) {
        return axi_report_errno(report, "console");
    }
    return 0;
}

static int make_machine(struct axi_hv_guest *g, struct axi_report *report)
{
    g->kvm = open(device_path(g->platform), O_RDWR | O_CLOEXEC);
    if (g->kvm < 0) {
        return axi_report_errno(report, "%s", device_path(g->platform));
    }
    g->vm = ioctl(g->kvm, KVM_CREATE_VM, 0UL);
    int run_bytes = ioctl(g->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (g->vm < 0 || run_bytes <= 0) {
        return axi_kvm_fail(report, "virtual machine");
    }
    g->run_bytes = (size_t)run_bytes;
    int rc = make_memory(g, report);
    if (rc == 0) {
        rc = load_images(g, report);
    }
    if (rc == 0) {
        rc = axi_kvm_arch_machine(g, report);
    }
    if (rc == 0) {
        rc = give_memory(g, report);
    }
    if (rc == 0) {
        rc = make_cpus(g, report);
    }
    return rc != 0 ? rc : axi_kvm_arch_finish(g, report);
}

static void destroy(struct axi_hv_guest *g);

static struct axi_hv_guest *new_guest(const struct axi_partition *partition,
                                      const struct axi_hv_host *host)
{
    struct axi_hv_guest *g = calloc(1, sizeof(*g));
    if (g != NULL) {
        g->partition = *partition;
        g->platform = host->platform;
        g->kvm = g->vm = g->console = g->uart_fd = g->end_event = g->events = g->gic = -1;
        (void)pthread_mutex_init(&g->lock, NULL);
        (void)pthread_mutex_init(&g->uart_lock, NULL);
        (void)pthread_cond_init(&g->changed, NULL);
    }
    return g;
}

static int prepare(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    int rc = check_partition(partition, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_hv_guest *g = new_guest(partition, host);
    if (g == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "no memory for a partition");
    }
    rc = make_console(g, report);
    if (rc == 0) {
        rc = make_machine(g, report);
    }
    if (rc == 0) {
        rc = axi_kvm_start_threads(g, report);
    }
    if (rc != 0) {
        destroy(g);
        return rc;
    }
    *ret_guest = g;
    return 0;
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

static int start(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = check_state(g, AXI_HV_PREPARED, "start", report);
    if (rc == 0) {
        g->status.state = AXI_HV_RUNNING;
        axi_kvm_open_gate(g);
    }
    return rc;
}

static int pause_guest(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = check_state(g, AXI_HV_RUNNING, "pause", report);
    if (rc == 0 && axi_kvm_close_gate(g) != 0) {
        axi_kvm_open_gate(g);
        rc = axi_report_set(report, -AXC_ETIMEOUT, "the virtual CPUs do not stop");
    }
    if (rc == 0) {
        g->status.state = AXI_HV_PAUSED;
    }
    return rc;
}

static int resume(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = check_state(g, AXI_HV_PAUSED, "resume", report);
    if (rc == 0) {
        g->status.state = AXI_HV_RUNNING;
        axi_kvm_open_gate(g);
    }
    return rc;
}

/* The threads are told to leave already: no wait worth mentioning. */
static void learn_end(struct axi_hv_guest *g)
{
    uint64_t count;
    if (read(g->end_event, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
        return;
    }
    axi_kvm_join_threads(g);
    g->status = g->end;
    (void)epoll_ctl(g->events, EPOLL_CTL_DEL, g->uart_fd, NULL);
    (void)close(g->uart_fd); /* now the console ends, behind what it holds */
    g->uart_fd = -1;
}

static void take_typed(struct axi_hv_guest *g)
{
    (void)pthread_mutex_lock(&g->uart_lock);
    axi_kvm_console_poll(g);
#ifdef __aarch64__
    bool level = axi_uart_pl011_line(&g->uart);
#else
    bool level = axi_uart_8250_line(&g->uart);
#endif
    axi_kvm_arch_uart_line(g, level);
    (void)pthread_mutex_unlock(&g->uart_lock);
}

static void dispatch(struct axi_hv_guest *g)
{
    struct epoll_event events[2];
    int count = epoll_wait(g->events, events, 2, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == g->end_event) {
            learn_end(g);
        } else if (g->uart_fd >= 0) {
            take_typed(g);
        }
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
        axi_kvm_arch_request(g);
        return 0;
    }
    axi_kvm_end(g, AXI_HV_STOPPED, AXI_EXIT_KILLED, NULL);
    learn_end(g);
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

static int verify_cpu(const struct axi_hv_guest *g, const struct axi_kvm_cpu *cpu,
                      struct axi_report *report)
{
    cpu_set_t pinned;
    uint64_t pc = 0;
    if (pthread_getaffinity_np(cpu->thread, sizeof(pinned), &pinned) != 0) {
        return axi_report_set(report, -AXC_EHV_VERIFY, "virtual CPU %u has no thread", cpu->index);
    }
    for (uint32_t i = 0; axi_cpuset_count(&g->partition.cpus) != 0 && i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &pinned) && !axi_cpuset_has(&g->partition.cpus, i)) {
            return axi_report_set(report, -AXC_EHV_VERIFY,
                                  "virtual CPU %u may run on CPU %u, which is not the partition's",
                                  cpu->index, i);
        }
    }
    if (g->status.state == AXI_HV_PREPARED && (axi_kvm_arch_pc(cpu, &pc) != 0 || pc != g->entry)) {
        return axi_report_set(report, -AXC_EHV_VERIFY,
                              "virtual CPU %u stands at %#" PRIx64 ", not at the entry %#" PRIx64,
                              cpu->index, pc, g->entry);
    }
    return 0;
}

static int verify(struct axi_hv_guest *g, struct axi_report *report)
{
    int rc = 0;
    bool has_threads = g->status.state < AXI_HV_STOPPED;
    for (uint32_t i = 0; rc == 0 && has_threads && i < g->cpu_count; i++) {
        rc = verify_cpu(g, &g->cpus[i], report);
    }
    return rc;
}

static uint64_t cpu_time(const struct axi_kvm_cpu *cpu)
{
    clockid_t clock;
    struct timespec used;
    if (!cpu->has_thread) {
        return cpu->cpu_ns;
    }
    if (pthread_getcpuclockid(cpu->thread, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static int stats(struct axi_hv_guest *g, struct axi_hv_stats *ret_stats)
{
    struct axi_hv_stats s = {0};
    for (uint32_t i = 0; i < g->memory.count; i++) {
        s.memory_bytes += g->memory.regions[i].bytes;
    }
    for (uint32_t i = 0; i < g->cpu_count; i++) {
        s.cpu_ns += cpu_time(&g->cpus[i]);
        s.exits += g->cpus[i].exits;
    }
    s.heartbeat = g->channel != NULL ? g->channel->heartbeat : 0;
    *ret_stats = s;
    return 0;
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
    axi_kvm_end(g, AXI_HV_STOPPED, AXI_EXIT_KILLED, NULL);
    axi_kvm_join_threads(g);
    for (uint32_t i = 0; i < g->cpu_count; i++) {
        if (g->cpus[i].run != NULL) {
            (void)munmap(g->cpus[i].run, g->run_bytes);
        }
        close_if_open(g->cpus[i].fd);
    }
    close_if_open(g->gic);
    close_if_open(g->vm);
    close_if_open(g->kvm);
    close_if_open(g->console);
    close_if_open(g->uart_fd);
    close_if_open(g->end_event);
    close_if_open(g->events);
    axi_guest_memory_deinit(&g->memory);
    (void)pthread_mutex_destroy(&g->lock);
    (void)pthread_mutex_destroy(&g->uart_lock);
    (void)pthread_cond_destroy(&g->changed);
    free(g);
}

/* The machine lives in the monitor: with it, all is gone but the channels' files. */
static int reclaim(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report)
{
    (void)host;
    (void)report;
    axi_guest_memory_reclaim(partition);
    return 0;
}

const struct axi_hv axi_hv_kvm = {
    .name = "kvm",
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
    .verify = verify,
    .stats = stats,
    .destroy = destroy,
    .reclaim = reclaim,
};
