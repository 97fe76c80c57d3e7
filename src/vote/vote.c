/* SPDX-License-Identifier: Apache-2.0 */
#include "vote/vote.h"

#include "base/bytes.h"
#include "vote/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(AXI_VOTE_MEMBERS_MAX <= 32 && AXI_VOTE_PLACES_MAX <= 32, "sets are bits of a word");
_Static_assert(AXI_VOTE_SPAN_PERIODS + 4 < AXI_VOTE_JOBS, "values are kept until they are judged");

struct axi_vote *axi_vote_new(const struct axi_vote_port *port)
{
    struct axi_vote *vote = calloc(1, sizeof(*vote));

    if (vote != NULL) {
        vote->port = *port;
    }
    return vote;
}

static void free_table(struct axi_vote_table *table)
{
    for (uint32_t i = 0; table != NULL && i < AXI_VOTE_MEMBERS_MAX; i++) {
        free(table->seats[i].jobs);
    }
    if (table != NULL) {
        free(table->agreed);
    }
    free(table);
}

void axi_vote_free(struct axi_vote *vote)
{
    for (uint32_t i = 0; vote != NULL && i < vote->table_count; i++) {
        free_table(vote->tables[i]);
    }
    free(vote);
}

uint64_t axi_vote_id(const char *service, uint64_t release_ns)
{
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
    uint8_t release[8];

    for (; *service != '\0'; service++) {
        hash = (hash ^ (uint8_t)*service) * 0x100000001b3ull;
    }
    axi_put_le64(release, release_ns);
    for (uint32_t i = 0; i < sizeof(release); i++) {
        hash = (hash ^ release[i]) * 0x100000001b3ull;
    }
    return hash != 0 ? hash : 1;
}

/* ---- kept values ---- */

const struct axi_vote_job *axi_vote_job_of(const struct axi_vote_job *jobs, uint64_t job)
{
    const struct axi_vote_job *slot = &jobs[job % AXI_VOTE_JOBS];

    return slot->places != 0 && slot->job == job ? slot : NULL;
}

struct axi_vote_value axi_vote_value_of(const struct axi_vote_job *job, uint32_t place)
{
    if (job == NULL || (job->places & 1u << place) == 0) {
        return (struct axi_vote_value){0};
    }
    return (struct axi_vote_value){job->data + job->offsets[place], job->lengths[place]};
}

bool axi_vote_keep(struct axi_vote_job *jobs, uint64_t job, uint32_t place, const uint8_t *value,
                   uint32_t bytes)
{
    struct axi_vote_job *slot = &jobs[job % AXI_VOTE_JOBS];

    if (slot->places == 0 || slot->job != job) {
        slot->job = job;
        slot->places = 0;
        slot->used = 0;
    }
    if (bytes > AXI_VOTE_JOB_BYTES - slot->used) {
        return false;
    }
    memcpy(slot->data + slot->used, value, bytes);
    slot->offsets[place] = (uint16_t)slot->used;
    slot->lengths[place] = (uint16_t)bytes;
    slot->places |= 1u << place;
    slot->used += bytes;
    return true;
}

/* ---- groups ---- */

static uint32_t find_table(const struct axi_vote *vote, const char *service)
{
    uint32_t i = 0;

    while (i < vote->table_count && strcmp(vote->tables[i]->config.service, service) != 0) {
        i++;
    }
    return i;
}

static int compare_entries(const void *a, const void *b)
{
    uint64_t left = ((const struct axi_vote_entry *)a)->task;
    uint64_t right = ((const struct axi_vote_entry *)b)->task;

    return left < right ? -1 : left > right;
}

static void list_entries(struct axi_vote *vote)
{
    vote->entry_count = 0;
    for (uint32_t i = 0; i < vote->table_count; i++) {
        struct axi_vote_table *table = vote->tables[i];

        for (uint32_t s = 0; s < table->config.member_count; s++) {
            vote->entries[vote->entry_count++] =
                (struct axi_vote_entry){table->seats[s].config.task, table, &table->seats[s]};
        }
    }
    qsort(vote->entries, vote->entry_count, sizeof(vote->entries[0]), compare_entries);
}

static const struct axi_vote_entry *find_entry(const struct axi_vote *vote, uint64_t task)
{
    const struct axi_vote_entry key = {.task = task};

    return bsearch(&key, vote->entries, vote->entry_count, sizeof(key), compare_entries);
}

static bool is_valid(const struct axi_vote *vote, const struct axi_vote_group *group)
{
    if (group->service[0] == '\0' || memchr(group->service, 0, AXI_VOTE_SERVICE_BYTES) == NULL ||
        group->member_count > AXI_VOTE_MEMBERS_MAX ||
        (uint32_t)group->compare >= AXI_VOTE_COMPARE_COUNT) {
        return false;
    }
    if (group->member_count > 0 && (group->needed == 0 || group->period_ns == 0 ||
                                    isnan(group->tolerance) || group->tolerance < 0)) {
        return false;
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct axi_vote_entry *entry = find_entry(vote, group->members[i].task);

        if (group->members[i].task == 0 ||
            (entry != NULL && strcmp(entry->table->config.service, group->service) != 0)) {
            return false;
        }
        for (uint32_t other = 0; other < i; other++) {
            if (group->members[other].task == group->members[i].task) {
                return false;
            }
        }
    }
    return true;
}

static void drop_table(struct axi_vote *vote, uint32_t index)
{
    free_table(vote->tables[index]);
    vote->table_count--;
    memmove(&vote->tables[index], &vote->tables[index + 1],
            (vote->table_count - index) * sizeof(struct axi_vote_table *));
    list_entries(vote);
}

/* The seat of a member that stays is moved over with what it knows. */
static int fill_seat(struct axi_vote_seat *seat, struct axi_vote_table *former,
                     const struct axi_vote_member *member, uint64_t now_ns)
{
    for (uint32_t i = 0; former != NULL && i < former->config.member_count; i++) {
        struct axi_vote_seat *old = &former->seats[i];

        if (old->config.task == member->task) {
            *seat = *old;
            seat->config = *member;
            if (member->is_counted && !old->config.is_counted) {
                seat->listed_ns = now_ns;
            }
            return 0; /* its memory has two owners until the caller settles it */
        }
    }
    *seat = (struct axi_vote_seat){
        .config = *member,
        .counts = {.task = member->task},
        .listed_ns = now_ns,
        .jobs = calloc(AXI_VOTE_JOBS, sizeof(struct axi_vote_job)),
    };
    return seat->jobs != NULL ? 0 : -AXC_ENOMEM;
}

static bool owns(const struct axi_vote_table *table, const struct axi_vote_job *jobs)
{
    for (uint32_t i = 0; i < table->config.member_count; i++) {
        if (table->seats[i].jobs == jobs) {
            return true;
        }
    }
    return false;
}

/* Frees what `table` does not share with `kept`. */
static void free_unshared(struct axi_vote_table *table, const struct axi_vote_table *kept)
{
    for (uint32_t i = 0; i < AXI_VOTE_MEMBERS_MAX; i++) {
        if (table->seats[i].jobs != NULL && owns(kept, table->seats[i].jobs)) {
            table->seats[i].jobs = NULL;
        }
    }
    if (table->agreed == kept->agreed) {
        table->agreed = NULL;
    }
    free_table(table);
}

/* The first job whose time is not over. */
static uint64_t first_job(const struct axi_vote *vote, const struct axi_vote_table *table,
                          uint64_t now_ns)
{
    uint64_t close_ns = axi_vote_close(vote, table, 0);

    return now_ns > close_ns ? (now_ns - close_ns) / table->config.period_ns + 1 : 0;
}

static struct axi_vote_table *make_table(struct axi_vote_table *former,
                                         const struct axi_vote_group *group, uint64_t now_ns)
{
    struct axi_vote_table *table = calloc(1, sizeof(*table));
    int r = table == NULL ? -AXC_ENOMEM : 0;

    if (table != NULL && former != NULL) {
        *table = *former; /* counts, grid, what is put out */
        memset(table->seats, 0, sizeof(table->seats));
    } else if (table != NULL) {
        table->id = axi_vote_id(group->service, group->release_ns);
        table->agreed = calloc(AXI_VOTE_JOBS, sizeof(struct axi_vote_job));
        r = table->agreed != NULL ? 0 : -AXC_ENOMEM;
    }
    for (uint32_t i = 0; r == 0 && i < group->member_count; i++) {
        r = fill_seat(&table->seats[i], former, &group->members[i], now_ns);
    }
    if (r < 0) {
        if (table != NULL && former != NULL) {
            free_unshared(table, former);
        } else {
            free_table(table);
        }
        return NULL;
    }
    table->config = *group;
    return table;
}

int axi_vote_set(struct axi_vote *vote, uint64_t now_ns, const struct axi_vote_group *group)
{
    uint32_t index = 0;
    struct axi_vote_table *former = NULL;

    if (!is_valid(vote, group)) {
        return -AXC_EINVALID;
    }
    index = find_table(vote, group->service);
    former = index < vote->table_count ? vote->tables[index] : NULL;
    if (group->member_count == 0) {
        if (former != NULL) {
            drop_table(vote, index);
        }
        return 0;
    }
    if (index == AXI_VOTE_GROUPS_MAX) {
        return -AXC_EFULL;
    }
    if (former != NULL) {
        axi_vote_judge(vote, former, now_ns);
    }
    bool is_same_grid = former != NULL && former->config.release_ns == group->release_ns &&
                        former->config.period_ns == group->period_ns;
    struct axi_vote_table *table = make_table(is_same_grid ? former : NULL, group, now_ns);

    if (table == NULL) {
        return -AXC_ENOMEM;
    }
    if (!is_same_grid && group->release_ns != 0) {
        table->next_job = first_job(vote, table, now_ns);
    }
    if (is_same_grid) {
        free_unshared(former, table);
    } else if (former != NULL && former->id == table->id && former->has_put) {
        table->put_job =
            axi_add_sat(former->put_job, 1); /* under the same id jobs go on ascending */
        table->has_put = true;
        free_table(former);
    } else {
        free_table(former);
    }
    vote->tables[index] = table;
    vote->table_count += index == vote->table_count;
    list_entries(vote);
    return 0;
}

void axi_vote_clock(struct axi_vote *vote, uint64_t slack_ns, bool is_fresh)
{
    vote->slack_ns = slack_ns;
    vote->is_fresh = is_fresh;
}

/* ---- values ---- */

static void decide(struct axi_vote *vote, struct axi_vote_table *table, uint64_t job,
                   uint32_t place, uint32_t set)
{
    struct axi_vote_value values[AXI_VOTE_MEMBERS_MAX];
    uint8_t agreed[AXC_VALUE_BYTES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->config.member_count; i++) {
        if ((set & 1u << i) != 0) {
            values[count++] = axi_vote_value_of(axi_vote_job_of(table->seats[i].jobs, job), place);
        }
    }
    uint32_t bytes = axi_vote_median(table->config.compare, values, count, agreed);

    (void)axi_vote_keep(table->agreed, job, place, agreed, bytes);
    if (table->has_put && job < table->put_job) {
        table->result.overtaken++;
        return;
    }
    table->put_job = job;
    table->has_put = true;
    vote->port.put(
        vote->port.context, table->config.service,
        &(struct axi_stamp){
            .task_id = table->id, .epoch = table->config.generation, .job = job, .place = place},
        agreed, bytes);
}

/* A value of a counted member is there: is it enough? */
static void consider(struct axi_vote *vote, struct axi_vote_table *table, uint64_t job,
                     uint32_t place, uint64_t now_ns)
{
    const struct axi_vote_job *newer = &table->agreed[job % AXI_VOTE_JOBS];
    uint32_t centre = 0;

    if (axi_vote_value_of(axi_vote_job_of(table->agreed, job), place).data != NULL ||
        (newer->places != 0 && newer->job > job)) {
        return;
    }
    uint32_t set = axi_vote_largest(table, job, place, &centre);

    if ((uint32_t)__builtin_popcount(set) >= table->config.needed) {
        decide(vote, table, job, place, set);
        if (table->config.release_ns != 0) {
            axi_vote_follow_grid(vote, table, job, now_ns);
        }
    }
}

/* Why a value is not taken; AXI_VOTE_DROP_COUNT: it is. */
static enum axi_vote_drop refuse(const struct axi_vote *vote, const struct axi_vote_table *table,
                                 const struct axi_vote_seat *seat, const struct axi_stamp *stamp,
                                 uint64_t now_ns)
{
    const struct axi_vote_job *slot = &seat->jobs[stamp->job % AXI_VOTE_JOBS];
    uint64_t early_ns = axi_add_sat(vote->slack_ns, table->config.wait_ns);

    if (stamp->epoch < seat->config.epoch_min || stamp->epoch < seat->epoch) {
        return AXI_VOTE_STALE;
    }
    if (stamp->place >= AXI_VOTE_PLACES_MAX) {
        return AXI_VOTE_EXCESS;
    }
    if (table->config.release_ns != 0 &&
        axi_vote_release(table, stamp->job) > axi_add_sat(now_ns, early_ns)) {
        return AXI_VOTE_FUTURE;
    }
    if (slot->places != 0 && slot->job > stamp->job) {
        return AXI_VOTE_OLD;
    }
    return slot->places != 0 && slot->job == stamp->job && (slot->places & 1u << stamp->place) != 0
               ? AXI_VOTE_KNOWN
               : AXI_VOTE_DROP_COUNT;
}

static void note_arrival(struct axi_vote_seat *seat, const struct axi_stamp *stamp)
{
    if (!seat->has_any || stamp->job < seat->first_job) {
        seat->first_job = stamp->job;
    }
    if (!seat->has_any || stamp->job > seat->newest_job) {
        seat->newest_job = stamp->job;
    }
    seat->has_any = true;
    seat->epoch = stamp->epoch;
}

static void take(struct axi_vote *vote, struct axi_vote_table *table, struct axi_vote_seat *seat,
                 const struct axi_stamp *stamp, const uint8_t *value, uint32_t bytes,
                 uint64_t now_ns)
{
    bool is_late = table->config.release_ns != 0 && stamp->job < table->next_job;

    if (!axi_vote_keep(seat->jobs, stamp->job, stamp->place, value, bytes)) {
        vote->dropped[AXI_VOTE_EXCESS]++;
        return;
    }
    vote->taken++;
    table->heard_ns = now_ns;
    note_arrival(seat, stamp);
    if (is_late) {
        seat->counts.late++;
    } else if (seat->config.is_counted) {
        consider(vote, table, stamp->job, stamp->place, now_ns);
    }
}

void axi_vote_datagram(struct axi_vote *vote, uint64_t now_ns, const uint8_t *bytes, size_t count)
{
    struct axi_stamp stamp;
    const uint8_t *value = NULL;
    uint32_t value_bytes = 0;

    if (axi_stamp_decode(bytes, count, &stamp, &value, &value_bytes) < 0 ||
        value_bytes > AXC_VALUE_BYTES_MAX) {
        vote->dropped[AXI_VOTE_DAMAGED]++;
        return;
    }
    const struct axi_vote_entry *entry = find_entry(vote, stamp.task_id);

    if (entry == NULL) {
        vote->dropped[AXI_VOTE_FOREIGN]++;
        return;
    }
    axi_vote_judge(vote, entry->table, now_ns); /* what comes now is too late for it */
    enum axi_vote_drop reason = refuse(vote, entry->table, entry->seat, &stamp, now_ns);

    if (reason != AXI_VOTE_DROP_COUNT) {
        vote->dropped[reason]++;
        return;
    }
    take(vote, entry->table, entry->seat, &stamp, value, value_bytes, now_ns);
}

uint64_t axi_vote_tick(struct axi_vote *vote, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < vote->table_count; i++) {
        struct axi_vote_table *table = vote->tables[i];
        uint64_t awake_ns = axi_mul_sat(2 * AXI_VOTE_JOBS, table->config.period_ns);

        axi_vote_judge(vote, table, now_ns);
        if (table->config.release_ns != 0 && table->heard_ns != 0 &&
            now_ns < axi_add_sat(table->heard_ns, awake_ns)) {
            uint64_t due_ns = axi_add_sat(axi_vote_close(vote, table, table->next_job), 1);

            next_ns = due_ns < next_ns ? due_ns : next_ns;
        }
    }
    return next_ns;
}

/* ---- what there is ---- */

const char *axi_vote_service(const struct axi_vote *vote, uint32_t number)
{
    return number < vote->table_count ? vote->tables[number]->config.service : NULL;
}

void axi_vote_result(const struct axi_vote *vote, uint32_t number,
                     struct axi_vote_result *ret_result)
{
    const struct axi_vote_table *table = vote->tables[number];

    *ret_result = table->result;
    ret_result->generation = table->config.generation;
    ret_result->member_count = table->config.member_count;
    for (uint32_t i = 0; i < table->config.member_count; i++) {
        ret_result->members[i] = table->seats[i].counts;
    }
}

bool axi_vote_is_urgent(struct axi_vote *vote, uint32_t number)
{
    bool is_urgent = vote->tables[number]->is_urgent;

    vote->tables[number]->is_urgent = false;
    return is_urgent;
}

uint64_t axi_vote_dropped(const struct axi_vote *vote, enum axi_vote_drop reason)
{
    return vote->dropped[reason];
}

uint64_t axi_vote_taken(const struct axi_vote *vote)
{
    return vote->taken;
}
