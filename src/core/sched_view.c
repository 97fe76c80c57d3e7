/* SPDX-License-Identifier: Apache-2.0 */
/* What others see of a slot: trace records, a consistent view, histograms. */
#include "core/sched.h"
#include "core/sched_slot.h"

#include <string.h>

/* The sequence lock's writer is the scheduler; it never waits. */
static void publish_begin(struct axi_sched_slot *slot)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void publish_end(struct axi_sched_slot *slot)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_release);
}

static uint32_t read_begin(struct axi_sched_slot *slot)
{
    uint32_t sequence;

    do {
        sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    } while ((sequence & 1u) != 0);
    return sequence;
}

static bool is_read_torn(struct axi_sched_slot *slot, uint32_t sequence)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) != sequence;
}

void axi_sched_view(struct axi_sched *sched, uint32_t slot_number, struct axi_slot_view *ret_view)
{
    struct axi_sched_slot *slot = &sched->slots[slot_number];
    struct axi_slot_view copy;
    uint32_t sequence;

    do {
        sequence = read_begin(slot);
        memcpy(&copy, &slot->published, sizeof(copy));
    } while (is_read_torn(slot, sequence));
    *ret_view = copy;
}

void axi_sched_hists(struct axi_sched *sched, uint32_t slot_number, struct axi_hist *ret_response,
                     struct axi_hist *ret_exec)
{
    struct axi_sched_slot *slot = &sched->slots[slot_number];
    uint32_t sequence;

    do {
        sequence = read_begin(slot);
        memcpy(ret_response, &slot->response, sizeof(*ret_response));
        memcpy(ret_exec, &slot->exec, sizeof(*ret_exec));
    } while (is_read_torn(slot, sequence));
}

void axi_sched_add_busy(struct axi_sched *sched, uint64_t exec_ns)
{
    uint64_t before = atomic_load_explicit(&sched->busy_ns, memory_order_relaxed);

    atomic_store_explicit(&sched->busy_ns, before + exec_ns, memory_order_relaxed);
}

uint32_t axi_sched_load_ppm(const struct axi_sched *sched, uint64_t now_ns, uint64_t *at_ns,
                            uint64_t *busy_ns)
{
    uint64_t busy = atomic_load_explicit(&sched->busy_ns, memory_order_relaxed);
    uint64_t passed = (now_ns - *at_ns) / 1000000u;
    uint64_t ppm = *at_ns == 0 || passed == 0 ? 0 : (busy - *busy_ns) / passed;

    *at_ns = now_ns;
    *busy_ns = busy;
    return ppm < 1000000u ? (uint32_t)ppm : 1000000u;
}

void axi_slot_add_times(struct axi_sched_slot *slot, uint64_t response_ns, uint64_t exec_ns)
{
    if (response_ns > slot->view.response_max_ns) {
        slot->view.response_max_ns = response_ns;
    }
    if (exec_ns > slot->view.exec_max_ns) {
        slot->view.exec_max_ns = exec_ns;
    }
    publish_begin(slot);
    axi_hist_add(&slot->response, response_ns);
    axi_hist_add(&slot->exec, exec_ns);
    publish_end(slot);
}

struct axi_trace axi_slot_record(struct axi_sched *sched, const struct axi_sched_slot *slot,
                                 uint8_t kind)
{
    return (struct axi_trace){
        .master_ns = sched->now_master_ns,
        .task_id = slot->config.task_id,
        .epoch = slot->config.epoch,
        .job = slot->next_job,
        .release_ns = axi_slot_release_ns(slot, slot->next_job),
        .slot = (uint16_t)slot->index,
        .kind = kind,
    };
}

void axi_slot_publish(struct axi_sched_slot *slot)
{
    slot->view.task_id = slot->config.task_id;
    slot->view.epoch = slot->config.epoch;
    slot->view.next_job = slot->next_job;
    slot->view.output_from = slot->config.output_from;
    slot->view.output_until = slot->config.output_until;
    publish_begin(slot);
    slot->published = slot->view;
    publish_end(slot);
}

void axi_sched_emit(struct axi_sched *sched, struct axi_sched_slot *slot,
                    const struct axi_trace *record)
{
    axi_slot_publish(slot);
    sched->port.trace(sched->port.context, record);
}

void axi_sched_emit_kind(struct axi_sched *sched, struct axi_sched_slot *slot, uint8_t kind)
{
    struct axi_trace record = axi_slot_record(sched, slot, kind);

    axi_sched_emit(sched, slot, &record);
}
