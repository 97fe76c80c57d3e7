/* SPDX-License-Identifier: Apache-2.0 */
/* A Jailhouse driver and hypervisor in user space, with the traps of the real ones. It answers the
 * ioctls of the file AXC_FAKE_JAILHOUSE/device; linked into a test or preloaded into runax. All of
 * its state is files, so that processes share it and a test can look at it and play the guest:
 *
 *   device             the console: what is appended, every reader sees from its own position
 *   mem                physical memory (sparse)
 *   layout, arch       what the "hypervisor" was built as
 *   sys/               the sysfs tree; sys/cells/0 is the root cell
 *   sys/cells/N/.config  the configuration as it was passed
 *   deny               while it is there, active cells deny their shutdown (EPERM)
 *   fail               "COMMAND ERRNO": this command fails (create, load, start, destroy)
 *   guest              appended to the console by start; guest-state, guest-exits: what start
 * leaves calls              one line per command */
#include "base/bytes.h"
#include "runax/partition.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct layout {
    const char *name;
    const char *signature;
    uint32_t revision, header, memory, sets, counts; /* offsets and sizes of the driver's structs */
    unsigned long load;
};

static const struct layout LAYOUTS[] = {
    {"siemens14", "JHCLL", 14, 132, 32, 1, 52, 0x40300003},
    {"bu13", "JHCELL", 13, 136, 40, 1, 52, 0x40300003},
    {"omnivisor14", "JHCLL", 14, 140, 40, 2, 56, 0x40300003},
    {"omnivisor2025", "JHCLL", 14, 152, 40, 3, 60, 0x40380003},
};

static const char *root_folder(void)
{
    return getenv("AXC_FAKE_JAILHOUSE");
}

__attribute__((format(printf, 2, 3))) static void path_of(char *path, const char *format, ...)
{
    char rest[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(rest, sizeof(rest), format, arguments);
    va_end(arguments);
    (void)snprintf(path, 1024, "%s/%s", root_folder(), rest);
}

static void read_text(const char *name, char *text, size_t size)
{
    char path[1024];
    text[0] = '\0';
    path_of(path, "%s", name);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        text[fread(text, 1, size - 1, file)] = '\0';
        (void)fclose(file);
    }
}

static void append_text(const char *name, const char *text)
{
    char path[1024];
    path_of(path, "%s", name);
    FILE *file = fopen(path, "ae");
    if (file != NULL) {
        (void)fputs(text, file);
        (void)fclose(file);
    }
}

/* Whole or not at all, as sysfs is read. */
static void write_text(const char *name, const char *text)
{
    char path[1024];
    char temporary[1032];
    path_of(path, "%s", name);
    (void)snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = fopen(temporary, "we");
    if (file != NULL) {
        (void)fputs(text, file);
        (void)fclose(file);
        (void)rename(temporary, path);
    }
}

static void cell_file(char *name, int id, const char *file)
{
    (void)snprintf(name, 128, "sys/cells/%d/%s", id, file);
}

static void write_cell(int id, const char *file, const char *text)
{
    char name[128];
    char line[300];
    cell_file(name, id, file);
    (void)snprintf(line, sizeof(line), "%.290s\n", text);
    write_text(name, line);
}

static void read_cell(int id, const char *file, char *text, size_t size)
{
    char name[128];
    cell_file(name, id, file);
    read_text(name, text, size);
    text[strcspn(text, "\n")] = '\0';
}

static const struct layout *driver(void)
{
    char name[32];
    read_text("layout", name, sizeof(name));
    name[strcspn(name, "\n")] = '\0';
    for (size_t i = 0; i < sizeof(LAYOUTS) / sizeof(LAYOUTS[0]); i++) {
        if (strcmp(LAYOUTS[i].name, name) == 0) {
            return &LAYOUTS[i];
        }
    }
    abort(); /* the test did not set one */
}

/* Ids of the cells, the root cell's 0 first. */
static int list_cells(int *ids, int max)
{
    int count = 0;
    for (int id = 0; id < 1024 && count < max; id++) {
        char path[1024];
        path_of(path, "sys/cells/%d", id);
        if (access(path, F_OK) == 0) {
            ids[count++] = id;
        }
    }
    return count;
}

static int find_cell(int32_t wanted, const char *name)
{
    int ids[256];
    int count = list_cells(ids, 256);
    for (int i = 0; i < count; i++) {
        char own[64];
        read_cell(ids[i], "name", own, sizeof(own));
        if (ids[i] == wanted || (wanted == -1 && strcmp(own, name) == 0)) {
            return ids[i];
        }
    }
    return -1;
}

static bool exists(const char *name)
{
    char path[1024];
    path_of(path, "%s", name);
    return access(path, F_OK) == 0;
}

static void set_cpus(int id, const struct axi_cpuset *set)
{
    char text[256];
    axi_cpuset_print(set, text, sizeof(text));
    write_cell(id, "cpus_assigned_list", text);
}

static void get_cpus(int id, struct axi_cpuset *set)
{
    char text[256];
    read_cell(id, "cpus_assigned_list", text, sizeof(text));
    *set = (struct axi_cpuset){0};
    (void)axi_cpuset_parse(text, set);
}

static int checked_config(const uint8_t *config, uint32_t bytes)
{
    const struct layout *layout = driver();
    size_t signature = strlen(layout->signature);
    char arch[8];
    read_text("arch", arch, sizeof(arch));
    if (bytes < layout->header || memcmp(config, layout->signature, signature) != 0 ||
        axi_get_le16(config + 6) != layout->revision) {
        return EINVAL;
    }
    if (signature == 5 && config[5] != atoi(arch)) {
        return -1; /* the driver's trap: says it in the kernel log, and returns 0 */
    }
    return bytes > 65536 ? E2BIG : 0;
}

static int locked_cell(void)
{
    int ids[256];
    int count = list_cells(ids, 256);
    for (int i = 1; i < count; i++) {
        char state[32];
        read_cell(ids[i], "state", state, sizeof(state));
        if (strcmp(state, "running/locked") == 0) {
            return EPERM;
        }
    }
    return 0;
}

static uint32_t sets_bytes(const uint8_t *config)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < driver()->sets; i++) {
        bytes += axi_get_le32(config + 48 + 4 * i);
    }
    return bytes;
}

static void make_cell(int id, const uint8_t *config, uint32_t bytes, const struct axi_cpuset *cpus)
{
    char path[1024];
    char text[64];
    path_of(path, "sys/cells/%d", id);
    (void)mkdir(path, 0700);
    path_of(path, "sys/cells/%d/statistics", id);
    (void)mkdir(path, 0700);
    (void)snprintf(text, sizeof(text), "%.31s", (const char *)config + 8);
    write_cell(id, "state", "shut down");
    set_cpus(id, cpus);
    write_cell(id, "cpus_failed_list", "");
    write_cell(id, "statistics/vmexits_total", "0");
    if (driver()->sets > 1) {
        struct axi_cpuset rcpus = {0};
        char list[64];
        uint32_t at = driver()->header + axi_get_le32(config + 48);
        for (uint32_t i = 0; i < axi_get_le32(config + 52) / 8 && i < 4; i++) {
            rcpus.bits[i] = axi_get_le64(config + at + 8 * i);
        }
        axi_cpuset_print(&rcpus, list, sizeof(list));
        write_cell(id, "rcpus_assigned_list", list);
    }
    path_of(path, "sys/cells/%d/.config", id);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)!write(fd, config, bytes);
    (void)close(fd);
    write_cell(id, "name", text); /* last: then it is there */
}

static int create(const uint8_t *argument)
{
    uint32_t bytes = axi_get_le32(argument + 8);
    const uint8_t *config = (const uint8_t *)(uintptr_t)axi_get_le64(argument);
    int number = checked_config(config, bytes);
    if (number != 0) {
        return number < 0 ? 0 : number;
    }
    char name[32];
    (void)snprintf(name, sizeof(name), "%.31s", (const char *)config + 8);
    number = find_cell(-1, name) >= 0 ? EEXIST : locked_cell();
    if (number != 0) {
        return number;
    }
    struct axi_cpuset cpus = {0};
    struct axi_cpuset root;
    get_cpus(0, &root);
    uint32_t set_bytes = axi_get_le32(config + 48);
    for (uint32_t i = 0; i < set_bytes / 8 && i < AXI_CPUS_MAX / 64; i++) {
        cpus.bits[i] = axi_get_le64(config + driver()->header + 8 * i);
        if ((cpus.bits[i] & ~root.bits[i]) != 0) {
            return EBUSY;
        }
        root.bits[i] &= ~cpus.bits[i];
    }
    int ids[256];
    int count = list_cells(ids, 256);
    int id = 0;
    while (id < count && ids[id] == id) {
        id++;
    }
    make_cell(id, config, bytes, &cpus);
    set_cpus(0, &root);
    return 0;
}

/* The real one runs an unresponsive cell's timeout, or for ever with 0: that fails the test. */
static int may_stop(int id, const uint8_t *config)
{
    char state[32];
    read_cell(id, "state", state, sizeof(state));
    bool is_up = strncmp(state, "running", 7) == 0;
    bool is_passive = (axi_get_le32(config + 44) & 1) != 0;
    if (!is_up || is_passive) {
        return 0;
    }
    if (axi_get_le64(config + driver()->header - 40) == 0) {
        write_text("hung", "reply timeout 0\n");
        return ETIMEDOUT;
    }
    return exists("deny") ? EPERM : 0;
}

static uint32_t read_config(int id, uint8_t *config, uint32_t capacity)
{
    char path[1024];
    path_of(path, "sys/cells/%d/.config", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, config, capacity);
    (void)close(fd);
    return got > 0 ? (uint32_t)got : 0;
}

static int load_image(const uint8_t *config, uint32_t bytes, const uint8_t *image)
{
    const struct layout *layout = driver();
    uint64_t length = axi_get_le64(image + 8);
    uint64_t target = axi_get_le64(image + 16);
    uint32_t count = axi_get_le32(config + layout->counts);
    for (uint32_t i = 0; i < count && length != 0; i++) {
        uint32_t at = layout->header + sets_bytes(config) + i * layout->memory;
        if (at + 32 > bytes) {
            return EFAULT;
        }
        uint64_t offset = target - axi_get_le64(config + at + 8);
        if (offset >= axi_get_le64(config + at + 16)) {
            continue;
        }
        if (length > axi_get_le64(config + at + 16) - offset ||
            (axi_get_le64(config + at + 24) & 0x42) != 0x42) {
            return EINVAL;
        }
        char path[1024];
        path_of(path, "mem");
        int fd = open(path, O_RDWR | O_CLOEXEC);
        const char *source = (const char *)(uintptr_t)axi_get_le64(image);
        for (uint64_t k = 0; k < length; k += 4096) { /* the file stays sparse */
            char old[4096] = "";
            size_t piece = length - k < 4096 ? (size_t)(length - k) : 4096;
            off_t where = (off_t)(axi_get_le64(config + at) + offset + k);
            (void)!pread(fd, old, piece, where);
            if (memcmp(source + k, old, piece) != 0) {
                (void)!pwrite(fd, source + k, piece, where);
            }
        }
        (void)close(fd);
        return 0;
    }
    return length == 0 ? 0 : EINVAL;
}

static int load(int id, const uint8_t *argument)
{
    static uint8_t config[65536];
    uint32_t bytes = read_config(id, config, sizeof(config));
    int number = may_stop(id, config);
    if (number != 0) {
        return number;
    }
    write_cell(id, "state", "shut down");
    const uint8_t *images = argument + (driver()->load == 0x40380003 ? 56 : 48);
    uint32_t count = axi_get_le32(argument + 40);
    for (uint32_t i = 0; i < count && number == 0; i++) {
        number = load_image(config, bytes, images + 32 * (size_t)i);
    }
    return number;
}

static int start(int id)
{
    char text[4096];
    char failure[64];
    read_text("fail", failure, sizeof(failure));
    if (driver()->sets > 1 && strncmp(failure, "start-hypercall", 15) == 0) {
        return 0; /* Omnivisor's trap: the error is overwritten */
    }
    read_text("guest", text, sizeof(text));
    append_text("device", text);
    read_text("guest-exits", text, sizeof(text));
    text[strcspn(text, "\n")] = '\0';
    write_cell(id, "statistics/vmexits_total", text[0] != '\0' ? text : "7");
    read_text("guest-state", text, sizeof(text));
    text[strcspn(text, "\n")] = '\0';
    write_cell(id, "state", text[0] != '\0' ? text : "running");
    return 0;
}

static void remove_cell(int id)
{
    static const char *const files[] = {"name",
                                        "state",
                                        "cpus_assigned_list",
                                        "cpus_failed_list",
                                        "rcpus_assigned_list",
                                        ".config",
                                        "statistics/vmexits_total"};
    char path[1024];
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        path_of(path, "sys/cells/%d/%s", id, files[i]);
        (void)unlink(path);
    }
    path_of(path, "sys/cells/%d/statistics", id);
    (void)rmdir(path);
    path_of(path, "sys/cells/%d", id);
    (void)rmdir(path);
}

static int destroy(int id)
{
    static uint8_t config[65536];
    (void)read_config(id, config, sizeof(config));
    int number = may_stop(id, config);
    if (number != 0) {
        return number;
    }
    struct axi_cpuset root;
    struct axi_cpuset own;
    get_cpus(0, &root);
    get_cpus(id, &own);
    for (uint32_t i = 0; i < AXI_CPUS_MAX / 64; i++) {
        root.bits[i] |= own.bits[i];
    }
    remove_cell(id);
    set_cpus(0, &root);
    return 0;
}

static int injected(const char *command)
{
    char text[64];
    char name[32];
    int number = 0;
    read_text("fail", text, sizeof(text));
    return sscanf(text, "%31s %d", name, &number) == 2 && strcmp(name, command) == 0 ? number : 0;
}

static int run(unsigned long request, const uint8_t *argument)
{
    static const char *const NAMES[] = {"enable", "disable", "create", "load", "start", "destroy"};
    unsigned number = request & 0xff;
    bool is_known = request == 0x40100002 || request == driver()->load || request == 0x40280004 ||
                    request == 0x40280005;
    if (!is_known) {
        return EINVAL;
    }
    const char *name = number == 2 ? (const char *)(uintptr_t)(axi_get_le64(argument) + 8)
                                   : (const char *)argument + 8;
    char line[128];
    (void)snprintf(line, sizeof(line), "%s %.31s\n", NAMES[number], name);
    append_text("calls", line);
    int failure = injected(NAMES[number]);
    if (failure != 0) {
        return failure;
    }
    if (number == 2) {
        return create(argument);
    }
    int id = find_cell((int32_t)axi_get_le32(argument), name);
    if (id < 0) {
        return ENOENT;
    }
    return number == 3 ? load(id, argument) : number == 4 ? start(id) : destroy(id);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    char link[64];
    char target[1024];
    char device[1024];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof(target) - 1);
    target[length > 0 ? length : 0] = '\0';
    if (root_folder() != NULL) {
        path_of(device, "device");
    }
    if (root_folder() == NULL || strcmp(target, device) != 0) {
        if (real == NULL) {
            *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
        }
        return real(fd, request, argument);
    }
    char path[1024];
    path_of(path, "lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)flock(lock, LOCK_EX);
    int number = run(request, argument);
    (void)close(lock);
    errno = number;
    return number != 0 ? -1 : 0;
}
