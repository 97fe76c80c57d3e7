/* SPDX-License-Identifier: Apache-2.0 */
#include "host/runax.h"

#include "host/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24u
#define WAIT_MS 30000u
#define POLL_MS 2u
#define OUTPUT_BYTES 16384u
#define HYPERVISORS "dev.axcan.runax.hypervisors"

int axi_runax_find(struct axi_runax *ret_runax, const char *dir)
{
    ret_runax->dir = dir;
    return axi_find_program("runax", ret_runax->program, sizeof(ret_runax->program));
}

/* ---- commands ---- */

static int wait_for(pid_t pid)
{
    int status = 0;

    for (unsigned ms = 0;; ms += POLL_MS) {
        pid_t ended = waitpid(pid, &status, WNOHANG);

        if (ended == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (ended < 0 && errno != EINTR) {
            return -AXC_EIO;
        }
        if (ms >= WAIT_MS) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -AXC_ETIMEOUT;
        }
        (void)usleep(POLL_MS * 1000);
    }
}

int axi_program_run(const json_t *argv, int out_fd)
{
    char *words[WORDS_MAX + 1] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int r = -AXC_ENOENT;

    for (size_t i = 0; i < json_array_size(argv) && i < WORDS_MAX; i++) {
        words[i] = (char *)json_string_value(json_array_get(argv, i));
    }
    if (words[0] == NULL || posix_spawn_file_actions_init(&actions) != 0) {
        return r;
    }
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDERR_FILENO);
    if (posix_spawn(&pid, words[0], &actions, NULL, words, environ) == 0) {
        r = wait_for(pid);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

json_t *axi_runax_argv(const struct axi_runax *runax, const char *name)
{
    return json_pack("[s, s, s+, s, s+, s, s++]", runax->program, "--root", runax->dir, "/runax",
                     "--resources", runax->dir, "/runax-resources", "--log", runax->dir, "/", name,
                     ".runax.log");
}

static json_t *command(const struct axi_runax *runax, const char *name, const char *verb,
                       const char *option, const char *value)
{
    json_t *argv = axi_runax_argv(runax, name);

    (void)json_array_append_new(argv, json_string(verb));
    if (option != NULL) {
        (void)json_array_append_new(argv, json_string(option));
    }
    if (value != NULL) {
        (void)json_array_append_new(argv, json_string(value));
    }
    (void)json_array_append_new(argv, json_string(name));
    return argv;
}

/* Takes argv. The output goes to a file without a name: a pipe would stay open as long as what the
 * command leaves behind. */
static int run_read(json_t *takes_argv, char ret_text[OUTPUT_BYTES])
{
    FILE *file = tmpfile();
    int r = file != NULL ? axi_program_run(takes_argv, fileno(file)) : -AXC_EIO;
    size_t count = 0;

    if (file != NULL) {
        rewind(file);
        count = fread(ret_text, 1, OUTPUT_BYTES - 1, file);
        (void)fclose(file);
    }
    ret_text[count] = '\0';
    json_decref(takes_argv);
    return r;
}

static int run_quietly(json_t *takes_argv)
{
    char text[OUTPUT_BYTES];

    return run_read(takes_argv, text);
}

/* "runax: why" without the name, and without the line's end. */
static void take_reason(int code, const char *text, char ret_reason[AXI_RUNAX_REASON_BYTES])
{
    const char *why = strncmp(text, "runax: ", 7) == 0 ? text + 7 : text;

    if (code == -AXC_ENOENT) {
        why = "runax cannot be started";
    } else if (code < 0) {
        why = "runax did not end in time";
    } else if (*why == '\0') {
        why = "runax failed and did not say why";
    }
    (void)snprintf(ret_reason, AXI_RUNAX_REASON_BYTES, "%.*s", (int)strcspn(why, "\n"), why);
}

/* ---- verbs ---- */

int axi_runax_probe(const struct axi_runax *runax, const char *hypervisor,
                    char ret_reason[AXI_RUNAX_REASON_BYTES])
{
    char text[OUTPUT_BYTES];
    int code = run_read(json_pack("[s, s]", runax->program, "features"), text);
    json_t *features = code == 0 ? json_loads(text, 0, NULL) : NULL;
    const char *word = json_string_value(json_object_get(
        json_object_get(json_object_get(features, "annotations"), HYPERVISORS), hypervisor));
    int r = 0;

    if (code != 0 || features == NULL) {
        take_reason(code, text, ret_reason);
        r = -AXC_EUNAVAILABLE;
    } else if (word == NULL) {
        (void)snprintf(ret_reason, AXI_RUNAX_REASON_BYTES,
                       "runax knows no hypervisor of this name");
        r = -AXC_EINVALID;
    } else if (strcmp(word, "available") != 0) {
        (void)snprintf(ret_reason, AXI_RUNAX_REASON_BYTES, "%.150s", word);
        r = -AXC_EUNAVAILABLE;
    }
    json_decref(features);
    return r;
}

/* Of what create has printed, the last line is why it failed. */
static void read_last_line(int fd, off_t from, char *ret_text, size_t size)
{
    ssize_t count = pread(fd, ret_text, size - 1, from);
    char *last = ret_text;

    ret_text[count > 0 ? count : 0] = '\0';
    for (char *at = ret_text; *at != '\0'; at++) {
        last = *at == '\n' && at[1] != '\0' ? at + 1 : last;
    }
    memmove(ret_text, last, strlen(last) + 1);
}

int axi_runax_start(const struct axi_runax *runax, const char *name, const char *bundle,
                    char ret_reason[AXI_RUNAX_REASON_BYTES])
{
    char path[PATH_MAX + 64];
    char text[OUTPUT_BYTES] = "";
    json_t *create = command(runax, name, "create", "--bundle", bundle);
    int code;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s.log", runax->dir, name);
    fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    off_t from = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

    code = fd >= 0 ? axi_program_run(create, fd) : -AXC_EIO; /* the guest's console stays there */
    if (code == 0) {
        code = run_read(command(runax, name, "start", NULL, NULL), text);
    } else if (fd >= 0) {
        read_last_line(fd, from, text, sizeof(text));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    json_decref(create);
    if (code != 0) {
        take_reason(code, text, ret_reason);
        return -AXC_EUNAVAILABLE;
    }
    return 0;
}

void axi_runax_stop(const struct axi_runax *runax, const char *name)
{
    json_t *argv = command(runax, name, "kill", NULL, NULL);

    (void)json_array_append_new(argv, json_string("TERM"));
    (void)run_quietly(argv);
}

int axi_runax_delete(const struct axi_runax *runax, const char *name)
{
    int code = run_quietly(command(runax, name, "delete", "--force", NULL));

    return code == 0 ? 0 : -AXC_EUNAVAILABLE;
}

enum axi_runax_state axi_runax_state(const struct axi_runax *runax, const char *name,
                                     char ret_reason[AXI_RUNAX_REASON_BYTES])
{
    char text[OUTPUT_BYTES];
    int code = run_read(command(runax, name, "state", NULL, NULL), text);
    json_t *state = code == 0 ? json_loads(text, 0, NULL) : NULL;
    const char *status = json_string_value(json_object_get(state, "status"));
    const char *why = json_string_value(json_object_get(state, "exitReason"));
    enum axi_runax_state result = AXI_RUNAX_RUNNING; /* also when runax cannot be asked now */

    if (code > 0) {
        result = AXI_RUNAX_NONE;
    } else if (status != NULL && strcmp(status, "stopped") == 0) {
        (void)snprintf(ret_reason, AXI_RUNAX_REASON_BYTES, "it ended with code %lld: %.100s",
                       (long long)json_integer_value(json_object_get(state, "exitCode")),
                       why != NULL ? why : "no reason is known");
        result = AXI_RUNAX_STOPPED;
    }
    json_decref(state);
    return result;
}
