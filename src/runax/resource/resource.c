/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/resource/resource.h"

#include "runax/hv/hv.h"
#include "runax/resource/allocate.h"
#include "runax/resource/journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Loads what is taken and chooses; the entries are freed again. */
static int allocate(const struct axi_journal *journal, const struct axi_platform *platform,
                    struct axi_partition *partition, struct axi_report *report)
{
    struct axi_journal_entry *entries = NULL;
    size_t count = 0;
    int rc = axi_journal_load(journal, &entries, &count, report);
    if (rc != 0) {
        return rc;
    }
    const char *stale = NULL;
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (strcmp(entries[i].partition.id, partition->id) == 0) {
            rc = axi_report_set(report, -AXC_EEXIST, "partition %s has resources already",
                                partition->id);
        }
    }
    if (rc == 0) {
        const struct axi_hv *hv = axi_hv_find(partition->hv);
        struct axi_allocation allocation = {.platform = platform,
                                            .entries = entries,
                                            .entry_count = count,
                                            .takes = hv != NULL ? hv->takes : 0,
                                            .report = report};
        rc = axi_allocate(&allocation, partition);
    }
    for (size_t i = 0; i < count && rc != 0 && stale == NULL; i++) {
        stale = axi_journal_is_alive(&entries[i].owner) ? NULL : entries[i].partition.id;
    }
    if (stale != NULL && report != NULL && strlen(report->text) < sizeof(report->text) - 200) {
        char *end = report->text + strlen(report->text);
        (void)snprintf(end, 200, " (%s left resources behind; run: runax reconcile)", stale);
    }
    free(entries);
    return rc;
}

int axi_resource_acquire(const char *folder, const struct axi_platform *platform,
                         const char *state_root, pid_t owner, struct axi_partition *partition,
                         struct axi_report *report)
{
    struct axi_journal_entry entry = {.state = AXI_JOURNAL_PENDING, .partition = *partition};
    if (snprintf(entry.state_root, sizeof(entry.state_root), "%s", state_root) >=
        (int)sizeof(entry.state_root)) {
        return axi_report_set(report, -AXC_EINVALID, "--root: the path is too long");
    }
    axi_journal_owner_of(owner, &entry.owner);
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc != 0) {
        return rc;
    }
    rc = allocate(&journal, platform, &entry.partition, report);
    rc = rc != 0 ? rc : axi_journal_write(&journal, &entry, report);
    axi_journal_close(&journal);
    if (rc == 0) {
        *partition = entry.partition;
    }
    return rc;
}

int axi_resource_plan(const char *folder, const struct axi_platform *platform,
                      struct axi_partition *partition, struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc == 0) {
        rc = allocate(&journal, platform, partition, report);
        axi_journal_close(&journal);
    }
    return rc;
}

int axi_resource_confirm(const char *folder, const char *id, pid_t owner, struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_journal_entry entry;
    rc = axi_journal_read(&journal, id, &entry, report);
    if (rc == 0 && entry.state == AXI_JOURNAL_RECLAIMING) {
        rc = axi_report_set(report, -AXC_ESTATE, "partition %s is being taken back", id);
    }
    if (rc == 0) {
        entry.state = AXI_JOURNAL_CONFIRMED;
        axi_journal_owner_of(owner, &entry.owner);
        rc = axi_journal_write(&journal, &entry, report);
    }
    axi_journal_close(&journal);
    return rc;
}

int axi_resource_release(const char *folder, const char *id, struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc == 0) {
        rc = axi_journal_remove(&journal, id, report);
        axi_journal_close(&journal);
    }
    return rc;
}

int axi_resource_find(const char *folder, const char *id, struct axi_partition *ret_partition,
                      struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_journal_entry entry;
    rc = axi_journal_read(&journal, id, &entry, report);
    axi_journal_close(&journal);
    if (rc == 0) {
        *ret_partition = entry.partition;
    }
    return rc;
}

/* --- reconcile --- */

/* Makes this process the owner of one entry whose owner is gone, so that two do not reclaim the
 * same partition. 1: *ret_entry is ours; 0: nothing left to do. `after`: the id to begin behind. */
static int adopt_one(const char *folder, const char *after, struct axi_journal_entry *ret_entry,
                     struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_journal_entry *entries = NULL;
    size_t count = 0;
    rc = axi_journal_load(&journal, &entries, &count, report);
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (strcmp(entries[i].partition.id, after) <= 0 ||
            axi_journal_is_alive(&entries[i].owner)) {
            continue;
        }
        entries[i].state = AXI_JOURNAL_RECLAIMING;
        axi_journal_owner_of(getpid(), &entries[i].owner);
        rc = axi_journal_write(&journal, &entries[i], report);
        *ret_entry = entries[i];
        rc = rc != 0 ? rc : 1;
    }
    free(entries);
    axi_journal_close(&journal);
    return rc;
}

static int reclaim(const struct axi_journal_entry *entry, const struct axi_platform *platform,
                   struct axi_report *report)
{
    const struct axi_hv *hv = axi_hv_find(entry->partition.hv);
    if (hv == NULL) {
        return entry->partition.hv[0] == '\0'
                   ? 0
                   : axi_report_set(report, -AXC_EHV_UNSUPPORTED,
                                    "partition %s: this build has no backend \"%s\"",
                                    entry->partition.id, entry->partition.hv);
    }
    char path[AXI_PARTITION_PATH_BYTES + AXI_PARTITION_ID_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", entry->state_root, entry->partition.id);
    struct axi_hv_host host = {.platform = platform,
                               .state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int rc = hv->reclaim(&entry->partition, &host, report);
    if (host.state_fd >= 0) {
        (void)close(host.state_fd);
    }
    return rc;
}

/* Gives an entry that could not be reclaimed back to nobody, so that the next one may try. */
static void abandon(const char *folder, struct axi_journal_entry *entry)
{
    struct axi_journal journal;
    entry->owner.start = 0;
    int rc = axi_journal_open(folder, &journal, NULL);
    if (rc == 0) {
        rc = axi_journal_write(&journal, entry, NULL);
        axi_journal_close(&journal);
    }
    (void)rc; /* then it is ours until this process ends */
}

int axi_resource_reconcile(const char *folder, const struct axi_platform *platform,
                           struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc != 0) {
        return rc;
    }
    rc = axi_journal_remove_damaged(&journal, report);
    axi_journal_close(&journal);
    if (rc < 0) {
        return rc;
    }
    int released = rc;
    int failure = 0;
    char after[AXI_PARTITION_ID_BYTES] = "";
    struct axi_journal_entry entry;
    while ((rc = adopt_one(folder, after, &entry, report)) == 1) {
        (void)strcpy(after, entry.partition.id);
        rc = reclaim(&entry, platform, report);
        if (rc != 0) {
            failure = rc;
            abandon(folder, &entry);
            continue;
        }
        rc = axi_resource_release(folder, entry.partition.id, report);
        if (rc != 0) {
            return rc;
        }
        released++;
    }
    return rc != 0 ? rc : failure != 0 ? failure : released;
}

/* --- listing --- */

static json_t *hex(uint64_t address)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "0x%" PRIx64, address);
    return json_string(text);
}

static json_t *memory_to_json(const struct axi_partition *partition)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        const struct axi_memory *memory = &partition->memory[i];
        json_t *item = json_object();
        (void)json_object_set_new(item, "bytes", json_integer((json_int_t)memory->bytes));
        if (memory->host_address != AXI_ANY) {
            (void)json_object_set_new(item, "host_address", hex(memory->host_address));
        }
        if (memory->guest_address != AXI_ANY) {
            (void)json_object_set_new(item, "guest_address", hex(memory->guest_address));
        }
        (void)json_array_append_new(list, item);
    }
    return list;
}

static json_t *entry_to_json(const struct axi_journal_entry *entry)
{
    static const char *const states[] = {"", "pending", "confirmed", "reclaiming"};
    const struct axi_partition *partition = &entry->partition;
    char cpus[256];
    axi_cpuset_print(&partition->cpus, cpus, sizeof(cpus));
    json_t *devices = json_array();
    json_t *cores = json_array();
    json_t *channels = json_object();
    for (uint32_t i = 0; i < partition->device_count; i++) {
        (void)json_array_append_new(devices, json_string(partition->devices[i].name));
    }
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        (void)json_array_append_new(cores, json_string(partition->remote_cores[i].name));
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        (void)json_object_set_new(channels, partition->channels[i].name,
                                  partition->channels[i].host_address != AXI_ANY
                                      ? hex(partition->channels[i].host_address)
                                      : json_null());
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:o, s:o, s:o, s:o}", "id", partition->id,
                     "name", partition->name, "hv", partition->hv, "state", states[entry->state],
                     "owner", (json_int_t)entry->owner.pid, "alive",
                     axi_journal_is_alive(&entry->owner), "cpus", cpus, "memory",
                     memory_to_json(partition), "devices", devices, "remote_cores", cores,
                     "channels", channels);
}

int axi_resource_print(const char *folder, FILE *file, struct axi_report *report)
{
    struct axi_journal journal;
    int rc = axi_journal_open(folder, &journal, report);
    if (rc != 0) {
        return rc;
    }
    struct axi_journal_entry *entries = NULL;
    size_t count = 0;
    rc = axi_journal_load(&journal, &entries, &count, report);
    for (size_t i = 0; i < count && rc == 0; i++) {
        json_t *line = entry_to_json(&entries[i]);
        if (line == NULL || json_dumpf(line, file, JSON_COMPACT) != 0 || fputc('\n', file) < 0) {
            rc = axi_report_set(report, -AXC_EIO, "the list of resources cannot be written");
        }
        json_decref(line);
    }
    free(entries);
    axi_journal_close(&journal);
    return rc != 0 ? rc : (int)count;
}
