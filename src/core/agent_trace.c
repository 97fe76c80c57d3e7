/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a node without a disk: its trace records go to the master, which asked for them
 * in HelloReply.features. Records are numbered from 0 in each boot and kept until the master has
 * written them; when the ring is full the oldest go, and the gap in the numbers tells.
 *
 *     trace_base            trace_sent              trace_next
 *         | sent, not yet acknowledged | not yet sent | */
#include "core/agent_internal.h"

#include <string.h>

#define WAIT_NS UINT64_C(20000000) /* records wait so long for company */
#define AT_ONCE 128u               /* records in one message */

void axi_agent_keep_trace(struct axi_agent *agent, const struct axi_trace *record)
{
    uint32_t capacity = agent->config.trace_records;

    if (capacity == 0) {
        return;
    }
    if (agent->trace_sent == agent->trace_next) {
        agent->trace_at_ns = agent->now_ns + WAIT_NS;
    }
    agent->traces[agent->trace_next++ % capacity] = *record;
    if (agent->trace_next - agent->trace_base > capacity) {
        agent->trace_base++;
    }
    if (agent->trace_sent < agent->trace_base) {
        agent->trace_sent = agent->trace_base;
    }
}

void axi_agent_trace_joined(struct axi_agent *agent, uint64_t features)
{
    agent->is_trace_wanted = (features & AXI_FEATURE_TRACE) != 0;
    agent->trace_sent = agent->trace_base; /* what a former link lost comes again */
    agent->trace_at_ns = agent->now_ns;
}

void axi_agent_on_trace_ack(struct axi_agent *agent, const axi_TraceAck *ack)
{
    if (ack->next > agent->trace_base && ack->next <= agent->trace_sent) {
        agent->trace_base = ack->next;
    }
}

/* Copies up to `most` records from number `first` on into the scratch chunk; returns their number.
 */
static uint32_t fill(struct axi_agent *agent, uint64_t first, uint32_t most)
{
    uint64_t count = agent->trace_next - first;

    count = count < most ? count : most;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(agent->chunk + (size_t)i * sizeof(struct axi_trace),
               &agent->traces[(first + i) % agent->config.trace_records], sizeof(struct axi_trace));
    }
    return (uint32_t)count;
}

uint64_t axi_agent_send_traces(struct axi_agent *agent)
{
    uint32_t most = agent->config.chunk_bytes / (uint32_t)sizeof(struct axi_trace);

    most = most < AT_ONCE ? most : AT_ONCE;
    if (!agent->is_trace_wanted || agent->trace_sent == agent->trace_next) {
        return UINT64_MAX;
    }
    if (agent->now_ns < agent->trace_at_ns && agent->trace_next - agent->trace_sent < most) {
        return agent->trace_at_ns;
    }
    while (agent->trace_sent < agent->trace_next) {
        axi_TraceRecords records = {.first = agent->trace_sent};
        uint32_t count = fill(agent, agent->trace_sent, most);
        size_t tail_bytes = (size_t)count * sizeof(struct axi_trace);
        size_t bytes = 0;

        if (agent->port.send_room(agent->port.context, agent->master) <
                AXI_WIRE_CONTROL_BYTES_MAX + tail_bytes ||
            axi_wire_encode(AXI_WIRE_TRACE_RECORDS, &records, agent->chunk, tail_bytes,
                            agent->frame, AXI_WIRE_FRAME_BYTES_MAX, &bytes) < 0 ||
            agent->port.send(agent->port.context, agent->master, agent->frame, bytes) < 0) {
            break;
        }
        agent->trace_sent += count;
    }
    agent->trace_at_ns = agent->now_ns + WAIT_NS;
    return agent->trace_at_ns;
}
