/* SPDX-License-Identifier: Apache-2.0 */
#include "master/service/fake_services.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

static const char *const platforms[FAKE_NODES_MAX] = {
    "linux-x86_64", "axcan-virt", "axcan-partition", "linux-aarch64", "linux-x86_64", "axcan-virt"};

int rig_setup(void **state)
{
    struct axi_image_info image = {.reference = "multi",
                                   .digest = {0x11, 0x22, 0x33},
                                   .spec = {.name = "multi",
                                            .period_ns = 10 * MS,
                                            .deadline_ns = 10 * MS,
                                            .state_bytes = 16,
                                            .state_version = 1},
                                   .entry_count = 4,
                                   .entries = {{"linux-x86_64", {1}, 100, MS},
                                               {"axcan-virt", {2}, 100, MS},
                                               {"axcan-partition", {3}, 100, MS},
                                               {"linux-aarch64", {4}, 100, MS}}};
    struct rig *rig = calloc(1, sizeof(*rig));

    fake_up(&rig->c);
    for (uint32_t n = 0; n < FAKE_NODES; n++) { /* they come again as what they are here */
        fake_kill(&rig->c, n);
    }
    fake_run(&rig->c, 700);
    for (uint32_t n = 0; n < 4; n++) {
        rig->c.nodes[n].platform = platforms[n];
        fake_revive(&rig->c, n, 200 + n);
    }
    assert_int_equal(axi_master_image_add(rig->c.master, &image, NULL), 0);
    fake_run(&rig->c, 300);
    for (size_t i = 0; i < rig->c.master->node_count; i++) {
        memset(rig->c.master->nodes[i]->lost_ns, 0, sizeof(rig->c.master->nodes[i]->lost_ns));
    }
    for (uint32_t n = 0; n < 4; n++) {
        memset(rig->c.nodes[n].received, 0, sizeof(rig->c.nodes[n].received));
    }
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;

    fake_down(&rig->c);
    free(rig);
    return 0;
}

json_t *rig_answer(struct rig *rig, const char *request, int expected)
{
    json_error_t error;
    json_t *json = json_loads(request, 0, &error);
    json_t *answer = NULL;
    int rc;

    if (json == NULL) {
        fail_msg("%s in %s", error.text, request);
    }
    rig->reason[0] = '\0';
    rc = axi_master_apply(rig->c.master, json, &answer, rig->reason);
    json_decref(json);
    if (rc != expected) {
        fail_msg("%d (%s) instead of %d", rc, rig->reason, expected);
    }
    assert_non_null(answer);
    return answer;
}

void rig_apply(struct rig *rig, const char *object)
{
    char request[4096];

    (void)snprintf(request, sizeof(request), "{\"objects\": [%s]}", object);
    json_decref(rig_answer(rig, request, 0));
}

const char *rig_text(const json_t *answer, const char *array, const char *member)
{
    const char *text = json_string_value(
        json_object_get(json_array_get(json_object_get(answer, array), 0), member));

    return text != NULL ? text : "";
}

uint64_t rig_number(struct rig *rig, const char *service, const char *member)
{
    json_t *json = axi_master_service(rig->c.master, service);
    uint64_t number = (uint64_t)json_integer_value(json_object_get(json, member));

    assert_non_null(json);
    json_decref(json);
    return number;
}

/* By what runs, not by what the master thinks. */
static uint32_t running(struct rig *rig, const char *name)
{
    const struct axi_service *s = axi_service_find(rig->c.master, name);
    uint32_t count = 0;

    for (uint32_t i = 0; s != NULL && i < s->member_count; i++) {
        for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
            for (size_t k = 0; k < 8; k++) {
                const struct fake_instance *it = &rig->c.nodes[n].instances[k];

                count += rig->c.nodes[n].is_alive && it->task == s->members[i].task &&
                         it->state == AXI_SLOT_ACTIVE && s->members[i].role != AXI_MEMBER_NEW &&
                         s->members[i].role != AXI_MEMBER_GOING;
            }
        }
    }
    return count;
}

void rig_run(struct rig *rig, uint64_t ms)
{
    if (!rig->is_watching) {
        fake_run(&rig->c, ms);
        return;
    }
    for (uint64_t i = 0; i < ms; i += 5) {
        uint32_t count;

        fake_run(&rig->c, 5);
        count = running(rig, "brake");
        rig->least_running = count < rig->least_running ? count : rig->least_running;
    }
}

void rig_assert_ready(struct rig *rig, const char *service, uint32_t replicas)
{
    json_t *json = axi_master_service(rig->c.master, service);
    char *text = json_dumps(json, JSON_INDENT(1));

    if (json_integer_value(json_object_get(json, "ready")) != replicas ||
        json_array_size(json_object_get(json, "members")) != replicas ||
        strcmp(json_string_value(json_object_get(json, "state")), "ready") != 0) {
        fail_msg("%s", text);
    }
    free(text);
    json_decref(json);
}

static uint32_t distinct(struct rig *rig, const char *service, const char *member)
{
    json_t *json = axi_master_service(rig->c.master, service);
    const json_t *members = json_object_get(json, "members");
    json_t *seen = json_object();
    uint32_t count;

    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *item = json_array_get(members, i);

        if (strcmp(json_string_value(json_object_get(item, "state")), "running") == 0) {
            json_object_set_new(seen, json_string_value(json_object_get(item, member)),
                                json_true());
        }
    }
    count = (uint32_t)json_object_size(seen);
    json_decref(seen);
    json_decref(json);
    return count;
}

uint32_t rig_platforms(struct rig *rig, const char *service)
{
    return distinct(rig, service, "platform");
}

uint32_t rig_nodes(struct rig *rig, const char *service)
{
    return distinct(rig, service, "node");
}

bool rig_has_event(struct rig *rig, const char *type)
{
    json_t *events = axi_master_events(rig->c.master, 0, 10000);
    bool is_found = false;

    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);

        is_found |= strcmp(json_string_value(json_object_get(event, "type")), type) == 0;
    }
    json_decref(events);
    return is_found;
}

uint32_t rig_node_of(struct rig *rig, const char *service)
{
    const struct axi_service *s = axi_service_find(rig->c.master, service);
    struct axi_replica_view view;

    for (uint32_t i = 0; s != NULL && i < s->member_count; i++) {
        axi_replica_look(rig->c.master, s->members[i].task, &view);
        if (s->members[i].role == AXI_MEMBER_ACTIVE && view.state == AXI_REPLICA_RUNNING) {
            return (uint32_t)view.node - 1;
        }
    }
    fail_msg("no member of %s runs", service);
    return 0;
}
