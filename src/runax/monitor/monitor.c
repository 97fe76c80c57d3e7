/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/monitor/monitor.h"

#include "runax/monitor/control.h"
#include "runax/monitor/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define DRAIN_MS 2000
#define WATCH_STEPS 4 /* looks per watched period */

enum { LISTENER, SIGNALS, EVENT, CREATOR, PUMP, CLIENTS = PUMP + AXI_PUMP_POLLS };

struct monitor {
    const struct axi_monitor_config *config;
    struct axi_hv_guest *guest;
    struct axi_pump pump;
    int listener;
    int signal_fd;
    int creator_fd; /* -1: it has committed */
    int clients[CLIENTS_MAX];

    bool is_over; /* exit_code and reason are final */
    int exit_code;
    char reason[128];
    int ended_by;     /* signal after which we end the guest, 0 = none */
    uint64_t ends_at; /* ms; when the grace is over; 0 = never */

    uint64_t alive_at;  /* ms: last change of the heartbeat */
    uint64_t output_at; /* ms: last output */
    uint64_t heartbeat;
    bool is_hung; /* and that has been said */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct axi_hv_status status_of(const struct monitor *monitor)
{
    struct axi_hv_status status = {0};
    monitor->config->hv->status(monitor->guest, &status);
    return status;
}

/* What the engine and `runax state` will see; written before anyone is told. */
static void write_exit(const struct monitor *monitor)
{
    char text[192];
    int n = snprintf(text, sizeof(text), "%d %s\n", monitor->exit_code, monitor->reason);
    int folder = monitor->config->folder_fd;
    int fd = openat(folder, "exit.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, text, (size_t)n) == n;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (!is_written || renameat(folder, "exit.tmp", folder, "exit") != 0) {
        monitor->config->say(monitor->config->context, "warning", "the exit code is not recorded");
    }
}

static void finish(struct monitor *monitor, int code, const char *reason)
{
    if (monitor->is_over) {
        return;
    }
    monitor->is_over = true;
    monitor->exit_code = code;
    (void)snprintf(monitor->reason, sizeof(monitor->reason), "%s", reason);
    write_exit(monitor);
}

static int end_guest(struct monitor *monitor, int code, const char *reason,
                     struct axi_report *report)
{
    int rc = monitor->config->hv->stop(monitor->guest, false, report);
    if (rc == 0) {
        finish(monitor, code, reason);
    }
    return rc;
}

static int end_by_signal(struct monitor *monitor, int number, struct axi_report *report)
{
    char reason[48];
    (void)snprintf(reason, sizeof(reason), "ended by signal %d", number);
    return end_guest(monitor, 128 + number, reason, report);
}

/* TERM and its like: asks the guest; a guest that cannot be asked, or does not run, ends at once.
 */
static int ask_guest(struct monitor *monitor, int number, struct axi_report *report)
{
    struct axi_report why = {0};
    bool is_prepared = status_of(monitor).state == AXI_HV_PREPARED;
    if (is_prepared || monitor->config->grace_ms == 0 ||
        monitor->config->hv->stop(monitor->guest, true, &why) != 0) {
        return end_by_signal(monitor, number, report);
    }
    if (monitor->ends_at == 0) {
        monitor->ended_by = number;
        monitor->ends_at = now_ms() + monitor->config->grace_ms;
    }
    return 0;
}

static int signal_guest(struct monitor *monitor, int number, struct axi_report *report)
{
    switch (number) {
    case 0:
    case SIGWINCH: /* the engine resizes the terminal itself */
        return 0;
    case SIGKILL:
        return end_by_signal(monitor, SIGKILL, report);
    case SIGSTOP:
    case SIGTSTP:
        return monitor->config->hv->pause(monitor->guest, report);
    case SIGCONT:
        return monitor->config->hv->resume(monitor->guest, report);
    case SIGUSR1:
    case SIGUSR2:
    case SIGALRM:
    case SIGCHLD:
    case SIGPIPE:
        return axi_report_set(report, -AXC_EINVALID, "signal %d means nothing to a partition",
                              number);
    default:
        return ask_guest(monitor, number, report);
    }
}

static int start(struct monitor *monitor, struct axi_report *report)
{
    if (status_of(monitor).state != AXI_HV_PREPARED) {
        return axi_report_set(report, -AXC_ESTATE, "container was started already");
    }
    int rc = monitor->config->hv->start(monitor->guest, report);
    monitor->alive_at = monitor->output_at = now_ms() + monitor->config->partition->watch.start_ms;
    return rc;
}

static int pause_or_resume(struct monitor *monitor, bool is_pause, struct axi_report *report)
{
    enum axi_hv_state state = status_of(monitor).state;
    if (state != (is_pause ? AXI_HV_RUNNING : AXI_HV_PAUSED)) {
        return axi_report_set(report, -AXC_ESTATE, "container not %s",
                              is_pause ? "running" : "paused");
    }
    int rc = is_pause ? monitor->config->hv->pause(monitor->guest, report)
                      : monitor->config->hv->resume(monitor->guest, report);
    monitor->alive_at = monitor->output_at = now_ms();
    return rc;
}

static void describe_state(const struct monitor *monitor, struct axi_report *answer)
{
    static const char *const NAMES[] = {"prepared", "running", "paused", "stopped", "stopped"};
    (void)axi_report_set(answer, 0, "%s", NAMES[status_of(monitor).state]);
}

static int describe_stats(struct monitor *monitor, struct axi_report *answer)
{
    struct axi_hv_stats stats = {0};
    int rc = monitor->config->hv->stats(monitor->guest, &stats);
    return rc != 0 ? axi_report_set(answer, rc, "the hypervisor gives no figures: %s",
                                    axi_error_text(rc))
                   : axi_report_set(answer, 0, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
                                    stats.cpu_ns, stats.memory_bytes, stats.exits, stats.heartbeat);
}

static int checkpoint(struct monitor *monitor, const char *path, struct axi_report *report)
{
    const struct axi_hv *hv = monitor->config->hv;
    if (hv->checkpoint == NULL) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "backend %s cannot checkpoint a partition", hv->name);
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return axi_report_errno(report, "--image-path %s", path);
    }
    int rc = hv->checkpoint(monitor->guest, fd, report);
    (void)close(fd);
    return rc;
}

static void answer_request(struct monitor *monitor, int client, const char *request)
{
    struct axi_report answer = {0};
    int rc = 0;
    int number;
    if (strcmp(request, "state") == 0) {
        describe_state(monitor, &answer);
    } else if (strcmp(request, "start") == 0) {
        rc = start(monitor, &answer);
    } else if (strcmp(request, "pause") == 0) {
        rc = pause_or_resume(monitor, true, &answer);
    } else if (strcmp(request, "resume") == 0) {
        rc = pause_or_resume(monitor, false, &answer);
    } else if (strcmp(request, "stats") == 0) {
        rc = describe_stats(monitor, &answer);
    } else if (sscanf(request, "kill %d", &number) == 1) {
        rc = signal_guest(monitor, number, &answer);
    } else if (strncmp(request, "checkpoint ", 11) == 0) {
        rc = checkpoint(monitor, request + 11, &answer);
    } else {
        rc = axi_report_set(&answer, -AXC_EINVALID, "unknown request");
    }
    axi_control_answer(client, rc, rc == 0 ? answer.text : axi_report_text(&answer));
}

static void serve_clients(struct monitor *monitor, const struct pollfd *polls)
{
    char request[AXI_CONTROL_BYTES_MAX];
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (monitor->clients[i] < 0 || polls[CLIENTS + i].revents == 0) {
            continue;
        }
        int got = axi_control_receive(monitor->clients[i], request);
        if (got > 0) {
            answer_request(monitor, monitor->clients[i], request);
        }
        if (got < 0) {
            (void)close(monitor->clients[i]);
            monitor->clients[i] = -1;
        }
    }
    for (int i = 0; i < CLIENTS_MAX && polls[LISTENER].revents != 0; i++) {
        if (monitor->clients[i] < 0) {
            monitor->clients[i] = axi_control_accept(monitor->listener);
            return;
        }
    }
}

static void take_signals(struct monitor *monitor)
{
    struct signalfd_siginfo info;
    struct axi_report report = {0};
    while (read(monitor->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (signal_guest(monitor, (int)info.ssi_signo, &report) != 0) {
            monitor->config->say(monitor->config->context, "warning", axi_report_text(&report));
        }
    }
}

static void judge_hung(struct monitor *monitor, const char *sign, uint32_t period_ms)
{
    char text[96];
    struct axi_report report = {0};
    (void)snprintf(text, sizeof(text), "hung: no %s for %u ms", sign, period_ms);
    if (!monitor->is_hung) {
        monitor->config->say(monitor->config->context, "warning", text);
    }
    monitor->is_hung = true;
    if (monitor->config->partition->watch.is_fatal &&
        end_guest(monitor, AXI_EXIT_HUNG, text, &report) != 0) {
        monitor->config->say(monitor->config->context, "error", axi_report_text(&report));
    }
}

/* Signs of life of a running guest. */
static void watch_guest(struct monitor *monitor, uint64_t now)
{
    const struct axi_watch *watch = &monitor->config->partition->watch;
    struct axi_hv_stats stats = {0};
    if (status_of(monitor).state != AXI_HV_RUNNING) {
        return;
    }
    if (watch->heartbeat_ms != 0) {
        if (monitor->config->hv->stats(monitor->guest, &stats) == 0 &&
            stats.heartbeat != monitor->heartbeat) {
            monitor->heartbeat = stats.heartbeat;
            monitor->alive_at = now;
            monitor->is_hung = false;
        }
        if (now >= monitor->alive_at + watch->heartbeat_ms) {
            judge_hung(monitor, "heartbeat", watch->heartbeat_ms);
        }
    }
    if (!monitor->is_over && watch->console_silence_ms != 0 &&
        now >= monitor->output_at + watch->console_silence_ms) {
        judge_hung(monitor, "output", watch->console_silence_ms);
    }
}

/* Until when poll may sleep, in ms; -1 = for ever. */
static int sleep_ms(const struct monitor *monitor)
{
    const struct axi_watch *watch = &monitor->config->partition->watch;
    uint64_t now = now_ms();
    uint64_t sleep = UINT64_MAX;
    enum axi_hv_state state = status_of(monitor).state;
    if (monitor->config->hv->event_fd(monitor->guest) < 0) {
        sleep = monitor->config->hv->poll_ms;
    }
    if (monitor->ends_at != 0) {
        uint64_t left = monitor->ends_at > now ? monitor->ends_at - now : 0;
        sleep = left < sleep ? left : sleep;
    }
    uint32_t periods[] = {watch->heartbeat_ms, watch->console_silence_ms};
    for (int i = 0; i < 2; i++) {
        if (periods[i] != 0 && state == AXI_HV_RUNNING) {
            uint64_t step = periods[i] / WATCH_STEPS + 1;
            sleep = step < sleep ? step : sleep;
        }
    }
    return sleep > INT_MAX ? -1 : (int)sleep;
}

/* A creator that dies before it has recorded us leaves nothing behind. */
static void hear_creator(struct monitor *monitor)
{
    char word[16];
    struct axi_report report = {0};
    ssize_t n = recv(monitor->creator_fd, word, sizeof(word), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    (void)close(monitor->creator_fd);
    monitor->creator_fd = -1;
    if (n <= 0 && end_guest(monitor, AXI_EXIT_MONITOR, "never created", &report) != 0) {
        monitor->config->say(monitor->config->context, "error", axi_report_text(&report));
    }
}

static void take_end(struct monitor *monitor)
{
    struct axi_hv_status status = status_of(monitor);
    if (status.state == AXI_HV_STOPPED) {
        finish(monitor, status.exit_code,
               status.reason[0] != '\0' ? status.reason : "the guest ended");
    } else if (status.state == AXI_HV_FAILED) {
        finish(monitor, AXI_EXIT_CRASHED, status.reason[0] != '\0' ? status.reason : "failed");
    }
}

static void turn(struct monitor *monitor)
{
    struct pollfd polls[CLIENTS + CLIENTS_MAX];
    const struct axi_hv *hv = monitor->config->hv;
    bool is_full = true;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        polls[CLIENTS + i] = (struct pollfd){.fd = monitor->clients[i], .events = POLLIN};
        is_full = is_full && monitor->clients[i] >= 0;
    }
    polls[LISTENER] = (struct pollfd){.fd = is_full ? -1 : monitor->listener, .events = POLLIN};
    polls[SIGNALS] = (struct pollfd){.fd = monitor->signal_fd, .events = POLLIN};
    polls[EVENT] = (struct pollfd){.fd = hv->event_fd(monitor->guest), .events = POLLIN};
    polls[CREATOR] = (struct pollfd){.fd = monitor->creator_fd, .events = POLLIN};
    axi_pump_poll(&monitor->pump, &polls[PUMP]);
    int ready = poll(polls, CLIENTS + CLIENTS_MAX, sleep_ms(monitor));
    if (ready < 0) {
        return; /* EINTR: look again */
    }
    uint64_t now = now_ms();
    if (axi_pump_run(&monitor->pump, &polls[PUMP])) {
        monitor->output_at = now > monitor->output_at ? now : monitor->output_at;
    }
    if (polls[EVENT].fd < 0 || polls[EVENT].revents != 0) {
        hv->dispatch(monitor->guest);
    }
    take_end(monitor);
    if (!monitor->is_over && polls[CREATOR].fd >= 0 && polls[CREATOR].revents != 0) {
        hear_creator(monitor);
    }
    if (!monitor->is_over) {
        serve_clients(monitor, polls);
    }
    if (!monitor->is_over && polls[SIGNALS].revents != 0) {
        take_signals(monitor);
    }
    if (!monitor->is_over && monitor->ends_at != 0 && now >= monitor->ends_at) {
        struct axi_report report = {0};
        monitor->ends_at = 0;
        if (end_by_signal(monitor, monitor->ended_by, &report) != 0) {
            monitor->config->say(monitor->config->context, "error", axi_report_text(&report));
        }
    }
    if (!monitor->is_over) {
        watch_guest(monitor, now);
    }
}

static int open_signals(struct axi_report *report)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : axi_report_errno(report, "signalfd");
}

static int prepare(struct monitor *monitor, const struct axi_hv_host *host,
                   struct axi_report *report)
{
    const struct axi_monitor_config *config = monitor->config;
    monitor->listener = axi_control_listen(config->folder_fd, report);
    if (monitor->listener < 0) {
        return monitor->listener;
    }
    if (config->restore_fd >= 0 && config->hv->restore == NULL) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "backend %s cannot restore a partition",
                              config->hv->name);
    }
    int rc = config->restore_fd >= 0
                 ? config->hv->restore(config->partition, host, config->restore_fd, report,
                                       &monitor->guest)
                 : config->hv->prepare(config->partition, host, report, &monitor->guest);
    if (rc != 0) {
        return rc;
    }
    rc = config->hv->verify(monitor->guest, report);
    if (rc == 0) { /* now: the backend's processes shall not inherit the mask */
        monitor->signal_fd = open_signals(report);
        rc = monitor->signal_fd < 0 ? monitor->signal_fd : 0;
    }
    if (rc != 0) {
        config->hv->destroy(monitor->guest);
    }
    return rc;
}

_Noreturn void axi_monitor_run(const struct axi_monitor_config *config)
{
    static struct monitor monitor; /* with the console's buffers */
    const struct axi_hv_host host = {.platform = config->platform, .state_fd = config->folder_fd};
    struct axi_report report = {0};
    monitor.config = config;
    for (int i = 0; i < CLIENTS_MAX; i++) {
        monitor.clients[i] = -1;
    }
    int rc = prepare(&monitor, &host, &report);
    if (rc != 0) {
        axi_control_answer(config->creator_fd, rc, axi_report_text(&report));
        _exit(AXI_EXIT_MONITOR);
    }
    axi_pump_init(&monitor.pump, config->hv->console_fd(monitor.guest), STDIN_FILENO,
                  STDOUT_FILENO);
    monitor.creator_fd = config->creator_fd;
    axi_control_answer(config->creator_fd, 0, "");
    while (!monitor.is_over) {
        turn(&monitor);
    }
    axi_pump_drain(&monitor.pump, DRAIN_MS);
    config->hv->destroy(monitor.guest);
    _exit(monitor.exit_code);
}
