/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_S 60
#define WORDS_MAX 256u

/* A NULL-terminated list of texts borrowed from the array; false: malformed. */
static bool read_words(const json_t *array, const char **ret_words, size_t first)
{
    size_t count = json_array_size(array);
    if ((array != NULL && !json_is_array(array)) || first + count >= WORDS_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        ret_words[first + i] = json_string_value(json_array_get(array, i));
        if (ret_words[first + i] == NULL) {
            return false;
        }
    }
    ret_words[first + count] = NULL;
    return true;
}

/* The state to a file that is the hook's standard input: no pipe can fill up. */
static int write_state(const char *text)
{
    int fd = memfd_create("state", MFD_CLOEXEC);
    if (fd >= 0 &&
        (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static pid_t spawn(const char *path, const char **args, const char **environment, int in, int out)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0) {
        _exit(127);
    }
    (void)execve(path, (char *const *)args, (char *const *)environment);
    (void)dprintf(STDERR_FILENO, "%s", strerror(errno));
    _exit(127);
}

static int wait_for(pid_t pid, int timeout_s, int *ret_status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    int ready = poll(&item, 1, timeout_s * 1000);
    if (ready == 0) {
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR) {
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ready == 0 ? -AXC_ETIMEOUT : 0;
}

static void last_output(int fd, char *ret_text, size_t size)
{
    off_t end = lseek(fd, 0, SEEK_END);
    off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
    ssize_t n = pread(fd, ret_text, size - 1, from);
    ret_text[n > 0 ? n : 0] = '\0';
    ret_text[strcspn(ret_text, "\n")] = '\0';
}

static int judge(const char *phase, const char *path, int waited, int timeout_s, int status,
                 int out, struct axi_report *report)
{
    char text[200];
    if (waited != 0) {
        return axi_report_set(report, -AXC_EHOOK, "hook %s %s: no end after %d s", phase, path,
                              timeout_s);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    last_output(out, text, sizeof(text));
    return axi_report_set(report, -AXC_EHOOK, "hook %s %s: %s %d%s%s", phase, path,
                          WIFEXITED(status) ? "exit code" : "signal",
                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                          text[0] != '\0' ? ": " : "", text);
}

static int run_hook(const json_t *hook, const char *phase, const char *state,
                    struct axi_report *report)
{
    const char *args[WORDS_MAX];
    const char *environment[WORDS_MAX];
    const char *path = json_string_value(json_object_get(hook, "path"));
    const json_t *list = json_object_get(hook, "args");
    const json_t *timeout = json_object_get(hook, "timeout");
    if (path == NULL || path[0] != '/' || !read_words(list, args, 0) ||
        !read_words(json_object_get(hook, "env"), environment, 0) ||
        (timeout != NULL && (!json_is_integer(timeout) || json_integer_value(timeout) < 1 ||
                             json_integer_value(timeout) > 86400))) {
        return axi_report_set(report, -AXC_EBUNDLE, "config.json: hooks.%s: malformed hook", phase);
    }
    if (args[0] == NULL) {
        args[0] = path;
        args[1] = NULL;
    }
    int timeout_s = timeout != NULL ? (int)json_integer_value(timeout) : DEFAULT_TIMEOUT_S;
    int in = write_state(state);
    int out = memfd_create("output", MFD_CLOEXEC);
    pid_t pid = in >= 0 && out >= 0 ? spawn(path, args, environment, in, out) : -1;
    int rc;
    if (pid < 0) {
        rc = axi_report_errno(report, "hook %s %s", phase, path);
    } else {
        int status = 0;
        int waited = wait_for(pid, timeout_s, &status);
        rc = judge(phase, path, waited, timeout_s, status, out, report);
    }
    if (in >= 0) {
        (void)close(in);
    }
    if (out >= 0) {
        (void)close(out);
    }
    return rc;
}

int axi_hooks_run(const json_t *hooks, const char *phase, const json_t *state,
                  struct axi_report *report)
{
    const json_t *list = json_object_get(hooks, phase);
    if (list == NULL || json_array_size(list) == 0) {
        return list == NULL || json_is_array(list)
                   ? 0
                   : axi_report_set(report, -AXC_EBUNDLE, "config.json: hooks.%s: no array", phase);
    }
    char *text = json_dumps(state, JSON_COMPACT);
    if (text == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "hooks.%s: out of memory", phase);
    }
    int rc = 0;
    for (size_t i = 0; i < json_array_size(list) && rc == 0; i++) {
        rc = run_hook(json_array_get(list, i), phase, text, report);
    }
    free(text);
    return rc;
}
