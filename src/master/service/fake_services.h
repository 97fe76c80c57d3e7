/* SPDX-License-Identifier: Apache-2.0 */
/* For the unit tests of services: four scripted nodes of four platforms and one image for all. */
#ifndef AXI_MASTER_SERVICE_FAKE_SERVICES_H
#define AXI_MASTER_SERVICE_FAKE_SERVICES_H

#include "master/fake_cluster.h"
#include "master/service/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define RIG_TMR                                                                                    \
    "{\"kind\":\"Service\",\"name\":\"brake\",\"image\":\"multi\",\"mode\":\"tmr\","               \
    "\"diversity\":{\"platform\":true}}"
#define RIG_COUNT(count)                                                                           \
    "{\"kind\":\"Service\",\"name\":\"many\",\"image\":\"multi\",\"mode\":\"at-least-one\","       \
    "\"minimum\":1,\"replicas\":" count "}"
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

struct rig {
    struct fake_cluster c;
    uint32_t least_running; /* of "brake", since rig_watch; by what the nodes run */
    bool is_watching;
    char reason[AXI_REASON_BYTES];
};

int rig_setup(void **state);
int rig_teardown(void **state);
/* Declares one object and fails when it is refused. */
void rig_apply(struct rig *rig, const char *object);
/* Sends a request, expects this result; returns the answer (a new reference). */
json_t *rig_answer(struct rig *rig, const char *request, int expected);
/* Member of the first entry of an answer's array; borrowed. */
const char *rig_text(const json_t *answer, const char *array, const char *member);
uint64_t rig_number(struct rig *rig, const char *service, const char *member);
void rig_run(struct rig *rig, uint64_t ms);
void rig_assert_ready(struct rig *rig, const char *service, uint32_t replicas);
/* How many platforms, and nodes, the running members are on. */
uint32_t rig_platforms(struct rig *rig, const char *service);
uint32_t rig_nodes(struct rig *rig, const char *service);
/* True when an event of this type was recorded. */
bool rig_has_event(struct rig *rig, const char *type);
/* Index of the node of a service's first counted member. */
uint32_t rig_node_of(struct rig *rig, const char *service);

#endif
