/* SPDX-License-Identifier: Apache-2.0 */
/* Running xl and reading what it says. */
#include "runax/hv/xen/xen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 16

int axi_xl_start(struct axi_xl *command, const char *xl, const char *const *words,
                 struct axi_report *report)
{
    static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    char *arguments[WORDS_MAX + 2] = {(char *)xl}; /* posix_spawn does not write to them */
    int ends[2];
    for (int i = 0; i < WORDS_MAX && words[i] != NULL; i++) {
        arguments[i + 1] = (char *)words[i];
    }
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return axi_report_errno(report, "pipe");
    }
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    pid_t pid = 0;
    int number = posix_spawn(&pid, xl, &actions, NULL, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    if (number != 0) {
        (void)close(ends[0]);
        errno = number;
        return axi_report_errno(report, "%s", xl);
    }
    *command = (struct axi_xl){.pid = pid, .fd = ends[0]};
    return 0;
}

/* Reads what is there; false at the end of the output. */
static bool take_output(struct axi_xl *command)
{
    char rest[512]; /* what has no room is dropped, so that xl is not held up */
    for (;;) {
        size_t room = sizeof(command->output) - 1 - command->used;
        char *to = room != 0 ? command->output + command->used : rest;
        ssize_t got = read(command->fd, to, room != 0 ? room : sizeof(rest));
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        }
        command->used += room != 0 ? (size_t)got : 0;
        command->output[command->used] = '\0';
    }
}

int axi_xl_poll(struct axi_xl *command, bool waits, int *ret_status)
{
    while (take_output(command)) {
        struct pollfd item = {.fd = command->fd, .events = POLLIN};
        if (!waits) {
            return 0;
        }
        (void)poll(&item, 1, -1);
    }
    int status = 0;
    pid_t pid = waitpid(command->pid, &status, waits ? 0 : WNOHANG);
    while (pid < 0 && errno == EINTR) {
        pid = waitpid(command->pid, &status, waits ? 0 : WNOHANG);
    }
    if (pid == 0) {
        return 0;
    }
    (void)close(command->fd);
    command->pid = 0;
    *ret_status = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
    return 1;
}

void axi_xl_cancel(struct axi_xl *command)
{
    if (command->pid != 0) {
        (void)kill(command->pid, SIGKILL);
        (void)waitpid(command->pid, NULL, 0);
        (void)close(command->fd);
        command->pid = 0;
    }
}

int axi_xl_run(const char *xl, const char *const *words, struct axi_report *report)
{
    struct axi_xl command;
    int status = 255;
    int rc = axi_xl_start(&command, xl, words, report);
    if (rc != 0) {
        return rc;
    }
    (void)axi_xl_poll(&command, true, &status);
    if (status == 0) {
        return 0;
    }
    command.output[strcspn(command.output, "\n")] = '\0';
    return axi_report_set(report, -AXC_EHV_FAILED, "xl %s: status %d: %.300s", words[0], status,
                          command.output);
}

enum { REASON_POWEROFF = 0, REASON_REBOOT = 1, REASON_SUSPEND = 2 };

static void end_by_reason(const char *reason, struct axi_hv_status *status)
{
    char *end = NULL;
    unsigned long code = strtoul(reason, &end, 16);
    static const char *const NAMES[] = {"poweroff", "reboot", "suspend", "crash", "watchdog"};
    const char *name = end != reason && code < 5 ? NAMES[code] : "unknown reason";
    bool is_clean = end != reason && code <= REASON_SUSPEND;
    status->state = is_clean ? AXI_HV_STOPPED : AXI_HV_FAILED;
    status->exit_code = 0;
    (void)snprintf(status->reason, sizeof(status->reason), "domain ended: %s", name);
}

void axi_xl_read_status(const char *output, const char *name, struct axi_hv_status *ret_status)
{
    size_t length = strlen(name);
    for (const char *line = output; line != NULL && *line != '\0';) {
        const char *next = strchr(line, '\n');
        char words[4][64];
        char flags[16];
        char uuid[64];
        char reason[16];
        int found = strncmp(line, name, length) == 0 && line[length] == ' '
                        ? sscanf(line + length, "%63s %63s %63s %15s %63s %63s %15s", words[0],
                                 words[1], words[2], flags, words[3], uuid, reason)
                        : 0;
        line = next != NULL ? next + 1 : NULL;
        if (found < 4 || strlen(flags) != 6) {
            continue;
        }
        if (flags[4] == 'c' || flags[5] == 'd') {
            ret_status->state = AXI_HV_FAILED;
            (void)strcpy(ret_status->reason,
                         flags[4] == 'c' ? "domain crashed" : "domain is dying");
        } else if (flags[3] == 's') {
            end_by_reason(found >= 7 ? reason : "", ret_status);
        } else if (ret_status->state == AXI_HV_RUNNING || ret_status->state == AXI_HV_PAUSED) {
            ret_status->state = flags[2] == 'p' ? AXI_HV_PAUSED : AXI_HV_RUNNING;
        }
        return;
    }
}
