/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes' clocks, as their heartbeats tell: what changed becomes an event, also when heartbeats
 * were lost between; and a node that cannot keep its tasks' deadlines any more is helped by the
 * policy. */
#include "master/internal.h"
#include "time/servo.h"

#include <stdio.h>

#define US 1000
#define ACT_NS 2000000000ull           /* what was begun needs time to take effect */
#define DISAGREE_NS UINT64_C(10000000) /* beyond both bounds: two time scales */

static const char *state_name(const axi_Heartbeat *beat)
{
    return beat->has_clock ? axi_servo_state_name(beat->clock_state) : "heartbeats";
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static void say_changes(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *now)
{
    const axi_Heartbeat *before = &node->heartbeat;

    if (before->has_clock != now->has_clock || before->clock_state != now->clock_state) {
        axi_event(m, now->clock_state == AXI_SERVO_LOCKED ? AXI_INFO : AXI_WARNING, "clock-state",
                  NULL, node, "%s, was %s; offset %lld us, error bound %llu us", state_name(now),
                  state_name(before), (long long)(now->clock_offset_ns / US),
                  (unsigned long long)(now->clock_bound_ns / US));
    }
    if (before->grandmaster != now->grandmaster) {
        axi_event(m, before->grandmaster == 0 ? AXI_INFO : AXI_WARNING, "clock-master", NULL, node,
                  "follows %016llx, before %016llx", (unsigned long long)now->grandmaster,
                  (unsigned long long)before->grandmaster);
    }
    if (before->clock_steps != now->clock_steps && now->clock_steps != 0) {
        axi_event(m, AXI_WARNING, "clock-step", NULL, node,
                  "its master time was set anew; it held no instance");
    }
    if (before->clock_jumps != now->clock_jumps && now->clock_jumps != 0) {
        axi_event(m, AXI_ERROR, "clock-jump", NULL, node,
                  "its master time is %llu ms off and slews, at most 500 ppm",
                  (unsigned long long)(now->clock_bound_ns / 1000000));
    }
}

/* The source's scale and this master's: releases are set on one and kept by the other. */
static void compare_scales(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *now)
{
    bool is_disagreeing = magnitude(now->master_offset_ns) > DISAGREE_NS;

    if (is_disagreeing && !node->is_disagreeing) {
        axi_event(m, AXI_ERROR, "clock-disagrees", NULL, node,
                  "its grandmaster is %lld ms ahead of this master's clock: let this host follow "
                  "the same grandmaster",
                  (long long)(now->master_offset_ns / 1000000));
    }
    node->is_disagreeing = is_disagreeing;
}

/* By the policy; what cannot be done now is tried again. */
static void act(struct axi_master *m, struct axi_node *node, const struct axi_task *task)
{
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int r = 0;

    if (m->config.sync_policy == AXI_SYNC_ALARM || task->record.owner != node->id ||
        task->record.state != AXI_TASK_RUNNING || task->flow.step != AXI_STEP_IDLE) {
        return;
    }
    if (m->config.sync_policy == AXI_SYNC_MIGRATE) {
        r = axi_master_offload(m, task->record.name, &op, reason);
    } else {
        r = axi_master_stop(m, task->record.name, &op, reason);
    }
    if (r == 0) {
        axi_event(m, AXI_WARNING,
                  m->config.sync_policy == AXI_SYNC_MIGRATE ? "sync-migrate" : "sync-drop", task,
                  node, "its node's clock is not good enough");
    } else {
        axi_event(m, AXI_ERROR, "sync-refused", task, node, "%s", reason);
    }
}

static void judge_victim(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *now)
{
    const struct axi_task *task = axi_task_find(m, now->victim);

    if (now->victim == 0 || task == NULL) {
        if (node->is_overdue) {
            axi_event(m, AXI_INFO, "sync-restored", NULL, node,
                      "all its tasks are schedulable again");
        }
        node->is_overdue = false;
        return;
    }
    if (!node->is_overdue) {
        axi_event(m, AXI_ERROR, "sync-degraded", task, node,
                  "with Delta_max %llu us its tasks are not schedulable any more",
                  (unsigned long long)(now->delta_ns / US));
        node->sync_acted_ns = 0;
    }
    node->is_overdue = true;
    if (node->sync_acted_ns == 0 || axi_now(m) - node->sync_acted_ns >= ACT_NS) {
        node->sync_acted_ns = axi_now(m);
        act(m, node, task);
    }
}

void axi_clock_heartbeat(struct axi_master *m, struct axi_node *node, const axi_Heartbeat *now)
{
    say_changes(m, node, now);
    compare_scales(m, node, now);
    judge_victim(m, node, now);
}

/* Null: none is known. */
static json_t *bound(uint64_t ns)
{
    return ns <= INT64_MAX ? json_integer((json_int_t)ns) : json_null();
}

json_t *axi_clock_json(const struct axi_node *node)
{
    const axi_Heartbeat *beat = &node->heartbeat;
    char grandmaster[20] = "";

    if (beat->grandmaster != 0) {
        (void)snprintf(grandmaster, sizeof(grandmaster), "%016llx",
                       (unsigned long long)beat->grandmaster);
    }
    return json_pack("{s:s, s:s, s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:b}", "state",
                     state_name(beat), "grandmaster", grandmaster, "offset_ns",
                     (json_int_t)beat->clock_offset_ns, "bound_ns", bound(beat->clock_bound_ns),
                     "master_offset_ns", (json_int_t)beat->master_offset_ns, "delta_ns",
                     bound(beat->delta_ns), "latency_ns", (json_int_t)beat->latency_ns, "steps",
                     (json_int_t)beat->clock_steps, "jumps", (json_int_t)beat->clock_jumps,
                     "schedulable", beat->victim == 0);
}
