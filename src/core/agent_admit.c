/* SPDX-License-Identifier: Apache-2.0 */
/* May one more instance come here? Services, sizes, memory, slots, epochs and processor demand. */
#include "core/agent_internal.h"

uint64_t axi_agent_epoch_seen(const struct axi_agent *agent, uint64_t task_id)
{
    uint64_t epoch = 0;

    for (uint32_t i = 0; i < agent->seen_count; i++) {
        if (agent->seen[i].task_id == task_id && agent->seen[i].epoch > epoch) {
            epoch = agent->seen[i].epoch;
        }
    }
    return epoch;
}

void axi_agent_see_epoch(struct axi_agent *agent, uint64_t task_id, uint64_t epoch)
{
    for (uint32_t i = 0; i < agent->seen_count; i++) {
        struct axi_agent_seen *seen = &agent->seen[i];

        if (seen->task_id == task_id) {
            seen->epoch = epoch > seen->epoch ? epoch : seen->epoch;
            return;
        }
    }
    agent->seen[agent->seen_next] = (struct axi_agent_seen){.task_id = task_id, .epoch = epoch};
    agent->seen_next = (agent->seen_next + 1) % agent->seen_count;
}

uint32_t axi_agent_free_slots(const struct axi_agent *agent)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        count += agent->instances[i].phase == AXI_INSTANCE_FREE;
    }
    return count;
}

static struct axi_demand_task demand_of(const struct axi_agent *agent, const axi_TaskSpec *spec)
{
    return axi_demand_present(spec->wcet_ns, spec->period_ns, spec->deadline_ns,
                              &agent->clock.margin);
}

static uint32_t add_server(const struct axi_agent *agent, struct axi_demand_task *tasks)
{
    if (agent->config.server_budget_ns == 0) {
        return 0;
    }
    tasks[0] = (struct axi_demand_task){.wcet_ns = agent->config.server_budget_ns,
                                        .period_ns = agent->config.server_period_ns,
                                        .deadline_ns = agent->config.server_period_ns};
    return 1;
}

/* What may use the processor: a frozen copy may be resumed, so it counts; but two
 * instances of one task never run both, so those of `except` do not. */
static uint32_t collect_demand(const struct axi_agent *agent, uint64_t except,
                               struct axi_demand_task *tasks)
{
    uint32_t n = add_server(agent, tasks);

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FREE || instance->phase == AXI_INSTANCE_DROPPED ||
            instance->phase == AXI_INSTANCE_REMOVING || instance->spec.profile ||
            instance->spec.task_id == except ||
            (instance->phase == AXI_INSTANCE_READY && (instance->sched_state == AXI_SLOT_FINISHED ||
                                                       instance->sched_state == AXI_SLOT_FAILED))) {
            continue;
        }
        tasks[n++] = demand_of(agent, &instance->spec);
    }
    return n;
}

uint32_t axi_agent_density_ppm(const struct axi_agent *agent)
{
    uint64_t ppm = axi_demand_density_ppm(agent->demand, collect_demand(agent, 0, agent->demand));

    return ppm < UINT32_MAX ? (uint32_t)ppm : UINT32_MAX;
}

/* Processor demand; a task being profiled has no WCET yet and is not judged. */
static int admit_load(struct axi_agent *agent, const axi_TaskSpec *spec, char *reason,
                      size_t reason_bytes)
{
    struct axi_demand_task candidate = {
        .wcet_ns = spec->wcet_ns,
        .period_ns = spec->period_ns,
        .deadline_ns = axi_demand_compensated_ns(spec->deadline_ns, &agent->clock.margin)};
    struct axi_demand_verdict verdict = {0};
    uint32_t n = collect_demand(agent, spec->task_id, agent->demand);
    int r;

    if (spec->profile) {
        return 0;
    }
    r = axi_demand_admit(agent->demand, n, &candidate, agent->config.capacity_ppm, &verdict);
    if (r < 0) {
        axi_demand_explain(r, &candidate, spec->deadline_ns, &agent->clock.margin, &verdict, reason,
                           reason_bytes);
    }
    return r;
}

static bool is_running(const struct axi_agent_instance *instance)
{
    return instance->phase == AXI_INSTANCE_READY && !instance->spec.profile &&
           instance->sched_state == AXI_SLOT_ACTIVE;
}

static bool has_no_time(const struct axi_agent *agent, const struct axi_agent_instance *instance)
{
    return axi_demand_compensated_ns(instance->spec.deadline_ns, &agent->clock.margin) <
           instance->spec.wcet_ns;
}

static const struct axi_agent_instance *less_critical(const struct axi_agent_instance *best,
                                                      const struct axi_agent_instance *other)
{
    return best == NULL || other->spec.criticality < best->spec.criticality ? other : best;
}

/* Changes when what runs here does, or what its deadlines are shortened by. */
static uint64_t fingerprint(const struct axi_agent *agent)
{
    const uint64_t prime = UINT64_C(0x100000001b3);
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ agent->clock.margin.delta_ns ^
                   agent->clock.margin.latency_ns << 20;

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (is_running(instance)) {
            sum = (sum * prime ^ instance->spec.task_id) * prime ^ instance->epoch;
        }
    }
    return sum;
}

static uint64_t find_victim(struct axi_agent *agent)
{
    const struct axi_agent_instance *hopeless = NULL;
    const struct axi_agent_instance *least = NULL;
    uint32_t n = add_server(agent, agent->demand);

    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *instance = &agent->instances[i];

        if (is_running(instance)) {
            agent->demand[n++] = demand_of(agent, &instance->spec);
            least = less_critical(least, instance);
            hopeless = has_no_time(agent, instance) ? less_critical(hopeless, instance) : hopeless;
        }
    }
    if (hopeless != NULL) {
        return hopeless->spec.task_id;
    }
    return least != NULL && axi_demand_admit(agent->demand, n - 1, &agent->demand[n - 1],
                                             agent->config.capacity_ppm, NULL) < 0
               ? least->spec.task_id
               : 0;
}

uint64_t axi_agent_find_victim(struct axi_agent *agent)
{
    uint64_t now;

    if (agent->clock.margin.delta_ns == 0 && !agent->config.is_latency_measured) {
        return 0; /* as admitted */
    }
    now = fingerprint(agent);
    if (now != agent->clock.judged) {
        agent->clock.judged = now;
        agent->clock.victim = find_victim(agent);
    }
    return agent->clock.victim;
}

static int check_spec(struct axi_agent *agent, const axi_TaskSpec *spec, uint64_t epoch)
{
    struct axi_agent_figures figures = {0};
    uint32_t unknown = spec->needs & ~agent->config.services;

    agent->port.figures(agent->port.context, &figures);
    if (spec->task_id == 0 || epoch == 0 || spec->period_ns == 0 || spec->deadline_ns == 0 ||
        spec->state_bytes == 0 || spec->state_bytes > AXC_STATE_BYTES_MAX ||
        spec->stack_bytes > AXC_STACK_BYTES_MAX || spec->name[0] == 0) {
        return -AXC_EINVALID;
    }
    if (unknown != 0) {
        return -AXC_EADMIT_SERVICE;
    }
    if (spec->elf_bytes == 0 || spec->elf_bytes > agent->config.image_bytes_max ||
        spec->state_bytes + AXI_CHECKPOINT_HEADER_BYTES > agent->config.checkpoint_bytes_max) {
        return -AXC_EELF_TOO_LARGE;
    }
    if (figures.memory_free_bytes < spec->elf_bytes + spec->stack_bytes + 3u * spec->state_bytes) {
        return -AXC_EADMIT_MEMORY;
    }
    return 0;
}

/* An instance of an older epoch may stand beside the new one only when it does not run. */
static int check_others(struct axi_agent *agent, uint64_t task_id, uint64_t epoch)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        const struct axi_agent_instance *other = &agent->instances[i];

        if (other->phase == AXI_INSTANCE_FREE || other->phase == AXI_INSTANCE_DROPPED ||
            other->phase == AXI_INSTANCE_REMOVING || other->spec.task_id != task_id) {
            continue;
        }
        if (other->epoch >= epoch) {
            return -AXC_EEPOCH_STALE;
        }
        if (other->phase == AXI_INSTANCE_READY &&
            (other->sched_state == AXI_SLOT_ACTIVE || other->sched_state == AXI_SLOT_FREEZING)) {
            return -AXC_EEXIST;
        }
    }
    return 0;
}

static struct axi_agent_instance *find_free(struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        if (agent->instances[i].phase == AXI_INSTANCE_FREE) {
            return &agent->instances[i];
        }
    }
    return NULL;
}

int axi_instance_create(struct axi_agent *agent, const axi_TaskSpec *spec, uint64_t epoch,
                        uint64_t fetch_id, uint64_t migration, uint32_t fetch_origin, char *reason,
                        size_t reason_bytes, struct axi_agent_instance **ret_instance)
{
    struct axi_agent_instance *instance = find_free(agent);
    int r = check_spec(agent, spec, epoch);

    if (r == 0) {
        r = check_others(agent, spec->task_id, epoch);
    }
    if (r == 0) {
        r = admit_load(agent, spec, reason, reason_bytes);
    }
    if (r == 0 && instance == NULL) {
        r = -AXC_EADMIT_SLOTS;
    }
    if (r < 0) {
        return r;
    }
    *instance = (struct axi_agent_instance){
        .phase = AXI_INSTANCE_FETCHING,
        .slot = (uint32_t)(instance - agent->instances),
        .spec = *spec,
        .epoch = epoch,
        .lapses = agent->lapses,
        .migration = migration,
        .fetch_id = fetch_id,
        .fetch_origin = fetch_origin,
    };
    axi_agent_see_epoch(agent, spec->task_id, epoch);
    *ret_instance = instance;
    return 0;
}
