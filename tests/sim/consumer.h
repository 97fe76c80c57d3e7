/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses the tasks' outputs: an actuator that hears of them by datagrams, which a network loses,
 * delays, doubles and reorders. It checks them with core/gate.h; what it lets through is judged. */
#ifndef AXI_SIM_CONSUMER_H
#define AXI_SIM_CONSUMER_H

#include "core/gate.h"
#include "core/trace.h"
#include "event.h"
#include "history/checker.h"

#include <stddef.h>

#define SIM_CONSUMED_TASKS 512u

struct sim_consumer {
    struct sim_clock *clock;
    bool skip_epoch_check;
    struct {
        uint64_t task_id;
        struct axi_gate gate;
        uint64_t epoch, job; /* used last */
        bool is_used;
    } tasks[SIM_CONSUMED_TASKS];
    uint32_t task_count;
    uint64_t used, dropped;
    struct axi_trace broken; /* the first output it should not have used */
    uint64_t broken_epoch;
};

/* An instance completed a job: its output is sent. */
void sim_consumer_output(struct sim_consumer *consumer, const struct axi_trace *record);
/* Frees what is under way. */
void sim_consumer_deinit(struct sim_consumer *consumer);
/* I1 at the consumer: no output of a superseded epoch, none twice. */
void sim_consumer_judge(const struct sim_consumer *consumer, struct axi_verdict *verdict);

#endif
