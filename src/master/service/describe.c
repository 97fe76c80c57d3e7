/* SPDX-License-Identifier: Apache-2.0 */
/* Services and what is declared, as JSON. */
#include "master/service/handover.h"
#include "master/service/internal.h"
#include "master/service/rollout.h"
#include "master/service/voters.h"

#include <string.h>

static const char *const replica_states[] = {
    "gone", "starting", "running", "moving", "restoring", "waiting", "ended", "failed", "leaving"};

static const char *state_of(const struct axi_service *s, const struct axi_service_counts *counts)
{
    bool is_changing = axi_rollout_is_open(s);

    for (uint32_t i = 0; i < s->member_count; i++) {
        is_changing |=
            s->members[i].role != AXI_MEMBER_ACTIVE || s->members[i].generation != s->generation;
    }
    if (s->is_deleting) {
        return "deleting";
    }
    if (s->is_paused && is_changing) {
        return "paused";
    }
    if (counts->alive < s->spec.replicas) {
        return "short";
    }
    if (counts->ready < s->spec.replicas || is_changing) {
        return "progressing";
    }
    return counts->degraded > 0 ? "degraded" : "ready";
}

static json_t *votes_json(struct axi_master *m, uint64_t task)
{
    struct axi_votes votes;

    if (!axi_votes_of(m, task, &votes)) {
        return NULL;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "good", (json_int_t)votes.good, "wrong",
                     (json_int_t)votes.wrong, "silent", (json_int_t)votes.silent, "last_job",
                     (json_int_t)votes.last_job, "good_in_row", (json_int_t)votes.good_in_row,
                     "bad_in_row", (json_int_t)votes.bad_in_row);
}

static json_t *member_json(struct axi_master *m, const struct axi_member *member)
{
    const struct axi_task *task = axi_task_find(m, member->task);
    struct axi_replica_view view;
    const struct axi_node *node;
    json_t *votes = votes_json(m, member->task);
    char image[65] = "";
    char output[48];
    int entry;
    json_t *json;

    axi_replica_look(m, member->task, &view);
    node = axi_node_find(m, view.node);
    entry = task != NULL && node != NULL ? axi_task_entry(&task->record, node) : -1;
    if (task != NULL) {
        axi_hex(task->record.image, 32, image);
    }
    json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I}", "task",
                     task != NULL ? task->record.name : "", "node", axi_node_name(m, view.node),
                     "platform", entry >= 0 ? task->record.entries[entry].platform : "", "role",
                     axi_member_role_name(member->role), "image", image, "state",
                     replica_states[view.state], "degraded", member->is_degraded, "generation",
                     (json_int_t)member->generation, "number", (json_int_t)member->number,
                     "next_job", (json_int_t)view.next_job);
    json_object_set_new(
        json, "output",
        json_string(task != NULL ? axi_handover_text(&task->record, output) : "none"));
    json_object_set_new(json, "missed", json_integer((json_int_t)view.missed));
    json_object_set_new(json, "killed", json_integer((json_int_t)view.killed));
    json_object_set_new(json, "reason", json_string(view.reason));
    if (votes != NULL) {
        json_object_set_new(json, "votes", votes);
    }
    return json;
}

static json_t *service_json(struct axi_master *m, const struct axi_service *s)
{
    struct axi_service_counts counts;
    json_t *members = json_array();
    json_t *votes = axi_votes_json(m, s->spec.name);
    uint64_t agreed = axi_json_get_u64(votes, "agreed");
    json_t *rollout;
    json_t *json;

    axi_service_count(m, s, &counts);
    for (uint32_t i = 0; i < s->member_count; i++) {
        json_array_append_new(members, member_json(m, &s->members[i]));
    }
    json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "name",
                     s->spec.name, "mode", axi_service_mode_name(s->spec.mode), "image",
                     s->spec.images[0], "replicas", (json_int_t)s->spec.replicas, "ready",
                     (json_int_t)counts.ready, "running", (json_int_t)counts.running, "agreed",
                     (json_int_t)agreed, "minimum", (json_int_t)s->spec.minimum, "generation",
                     (json_int_t)s->generation, "revision", (json_int_t)s->revision, "state",
                     state_of(s, &counts), "condition", s->condition, "members", members);
    json_object_set(json, "declared", s->declared);
    json_object_set_new(json, "paused", json_boolean(s->is_paused));
    json_object_set_new(json, "release_ns", json_integer((json_int_t)s->release_ns));
    rollout = axi_rollout_json(m, s);
    json_object_set_new(json, "rollout", rollout != NULL ? rollout : json_null());
    json_object_set_new(json, "yielded",
                        s->yielded.to[0] != '\0' ? axi_yielded_json(&s->yielded) : json_null());
    if (votes != NULL) {
        json_object_set_new(json, "votes", votes);
    }
    return json;
}

json_t *axi_master_services(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->declared->service_count; i++) {
        json_array_append_new(array, service_json(m, m->declared->services[i]));
    }
    return array;
}

json_t *axi_master_service(struct axi_master *m, const char *name)
{
    const struct axi_service *s = axi_service_find(m, name);

    return s != NULL ? service_json(m, s) : NULL;
}

static void append(json_t *array, const json_t *declared, uint64_t revision)
{
    json_t *copy = json_copy((json_t *)declared);

    json_object_set_new(copy, "revision", json_integer((json_int_t)revision));
    json_array_append_new(array, copy);
}

json_t *axi_master_declared(struct axi_master *m)
{
    const struct axi_declared *d = m->declared;
    json_t *array = json_array();

    for (size_t i = 0; i < d->node_count; i++) {
        if (d->nodes[i]->declared != NULL) {
            append(array, d->nodes[i]->declared, d->nodes[i]->revision);
        }
    }
    if (d->policy_declared != NULL) {
        append(array, d->policy_declared, d->policy_revision);
    }
    for (size_t i = 0; i < d->service_count; i++) {
        if (!d->services[i]->is_deleting) {
            append(array, d->services[i]->declared, d->services[i]->revision);
        }
    }
    return array;
}
