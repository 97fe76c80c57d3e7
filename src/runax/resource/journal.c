/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/resource/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".entry"
#define UNFINISHED ".new" /* one is enough: the lock is held */

static int make_folder(const char *folder, struct axi_report *report)
{
    char path[AXI_PARTITION_PATH_BYTES];
    if (snprintf(path, sizeof(path), "%s", folder) >= (int)sizeof(path) || path[0] == '\0') {
        return axi_report_set(report, -AXC_EINVALID, "resource folder: the path is too long");
    }
    for (char *p = path + 1;; p++) {
        char end = *p;
        if (end != '/' && end != '\0') {
            continue;
        }
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return axi_report_errno(report, "resource folder %s", path);
        }
        if (end == '\0') {
            return 0;
        }
        *p = end;
    }
}

int axi_journal_open(const char *folder, struct axi_journal *ret_journal, struct axi_report *report)
{
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0 && errno == ENOENT) {
        int rc = make_folder(folder, report);
        if (rc != 0) {
            return rc;
        }
        folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (folder_fd < 0) {
        return axi_report_errno(report, "resource folder %s", folder);
    }
    int lock_fd = openat(folder_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = lock_fd < 0 ? -1 : flock(lock_fd, LOCK_EX);
    while (rc != 0 && lock_fd >= 0 && errno == EINTR) {
        rc = flock(lock_fd, LOCK_EX);
    }
    if (rc != 0) {
        rc = axi_report_errno(report, "lock of %s", folder);
        (void)close(folder_fd);
        if (lock_fd >= 0) {
            (void)close(lock_fd);
        }
        return rc;
    }
    *ret_journal = (struct axi_journal){.folder_fd = folder_fd, .lock_fd = lock_fd};
    return 0;
}

void axi_journal_close(struct axi_journal *journal)
{
    (void)close(journal->lock_fd); /* releases: the lock is not shared with a child */
    (void)close(journal->folder_fd);
}

static int entry_name(const char *id, char *ret_name, size_t size, struct axi_report *report)
{
    if (id[0] == '\0' || id[0] == '.' || strchr(id, '/') != NULL ||
        snprintf(ret_name, size, "%s" SUFFIX, id) >= (int)size) {
        return axi_report_set(report, -AXC_EINVALID, "\"%.64s\" is no container id", id);
    }
    return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, bytes, length);
        if (done < 0 && errno != EINTR) {
            return -1;
        }
        if (done > 0) {
            bytes += done;
            length -= (size_t)done;
        }
    }
    return fdatasync(fd);
}

int axi_journal_write(const struct axi_journal *journal, const struct axi_journal_entry *entry,
                      struct axi_report *report)
{
    char name[AXI_PARTITION_ID_BYTES + sizeof(SUFFIX)];
    int rc = entry_name(entry->partition.id, name, sizeof(name), report);
    if (rc != 0) {
        return rc;
    }
    uint8_t bytes[AXI_JOURNAL_ENTRY_BYTES_MAX];
    int length = axi_journal_encode(entry, bytes, sizeof(bytes));
    if (length < 0) {
        return axi_report_set(report, -AXC_EINTERNAL, "partition %s does not fit into the journal",
                              entry->partition.id);
    }
    int fd = openat(journal->folder_fd, UNFINISHED,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return axi_report_errno(report, "resource journal");
    }
    if (write_all(fd, bytes, (size_t)length) != 0 ||
        renameat(journal->folder_fd, UNFINISHED, journal->folder_fd, name) != 0) {
        rc = axi_report_errno(report, "resource journal, entry %s", entry->partition.id);
        (void)unlinkat(journal->folder_fd, UNFINISHED, 0);
    }
    (void)close(fd);
    return rc;
}

static int read_file(const struct axi_journal *journal, const char *name,
                     struct axi_journal_entry *ret_entry, struct axi_report *report)
{
    int fd = openat(journal->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return axi_report_errno(report, "resource journal, entry %s", name);
    }
    uint8_t bytes[AXI_JOURNAL_ENTRY_BYTES_MAX];
    ssize_t length = read(fd, bytes, sizeof(bytes)); /* a regular file: whole or an error */
    (void)close(fd);
    if (length < 0 || axi_journal_decode(bytes, (size_t)length, ret_entry) != 0) {
        return axi_report_set(report, -AXC_EJOURNAL,
                              "resource journal: %s is damaged; run: runax reconcile", name);
    }
    return 0;
}

int axi_journal_read(const struct axi_journal *journal, const char *id,
                     struct axi_journal_entry *ret_entry, struct axi_report *report)
{
    char name[AXI_PARTITION_ID_BYTES + sizeof(SUFFIX)];
    int rc = entry_name(id, name, sizeof(name), report);
    return rc != 0 ? rc : read_file(journal, name, ret_entry, report);
}

int axi_journal_remove(const struct axi_journal *journal, const char *id, struct axi_report *report)
{
    char name[AXI_PARTITION_ID_BYTES + sizeof(SUFFIX)];
    int rc = entry_name(id, name, sizeof(name), report);
    if (rc != 0) {
        return rc;
    }
    if (unlinkat(journal->folder_fd, name, 0) != 0 && errno != ENOENT) {
        return axi_report_errno(report, "resource journal, entry %s", id);
    }
    return 0;
}

static int is_entry(const struct dirent *item)
{
    size_t length = strlen(item->d_name);
    return item->d_name[0] != '.' && length > sizeof(SUFFIX) - 1 &&
           strcmp(item->d_name + length - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

int axi_journal_load(const struct axi_journal *journal, struct axi_journal_entry **ret_entries,
                     size_t *ret_count, struct axi_report *report)
{
    struct dirent **names = NULL;
    (void)unlinkat(journal->folder_fd, UNFINISHED, 0);
    int count = scandirat(journal->folder_fd, ".", &names, is_entry, alphasort);
    if (count < 0) {
        return axi_report_errno(report, "resource journal");
    }
    int rc = 0;
    struct axi_journal_entry *entries = NULL;
    if ((unsigned)count > AXI_JOURNAL_ENTRIES_MAX) {
        rc = axi_report_set(report, -AXC_EFULL, "resource journal: more than %u partitions",
                            AXI_JOURNAL_ENTRIES_MAX);
    } else if (count > 0 && (entries = calloc((size_t)count, sizeof(*entries))) == NULL) {
        rc = axi_report_set(report, -AXC_ENOMEM, "resource journal: out of memory");
    }
    for (int i = 0; i < count && rc == 0; i++) {
        rc = read_file(journal, names[i]->d_name, &entries[i], report);
    }
    free_names(names, count);
    if (rc != 0) {
        free(entries);
        return rc;
    }
    *ret_entries = entries;
    *ret_count = (size_t)count;
    return 0;
}

static uint64_t boot_id(void)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    unsigned first = 0;
    unsigned second = 0;
    unsigned third = 0;
    if (file != NULL) {
        if (fscanf(file, "%8x-%4x-%4x", &first, &second, &third) != 3) {
            first = 0;
        }
        (void)fclose(file);
    }
    return (uint64_t)first << 32 | (uint64_t)second << 16 | third;
}

static bool is_before_this_boot(const struct stat *status)
{
    struct timespec now;
    struct timespec up;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)clock_gettime(CLOCK_BOOTTIME, &up);
    return status->st_mtime < now.tv_sec - up.tv_sec;
}

int axi_journal_remove_damaged(const struct axi_journal *journal, struct axi_report *report)
{
    struct dirent **names = NULL;
    int count = scandirat(journal->folder_fd, ".", &names, is_entry, alphasort);
    if (count < 0) {
        return axi_report_errno(report, "resource journal");
    }
    int removed = 0;
    struct axi_journal_entry entry;
    for (int i = 0; i < count && removed >= 0; i++) {
        if (read_file(journal, names[i]->d_name, &entry, report) == 0) {
            continue;
        }
        struct stat status;
        if (fstatat(journal->folder_fd, names[i]->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !is_before_this_boot(&status)) {
            removed = axi_report_set(report, -AXC_EJOURNAL,
                                     "resource journal: %s is damaged; end what it stands for and "
                                     "remove the file",
                                     names[i]->d_name);
        } else if (unlinkat(journal->folder_fd, names[i]->d_name, 0) == 0) {
            removed++;
        }
    }
    free_names(names, count);
    return removed;
}

/* When the process began; 0: there is none. A zombie counts as gone. */
static uint64_t start_of(uint32_t pid)
{
    char path[32];
    char text[512];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[length] = '\0';
    char *rest = strrchr(text, ')'); /* the name may contain anything */
    if (rest == NULL || rest[1] == '\0' || rest[2] == 'Z' || rest[2] == 'X') {
        return 0;
    }
    uint64_t start = 0;
    rest += 2;
    for (int field = 3; field < 22 && rest != NULL; field++) {
        rest = strchr(rest + 1, ' ');
    }
    return rest != NULL && sscanf(rest, "%" SCNu64, &start) == 1 ? start : 0;
}

void axi_journal_owner_of(pid_t pid, struct axi_journal_owner *ret_owner)
{
    *ret_owner = (struct axi_journal_owner){
        .pid = (uint32_t)pid, .start = start_of((uint32_t)pid), .boot_id = boot_id()};
}

bool axi_journal_is_alive(const struct axi_journal_owner *owner)
{
    return owner->start != 0 && owner->boot_id == boot_id() && start_of(owner->pid) == owner->start;
}
