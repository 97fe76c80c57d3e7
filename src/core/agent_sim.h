/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent's tests do with fake nodes: they play the master, the network and the clock.
 * Included by one test file each. */
#ifndef AXI_CORE_AGENT_SIM_H
#define AXI_CORE_AGENT_SIM_H

#include "core/agent_fake.h"

static inline void say_on(struct fake_node *node, uint32_t link, uint32_t type, const void *message,
                          const void *tail, size_t tail_bytes)
{
    static uint8_t frame[AXI_WIRE_FRAME_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(type, message, tail, tail_bytes, frame, sizeof(frame), &bytes),
                     0);
    axi_agent_link_bytes(node->agent, link, frame, bytes);
}

/* The test as master. */
static inline void say(struct fake_node *node, uint32_t type, const void *message, const void *tail,
                       size_t tail_bytes)
{
    say_on(node, node->master_link, type, message, tail, tail_bytes);
}

/* The next frame of this type that the master got; NULL when none. */
static inline struct fake_frame *heard(struct fake_node *node, uint32_t type)
{
    for (uint32_t i = node->frame_next; i < node->frame_count; i++) {
        if (node->frames[i].type == type) {
            node->frame_next = i + 1;
            return &node->frames[i];
        }
    }
    return NULL;
}

static inline void forget_heard(struct fake_node *node)
{
    node->frame_count = 0;
    node->frame_next = 0;
}

/* A new direct connection was asked for: make it, or deliver what is on its way. */
static inline bool step_peer(struct fake_node *node)
{
    struct fake_node *other = node->peer;

    if (other == NULL || node->peer_link == FAKE_NONE) {
        return false;
    }
    if (!node->out.is_used && other->peer_link == FAKE_NONE) {
        other->peer_link = other->next_link++;
        node->out = (struct fake_pipe){.is_used = true};
        other->out = (struct fake_pipe){.is_used = true};
        axi_agent_link_up(other->agent, other->peer_link, true);
        axi_agent_link_up(node->agent, node->peer_link, false);
        return true;
    }
    if (node->out.bytes > 0) {
        static uint8_t data[400000];
        size_t bytes = node->out.bytes;

        memcpy(data, node->out.data, bytes);
        node->out.bytes = 0;
        axi_agent_link_bytes(other->agent, other->peer_link, data, bytes);
        return true;
    }
    if (node->out.is_closed) {
        uint32_t link = other->peer_link;

        other->peer_link = FAKE_NONE;
        node->peer_link = FAKE_NONE;
        node->out.is_used = false;
        other->out.is_used = false;
        axi_agent_link_down(other->agent, link, 0);
        return true;
    }
    return false;
}

static inline bool step(struct fake_node *node)
{
    uint32_t count = node->trace_count;
    struct axi_trace traces[128];

    memcpy(traces, node->traces, sizeof(traces));
    node->trace_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        axi_agent_trace(node->agent, &traces[i]);
    }
    return axi_agent_tick(node->agent, node->now_ns) <= node->now_ns || count > 0 ||
           node->trace_count > 0 || step_peer(node);
}

/* Lets everything happen that needs no time. */
static inline void settle(struct fake_node *a, struct fake_node *b)
{
    for (int i = 0; i < 1000; i++) {
        bool is_busy = step(a);

        if (b != NULL && step(b)) {
            is_busy = true;
        }
        if (!is_busy) {
            return;
        }
    }
    fail_msg("the agents do not come to rest");
}

static inline void pass_time(struct fake_node *a, struct fake_node *b, uint64_t ns)
{
    a->now_ns += ns;
    if (b != NULL) {
        b->now_ns += ns;
    }
    settle(a, b);
}

static inline void join(struct fake_node *node)
{
    axi_HelloReply reply = {.protocol = 1, .lease_ns = 600 * MS, .heartbeat_ns = 100 * MS};

    settle(node, NULL);
    assert_true(node->master_link != FAKE_NONE);
    axi_agent_link_up(node->agent, node->master_link, false);
    assert_non_null(heard(node, AXI_WIRE_HELLO));
    say(node, AXI_WIRE_HELLO_REPLY, &reply, NULL, 0);
    settle(node, NULL);
}

/* Acknowledges the newest heartbeat with a lease. */
static inline void renew(struct fake_node *node, uint64_t lease_ns)
{
    for (uint32_t i = node->frame_count; i-- > 0;) {
        const axi_Heartbeat *heartbeat = &node->frames[i].m.Heartbeat;
        axi_HeartbeatAck ack;

        if (node->frames[i].type != AXI_WIRE_HEARTBEAT) {
            continue;
        }
        ack = (axi_HeartbeatAck){.sequence = heartbeat->sequence,
                                 .send_local_ns = heartbeat->send_local_ns,
                                 .receive_master_ns = node->now_ns,
                                 .reply_master_ns = node->now_ns,
                                 .lease_ns = lease_ns};
        say(node, AXI_WIRE_HEARTBEAT_ACK, &ack, NULL, 0);
        return;
    }
    fail_msg("no heartbeat was sent");
}

static inline axi_TaskSpec fake_spec(void)
{
    axi_TaskSpec spec = {.name = "cruise",
                         .task_id = 77,
                         .period_ns = 10 * MS,
                         .deadline_ns = 10 * MS,
                         .wcet_ns = 2 * MS,
                         .state_bytes = FAKE_STATE_BYTES,
                         .state_version = 1,
                         .stack_bytes = 16384,
                         .checkpoint_every = 1,
                         .backlog_max = 100,
                         .elf_bytes = FAKE_IMAGE_BYTES};

    memcpy(spec.elf_digest, fake_digest, 32);
    return spec;
}

/* A job of the task in `slot` completes. */
static inline void run_job(struct fake_node *node, uint32_t slot)
{
    struct fake_slot *s = &node->slots[slot];

    assert_int_equal(s->view.state, AXI_SLOT_ACTIVE);
    s->state[0]++;
    fake_trace(node, slot, AXI_TRACE_RELEASED);
    fake_trace(node, slot, AXI_TRACE_COMPLETED);
    s->view.next_job++;
    s->view.completed++;
    fake_checkpoint(s);
}

static inline void expect_result(struct fake_node *node, uint64_t request, int code)
{
    struct fake_frame *frame = heard(node, AXI_WIRE_RESULT);

    assert_non_null(frame);
    assert_int_equal(frame->m.Result.request, request);
    assert_int_equal(frame->m.Result.code, code);
}

/* Nothing is started on a node that never had a lease. */
static inline void give_first_lease(struct fake_node *node)
{
    if (node->lease_ns == 0) {
        renew(node, UINT64_C(600) * MS);
    }
}

static inline void load(struct fake_node *node, uint64_t request, uint64_t epoch)
{
    axi_Load message = {.request = request, .spec = fake_spec(), .epoch = epoch};

    give_first_lease(node);
    say(node, AXI_WIRE_LOAD, &message, NULL, 0);
    settle(node, NULL);
}

static inline void start(struct fake_node *node, uint64_t request, uint64_t epoch)
{
    axi_Start message = {.request = request, .task_id = 77, .epoch = epoch, .release_ns = 5};

    say(node, AXI_WIRE_START, &message, NULL, 0);
    settle(node, NULL);
}

#endif
