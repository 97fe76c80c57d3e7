/* SPDX-License-Identifier: Apache-2.0 */
/* Two agents and a migration between them; the test is the master. Included by one test file each.
 */
#ifndef AXI_CORE_AGENT_MIGRATE_SIM_H
#define AXI_CORE_AGENT_MIGRATE_SIM_H

#include "core/agent_sim.h"

#define MIGRATION 500u
#define TASK 77u

static struct fake_node *source, *target;

/* The source runs epoch 3 of the task, three jobs are done. */
static inline int setup(void **state)
{
    (void)state;
    source = fake_new(1);
    target = fake_new(2);
    source->peer = target;
    target->peer = source;
    source->has_image = true;
    target->has_image = true;
    join(source);
    join(target);
    renew(source, 600000 * MS);
    renew(target, 600000 * MS);
    load(source, 10, 3);
    start(source, 11, 3);
    for (int i = 0; i < 3; i++) {
        run_job(source, 0);
    }
    settle(source, target);
    forget_heard(source);
    forget_heard(target);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    fake_free(source);
    fake_free(target);
    return 0;
}

static inline axi_MigrateIn in_message(uint64_t id, uint64_t epoch)
{
    axi_MigrateIn in = {.migration = id,
                        .spec = fake_spec(),
                        .epoch = epoch,
                        .source_id = 1,
                        .token = {9, 8, 7},
                        .release_ns = 5,
                        .source_epoch = 3};

    return in;
}

static inline axi_MigrateOut out_message(uint64_t id, uint64_t epoch)
{
    axi_MigrateOut out = {.migration = id,
                          .task_id = TASK,
                          .epoch = 3,
                          .new_epoch = epoch,
                          .target_id = 2,
                          .target_address = "peer",
                          .token = {9, 8, 7},
                          .send_image = true};

    return out;
}

static inline void both_ready(void)
{
    axi_MigrateIn in = in_message(MIGRATION, 4);
    axi_MigrateOut out = out_message(MIGRATION, 4);

    say(target, AXI_WIRE_MIGRATE_IN, &in, NULL, 0);
    say(source, AXI_WIRE_MIGRATE_OUT, &out, NULL, 0);
    settle(source, target);
    expect_result(target, MIGRATION, 0);
    expect_result(source, MIGRATION, 0);
}

static inline void transfer(void)
{
    say(source, AXI_WIRE_TRANSFER, &(axi_Transfer){.migration = MIGRATION}, NULL, 0);
    settle(source, target);
}

static inline void switch_over(void)
{
    say(source, AXI_WIRE_SWITCH, &(axi_Switch){.migration = MIGRATION}, NULL, 0);
    settle(source, target);
}

static inline void decide(struct fake_node *node, bool committed)
{
    axi_Decision decision = {
        .migration = MIGRATION, .task_id = TASK, .epoch = 4, .committed = committed};

    say(node, AXI_WIRE_DECISION, &decision, NULL, 0);
    settle(source, target);
}

static inline struct fake_frame *expect_phase(struct fake_node *node, uint32_t phase)
{
    struct fake_frame *frame = heard(node, AXI_WIRE_PROGRESS);

    assert_non_null(frame);
    assert_int_equal(frame->m.Progress.migration, MIGRATION);
    assert_int_equal(frame->m.Progress.phase, phase);
    return frame;
}

/* The slot of the target's instance. */
static inline struct fake_slot *standby(void)
{
    return &target->slots[0];
}

static inline void until_prepared(void)
{
    both_ready();
    transfer();
    expect_phase(target, AXI_PHASE_STANDBY);
    assert_int_equal(source->slots[0].view.state, AXI_SLOT_ACTIVE);
    run_job(source, 0);
    switch_over();
    expect_phase(source, AXI_PHASE_FROZEN);
    expect_phase(target, AXI_PHASE_PREPARED);
}

#endif
