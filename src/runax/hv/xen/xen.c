/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/xen/xen.h"

#include "base/bytes.h"
#include "runax/resource/allocate.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 200u
#define KERNEL "hv-kernel"
#define CONFIG "hv-xl.cfg"
#define MARK "hv-domain" /* the domain of this name is ours to destroy */
#define ARM64_MAGIC_OFFSET 56
#define ARM64_MAGIC 0x644d5241u /* "ARM\x64" */

struct axi_hv_guest {
    const struct axi_platform *platform;
    const struct axi_partition *partition;
    int state_fd;
    bool is_created;
    struct axi_hv_status status;
    struct axi_xl list; /* the look at the domain that is under way */
    int console_fd;
    pid_t console_pid;
};

static int run(const struct axi_hv_guest *guest, const char *verb, struct axi_report *report)
{
    const char *const words[] = {verb, guest->partition->name, NULL};
    return axi_xl_run(guest->platform->xen.xl, words, report);
}

static int probe(const struct axi_platform *platform, const struct axi_partition *partition,
                 struct axi_report *report)
{
    static const char *const INFO[] = {"info", NULL};
    struct axi_report why = {0};
    if (access(platform->xen.xl, X_OK) != 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s: %s", platform->xen.xl,
                              strerror(errno));
    }
    if (axi_xl_run(platform->xen.xl, INFO, &why) != 0) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED, "no Xen: %s", axi_report_text(&why));
    }
    char *text = NULL;
    size_t length = 0;
    FILE *file = partition != NULL ? open_memstream(&text, &length) : NULL;
    int rc = 0;
    if (file != NULL) { /* what cannot be written down is refused before anything is taken */
        rc = axi_xen_print_config(partition, "kernel", file, report);
        (void)fclose(file);
        free(text);
    }
    return rc;
}

/* --- prepare --- */

/* Xen rejects plain binaries: its message would not say so. */
static int check_header(const struct axi_partition *partition, struct axi_report *report)
{
    const struct axi_partition_image *image = &partition->images[0];
    uint8_t header[ARM64_MAGIC_OFFSET + 4];
    ssize_t got = pread(image->fd, header, sizeof(header), 0);
    if (strcmp(partition->isa, "aarch64") == 0 &&
        (got != sizeof(header) || axi_get_le32(header + ARM64_MAGIC_OFFSET) != ARM64_MAGIC)) {
        return axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                              "image %s: Xen needs the arm64 Image header", image->path);
    }
    return 0;
}

static int copy_kernel(const struct axi_hv_guest *guest, struct axi_report *report)
{
    static char buffer[65536];
    int fd = openat(guest->state_fd, KERNEL, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    off_t at = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0) {
        got = pread(guest->partition->images[0].fd, buffer, sizeof(buffer), at);
        got = got > 0 ? write(fd, buffer, (size_t)got) : got;
        at += got > 0 ? got : 0;
    }
    int rc = got < 0
                 ? axi_report_errno(report, "copy of image %s", guest->partition->images[0].path)
                 : 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

static int write_config(const struct axi_hv_guest *guest, char *ret_path, size_t size,
                        struct axi_report *report)
{
    char link[32];
    char folder[PATH_MAX - 16];
    char kernel[PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", guest->state_fd);
    ssize_t length = readlink(link, folder, sizeof(folder) - 1);
    int fd = openat(guest->state_fd, CONFIG, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (length < 0 || file == NULL) {
        int rc = axi_report_errno(report, "state folder");
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    folder[length] = '\0';
    (void)snprintf(kernel, sizeof(kernel), "%s/" KERNEL, folder);
    (void)snprintf(ret_path, size, "%s/" CONFIG, folder);
    int rc = axi_xen_print_config(guest->partition, kernel, file, report);
    if (fclose(file) != 0 && rc == 0) {
        rc = axi_report_errno(report, "%s", ret_path);
    }
    return rc;
}

/* xenconsole takes pipes and sockets as well as terminals. */
static int open_console(struct axi_hv_guest *guest, struct axi_report *report)
{
    const struct axi_partition *partition = guest->partition;
    const char *kind = strcmp(partition->isa, "x86_64") == 0 ? "pv" : "vuart";
    char *const words[] = {"xl", "console", "-t", (char *)kind, (char *)partition->name,
                           NULL}; /* not written to */
    static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    int ends[2];
    if (partition->console.kind == AXI_CONSOLE_NONE) {
        return 0;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return axi_report_errno(report, "console");
    }
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int number = posix_spawn(&guest->console_pid, guest->platform->xen.xl, &actions, NULL, words,
                             environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    guest->console_fd = ends[0];
    if (number != 0) {
        guest->console_pid = 0;
        errno = number;
        return axi_report_errno(report, "%s", guest->platform->xen.xl);
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static bool exists(const struct axi_platform *platform, const char *name)
{
    const char *const words[] = {"domid", name, NULL};
    return axi_xl_run(platform->xen.xl, words, NULL) == 0;
}

static int create(struct axi_hv_guest *guest, const char *config, struct axi_report *report)
{
    const char *const words[] = {"create", "-p", config, NULL};
    if (exists(guest->platform, guest->partition->name)) {
        return axi_report_set(report, -AXC_EHV_FAILED, "a domain %s exists",
                              guest->partition->name);
    }
    int fd = openat(guest->state_fd, MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return axi_report_errno(report, "state folder");
    }
    (void)close(fd);
    guest->is_created = true; /* xl may leave a half-made domain when it fails */
    return axi_xl_run(guest->platform->xen.xl, words, report);
}

static uint64_t number_in(const json_t *object, const char *part, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(json_object_get(object, part), key));
}

static int verify(struct axi_hv_guest *guest, struct axi_report *report)
{
    const struct axi_partition *partition = guest->partition;
    const char *const words[] = {"list", "-l", partition->name, NULL};
    struct axi_xl command;
    int status = 255;
    int rc = axi_xl_start(&command, guest->platform->xen.xl, words, report);
    if (rc != 0) {
        return rc;
    }
    (void)axi_xl_poll(&command, true, &status);
    json_t *root = status == 0 ? json_loads(command.output, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    const json_t *domain = json_is_array(root) ? json_array_get(root, 0) : root;
    const json_t *config = json_object_get(domain, "config");
    const char *name =
        json_string_value(json_object_get(json_object_get(config, "c_info"), "name"));
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        bytes += partition->memory[i].bytes;
    }
    if (name == NULL || strcmp(name, partition->name) != 0) {
        rc = axi_report_set(report, -AXC_EHV_VERIFY, "xl list does not know domain %s",
                            partition->name);
    } else if (number_in(config, "b_info", "max_vcpus") != partition->cpu_count) {
        rc = axi_report_set(report, -AXC_EHV_VERIFY, "domain %s has %u vCPUs, not %u", name,
                            (unsigned)number_in(config, "b_info", "max_vcpus"),
                            partition->cpu_count);
    } else if (number_in(config, "b_info", "max_memkb") * 1024 < bytes) {
        rc = axi_report_set(report, -AXC_EHV_VERIFY, "domain %s has less memory than asked for",
                            name);
    }
    json_decref(root);
    return rc;
}

static void destroy(struct axi_hv_guest *guest)
{
    if (guest == NULL) {
        return;
    }
    axi_xl_cancel(&guest->list);
    bool is_gone = !guest->is_created || run(guest, "destroy", NULL) == 0 ||
                   !exists(guest->platform, guest->partition->name);
    if (guest->console_pid > 0) {
        (void)kill(guest->console_pid, SIGKILL);
        (void)waitpid(guest->console_pid, NULL, 0);
    }
    if (guest->console_fd >= 0) {
        (void)close(guest->console_fd);
    }
    if (guest->state_fd >= 0) {
        (void)unlinkat(guest->state_fd, KERNEL, 0);
        (void)unlinkat(guest->state_fd, CONFIG, 0);
        if (is_gone) { /* else reclaim tries again */
            (void)unlinkat(guest->state_fd, MARK, 0);
        }
        (void)close(guest->state_fd);
    }
    free(guest);
}

static int prepare(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report, struct axi_hv_guest **ret_guest)
{
    char config[PATH_MAX];
    struct axi_hv_guest *guest = calloc(1, sizeof(*guest));
    if (guest == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "out of memory");
    }
    guest->platform = host->platform;
    guest->partition = partition;
    guest->console_fd = -1;
    guest->state_fd = fcntl(host->state_fd, F_DUPFD_CLOEXEC, 3);
    int rc = guest->state_fd < 0 ? axi_report_errno(report, "state folder")
                                 : check_header(partition, report);
    rc = rc != 0 ? rc : copy_kernel(guest, report);
    rc = rc != 0 ? rc : write_config(guest, config, sizeof(config), report);
    rc = rc != 0 ? rc : create(guest, config, report);
    rc = rc != 0 ? rc : verify(guest, report);
    rc = rc != 0 ? rc : open_console(guest, report);
    if (rc != 0) {
        destroy(guest);
        return rc;
    }
    *ret_guest = guest;
    return 0;
}

/* --- life --- */

static int start(struct axi_hv_guest *guest, struct axi_report *report)
{
    int rc = run(guest, "unpause", report);
    guest->status.state = rc == 0 ? AXI_HV_RUNNING : guest->status.state;
    return rc;
}

static int stop(struct axi_hv_guest *guest, bool graceful, struct axi_report *report)
{
    struct axi_report why = {0};
    if (guest->status.state == AXI_HV_STOPPED || guest->status.state == AXI_HV_FAILED) {
        return 0;
    }
    if (graceful) {
        return run(guest, "shutdown", &why) == 0
                   ? 0
                   : axi_report_set(report, -AXC_EHV_UNSUPPORTED, "%s", axi_report_text(&why));
    }
    int rc = run(guest, "destroy", report);
    if (rc == 0) {
        guest->status = (struct axi_hv_status){
            .state = AXI_HV_STOPPED, .exit_code = AXI_EXIT_KILLED, .reason = "killed"};
    }
    return rc;
}

static int pause_domain(struct axi_hv_guest *guest, struct axi_report *report)
{
    axi_xl_cancel(&guest->list); /* it may have looked before */
    int rc = run(guest, "pause", report);
    guest->status.state = rc == 0 ? AXI_HV_PAUSED : guest->status.state;
    return rc;
}

static int resume(struct axi_hv_guest *guest, struct axi_report *report)
{
    axi_xl_cancel(&guest->list);
    int rc = run(guest, "unpause", report);
    guest->status.state = rc == 0 ? AXI_HV_RUNNING : guest->status.state;
    return rc;
}

/* Looks at the domain by an xl that runs beside: dispatch does not wait for it. */
static void dispatch(struct axi_hv_guest *guest)
{
    const char *const words[] = {"list", "-v", guest->partition->name, NULL};
    int status = 0;
    if (guest->status.state != AXI_HV_RUNNING && guest->status.state != AXI_HV_PAUSED) {
        return;
    }
    if (guest->list.pid == 0) {
        struct axi_report why;
        if (axi_xl_start(&guest->list, guest->platform->xen.xl, words, &why) != 0) {
            guest->list.pid = 0;
        }
        return;
    }
    if (axi_xl_poll(&guest->list, false, &status) != 1) {
        return;
    }
    if (status != 0) {
        guest->status.state = AXI_HV_FAILED;
        (void)strcpy(guest->status.reason, "the domain is gone");
    } else {
        axi_xl_read_status(guest->list.output, guest->partition->name, &guest->status);
    }
}

static void status(const struct axi_hv_guest *guest, struct axi_hv_status *ret_status)
{
    *ret_status = guest->status;
}

static int event_fd(const struct axi_hv_guest *guest)
{
    (void)guest;
    return -1;
}

static int console_fd(const struct axi_hv_guest *guest)
{
    return guest->console_fd;
}

static int stats(struct axi_hv_guest *guest, struct axi_hv_stats *ret_stats)
{
    struct axi_hv_stats result = {0};
    for (uint32_t i = 0; i < guest->partition->memory_count; i++) {
        result.memory_bytes += guest->partition->memory[i].bytes;
    }
    *ret_stats = result;
    return 0;
}

static int reclaim(const struct axi_partition *partition, const struct axi_hv_host *host,
                   struct axi_report *report)
{
    const char *const words[] = {"destroy", partition->name, NULL};
    bool is_ours = host->state_fd < 0 || faccessat(host->state_fd, MARK, F_OK, 0) == 0;
    if (!is_ours || !exists(host->platform, partition->name)) {
        return 0;
    }
    int rc = axi_xl_run(host->platform->xen.xl, words, report);
    if (rc == 0 && host->state_fd >= 0) {
        (void)unlinkat(host->state_fd, MARK, 0);
        (void)unlinkat(host->state_fd, KERNEL, 0);
        (void)unlinkat(host->state_fd, CONFIG, 0);
    }
    return rc;
}

const struct axi_hv axi_hv_xen = {
    .name = "xen",
    .takes = AXI_TAKES_DEVICES,
    .probe = probe,
    .prepare = prepare,
    .start = start,
    .stop = stop,
    .pause = pause_domain,
    .resume = resume,
    .event_fd = event_fd,
    .dispatch = dispatch,
    .status = status,
    .console_fd = console_fd,
    .verify = verify,
    .stats = stats,
    .destroy = destroy,
    .reclaim = reclaim,
    .poll_ms = POLL_MS,
};
