/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer.h"

#include <stdlib.h>

struct datagram {
    struct sim_consumer *consumer;
    struct axi_trace record;
};

static uint32_t find(struct sim_consumer *consumer, uint64_t task_id)
{
    uint32_t i = 0;

    while (i < consumer->task_count && consumer->tasks[i].task_id != task_id) {
        i++;
    }
    if (i == consumer->task_count && i < SIM_CONSUMED_TASKS) {
        consumer->tasks[consumer->task_count++].task_id = task_id;
        consumer->tasks[i].gate.skip_epoch_check = consumer->skip_epoch_check;
    }
    return i;
}

static void arrives(void *context, uint64_t argument)
{
    struct datagram *datagram = context;
    struct sim_consumer *consumer = datagram->consumer;
    const struct axi_trace *record = &datagram->record;
    const struct axi_stamp stamp = {record->task_id, record->epoch, record->job, 0};
    uint32_t i = find(consumer, record->task_id);

    (void)argument;
    if (i < SIM_CONSUMED_TASKS && axi_gate_admit(&consumer->tasks[i].gate, &stamp)) {
        bool is_stale = record->epoch < consumer->tasks[i].epoch;
        bool is_twice = consumer->tasks[i].is_used && record->epoch == consumer->tasks[i].epoch &&
                        record->job <= consumer->tasks[i].job;

        if ((is_stale || is_twice) && consumer->broken_epoch == 0) {
            consumer->broken = *record;
            consumer->broken_epoch = consumer->tasks[i].epoch;
        }
        consumer->tasks[i].epoch = record->epoch;
        consumer->tasks[i].job = record->job;
        consumer->tasks[i].is_used = true;
        consumer->used++;
    } else {
        consumer->dropped++;
    }
    free(datagram);
}

static void send(struct sim_consumer *consumer, const struct axi_trace *record)
{
    struct sim_clock *clock = consumer->clock;
    struct datagram *datagram = malloc(sizeof *datagram);
    uint64_t delay = sim_between(clock, 30 * SIM_US, 2 * SIM_MS);

    if (datagram == NULL) {
        abort();
    }
    *datagram = (struct datagram){consumer, *record};
    if (sim_chance(clock, 10000)) {
        delay += sim_below(clock, 1500 * SIM_MS);
    }
    sim_at(clock, clock->now_ns + delay, arrives, datagram, 0);
}

void sim_consumer_output(struct sim_consumer *consumer, const struct axi_trace *record)
{
    if (record->kind != AXI_TRACE_COMPLETED || sim_chance(consumer->clock, 20000)) {
        return;
    }
    send(consumer, record);
    if (sim_chance(consumer->clock, 20000)) {
        send(consumer, record);
    }
}

void sim_consumer_judge(const struct sim_consumer *consumer, struct axi_verdict *verdict)
{
    if (consumer->broken_epoch != 0) {
        (void)axi_verdict_violate(verdict, AXI_I1, &consumer->broken,
                                  "the consumer used an output of epoch %llu after one of epoch "
                                  "%llu",
                                  (unsigned long long)consumer->broken.epoch,
                                  (unsigned long long)consumer->broken_epoch);
    }
}

void sim_consumer_deinit(struct sim_consumer *consumer)
{
    sim_forget(consumer->clock, arrives, free);
}
