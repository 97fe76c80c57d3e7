/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64u

json_t *axi_cluster_load(const char *dir)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/cluster.json", dir);
    json_t *cluster = json_load_file(path, 0, NULL);

    if (cluster != NULL && !json_is_array(json_object_get(cluster, "members"))) {
        json_decref(cluster);
        return NULL;
    }
    return cluster;
}

json_t *axi_cluster_processes(const json_t *cluster)
{
    json_t *all = json_array();

    if (json_is_array(json_object_get(cluster, "stores"))) {
        (void)json_array_extend(all, json_object_get(cluster, "stores"));
    }
    if (json_is_array(json_object_get(cluster, "masters"))) {
        (void)json_array_extend(all, json_object_get(cluster, "masters"));
    }
    (void)json_array_extend(all, json_object_get(cluster, "members"));
    if (json_is_array(json_object_get(cluster, "hosts"))) {
        (void)json_array_extend(all, json_object_get(cluster, "hosts"));
    }
    if (json_is_array(json_object_get(cluster, "managers"))) {
        (void)json_array_extend(all, json_object_get(cluster, "managers"));
    }
    if (json_is_array(json_object_get(cluster, "voters"))) {
        (void)json_array_extend(all, json_object_get(cluster, "voters"));
    }
    return all;
}

int axi_cluster_save(const char *dir, const json_t *cluster)
{
    char path[PATH_MAX];
    char fresh[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/cluster.json", dir);
    (void)snprintf(fresh, sizeof(fresh), "%s/cluster.json.new", dir);
    if (json_dump_file(cluster, fresh, JSON_INDENT(1)) < 0 || rename(fresh, path) < 0) {
        return -AXC_EIO;
    }
    return 0;
}

int axi_cluster_remove_tree(const char *path)
{
    struct stat about;
    char inner[PATH_MAX];

    if (lstat(path, &about) < 0) {
        return 0;
    }
    if (!S_ISDIR(about.st_mode)) {
        return unlink(path);
    }
    DIR *dir = opendir(path);

    for (struct dirent *entry = NULL; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) < (int)sizeof(inner)) {
            (void)!axi_cluster_remove_tree(inner);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return rmdir(path);
}

int axi_cluster_api(const char *dir, char *ret_api, size_t size)
{
    json_t *cluster = axi_cluster_load(dir);
    const char *api = json_string_value(json_object_get(cluster, "api"));
    int r = api != NULL ? 0 : -AXC_ENOENT;

    if (r == 0) {
        (void)snprintf(ret_api, size, "%s", api);
    }
    json_decref(cluster);
    return r;
}

int axi_cluster_lock(const char *dir)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return -AXC_EIO;
    }
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (i == 50) {
            (void)close(fd);
            return -AXC_EBUSY;
        }
        (void)usleep(100000);
    }
    return 0; /* the kernel drops it with the process */
}

/* State letter and start time of a process; false when there is none. */
static bool read_process(pid_t pid, char *ret_state, unsigned long long *ret_start)
{
    char path[64];
    char text[1024];

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return false;
    }
    size_t count = fread(text, 1, sizeof(text) - 1, file);

    (void)fclose(file);
    text[count] = '\0';
    const char *after_name = strrchr(text, ')');

    return after_name != NULL &&
           sscanf(
               after_name + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               ret_state, ret_start) == 2;
}

static pid_t pid_of(const json_t *member)
{
    return (pid_t)json_integer_value(json_object_get(member, "pid"));
}

bool axi_member_is_alive(const json_t *member)
{
    unsigned long long start = 0;
    char state = 0;
    pid_t pid = pid_of(member);

    return pid > 0 && read_process(pid, &state, &start) && state != 'Z' && state != 'X' &&
           (json_int_t)start == json_integer_value(json_object_get(member, "start"));
}

static void run_child(char **arguments, const char *log)
{
    int null = open("/dev/null", O_RDWR);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)setsid();
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(127);
    }
    (void)close_range(3, ~0u, 0);
    (void)execv(arguments[0], arguments);
    (void)fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

int axi_member_start(json_t *member)
{
    const json_t *argv = json_object_get(member, "argv");
    const char *log = json_string_value(json_object_get(member, "log"));
    char *arguments[ARGUMENTS_MAX + 1] = {0};
    size_t count = json_array_size(argv);
    unsigned long long start = 0;
    char state = 0;

    if (count == 0 || count > ARGUMENTS_MAX || log == NULL) {
        return -AXC_EINVALID;
    }
    for (size_t i = 0; i < count; i++) {
        arguments[i] = (char *)(uintptr_t)json_string_value(json_array_get(argv, i));
    }
    pid_t pid = fork();

    if (pid < 0) {
        return -AXC_ENOMEM;
    }
    if (pid == 0) {
        run_child(arguments, log);
    }
    if (!read_process(pid, &state, &start)) {
        return -AXC_EINTERNAL;
    }
    (void)json_object_set_new(member, "pid", json_integer(pid));
    (void)json_object_set_new(member, "start", json_integer((json_int_t)start));
    return 0;
}

static bool wait_gone(const json_t *member, uint64_t wait_ms)
{
    for (uint64_t i = 0; i <= wait_ms / 10; i++) {
        (void)waitpid(pid_of(member), NULL, WNOHANG); /* when it is still our child */
        if (!axi_member_is_alive(member)) {
            return true;
        }
        (void)usleep(10000);
    }
    return false;
}

bool axi_member_stop(const json_t *member, uint64_t grace_ms)
{
    if (!axi_member_is_alive(member)) {
        return false;
    }
    (void)kill(pid_of(member), SIGTERM);
    if (wait_gone(member, grace_ms)) {
        return false;
    }
    (void)kill(pid_of(member), SIGKILL);
    (void)wait_gone(member, 2000);
    return true;
}

void axi_member_show_log(const json_t *member)
{
    const char *log = json_string_value(json_object_get(member, "log"));
    char tail[2049];
    FILE *file = log != NULL ? fopen(log, "re") : NULL;

    if (file == NULL) {
        return;
    }
    if (fseek(file, -2048, SEEK_END) < 0) {
        rewind(file);
    }
    size_t count = fread(tail, 1, sizeof(tail) - 1, file);

    (void)fclose(file);
    tail[count] = '\0';
    (void)fprintf(stderr, "--- end of %s ---\n%s", log,
                  count > 0 ? tail : "(it is empty: is there room left on the disk?)\n");
}
