/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's files: one per partition, replaced by rename, so that a process killed at any point
 * leaves the old state or the new one. Format: docs/formats/resource-journal.md. Everything here is
 * called with the lock held, and may block on the disk. Internal to resource/ and its tests. */
#ifndef AXI_RUNAX_RESOURCE_JOURNAL_H
#define AXI_RUNAX_RESOURCE_JOURNAL_H

#include "runax/partition.h"
#include "runax/report.h"

#include <stddef.h>
#include <sys/types.h>

#define AXI_JOURNAL_ENTRY_BYTES_MAX 32768u
#define AXI_JOURNAL_ENTRIES_MAX 1024u

enum axi_journal_state {
    AXI_JOURNAL_PENDING = 1,    /* being prepared; owner: the creator */
    AXI_JOURNAL_CONFIRMED = 2,  /* owner: the monitor */
    AXI_JOURNAL_RECLAIMING = 3, /* owner: whoever takes it back */
};

/* A process, told apart from a later one with the same number and from one before a reboot. */
struct axi_journal_owner {
    uint32_t pid;
    uint64_t start;   /* field 22 of /proc/PID/stat; 0: it was gone already */
    uint64_t boot_id; /* first 64 bits of /proc/sys/kernel/random/boot_id */
};

struct axi_journal_entry {
    uint32_t state; /* enum axi_journal_state */
    struct axi_journal_owner owner;
    char state_root[AXI_PARTITION_PATH_BYTES];
    struct axi_partition partition; /* image fds are -1 */
};

struct axi_journal {
    int folder_fd;
    int lock_fd;
};

/* Makes the folder (0700, its parents too) when it is missing and waits for the lock, which ends
 * with the process at the latest. */
AXC_MUST_USE int axi_journal_open(const char *folder, struct axi_journal *ret_journal,
                                  struct axi_report *report);
void axi_journal_close(struct axi_journal *journal);

AXC_MUST_USE int axi_journal_write(const struct axi_journal *journal,
                                   const struct axi_journal_entry *entry,
                                   struct axi_report *report);
/* -AXC_ENOENT, -AXC_EJOURNAL for a damaged file. */
AXC_MUST_USE int axi_journal_read(const struct axi_journal *journal, const char *id,
                                  struct axi_journal_entry *ret_entry, struct axi_report *report);
/* No such entry: 0. */
AXC_MUST_USE int axi_journal_remove(const struct axi_journal *journal, const char *id,
                                    struct axi_report *report);

/* All entries in the order of their names; the caller frees *ret_entries (NULL when there are
 * none). Removes what an interrupted write left. A damaged entry fails: nobody may take what it
 * held (reconcile removes it, axi_journal_remove_damaged). */
AXC_MUST_USE int axi_journal_load(const struct axi_journal *journal,
                                  struct axi_journal_entry **ret_entries, size_t *ret_count,
                                  struct axi_report *report);

/* Removes entries that cannot be read and were written before this boot: the hardware was reset
 * since. Returns their number or -AXC_EJOURNAL when one of this boot is damaged. */
AXC_MUST_USE int axi_journal_remove_damaged(const struct axi_journal *journal,
                                            struct axi_report *report);

void axi_journal_owner_of(pid_t pid, struct axi_journal_owner *ret_owner);
bool axi_journal_is_alive(const struct axi_journal_owner *owner);

/* The format itself: bytes written, or -AXC_EJOURNAL. */
int axi_journal_encode(const struct axi_journal_entry *entry, uint8_t *bytes, size_t capacity);
AXC_MUST_USE int axi_journal_decode(const uint8_t *bytes, size_t length,
                                    struct axi_journal_entry *ret_entry);

#endif
