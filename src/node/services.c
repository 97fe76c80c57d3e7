/* SPDX-License-Identifier: Apache-2.0 */
#include "node/services.h"

#include "core/output.h"
#include "node/futex.h"
#include "node/local_clock.h"

#include <string.h>

/* One struct per runner process. */
static struct {
    struct axi_shm_slot *slot;
    struct axi_shm_world *world;
    struct axi_shm_event *event;
} self;

void axi_services_init(struct axi_shm_slot *slot, struct axi_shm_world *world,
                       struct axi_shm_event *event)
{
    self.slot = slot;
    self.world = world;
    self.event = event;
}

void axi_services_report(uint32_t report)
{
    atomic_store_explicit(&self.slot->report, report, memory_order_release);
    atomic_fetch_add_explicit(&self.event->word, 1, memory_order_release);
    axi_futex_wake(&self.event->word);
}

void axi_services_report_loaded(void)
{
    atomic_store_explicit(&self.slot->report, AXI_REPORT_LOADED, memory_order_release);
    axi_futex_wake(&self.slot->report);
}

static void service_log(const struct axc_job *job, uint32_t level, const char *text)
{
    struct axi_shm_slot *slot = self.slot;
    uint32_t head = atomic_load_explicit(&slot->log_head, memory_order_relaxed);
    struct axi_log_line *line = &slot->log[head % AXI_LOG_LINES];
    size_t length = strnlen(text, AXI_LOG_TEXT - 1);

    line->job = job->number;
    line->level = level;
    memcpy(line->text, text, length);
    line->text[length] = '\0';
    atomic_store_explicit(&slot->log_head, head + 1, memory_order_release);
}

static uint64_t service_now(const struct axc_job *job)
{
    const struct axc_time_local now = {axi_local_clock_ns()};

    (void)job;
    return axi_time_to_master(&self.world->timebase, now).ns;
}

static void service_checkpoint(const struct axc_job *job, uint32_t step)
{
    struct axi_shm_slot *slot = self.slot;

    (void)job;
    if (step == 0) {
        return;
    }
    slot->step = step;
    atomic_store_explicit(&slot->step_ack, 0, memory_order_relaxed);
    axi_services_report(AXI_REPORT_STEP);
    while (atomic_load_explicit(&slot->step_ack, memory_order_acquire) == 0) {
        axi_futex_wait(&slot->step_ack, 0, NULL);
    }
}

static int32_t append(uint8_t kind, const char *name, const void *value, uint32_t value_bytes)
{
    return axi_output_append(self.slot->outputs, &self.slot->output_bytes, &self.slot->output_used,
                             kind, name, value, value_bytes);
}

static int32_t service_publish(const struct axc_job *job, const char *topic, const void *value,
                               uint32_t value_bytes)
{
    (void)job;
    return append(AXI_OUTPUT_TOPIC, topic, value, value_bytes);
}

static int32_t service_read_topic(const struct axc_job *job, const char *topic, void *buffer,
                                  uint32_t buffer_bytes, uint64_t *ret_sequence)
{
    (void)job;
    return axi_values_read(&self.world->topics, topic, buffer, buffer_bytes, ret_sequence);
}

static int32_t service_input(const struct axc_job *job, const char *channel, void *buffer,
                             uint32_t buffer_bytes, uint64_t *ret_sequence)
{
    (void)job;
    return axi_values_read(&self.world->inputs, channel, buffer, buffer_bytes, ret_sequence);
}

static int32_t service_output(const struct axc_job *job, const char *channel, const void *value,
                              uint32_t value_bytes)
{
    (void)job;
    return append(AXI_OUTPUT_CHANNEL, channel, value, value_bytes);
}

const struct axc_services *axi_services_table(void)
{
    static const struct axc_services table = {
        .size = sizeof(struct axc_services),
        .abi = AXC_ABI,
        .log = service_log,
        .now = service_now,
        .checkpoint = service_checkpoint,
        .publish = service_publish,
        .read_topic = service_read_topic,
        .input = service_input,
        .output = service_output,
    };

    return &table;
}
