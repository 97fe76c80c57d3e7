/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/monitor/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "a-b.slice" stands for "a.slice/a-b.slice". */
static int expand_slice(const char *slice, char *ret_path, size_t size)
{
    size_t used = 0;
    size_t length = strlen(slice);
    if (length < 7 || strcmp(slice + length - 6, ".slice") != 0) {
        return -1;
    }
    ret_path[0] = '\0';
    for (size_t i = 1; i <= length - 6; i++) {
        if (slice[i] != '-' && i != length - 6) {
            continue;
        }
        int n = snprintf(ret_path + used, size - used, "/%.*s.slice", (int)i, slice);
        if (n < 0 || (size_t)n >= size - used) {
            return -1;
        }
        used += (size_t)n;
    }
    return 0;
}

static bool is_safe(const char *path)
{
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/' ? 1 : 0;
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
            return false;
        }
    }
    return true;
}

int axi_cgroup_path(const char *text, bool is_systemd, char *ret_path, size_t size,
                    struct axi_report *report)
{
    char slice[256] = "";
    char prefix[128] = "";
    char name[256] = "";
    char expanded[PATH_MAX] = "";
    int n = -1;
    if (text[0] == '\0') {
        ret_path[0] = '\0';
        return 0;
    }
    if (!is_systemd && strchr(text, ':') == NULL) {
        n = snprintf(ret_path, size, "%s%s", text[0] == '/' ? "" : "/", text);
    } else if (sscanf(text, "%255[^:]:%127[^:]:%255[^:]", slice, prefix, name) == 3 &&
               expand_slice(slice, expanded, sizeof(expanded)) == 0) {
        n = snprintf(ret_path, size, "%s/%s-%s.scope", expanded, prefix, name);
    }
    if (n < 0 || (size_t)n >= size || !is_safe(ret_path)) {
        return axi_report_set(report, -AXC_EBUNDLE, "linux.cgroupsPath: \"%.200s\"", text);
    }
    return 0;
}

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = write(fd, text, strlen(text));
    int number = errno;
    (void)close(fd);
    errno = number;
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* A new directory of the v1 cpuset controller takes no process before it has CPUs and memory. */
static void inherit_cpuset(const char *folder)
{
    static const char *const FILES[] = {"cpuset.cpus", "cpuset.mems"};
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX + 32];
        char text[256] = "";
        (void)snprintf(path, sizeof(path), "%s/../%s", folder, FILES[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
        if (fd >= 0) {
            (void)close(fd);
        }
        if (n > 0) {
            (void)snprintf(path, sizeof(path), "%s/%s", folder, FILES[i]);
            (void)write_text(path, text);
        }
    }
}

static int enter_hierarchy(const char *mount, const char *path)
{
    char folder[PATH_MAX];
    char file[PATH_MAX + 32];
    if (snprintf(folder, sizeof(folder), "%s%s", mount, path) >= (int)sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (char *slash = strchr(folder + strlen(mount) + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(folder, 0755) == 0) {
            inherit_cpuset(folder);
        } else if (errno != EEXIST) {
            return -1;
        }
        if (slash == NULL) {
            break;
        }
        *slash = '/';
    }
    (void)snprintf(file, sizeof(file), "%s/cgroup.procs", folder);
    return write_text(file, "0");
}

/* Calls `visit` for the mount point of each hierarchy. */
static void each_hierarchy(void (*visit)(void *context, const char *mount), void *context)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    while (file != NULL && getline(&line, &size, file) > 0) {
        char mount[PATH_MAX];
        const char *type = strstr(line, " - ");
        if (type != NULL &&
            (strncmp(type, " - cgroup ", 10) == 0 || strncmp(type, " - cgroup2 ", 11) == 0) &&
            sscanf(line, "%*s %*s %*s %*s %4095s", mount) == 1) {
            visit(context, mount);
        }
    }
    free(line);
    if (file != NULL) {
        (void)fclose(file);
    }
}

struct entering {
    const char *path;
    struct axi_report *report;
    int entered;
};

static void enter_one(void *context, const char *mount)
{
    struct entering *entering = context;
    if (enter_hierarchy(mount, entering->path) == 0) {
        entering->entered++;
    } else if (entering->report->code == 0) {
        (void)axi_report_errno(entering->report, "cgroup %s%s", mount, entering->path);
    }
}

int axi_cgroup_enter(const char *path, struct axi_report *report)
{
    struct entering entering = {.path = path, .report = report};
    report->code = 0;
    each_hierarchy(enter_one, &entering);
    if (entering.entered > 0) {
        return 0;
    }
    return report->code != 0 ? report->code
                             : axi_report_set(report, -AXC_ENOENT, "no cgroup hierarchy mounted");
}

static void remove_one(void *context, const char *mount)
{
    char folder[PATH_MAX];
    int n = snprintf(folder, sizeof(folder), "%s%s", mount, (const char *)context);
    if (n > 0 && n < (int)sizeof(folder)) {
        (void)rmdir(folder); /* not empty: someone else's */
    }
}

void axi_cgroup_remove(const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", path);
    if (copy[0] != '\0') {
        each_hierarchy(remove_one, copy);
    }
}

int axi_place_on(const struct axi_cpuset *cpus, struct axi_report *report)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (uint32_t cpu = 0; cpu < AXI_CPUS_MAX && cpu < CPU_SETSIZE; cpu++) {
        if (axi_cpuset_has(cpus, cpu)) {
            CPU_SET(cpu, &set);
        }
    }
    return sched_setaffinity(0, sizeof(set), &set) == 0
               ? 0
               : axi_report_errno(report, "the monitor's CPUs");
}

int axi_place_oom_score(int score, struct axi_report *report)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", score);
    return write_text("/proc/self/oom_score_adj", text) == 0
               ? 0
               : axi_report_errno(report, "process.oomScoreAdj %d", score);
}
