/* SPDX-License-Identifier: Apache-2.0 */
/* A real node runtime with one probe task, for tests and benchmarks. Included by one file each. */
#ifndef AXI_NODE_RUNTIME_RIG_H
#define AXI_NODE_RUNTIME_RIG_H

#include "node/runtime.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RIG_TRACES 4096u
#define RIG_PATIENCE_NS 30000000000ull /* only a hang is a failure */

struct rig {
    struct axi_runtime *runtime;
    void *state;
    struct axi_region *region;
    struct axi_instance_config config;
    struct axi_trace traces[RIG_TRACES];
    uint32_t trace_count;
};

static uint8_t *rig_read_task(const char *variant, size_t *ret_bytes)
{
    char path[512];
    FILE *file;
    uint8_t *bytes = malloc(1u << 20);

    (void)snprintf(path, sizeof(path), "%s/probe-%s.elf", AXI_TEST_TASKS, variant);
    file = fopen(path, "rb");
    if (file == NULL || bytes == NULL) {
        abort();
    }
    *ret_bytes = fread(bytes, 1, 1u << 20, file);
    (void)fclose(file);
    return bytes;
}

static struct axi_task_meta rig_meta(void)
{
    struct axi_task_meta meta = {
        .name = "probe",
        .state_bytes = 24,
        .state_version = 1,
        .period_us = 10000,
        .deadline_us = 10000,
    };

    axi_meta_set_defaults(&meta);
    return meta;
}

static void rig_nap(void)
{
    const struct timespec nap = {.tv_nsec = 1000000};

    (void)nanosleep(&nap, NULL);
}

static inline int rig_load(struct rig *rig, uint32_t slot, const char *variant)
{
    const struct axi_task_meta meta = rig_meta();
    uint64_t give_up_ns = axi_runtime_clock_ns() + RIG_PATIENCE_NS;
    size_t bytes = 0;
    uint8_t *elf = rig_read_task(variant, &bytes);
    int r;

    while ((r = axi_runtime_load(rig->runtime, slot, elf, bytes, &meta, &rig->state,
                                 &rig->region)) == -AXC_EBUSY &&
           axi_runtime_clock_ns() < give_up_ns) {
        rig_nap();
    }
    free(elf);
    rig->config = (struct axi_instance_config){
        .task_id = 77,
        .epoch = 1,
        .period_ns = 10000000,
        .deadline_ns = 10000000,
        .budget_ns = 5000000,
        .state_version = 1,
        .state_bytes = 24,
        .backlog_max = 1000000,
        .state = rig->state,
        .region = rig->region,
    };
    return r;
}

static void rig_post(struct rig *rig, uint32_t op, uint32_t slot)
{
    struct axi_sched_command command = {.op = op, .slot = slot, .config = rig->config};

    if (!axi_runtime_post(rig->runtime, &command)) {
        abort();
    }
}

static inline void rig_activate(struct rig *rig, uint32_t slot)
{
    rig->config.release_ns = axi_time_to_master(axi_runtime_timebase(rig->runtime),
                                                (struct axc_time_local){axi_runtime_clock_ns()})
                                 .ns;
    rig_post(rig, AXI_SCHED_INSTALL, slot);
    rig_post(rig, AXI_SCHED_ACTIVATE, slot);
}

static struct rig *rig_new(const struct axi_runtime_config *config)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    if (rig == NULL || axi_runtime_new(config, &rig->runtime) < 0) {
        abort();
    }
    axi_runtime_set_lease(rig->runtime, UINT64_MAX - 1);
    return rig;
}

static void rig_free(struct rig *rig)
{
    axi_runtime_free(rig->runtime);
    free(rig);
}

static inline uint32_t rig_count(const struct rig *rig, uint32_t kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig->trace_count; i++) {
        count += rig->traces[i].kind == kind;
    }
    return count;
}

/* Waits until so many records of the kind are there. False when the node hangs. */
static inline bool rig_wait(struct rig *rig, uint32_t kind, uint32_t count)
{
    uint64_t give_up_ns = axi_runtime_clock_ns() + RIG_PATIENCE_NS;

    while (rig_count(rig, kind) < count) {
        rig->trace_count += axi_runtime_drain(rig->runtime, rig->traces + rig->trace_count,
                                              RIG_TRACES - rig->trace_count);
        if (axi_runtime_clock_ns() > give_up_ns) {
            return false;
        }
        rig_nap();
    }
    return true;
}

#endif
