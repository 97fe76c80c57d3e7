/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/state.h"

#include "runax/json.h"
#include "runax/monitor/control.h"
#include "runax/oci/log.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_BYTES_MAX (8u * 1024u * 1024u) /* a bundle's annotations and hooks fit */

int axi_state_check_id(const char *id, struct axi_report *report)
{
    size_t length = strlen(id);
    bool is_good = length > 0 && length < AXI_PARTITION_ID_BYTES && id[0] != '.';
    for (size_t i = 0; i < length && is_good; i++) {
        is_good = isalnum((unsigned char)id[i]) || strchr("_.+-", id[i]) != NULL;
    }
    return is_good ? 0
                   : axi_report_set(report, -AXC_EINVALID,
                                    "container id \"%.140s\": 1 to 127 of A-Z a-z 0-9 _ . + -, no "
                                    "'.' in front",
                                    id);
}

static int make_folders(const char *path, struct axi_report *report)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
        return axi_report_set(report, -AXC_EINVALID, "--root: too long");
    }
    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
            return axi_report_errno(report, "directory %s", copy);
        }
        if (slash == NULL) {
            return 0;
        }
        *slash = '/';
    }
}

static int open_folder(const char *root, const char *id)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int folder = openat(fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int number = errno;
    (void)close(fd);
    errno = number;
    return folder;
}

static int lock_folder(const struct axi_container *container, struct axi_report *report)
{
    while (flock(container->folder_fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return axi_report_errno(report, "lock of container %s", container->id);
        }
    }
    struct stat info;
    if (fstat(container->folder_fd, &info) != 0 || info.st_nlink == 0) {
        return axi_report_set(report, -AXC_ENO_CONTAINER, "container %s does not exist",
                              container->id);
    }
    return 0;
}

int axi_state_create(const char *root, const char *id, struct axi_container *ret_container,
                     struct axi_report *report)
{
    char path[PATH_MAX];
    int rc = axi_state_check_id(id, report);
    rc = rc != 0 ? rc : make_folders(root, report);
    if (rc != 0) {
        return rc;
    }
    if (snprintf(path, sizeof(path), "%s/%s", root, id) >= (int)sizeof(path)) {
        return axi_report_set(report, -AXC_EINVALID, "--root: too long");
    }
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST
                   ? axi_report_set(report, -AXC_EEXIST, "container with id exists: %s", id)
                   : axi_report_errno(report, "directory %s", path);
    }
    memset(ret_container, 0, sizeof(*ret_container));
    ret_container->folder_fd = open_folder(root, id);
    if (ret_container->folder_fd < 0) {
        return axi_report_errno(report, "directory %s", path);
    }
    (void)snprintf(ret_container->id, sizeof(ret_container->id), "%s", id);
    ret_container->owner = getuid();
    axi_oci_time(ret_container->created);
    return lock_folder(ret_container, report);
}

int axi_state_save(const struct axi_container *container, struct axi_report *report)
{
    json_t *root = json_pack("{ss ss ss ss ss ss ss si si sI sO sO*}", "ociVersion", "1.2.0", "id",
                             container->id, "bundle", container->bundle, "rootfs",
                             container->rootfs, "created", container->created, "hv", container->hv,
                             "cgroup", container->cgroup, "owner", (int)container->owner, "pid",
                             (int)container->pid, "pidStart", (json_int_t)container->pid_start,
                             "annotations", container->annotations, "hooks", container->hooks);
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "state.json: out of memory");
    }
    int fd =
        openat(container->folder_fd, "state.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    is_written =
        fd >= 0 && close(fd) == 0 && is_written &&
        renameat(container->folder_fd, "state.tmp", container->folder_fd, "state.json") == 0;
    free(text);
    return is_written ? 0 : axi_report_errno(report, "state of container %s", container->id);
}

static int read_state(const json_t *root, struct axi_container *container,
                      struct axi_report *report)
{
    struct axi_json json = {
        .object = root, .where = "state.json: ", .error = -AXC_EJOURNAL, .report = report};
    struct axi_json annotations;
    struct axi_json hooks;
    uint32_t pid = 0;
    int rc = axi_json_text(&json, "bundle", true, container->bundle, sizeof(container->bundle));
    rc = rc != 0
             ? rc
             : axi_json_text(&json, "rootfs", true, container->rootfs, sizeof(container->rootfs));
    rc = rc != 0 ? rc
                 : axi_json_text(&json, "created", true, container->created,
                                 sizeof(container->created));
    rc = rc != 0 ? rc : axi_json_text(&json, "hv", true, container->hv, sizeof(container->hv));
    rc = rc != 0
             ? rc
             : axi_json_text(&json, "cgroup", true, container->cgroup, sizeof(container->cgroup));
    rc = rc != 0 ? rc : axi_json_u32(&json, "owner", true, 0, UINT32_MAX, &container->owner);
    rc = rc != 0 ? rc : axi_json_u32(&json, "pid", true, 1, INT32_MAX, &pid);
    rc = rc != 0 ? rc : axi_json_u64(&json, "pidStart", true, 0, UINT64_MAX, &container->pid_start);
    rc = rc != 0 ? rc : axi_json_object(&json, "annotations", &annotations);
    rc = rc != 0 ? rc : axi_json_object(&json, "hooks", &hooks);
    if (rc == 0) {
        container->pid = (pid_t)pid;
        container->annotations = json_incref((json_t *)annotations.object);
        container->hooks = json_incref((json_t *)hooks.object);
    }
    return rc;
}

static int read_file(struct axi_container *container, struct axi_report *report)
{
    int fd = openat(container->folder_fd, "state.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        return 0;
    }
    char *text = NULL;
    size_t bytes = 0;
    int rc = fd < 0 ? axi_report_errno(report, "state of container %s", container->id)
                    : axi_bundle_read_file(fd, STATE_BYTES_MAX, &text, &bytes);
    if (fd >= 0) {
        (void)close(fd);
    }
    json_t *json = NULL;
    rc = rc != 0 ? rc : axi_json_parse(text, bytes, STATE_BYTES_MAX, -AXC_EJOURNAL, report, &json);
    rc = rc != 0 ? rc : read_state(json, container, report);
    json_decref(json);
    free(text);
    return rc;
}

int axi_state_open(const char *root, const char *id, unsigned flags,
                   struct axi_container *ret_container, struct axi_report *report)
{
    int rc = axi_state_check_id(id, report);
    if (rc != 0) {
        return rc;
    }
    memset(ret_container, 0, sizeof(*ret_container));
    (void)snprintf(ret_container->id, sizeof(ret_container->id), "%s", id);
    ret_container->folder_fd = open_folder(root, id);
    if (ret_container->folder_fd < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? axi_report_set(report, -AXC_ENO_CONTAINER, "container %s does not exist", id)
                   : axi_report_errno(report, "container %s in %s", id, root);
    }
    rc = (flags & AXI_STATE_LOCKED) != 0 ? lock_folder(ret_container, report) : 0;
    rc = rc != 0 ? rc : read_file(ret_container, report);
    if (rc == -AXC_EJOURNAL && (flags & AXI_STATE_ANYHOW) != 0) {
        rc = 0;
    }
    if (rc != 0) {
        axi_state_deinit(ret_container);
    }
    return rc;
}

uint64_t axi_process_start(pid_t pid)
{
    char path[32];
    char text[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    char *rest = strrchr(text, ')'); /* the name before may contain anything */
    char state = 0;
    unsigned long long start = 0;
    if (rest == NULL || sscanf(rest + 1,
                               " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                               "%*s %*s %*s %llu",
                               &state, &start) != 2) {
        return 0;
    }
    return state == 'Z' || state == 'X' ? 0 : start;
}

bool axi_state_has_monitor(const struct axi_container *container)
{
    return container->pid > 0 && axi_process_start(container->pid) == container->pid_start;
}

static bool read_exit(const struct axi_container *container, struct axi_container_now *now)
{
    char text[256] = "";
    int fd = openat(container->folder_fd, "exit", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    now->has_exit = sscanf(text, "%d %127[^\n]", &now->exit_code, now->reason) == 2;
    return now->has_exit;
}

void axi_state_now(const struct axi_container *container, struct axi_container_now *ret_now)
{
    static const struct {
        const char *word;
        enum axi_container_status status;
    } WORDS[] = {{"prepared", AXI_CONTAINER_CREATED},
                 {"running", AXI_CONTAINER_RUNNING},
                 {"paused", AXI_CONTAINER_PAUSED}};
    *ret_now = (struct axi_container_now){.status = AXI_CONTAINER_STOPPED};
    if (container->pid == 0) {
        ret_now->status = AXI_CONTAINER_CREATING;
        return;
    }
    if (read_exit(container, ret_now)) {
        return;
    }
    char word[16] = "";
    struct axi_report answer = {0};
    int rc = axi_control_call(container->folder_fd, "state", AXI_CONTROL_TIMEOUT_MS, &answer);
    if (rc == 0 && sscanf(answer.text, "%15s", word) == 1) {
        for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
            if (strcmp(word, WORDS[i].word) == 0) {
                ret_now->status = WORDS[i].status;
                return;
            }
        }
    }
    if (read_exit(container, ret_now)) { /* it ended while we asked */
        return;
    }
    if (rc != 0 && axi_state_has_monitor(container)) {
        ret_now->status = AXI_CONTAINER_RUNNING; /* alive, but does not answer in time */
        return;
    }
    ret_now->has_exit = true;
    ret_now->exit_code = 137;
    (void)strcpy(ret_now->reason, "the monitor was killed");
}

const char *axi_container_status_name(enum axi_container_status status)
{
    static const char *const NAMES[] = {"creating", "created", "running", "paused", "stopped"};
    return NAMES[status];
}

static int remove_children(int folder_fd)
{
    int copy = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
    if (folder == NULL) {
        return -1;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(folder_fd, entry->d_name, 0);
        }
    }
    return closedir(folder);
}

int axi_state_remove(const char *root, const struct axi_container *container,
                     struct axi_report *report)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    (void)remove_children(container->folder_fd);
    int rc = unlinkat(fd, container->id, AT_REMOVEDIR) == 0 || errno == ENOENT
                 ? 0
                 : axi_report_errno(report, "state directory of container %s", container->id);
    (void)close(fd);
    return rc;
}

void axi_state_deinit(struct axi_container *container)
{
    if (container->folder_fd >= 0) {
        (void)close(container->folder_fd);
    }
    json_decref(container->annotations);
    json_decref(container->hooks);
    *container = (struct axi_container){.folder_fd = -1};
}

json_t *axi_state_describe(const struct axi_container *container,
                           const struct axi_container_now *now)
{
    bool has_pid = now->status != AXI_CONTAINER_STOPPED && now->status != AXI_CONTAINER_CREATING;
    json_t *root = json_pack("{ss ss ss si ss ss ss ss si}", "ociVersion", "1.2.0", "id",
                             container->id, "status", axi_container_status_name(now->status), "pid",
                             has_pid ? (int)container->pid : 0, "bundle", container->bundle,
                             "rootfs", container->rootfs, "created", container->created,
                             "hypervisor", container->hv, "owner", (int)container->owner);
    if (root == NULL) {
        return NULL;
    }
    if (container->annotations != NULL) {
        (void)json_object_set(root, "annotations", container->annotations);
    }
    if (now->has_exit) {
        (void)json_object_set_new(root, "exitCode", json_integer(now->exit_code));
        (void)json_object_set_new(root, "exitReason", json_string(now->reason));
    }
    return root;
}
