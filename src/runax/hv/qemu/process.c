/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/qemu/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_FAILED 127
#define FIRST_FREE_FD 64 /* above every number the child needs */
#define KILL_WAIT_MS 5000

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* In the child, after fork: only async-signal-safe calls. */
static void become_qemu(const struct axi_qemu_command *command, const int *fds, uint32_t count,
                        pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setsid(); /* a terminal's ^C is for the monitor */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXEC_FAILED);
    }
    int high[AXI_QEMU_FDS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        int null = i < AXI_QEMU_LOG ? open("/dev/null", O_RDWR | O_CLOEXEC) : fds[i];
        high[i] = fcntl(null, F_DUPFD, FIRST_FREE_FD);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (high[i] < 0 || dup2(high[i], (int)i) < 0) {
            _exit(EXEC_FAILED);
        }
    }
    (void)syscall(SYS_close_range, count, ~0u, 0);
    char *environment[] = {"QEMU_AUDIO_DRV=none", "PATH=/usr/bin:/bin", NULL};
    (void)execve(command->argv[0], command->argv, environment);
    const char *why = "cannot execute QEMU\n";
    (void)!write(AXI_QEMU_LOG, why, strlen(why));
    _exit(EXEC_FAILED);
}

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
static uint64_t start_time(pid_t pid)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (n <= 0) {
        return 0;
    }
    text[n] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at, NULL, 10);
}

static int note_process(int state_fd, pid_t pid, struct axi_report *report)
{
    char text[64];
    int bytes = snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)pid, start_time(pid));
    int fd = openat(state_fd, AXI_QEMU_PID_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, (size_t)bytes) != bytes) {
        int rc = axi_report_errno(report, "%s", AXI_QEMU_PID_FILE);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    (void)close(fd);
    return 0;
}

int axi_qemu_spawn(const struct axi_qemu_command *command, const int *fds, uint32_t fd_count,
                   int state_fd, struct axi_report *report, pid_t *ret_pid, int *ret_pidfd)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return axi_report_errno(report, "cannot start QEMU");
    }
    if (pid == 0) {
        become_qemu(command, fds, fd_count, parent);
    }
    int pidfd = open_pidfd(pid);
    int rc =
        pidfd < 0 ? axi_report_errno(report, "QEMU's pidfd") : note_process(state_fd, pid, report);
    if (rc != 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        if (pidfd >= 0) {
            (void)close(pidfd);
        }
        return rc;
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return 0;
}

static bool read_note(int state_fd, pid_t *ret_pid, uint64_t *ret_start)
{
    char text[64] = "";
    int fd = openat(state_fd, AXI_QEMU_PID_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    int pid = 0;
    if (n <= 0 || sscanf(text, "%d %" SCNu64, &pid, ret_start) != 2 || pid <= 1) {
        return false;
    }
    *ret_pid = pid;
    return true;
}

/* The start time is read again behind pidfd_open: only then the number cannot be another's. */
static int kill_noted(pid_t pid, uint64_t start, struct axi_report *report)
{
    int pidfd = open_pidfd(pid);
    if (pidfd < 0) {
        return 0;
    }
    int rc = 0;
    if (start_time(pid) == start) {
        if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) != 0 && errno != ESRCH) {
            rc = axi_report_errno(report, "cannot kill QEMU process %d", (int)pid);
        } else {
            struct pollfd gone = {.fd = pidfd, .events = POLLIN};
            (void)poll(&gone, 1, KILL_WAIT_MS);
        }
    }
    (void)close(pidfd);
    return rc;
}

int axi_qemu_reap(int state_fd, struct axi_report *report)
{
    pid_t pid = 0;
    uint64_t start = 0;
    int rc = read_note(state_fd, &pid, &start) ? kill_noted(pid, start, report) : 0;
    if (rc == 0) {
        (void)unlinkat(state_fd, AXI_QEMU_PID_FILE, 0);
    }
    return rc;
}

void axi_qemu_last_words(int log_fd, char *ret_text, uint32_t size)
{
    char text[4096];
    off_t end = lseek(log_fd, 0, SEEK_END);
    off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, from);
    text[n > 0 ? n : 0] = '\0';
    ret_text[0] = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strstr(line, "warning:") == NULL && strstr(line, "audio-") == NULL) {
            (void)snprintf(ret_text, size, "%s", line);
        }
    }
}
