/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true of votes, from a ledger of what each replica said and what of it came to its
 * voter: nothing is put out that too few said, nothing twice, and nobody is blamed who delivered.
 * docs/testing.md has the list. */
#include "cluster.h"
#include "vote_ledger.h"

#include <stdlib.h>
#include <string.h>

enum { CLOCK_MS = 5 }; /* what a voter allows for its own */

#define COMPLAIN(cluster, ...)                                                                     \
    (void)axi_verdict_violate((cluster)->verdict, AXI_I1, NULL, __VA_ARGS__)

/* ---- the ledger ---- */

struct sim_votes *sim_votes_new(void)
{
    struct sim_votes *votes = calloc(1, sizeof *votes);

    if (votes == NULL) {
        abort();
    }
    return votes;
}

void sim_votes_free(struct sim_votes *votes)
{
    for (uint32_t i = 0; i < votes->teller_count; i++) {
        free(votes->tellers[i].said);
    }
    for (uint32_t i = 0; i < SIM_SERVICES_MAX; i++) {
        free(votes->puts[i].jobs);
    }
    free(votes);
}

uint32_t sim_vote_places(uint64_t job)
{
    return job % 4 == 0 ? 2 : 1;
}

struct sim_teller *sim_teller_find(struct sim_cluster *cluster, uint64_t task)
{
    struct sim_votes *votes = cluster->votes;

    for (uint32_t i = 0; i < votes->teller_count; i++) {
        if (votes->tellers[i].task == task) {
            return &votes->tellers[i];
        }
    }
    return NULL;
}

static struct sim_teller *get_teller(struct sim_cluster *cluster, uint64_t task)
{
    struct sim_votes *votes = cluster->votes;
    struct sim_teller *teller = sim_teller_find(cluster, task);
    uint32_t image = sim_task_find(cluster, task);

    if (teller == NULL && votes->teller_count == SIM_TELLERS_MAX) {
        abort();
    }
    if (teller == NULL) {
        teller = &votes->tellers[votes->teller_count++];
        teller->task = task;
        teller->service = UINT32_MAX;
    }
    if (image != UINT32_MAX) {
        teller->service = image / SIM_EACH;
    }
    return teller;
}

struct sim_said *sim_said_find(const struct sim_teller *teller, uint64_t job, uint64_t epoch)
{
    for (uint32_t i = teller->count; i > 0 && teller->count - i < SIM_SAID_BACK; i--) {
        struct sim_said *said = &teller->said[i - 1];

        if (said->job == job && (epoch == 0 || said->epoch == epoch)) {
            return said;
        }
    }
    return NULL;
}

void sim_votes_sent(struct sim_cluster *cluster, const struct axi_stamp *stamp, uint32_t value)
{
    struct sim_teller *teller = get_teller(cluster, stamp->task_id);
    struct sim_said *said = sim_said_find(teller, stamp->job, stamp->epoch);

    if (said == NULL && teller->count == teller->capacity) {
        teller->capacity = teller->capacity == 0 ? 64 : 2 * teller->capacity;
        teller->said = realloc(teller->said, teller->capacity * sizeof *teller->said);
        if (teller->said == NULL) {
            abort();
        }
    }
    if (said == NULL) {
        said = &teller->said[teller->count++];
        *said = (struct sim_said){.job = stamp->job, .epoch = stamp->epoch};
    }
    said->value[stamp->place] = value;
    said->sent_ns = cluster->clock.now_ns;
}

static struct sim_said *said_of(struct sim_cluster *cluster, const struct axi_stamp *stamp)
{
    return sim_said_find(get_teller(cluster, stamp->task_id), stamp->job, stamp->epoch);
}

void sim_votes_arrived(struct sim_voter *host, const struct axi_stamp *stamp)
{
    struct sim_said *said = said_of(host->cluster, stamp);

    if (said != NULL && (said->arrived_ns[stamp->place] == 0 || said->life != host->life)) {
        memset(said->arrived_ns, 0, said->life != host->life ? sizeof said->arrived_ns : 0);
        said->arrived_ns[stamp->place] = host->cluster->clock.now_ns;
        said->life = host->life;
        said->voter = host->index;
        said->is_doubtful = sim_voter_clock_error(host) >= CLOCK_MS * SIM_MS;
    }
}

/* From then on the voter knows of it. */
void sim_votes_taken(struct sim_voter *host, const struct axi_stamp *stamp)
{
    struct sim_teller *teller = get_teller(host->cluster, stamp->task_id);

    if (teller->known_life != host->life || teller->known_epoch != stamp->epoch) {
        teller->known_life = host->life;
        teller->known_epoch = stamp->epoch;
        teller->known_job = stamp->job;
    }
}

void sim_votes_members(struct sim_cluster *cluster, const struct sim_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        struct sim_teller *teller = get_teller(cluster, s->members[i].task);

        teller->service = (uint32_t)(s - cluster->services);
        if (s->members[i].is_counted && teller->counted_ns == 0) {
            teller->counted_ns = cluster->clock.now_ns;
        }
    }
}

/* ---- what is put out ---- */

static struct sim_ballot *ballot_of(struct sim_voter *host, const struct sim_service *s)
{
    struct sim_cluster *cluster = host->cluster;
    struct sim_ballot *ballot = &cluster->votes->ballots[s - cluster->services][host->index];

    if (ballot->life != host->life) {
        *ballot = (struct sim_ballot){.life = host->life};
    }
    return ballot;
}

static uint32_t needed(const struct sim_service *s)
{
    return strcmp(s->mode, "2oo2") == 0 || strcmp(s->mode, "tmr") == 0 ? 2 : 1;
}

static uint32_t supporters(struct sim_voter *host, const struct sim_service *s,
                           const struct axi_stamp *stamp, uint32_t value)
{
    struct sim_cluster *cluster = host->cluster;
    uint32_t count = 0;

    for (uint32_t i = 0; i < cluster->votes->teller_count; i++) {
        const struct sim_teller *teller = &cluster->votes->tellers[i];
        bool is_one = teller->service == s - cluster->services && teller->counted_ns != 0;
        bool has_said = false;

        for (uint32_t k = teller->count;
             is_one && k > 0 && !has_said && teller->count - k < SIM_SAID_BACK; k--) {
            const struct sim_said *said = &teller->said[k - 1];

            has_said = said->job == stamp->job && said->value[stamp->place] == value &&
                       said->life == host->life && said->arrived_ns[stamp->place] != 0;
        }
        count += has_said;
    }
    return count;
}

static void note_put(struct sim_cluster *cluster, uint32_t service, const struct axi_stamp *stamp)
{
    struct sim_puts *puts = &cluster->votes->puts[service];

    if (stamp->place != 0) {
        return;
    }
    if (puts->count == puts->capacity) {
        puts->capacity = puts->capacity == 0 ? 256 : 2 * puts->capacity;
        puts->jobs = realloc(puts->jobs, puts->capacity * sizeof *puts->jobs);
        if (puts->jobs == NULL) {
            abort();
        }
    }
    puts->jobs[puts->count++] = (struct sim_put){stamp->task_id, stamp->job, cluster->clock.now_ns};
    cluster->counts.agreed++;
}

void sim_votes_put(struct sim_voter *host, const char *service, const struct axi_stamp *stamp,
                   uint32_t value)
{
    struct sim_cluster *cluster = host->cluster;
    struct sim_service *s = sim_service_find(cluster, service);
    struct sim_ballot *ballot = s == NULL ? NULL : ballot_of(host, s);
    uint32_t count = 0;

    if (s == NULL) {
        COMPLAIN(cluster, "%s puts out something of '%s', which nobody declared", host->name,
                 service);
        return;
    }
    count = supporters(host, s, stamp, value);
    if (count < needed(s)) {
        COMPLAIN(cluster, "%s puts out a value of %s job %llu that %u replicas put out", host->name,
                 service, (unsigned long long)stamp->job, count);
    }
    if (ballot->id == stamp->task_id &&
        (stamp->job < ballot->job ||
         (stamp->job == ballot->job && (ballot->places & 1u << stamp->place) != 0))) {
        COMPLAIN(cluster, "%s puts out %s job %llu place %u after job %llu", host->name, service,
                 (unsigned long long)stamp->job, stamp->place, (unsigned long long)ballot->job);
    }
    ballot->places = ballot->id == stamp->task_id && ballot->job == stamp->job ? ballot->places : 0;
    ballot->places |= 1u << stamp->place;
    ballot->id = stamp->task_id;
    ballot->job = stamp->job;
    note_put(cluster, (uint32_t)(s - cluster->services), stamp);
    sim_actuator_send(cluster, (uint32_t)(s - cluster->services), stamp);
}

/* ---- verdicts ---- */

/* Jobs are numbered anew on another grid, of which a voter may learn late. */
static bool is_on_one_grid(const struct sim_service *s)
{
    return s->grid_count == 1;
}

void sim_votes_judged(struct sim_voter *host, const char *service, uint64_t job)
{
    struct sim_service *s = sim_service_find(host->cluster, service);
    struct sim_ballot *ballot = s == NULL ? NULL : ballot_of(host, s);

    if (ballot == NULL) {
        return;
    }
    if (ballot->has_verdict && job <= ballot->verdict_job && is_on_one_grid(s)) {
        COMPLAIN(host->cluster, "%s judges job %llu of %s after job %llu", host->name,
                 (unsigned long long)job, service, (unsigned long long)ballot->verdict_job);
    }
    ballot->has_verdict = true;
    ballot->verdict_job = job;
}

static bool has_come(const struct sim_said *said, const struct sim_voter *host, uint32_t place)
{
    return said != NULL && said->life == host->life && said->voter == host->index &&
           said->arrived_ns[place] != 0;
}

/* Others said something else, or so many did not say it at all. */
static bool is_contradicted(struct sim_voter *host, const struct sim_service *s,
                            const struct sim_teller *teller, const struct sim_said *own)
{
    struct sim_votes *votes = host->cluster->votes;
    uint32_t without[2] = {0, 0};

    for (uint32_t i = 0; i < votes->teller_count; i++) {
        const struct sim_teller *other = &votes->tellers[i];
        const struct sim_said *said = sim_said_find(other, own->job, 0);

        if (other == teller || other->service != teller->service ||
            (!has_come(said, host, 0) && !has_come(said, host, 1))) {
            continue;
        }
        for (uint32_t place = 0; place < sim_vote_places(own->job); place++) {
            if (has_come(said, host, place) && has_come(own, host, place) &&
                said->value[place] != own->value[place]) {
                return true;
            }
            without[place] += !has_come(said, host, place) && has_come(own, host, place);
        }
    }
    return without[0] >= needed(s) || without[1] >= needed(s);
}

/* It was known to the voter, and all of the job came in time: not before it was released, either,
 * as from a node whose clock is far off. */
static bool has_delivered(struct sim_voter *host, const struct sim_service *s,
                          const struct sim_teller *teller, const struct sim_said *own)
{
    const struct axi_task_spec *spec = &host->cluster->images[s->image].info.spec;
    uint64_t release_ns = s->grids[s->grid_count - 1] + own->job * spec->period_ns;
    bool is_known = !own->is_doubtful && teller->known_life == host->life &&
                    teller->known_epoch == own->epoch && teller->known_job < own->job;

    for (uint32_t place = 0; is_known && place < sim_vote_places(own->job); place++) {
        is_known = has_come(own, host, place) && own->arrived_ns[place] >= release_ns &&
                   own->arrived_ns[place] <= release_ns + spec->deadline_ns;
    }
    return is_known;
}

void sim_votes_blamed(struct sim_voter *host, const char *service, uint64_t job, uint64_t task,
                      bool is_wrong)
{
    struct sim_cluster *cluster = host->cluster;
    struct sim_service *s = sim_service_find(cluster, service);
    struct sim_teller *teller = get_teller(cluster, task);
    const struct sim_said *own = sim_said_find(teller, job, 0);

    teller->blames++;
    sim_log(cluster, host->name, "%s job %llu of %016llx is %s", service, (unsigned long long)job,
            (unsigned long long)task, is_wrong ? "wrong" : "silent");
    if (s == NULL || !is_on_one_grid(s)) {
        return;
    }
    if (is_wrong && (own == NULL || !is_contradicted(host, s, teller, own))) {
        COMPLAIN(cluster, "%s blames %016llx of %s for job %llu, which nobody contradicts",
                 host->name, (unsigned long long)task, service, (unsigned long long)job);
    }
    if (!is_wrong && own != NULL && sim_voter_clock_error(host) < CLOCK_MS * SIM_MS &&
        has_delivered(host, s, teller, own)) {
        COMPLAIN(cluster, "%s misses job %llu of %016llx of %s, which came in time", host->name,
                 (unsigned long long)job, (unsigned long long)task, service);
    }
}

/* A replica is to be replaced for its outputs: it must have been blamed often enough. */
void sim_votes_replaced(struct sim_cluster *cluster, const char *replica)
{
    const char *dash = strrchr(replica, '-');
    char name[sizeof cluster->services[0].name] = "";
    struct sim_service *s = NULL;
    uint64_t number = dash == NULL ? 0 : strtoull(dash + 1, NULL, 10);

    if (dash != NULL && (size_t)(dash - replica) < sizeof name) {
        memcpy(name, replica, (size_t)(dash - replica));
        s = sim_service_find(cluster, name);
    }
    for (uint32_t i = 0; s != NULL && i < s->member_count; i++) {
        struct sim_teller *teller = get_teller(cluster, s->members[i].task);

        if (s->members[i].number != number) {
            continue;
        }
        cluster->counts.replaced++;
        if (teller->blames < s->bad_limit) {
            COMPLAIN(cluster, "%s is replaced for its outputs, blamed for %u jobs only", replica,
                     teller->blames);
        }
        sim_calm_replaced(cluster, s, teller->task);
    }
}
