/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/rollout.h"

#include "master/service/hosts.h"
#include "master/service/rollout_internal.h"
#include "master/service/rollout_proof.h"
#include "master/service/voters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define LOOK_NS (100 * MS)
#define RETRY_NS (1000 * MS)
#define AVOID_NS (10000 * MS) /* the node where it failed */
#define AGAIN_NS (5000 * MS)  /* after a replica of the former version failed */

/* ---- the record ---- */

static const char *state_of(const struct axi_service *s)
{
    return axi_json_get_text(s->rollout_record, "state");
}

bool axi_rollout_is_open(const struct axi_service *s)
{
    return axi_json_get_u64(s->rollout_record, "generation") == s->generation &&
           (strcmp(state_of(s), "progressing") == 0 || strcmp(state_of(s), "reverting") == 0);
}

bool axi_rollout_is_reverting(const struct axi_service *s)
{
    return axi_rollout_is_open(s) && strcmp(state_of(s), "reverting") == 0;
}

static json_t *new_record(struct axi_master *m, const struct axi_service *s, const char *state,
                          const char *reason)
{
    return json_pack("{s:s, s:I, s:i, s:s, s:I, s:I, s:s}", "state", state, "generation",
                     (json_int_t)s->generation, "round", 0, "reason", reason, "started_ns",
                     (json_int_t)axi_now_master(m), "round_ns", (json_int_t)0, "platform", "");
}

/* Commits *next with a changed copy of the record; key NULL: as it is. The copy is owned here. */
static int commit_record(struct axi_master *m, struct axi_service *s, struct axi_service *next,
                         json_t *record)
{
    int rc;

    if (record == NULL) {
        return -AXC_ENOMEM;
    }
    next->rollout_record = record;
    rc = axi_service_commit(m, s, next);
    if (rc != 0) {
        json_decref(record);
    }
    return rc;
}

static int set_number(struct axi_master *m, struct axi_service *s, const char *key, uint64_t value)
{
    struct axi_service next = *s;
    json_t *record = json_deep_copy(s->rollout_record);

    json_object_set_new(record, key, json_integer((json_int_t)value));
    return commit_record(m, s, &next, record);
}

static int set_over(struct axi_master *m, struct axi_service *s, const char *state,
                    bool is_unproved)
{
    struct axi_service next = *s;
    json_t *record = json_deep_copy(s->rollout_record);

    json_object_set_new(record, "state", json_string(state));
    json_object_set_new(record, "unproved", json_boolean(is_unproved));
    return commit_record(m, s, &next, record);
}

/* ---- members ---- */

static bool is_old(const struct axi_service *s, const struct axi_member *member)
{
    return member->generation != s->generation && member->role != AXI_MEMBER_GOING;
}

uint32_t axi_rollout_count_old(const struct axi_service *s)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        count += is_old(s, &s->members[i]);
    }
    return count;
}

/* Those of the new version that count and live. */
uint32_t axi_rollout_count_updated(struct axi_master *m, const struct axi_service *s)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];
        struct axi_replica_view view;

        axi_replica_look(m, member->task, &view);
        count += member->generation == s->generation && member->role == AXI_MEMBER_ACTIVE &&
                 view.state != AXI_REPLICA_FAILED && view.state != AXI_REPLICA_GONE;
    }
    return count;
}

static struct axi_member *find_newcomer(struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (s->members[i].generation == s->generation && s->members[i].role == AXI_MEMBER_NEW) {
            return &s->members[i];
        }
    }
    return NULL;
}

static const char *platform_of(struct axi_master *m, uint64_t task_id)
{
    const struct axi_task *task = axi_task_find(m, task_id);
    const struct axi_node *node = task != NULL ? axi_node_find(m, task->record.owner) : NULL;
    int entry = node != NULL ? axi_task_entry(&task->record, node) : -1;

    return entry >= 0 ? task->record.entries[entry].platform : "";
}

/* The member to be replaced next: one whose successor failed; then the rest of the platform that
 * was begun; then the platform with the most old ones, so that the others stay. NULL: none. */
static const struct axi_member *pick_victim(struct axi_master *m, const struct axi_service *s)
{
    const char *begun = axi_json_get_text(s->rollout_record, "platform");
    const struct axi_member *best = NULL;
    uint64_t best_worth = 0;

    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];
        const char *platform = platform_of(m, member->task);
        uint64_t worth = 1;

        if (!is_old(s, member)) {
            continue;
        }
        for (uint32_t k = 0; k < s->member_count; k++) {
            worth += is_old(s, &s->members[k]) &&
                     strcmp(platform_of(m, s->members[k].task), platform) == 0;
        }
        worth += begun[0] != '\0' && strcmp(platform, begun) == 0 ? 100 : 0;
        worth += member->role == AXI_MEMBER_OLD ? 1000 : 0;
        if (worth > best_worth) {
            best_worth = worth;
            best = member;
        }
    }
    return best;
}

/* ---- back to the former declaration ---- */

static bool has_image_of(struct axi_master *m, const struct axi_member *member,
                         const struct axi_service_images *images)
{
    const struct axi_task *task = axi_task_find(m, member->task);

    return task != NULL && member->image <= AXI_SERVICE_IMAGES_MAX &&
           memcmp(task->record.image, images->digests[member->image], 32) == 0;
}

/* A member of another version lives, and so does the state. */
static bool has_living_old(struct axi_master *m, const struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (is_old(s, &s->members[i]) && axi_member_runs(m, s->members[i].task)) {
            return true;
        }
    }
    return false;
}

/* The new ones go; one that alone has the state stays until its successor has begun with it. */
static void give_back(struct axi_master *m, const struct axi_service *s, struct axi_service *next)
{
    bool is_alone = !has_living_old(m, s);

    for (uint32_t i = 0; i < next->member_count; i++) {
        struct axi_member *member = &next->members[i];
        enum axi_member_role before = member->role;

        if (member->generation == s->generation && member->role == AXI_MEMBER_NEW) {
            member->role = is_alone ? AXI_MEMBER_OLD : AXI_MEMBER_GOING;
        } else if (is_old(s, member)) {
            member->role = member->role == AXI_MEMBER_OLD ? AXI_MEMBER_ACTIVE : member->role;
            if (has_image_of(m, member, &next->images)) {
                member->generation = next->generation;
            }
        }
        if (member->role != before) {
            member->since_ns = axi_now_master(m);
        }
    }
}

int axi_rollout_revert(struct axi_master *m, struct axi_service *s, const char *reason)
{
    struct axi_service next = *s;
    char why[AXI_REASON_BYTES];
    int rc;

    (void)snprintf(why, sizeof(why), "%s", reason);
    next.declared = s->previous;
    next.previous = NULL;
    next.images = s->previous_images;
    next.previous_images = (struct axi_service_images){0};
    next.generation++;
    next.is_paused = false;
    rc = axi_service_spec_from_json(s->previous, &next.spec, NULL);
    if (rc == 0) {
        give_back(m, s, &next);
        rc = commit_record(m, s, &next, new_record(m, &next, "reverting", why));
    }
    if (rc == 0) {
        axi_event(m, AXI_ERROR, "rollout-reverted", NULL, NULL,
                  "%s: the former declaration is back: %s", s->spec.name, why);
    }
    return rc;
}

/* The newcomer is no good. */
static void fail(struct axi_master *m, struct axi_service *s, const struct axi_member *newcomer,
                 const char *reason)
{
    struct axi_replica_view view;

    if (!axi_rollout_is_reverting(s) && s->previous != NULL) {
        (void)axi_rollout_revert(m, s, reason);
        return;
    }
    s->rollout->retry_ns = axi_now(m) + AGAIN_NS;
    if (newcomer != NULL) { /* its node may be what is wrong */
        axi_replica_look(m, newcomer->task, &view);
        axi_service_avoid(m, s, view.node, AVOID_NS);
    }
    if (newcomer != NULL &&
        axi_member_set_role(m, s, newcomer->task, AXI_MEMBER_GOING, reason) != 0) {
        return;
    }
    axi_event(m, AXI_ERROR, "rollout-failed", NULL, NULL,
              "%s: %s; there is no other declaration to go back to, so it is tried again",
              s->spec.name, reason);
    (void)set_number(m, s, "round_ns", 0);
}

/* ---- proof ---- */

/* It counts; what it was to replace goes, or stays when another one was lost meanwhile. */
static void accept(struct axi_master *m, struct axi_service *s, uint64_t task)
{
    struct axi_service next = *s;
    struct axi_member *newcomer = axi_member_find(&next, task);
    json_t *record = json_deep_copy(s->rollout_record);
    uint32_t number = newcomer->number;
    uint64_t good = s->rollout->good;

    newcomer->role = AXI_MEMBER_ACTIVE;
    newcomer->since_ns = axi_now_master(m);
    for (uint32_t i = 0; i < next.member_count; i++) {
        if (is_old(&next, &next.members[i]) && next.members[i].role == AXI_MEMBER_OLD &&
            axi_service_may_lose(m, &next, next.members[i].task)) {
            next.members[i].role = AXI_MEMBER_GOING;
            next.members[i].since_ns = axi_now_master(m);
        }
    }
    json_object_set_new(record, "round_ns", json_integer(0));
    if (commit_record(m, s, &next, record) == 0) {
        axi_event(m, AXI_INFO, "rollout-ready", axi_task_find(m, task), NULL,
                  "%s-%" PRIu32 " counts after %" PRIu64 " good jobs", s->spec.name, number, good);
    }
}

static void prove(struct axi_master *m, struct axi_service *s, const struct axi_member *newcomer)
{
    uint64_t begun = axi_json_get_u64(s->rollout_record, "round_ns");
    char reason[AXI_REASON_BYTES] = "";
    enum axi_proof proof = axi_rollout_prove(m, s, newcomer, reason);

    if (proof == AXI_PROOF_WAIT && begun != 0 &&
        axi_now_master(m) - begun > s->spec.update.timeout_ns) {
        char late[AXI_REASON_BYTES];

        (void)snprintf(late, sizeof(late), "not ready within %" PRIu64 " ms: %.120s",
                       (uint64_t)(s->spec.update.timeout_ns / MS), reason);
        fail(m, s, newcomer, late);
    } else if (proof == AXI_PROOF_READY) {
        accept(m, s, newcomer->task);
    } else if (proof == AXI_PROOF_BAD) {
        fail(m, s, newcomer, reason);
    } else if (proof == AXI_PROOF_VOID &&
               axi_member_set_role(m, s, newcomer->task, AXI_MEMBER_GOING, reason) == 0) {
        (void)set_number(m, s, "round_ns", 0); /* its node's fault: all the time once more */
    }
}

/* ---- rounds ---- */

/* A running member that has the wanted version already is the best to begin with when the other
 * version is not trusted. */
static uint64_t find_like(struct axi_master *m, const struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        const struct axi_member *member = &s->members[i];

        if (member->generation == s->generation && member->role == AXI_MEMBER_ACTIVE &&
            axi_member_runs(m, member->task)) {
            return member->task;
        }
    }
    return 0;
}

static bool is_schema_refusal(int rc)
{
    return rc == -AXC_ECKPT_SCHEMA || rc == -AXC_ECKPT_STATE_VERSION || rc == -AXC_ENOENT ||
           rc == -AXC_EINVALID;
}

static int add(struct axi_master *m, struct axi_service *s, const struct axi_member *victim,
               enum axi_member_role victim_role, char *ret_reason)
{
    struct axi_member_request request = {.role = AXI_MEMBER_NEW,
                                         .rule = s->spec.update.state,
                                         .instead_of = victim != NULL ? victim->task : 0,
                                         .instead_role = victim_role};
    uint64_t like = axi_rollout_is_reverting(s) ? find_like(m, s) : 0;
    uint64_t task = 0;
    int rc;

    request.image = victim != NULL && victim->image < s->spec.image_count ? victim->image : 0;
    request.has_seed = like != 0;
    request.seed = like;
    rc = axi_member_add(m, s, &request,
                        axi_rollout_is_reverting(s) ? "former version" : "new version", &task,
                        ret_reason);
    while (axi_rollout_is_reverting(s) && is_schema_refusal(rc) &&
           request.rule != AXI_STATE_RESTART) {
        request.rule = request.rule == AXI_STATE_CARRY ? AXI_STATE_MAP : AXI_STATE_RESTART;
        rc = axi_member_add(m, s, &request, "former version", &task, ret_reason);
    }
    return rc;
}

/* No replica of the new version can be made. */
static void refused(struct axi_master *m, struct axi_service *s, int rc, const char *reason)
{
    uint64_t begun = axi_json_get_u64(s->rollout_record, "round_ns");
    char text[AXI_REASON_BYTES];

    s->rollout->retry_ns = axi_now(m) + RETRY_NS;
    if (rc == -AXC_ETIMEOUT || rc == -AXC_EUNAVAILABLE || rc == -AXC_ECONFLICT) {
        return; /* the store */
    }
    if (is_schema_refusal(rc)) {
        fail(m, s, NULL, reason);
    } else if (begun == 0) {
        (void)set_number(m, s, "round_ns", axi_now_master(m));
    } else if (axi_now_master(m) - begun > s->spec.update.timeout_ns) {
        (void)snprintf(text, sizeof(text), "no node takes the new version: %.120s", reason);
        fail(m, s, NULL, text);
    }
    (void)snprintf(s->condition, sizeof(s->condition), "update waits: %.140s", reason);
}

/* Before anything of the round is done. */
static int open_round(struct axi_master *m, struct axi_service *s, const struct axi_member *victim)
{
    struct axi_service next = *s;
    json_t *record;
    int rc;

    if (axi_json_get_u64(s->rollout_record, "round_ns") != 0) {
        return 0; /* the same round, tried again */
    }
    record = json_deep_copy(s->rollout_record);
    json_object_set_new(record, "round",
                        json_integer((json_int_t)axi_json_get_u64(record, "round") + 1));
    json_object_set_new(record, "round_ns", json_integer((json_int_t)axi_now_master(m)));
    json_object_set_new(record, "platform",
                        json_string(victim != NULL ? platform_of(m, victim->task) : ""));
    rc = commit_record(m, s, &next, record);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "rollout-round",
                  victim != NULL ? axi_task_find(m, victim->task) : NULL, NULL,
                  "%s: round %" PRIu64 "%s%s", s->spec.name,
                  axi_json_get_u64(s->rollout_record, "round"), victim != NULL ? ", platform " : "",
                  axi_json_get_text(s->rollout_record, "platform"));
    }
    return rc;
}

static bool is_single(const struct axi_service *s)
{
    return s->spec.mode == AXI_MODE_SINGLE;
}

static void begin_round(struct axi_master *m, struct axi_service *s)
{
    char reason[AXI_REASON_BYTES] = "";
    const struct axi_member *victim = pick_victim(m, s);
    uint64_t task = victim != NULL ? victim->task : 0;
    bool may_lose = task == 0 || axi_service_may_lose(m, s, task);
    bool is_beside =
        s->spec.update.surge > 0 && !(axi_rollout_is_reverting(s) && may_lose && is_single(s));
    struct axi_service_counts counts;
    int rc;

    axi_service_count(m, s, &counts);
    if ((axi_rollout_is_reverting(s) || (!is_beside && !may_lose)) &&
        counts.alive < axi_service_wanted(s)) {
        victim = NULL; /* first the one that is missing: nobody else makes it now */
        task = 0;
        may_lose = true;
    }
    if (!is_beside && !may_lose) {
        (void)snprintf(s->condition, sizeof(s->condition),
                       "update waits: surge 0 would leave fewer than %" PRIu32 " running",
                       s->spec.minimum);
        return;
    }
    if (open_round(m, s, victim) != 0) {
        return;
    }
    victim = axi_member_find(s, task);
    s->rollout->retry_ns = axi_now(m) + RETRY_NS; /* should it be refused at once */
    rc = add(m, s, victim, is_beside ? AXI_MEMBER_OLD : AXI_MEMBER_GOING, reason);
    if (rc == -AXC_ENO_CANDIDATE && is_beside && may_lose) { /* no room beside it */
        victim = axi_member_find(s, task);
        rc = add(m, s, victim, AXI_MEMBER_GOING, reason);
    }
    if (rc == -AXC_ENO_CANDIDATE) {
        axi_partition_for_full(m, s, NULL);
    }
    if (rc != 0) {
        refused(m, s, rc, reason);
    }
}

/* ---- the whole ---- */

static int begin(struct axi_master *m, struct axi_service *s)
{
    struct axi_service next = *s;
    int rc;

    for (uint32_t i = 0; i < next.member_count; i++) { /* an update before was not finished */
        struct axi_member *member = &next.members[i];

        if (is_old(s, member) && member->role != AXI_MEMBER_ACTIVE) {
            member->role = member->role == AXI_MEMBER_NEW ? AXI_MEMBER_GOING : AXI_MEMBER_ACTIVE;
            member->since_ns = axi_now_master(m);
        }
    }
    rc = commit_record(m, s, &next, new_record(m, s, "progressing", ""));
    if (rc == 0) {
        axi_event(m, AXI_INFO, "rollout-started", NULL, NULL, "%s: generation %" PRIu32,
                  s->spec.name, s->generation);
    }
    return rc;
}

/* What the service layer put in a dead old one's place meanwhile counts as soon as it runs. */
static void promote_old(struct axi_master *m, struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        struct axi_votes votes;
        uint64_t task = s->members[i].task;

        if (is_old(s, &s->members[i]) && s->members[i].role == AXI_MEMBER_NEW &&
            axi_member_runs(m, task) && (!axi_votes_of(m, task, &votes) || votes.bad_in_row == 0)) {
            (void)!axi_member_set_role(m, s, task, AXI_MEMBER_ACTIVE, "it runs");
            return; /* refused: at the next look */
        }
    }
}

static void finish(struct axi_master *m, struct axi_service *s)
{
    bool was_reverting = axi_rollout_is_reverting(s);
    bool is_degraded = false;

    for (uint32_t i = 0; i < s->member_count; i++) {
        is_degraded =
            is_degraded || (s->members[i].is_degraded && s->members[i].role == AXI_MEMBER_ACTIVE);
    }
    if (set_over(m, s, was_reverting ? "reverted" : "done", !was_reverting && is_degraded) == 0) {
        s->condition[0] = '\0';
        axi_event(m, AXI_INFO, "rollout-done", NULL, NULL, "%s: %s", s->spec.name,
                  was_reverting ? "all replicas are of the former version again"
                                : "all replicas are of the new version");
    }
}

/* Enough new ones count: an old one goes; none is left: done. */
static void end_round(struct axi_master *m, struct axi_service *s)
{
    const struct axi_member *victim = pick_victim(m, s);

    if (victim == NULL) {
        finish(m, s);
    } else if (axi_service_may_lose(m, s, victim->task)) {
        (void)!axi_member_set_role(m, s, victim->task, AXI_MEMBER_GOING, "all successors count");
    }
}

static bool make_volatile(struct axi_service *s)
{
    if (s->rollout == NULL) {
        s->rollout = calloc(1, sizeof(*s->rollout));
    }
    return s->rollout != NULL;
}

/* Another version was declared while nothing of the former one was left: several replicas begin
 * together and are watched, a single one must prove itself. */
static bool is_unproved_alone(const struct axi_service *s)
{
    return is_single(s) && axi_rollout_is_unproved(s) &&
           axi_json_get_u64(s->rollout_record, "generation") != s->generation;
}

/* It runs unproved. */
static void watch(struct axi_master *m, struct axi_service *s)
{
    char reason[AXI_REASON_BYTES] = "";
    struct axi_service next = *s;
    enum axi_proof proof = axi_rollout_watch(m, s, reason);

    s->next_ns = axi_now(m) + LOOK_NS < s->next_ns ? axi_now(m) + LOOK_NS : s->next_ns;
    if (proof == AXI_PROOF_BAD) {
        (void)axi_rollout_revert(m, s, reason);
    } else if (proof == AXI_PROOF_READY) {
        (void)!commit_record(m, s, &next, new_record(m, s, "done", ""));
    }
}

bool axi_rollout_step(struct axi_master *m, struct axi_service *s)
{
    const struct axi_member *newcomer;
    bool is_paused = s->is_paused || s->spec.update.is_paused;
    char reason[AXI_REASON_BYTES];

    if (s->is_deleting) {
        return false;
    }
    if (axi_rollout_count_old(s) == 0 && !axi_rollout_is_open(s) && !is_unproved_alone(s)) {
        if (axi_rollout_is_unproved(s)) {
            watch(m, s);
        }
        return axi_rollout_is_open(s);
    }
    s->next_ns = axi_now(m) + LOOK_NS < s->next_ns ? axi_now(m) + LOOK_NS : s->next_ns;
    if (axi_service_wanted(s) == 0) {
        return true; /* it is stopped for others: when it is back */
    }
    if (!make_volatile(s) || (!axi_rollout_is_open(s) && (is_paused || begin(m, s) != 0))) {
        return true;
    }
    if (!axi_rollout_is_reverting(s) && s->previous != NULL && axi_rollout_count_old(s) > 0 &&
        axi_rollout_is_spoilt(m, s, reason)) {
        (void)axi_rollout_revert(m, s, reason);
        return true;
    }
    promote_old(m, s);
    newcomer = find_newcomer(s);
    if (newcomer != NULL) {
        prove(m, s, newcomer);
    } else if (axi_rollout_count_updated(m, s) >= axi_service_wanted(s)) {
        end_round(m, s);
    } else if (!is_paused && axi_now(m) >= s->rollout->retry_ns) {
        begin_round(m, s);
    }
    return true;
}

void axi_rollout_free(struct axi_service *s)
{
    free(s->rollout);
    s->rollout = NULL;
}
