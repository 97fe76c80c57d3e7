/* SPDX-License-Identifier: Apache-2.0 */
/* Migration, both roles: one table of state x event -> action (architecture section 7).
 *
 *   source  READY > CONNECTING > HELLO > SENDING > SENT > FREEZING > FROZEN > IN_DOUBT
 *                                                                    > RELEASED > GONE (committed)
 *                                                                    > RESUMING > RESUMED (aborted)
 *   target  RESERVED > LOADED > STANDBY > PREPARED > ACTIVATING > ACTIVE > CONFIRMED
 *
 * Nothing in this table leaves FROZEN, IN_DOUBT or PREPARED but a recorded decision (or the removal
 * of the instance): no timeout does. */
#include "core/agent_internal.h"

#include "base/log.h"

#include <string.h>

#define STATE_NAME(name, text) text,
static const char *const state_names[AXI_M_STATES] = {AXI_MIGRATION_STATES(STATE_NAME)};
#undef STATE_NAME

/* id = 2 * state + (0 entered, 1 told) */
#define CRASH_POINTS(name, text) text ".entered", text ".told",
const char *const axi_agent_crash_points[] = {AXI_MIGRATION_STATES(CRASH_POINTS)};
#undef CRASH_POINTS
const uint32_t axi_agent_crash_point_count = 2 * AXI_M_STATES;

#define A(name) axi_##name##_action

/* What the source does when the master says that the target owns the task, in any state: its own
 * instance must not release again. */
#define BEFORE_FREEZE                                                                              \
    [AXI_ON_COMMITTED] = A(source_release), [AXI_ON_ABORTED] = A(source_cancel),                   \
    [AXI_ON_STOPPED] = A(source_fail), [AXI_ON_REMOVED] = A(source_fail),                          \
    [AXI_ON_LINK_DOWN] = A(source_fail)

#define WHILE_FROZEN                                                                               \
    [AXI_ON_COMMITTED] = A(source_release), [AXI_ON_ABORTED] = A(source_resume),                   \
    [AXI_ON_REMOVED] = A(source_fail), [AXI_ON_SWITCH] = A(migration_tell_again)

#define TARGET_WAITS                                                                               \
    [AXI_ON_ABORTED] = A(target_abort), [AXI_ON_STOPPED] = A(target_fail),                         \
    [AXI_ON_REMOVED] = A(target_fail), [AXI_ON_LINK_DOWN] = A(target_fail),                        \
    [AXI_ON_COMMITTED] = A(target_fail)

static const axi_migration_action actions[AXI_M_STATES][AXI_ON_EVENTS] = {
    [AXI_M_S_READY] =
        {[AXI_ON_TRANSFER] = A(source_begin), [AXI_ON_TIMEOUT] = A(migration_query), BEFORE_FREEZE},
    [AXI_M_S_CONNECTING] =
        {[AXI_ON_LINK_UP] = A(source_hello), [AXI_ON_TIMEOUT] = A(source_fail), BEFORE_FREEZE},
    [AXI_M_S_HELLO] =
        {[AXI_ON_PEER_REPLY] = A(source_reply), [AXI_ON_TIMEOUT] = A(source_fail), BEFORE_FREEZE},
    [AXI_M_S_SENDING] =
        {[AXI_ON_SENT] = A(source_next), [AXI_ON_TIMEOUT] = A(source_fail), BEFORE_FREEZE},
    [AXI_M_S_SENT] =
        {[AXI_ON_SWITCH] = A(source_freeze), [AXI_ON_TIMEOUT] = A(migration_query), BEFORE_FREEZE},
    [AXI_M_S_FREEZING] = {[AXI_ON_FROZEN] = A(source_frozen),
                          [AXI_ON_COMMITTED] = A(source_release),
                          [AXI_ON_ABORTED] = A(source_resume),
                          [AXI_ON_STOPPED] = A(source_fail),
                          [AXI_ON_REMOVED] = A(source_fail),
                          [AXI_ON_LINK_DOWN] = A(migration_forget_link)},
    [AXI_M_S_FROZEN] = {[AXI_ON_SENT] = A(source_sent),
                        [AXI_ON_LINK_DOWN] = A(source_cut),
                        [AXI_ON_TIMEOUT] = A(migration_query),
                        WHILE_FROZEN},
    [AXI_M_S_IN_DOUBT] = {[AXI_ON_LINK_DOWN] = A(migration_forget_link),
                          [AXI_ON_TIMEOUT] = A(migration_query),
                          WHILE_FROZEN},
    [AXI_M_S_RELEASED] = {[AXI_ON_COMMITTED] = A(migration_tell_again),
                          [AXI_ON_ABORTED] = A(migration_contradiction),
                          [AXI_ON_REMOVED] = A(source_gone)},
    [AXI_M_S_GONE] = {[AXI_ON_COMMITTED] = A(migration_tell_again)},
    [AXI_M_S_RESUMING] = {[AXI_ON_RESUMED] = A(source_resumed),
                          [AXI_ON_COMMITTED] = A(migration_contradiction),
                          [AXI_ON_STOPPED] = A(source_fail),
                          [AXI_ON_REMOVED] = A(source_fail)},
    [AXI_M_S_RESUMED] = {[AXI_ON_ABORTED] = A(migration_tell_again),
                         [AXI_ON_COMMITTED] = A(migration_contradiction)},
    [AXI_M_S_FAILED] = {[AXI_ON_TRANSFER] = A(migration_tell_again),
                        [AXI_ON_SWITCH] = A(migration_tell_again),
                        [AXI_ON_COMMITTED] = A(source_release),
                        [AXI_ON_ABORTED] = A(source_resumed)},

    [AXI_M_T_RESERVED] = {[AXI_ON_LOADED] = A(target_loaded),
                          [AXI_ON_FINAL] = A(target_fail),
                          [AXI_ON_TIMEOUT] = A(migration_query),
                          TARGET_WAITS},
    [AXI_M_T_LOADED] = {[AXI_ON_CHECKPOINT] = A(target_checkpoint),
                        [AXI_ON_FINAL] = A(target_fail),
                        [AXI_ON_TIMEOUT] = A(migration_query),
                        TARGET_WAITS},
    [AXI_M_T_STANDBY] = {[AXI_ON_CHECKPOINT] = A(target_checkpoint),
                         [AXI_ON_FINAL] = A(target_final),
                         [AXI_ON_TIMEOUT] = A(migration_query),
                         TARGET_WAITS},
    [AXI_M_T_PREPARED] = {[AXI_ON_COMMITTED] = A(target_activate),
                          [AXI_ON_ABORTED] = A(target_abort),
                          [AXI_ON_TIMEOUT] = A(migration_query),
                          [AXI_ON_LINK_DOWN] = A(migration_forget_link),
                          [AXI_ON_STOPPED] = A(target_lost),
                          [AXI_ON_REMOVED] = A(target_lost)},
    [AXI_M_T_ACTIVATING] = {[AXI_ON_ACTIVATED] = A(target_activated),
                            [AXI_ON_ABORTED] = A(migration_contradiction),
                            [AXI_ON_LINK_DOWN] = A(migration_forget_link),
                            [AXI_ON_STOPPED] = A(target_lost),
                            [AXI_ON_REMOVED] = A(target_lost)},
    [AXI_M_T_ACTIVE] = {[AXI_ON_JOB_DONE] = A(target_confirmed),
                        [AXI_ON_COMMITTED] = A(migration_tell_again),
                        [AXI_ON_ABORTED] = A(migration_contradiction),
                        [AXI_ON_LINK_DOWN] = A(migration_forget_link),
                        [AXI_ON_REMOVED] = A(target_lost)},
    [AXI_M_T_CONFIRMED] = {[AXI_ON_COMMITTED] = A(migration_tell_again),
                           [AXI_ON_ABORTED] = A(migration_contradiction)},
    [AXI_M_T_ABORTED] = {[AXI_ON_ABORTED] = A(migration_tell_again),
                         [AXI_ON_COMMITTED] = A(migration_contradiction)},
    [AXI_M_T_FAILED] =
        {[AXI_ON_ABORTED] = A(target_abort), [AXI_ON_COMMITTED] = A(migration_tell_again)},
};

bool axi_migration_is_source(const struct axi_agent_migration *m)
{
    return m->state >= AXI_M_S_READY && m->state <= AXI_M_S_FAILED;
}

bool axi_migration_is_final(const struct axi_agent_migration *m)
{
    return m->state == AXI_M_S_GONE || m->state == AXI_M_S_RESUMED || m->state == AXI_M_S_FAILED ||
           m->state == AXI_M_T_CONFIRMED || m->state == AXI_M_T_ABORTED ||
           m->state == AXI_M_T_FAILED;
}

struct axi_agent_migration *axi_migration_find(struct axi_agent *agent, uint64_t id)
{
    for (uint32_t i = 0; id != 0 && i < agent->config.migrations; i++) {
        if (agent->migrations[i].id == id) {
            return &agent->migrations[i];
        }
    }
    return NULL;
}

/* A free entry, or the one that ended longest ago; NULL when all are under way. */
struct axi_agent_migration *axi_migration_add(struct axi_agent *agent, uint64_t id)
{
    struct axi_agent_migration *entry = NULL;
    uint8_t *buffer;

    for (uint32_t i = 0; i < agent->config.migrations; i++) {
        struct axi_agent_migration *m = &agent->migrations[i];

        if (m->id == 0) {
            entry = m;
            break;
        }
        if (axi_migration_is_final(m) && (entry == NULL || m->since_ns < entry->since_ns)) {
            entry = m;
        }
    }
    if (entry == NULL) {
        return NULL;
    }
    buffer = entry->checkpoint.buffer;
    *entry = (struct axi_agent_migration){
        .id = id, .slot = UINT32_MAX, .link = AXI_AGENT_LINK_NONE, .since_ns = agent->now_ns};
    entry->checkpoint.buffer = buffer;
    return entry;
}

/* The instance it moves, as long as it is here. A target's has the new epoch. */
struct axi_agent_instance *axi_migration_instance(struct axi_agent *agent,
                                                  const struct axi_agent_migration *m)
{
    return axi_instance_find(agent, m->task_id,
                             axi_migration_is_source(m) ? m->epoch : m->new_epoch);
}

bool axi_migration_holds(struct axi_agent *agent, const struct axi_agent_instance *instance)
{
    const struct axi_agent_migration *m = axi_migration_find(agent, instance->migration);

    return m != NULL && !axi_migration_is_final(m);
}

void axi_migration_event(struct axi_agent *agent, struct axi_agent_migration *m, uint32_t event,
                         const struct axi_migration_input *input)
{
    axi_migration_action action = actions[m->state][event];

    if (action != NULL) {
        action(agent, m, input);
    }
}

void axi_migration_set_failure(struct axi_agent_migration *m, int code, const char *reason)
{
    m->code = code < 0 ? code : -AXC_EINTERNAL;
    axi_text_set(m->reason, sizeof(m->reason),
                 reason != NULL && reason[0] != 0 ? reason : axi_error_text(m->code));
}

static uint32_t phase_of(const struct axi_agent_migration *m)
{
    switch (m->state) {
    case AXI_M_S_FROZEN:
    case AXI_M_S_RELEASED:
    case AXI_M_S_GONE:
    case AXI_M_S_RESUMING:
        return AXI_PHASE_FROZEN;
    case AXI_M_S_IN_DOUBT:
        return m->code < 0 ? AXI_PHASE_FAILED : AXI_PHASE_FROZEN;
    case AXI_M_S_RESUMED:
        return AXI_PHASE_RESUMED;
    case AXI_M_S_FAILED:
    case AXI_M_T_FAILED:
    case AXI_M_T_ABORTED:
        return AXI_PHASE_FAILED;
    case AXI_M_T_STANDBY:
        return AXI_PHASE_STANDBY;
    case AXI_M_T_PREPARED:
    case AXI_M_T_ACTIVATING:
        return AXI_PHASE_PREPARED;
    case AXI_M_T_ACTIVE:
        return AXI_PHASE_ACTIVATED;
    case AXI_M_T_CONFIRMED:
        return AXI_PHASE_CONFIRMED;
    default:
        return AXI_PHASE_READY;
    }
}

void axi_migration_tell(struct axi_agent *agent, struct axi_agent_migration *m)
{
    axi_Progress progress = {
        .migration = m->id,
        .task_id = m->task_id,
        .phase = phase_of(m),
        .job = m->job,
        .master_ns = m->at_master_ns,
    };

    if (progress.phase == AXI_PHASE_FAILED) {
        progress.code = m->code;
        axi_text_set(progress.reason, sizeof(progress.reason), m->reason);
    }
    m->told = agent->join == AXI_JOIN_DONE ? progress.phase : 0;
    m->told_code = progress.code;
    axi_agent_tell_master(agent, AXI_WIRE_PROGRESS, &progress);
}

void axi_migration_tell_unknown(struct axi_agent *agent, uint64_t id, uint64_t task_id)
{
    axi_Progress progress = {
        .migration = id, .task_id = task_id, .phase = AXI_PHASE_FAILED, .code = -AXC_ENOENT};

    axi_text_set(progress.reason, sizeof(progress.reason), "no such migration here");
    axi_agent_tell_master(agent, AXI_WIRE_PROGRESS, &progress);
}

void axi_migration_query(struct axi_agent *agent, struct axi_agent_migration *m)
{
    axi_QueryDecision query = {.migration = m->id,
                               .task_id = m->task_id,
                               .epoch = axi_migration_is_source(m) ? m->epoch : m->new_epoch};

    m->asked_ns = agent->now_ns;
    axi_agent_tell_master(agent, AXI_WIRE_QUERY_DECISION, &query);
}

static void crash_point(struct axi_agent *agent, uint32_t id)
{
    if (agent->port.crash_point != NULL) {
        agent->port.crash_point(agent->port.context, id);
    }
}

void axi_migration_enter(struct axi_agent *agent, struct axi_agent_migration *m, uint32_t state)
{
    struct axi_agent_instance *instance;
    uint32_t phase;

    axi_log(AXI_LOG_DEBUG, "migration", "state=%s", state_names[state]);
    m->state = state;
    m->since_ns = agent->now_ns;
    m->asked_ns = agent->now_ns;
    crash_point(agent, 2 * state);
    phase = phase_of(m);
    if ((phase != m->told && phase != AXI_PHASE_READY && state != AXI_M_S_RESUMING) ||
        (phase == AXI_PHASE_FAILED && m->code != m->told_code)) {
        axi_migration_tell(agent, m);
    }
    instance = axi_migration_is_final(m) ? axi_migration_instance(agent, m) : NULL;
    if (instance != NULL && instance->migration == m->id) {
        instance->migration = 0;
    }
    crash_point(agent, 2 * state + 1);
}

void axi_migration_drop_link(struct axi_agent *agent, struct axi_agent_migration *m, int code)
{
    uint32_t link = m->link;

    axi_transfer_reset(agent, &m->image);
    axi_transfer_reset(agent, &m->checkpoint);
    m->link = AXI_AGENT_LINK_NONE; /* so that its end is no event */
    if (link != AXI_AGENT_LINK_NONE) {
        axi_agent_close_link(agent, link, code, code == 0 ? "done" : m->reason);
    }
}

void axi_migration_forget_link_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                      const struct axi_migration_input *input)
{
    (void)agent;
    (void)input;
    m->link = AXI_AGENT_LINK_NONE;
}

void axi_migration_query_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                const struct axi_migration_input *input)
{
    (void)input;
    axi_migration_query(agent, m);
}

void axi_migration_tell_again_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                     const struct axi_migration_input *input)
{
    (void)input;
    axi_migration_tell(agent, m);
}

/* Two decisions for one migration: the store cannot have recorded both. The first one stands. */
void axi_migration_contradiction_action(struct axi_agent *agent, struct axi_agent_migration *m,
                                        const struct axi_migration_input *input)
{
    (void)input;
    axi_log(AXI_LOG_ERROR, "decision-contradiction", "state=%s", state_names[m->state]);
    axi_migration_tell(agent, m);
}

static void on_decision(struct axi_agent *agent, const axi_Decision *decision)
{
    struct axi_agent_migration *m = axi_migration_find(agent, decision->migration);

    if (m == NULL || m->task_id != decision->task_id) {
        axi_migration_tell_unknown(agent, decision->migration, decision->task_id);
        return;
    }
    axi_migration_event(
        agent, m, decision->committed ? AXI_ON_COMMITTED : AXI_ON_ABORTED,
        &(struct axi_migration_input){.code = decision->committed ? -AXC_ESTATE : -AXC_EABORTED,
                                      .reason = decision->reason,
                                      .release_ns = decision->release_ns});
}

void axi_agent_on_step(struct axi_agent *agent, uint32_t type,
                       const union axi_wire_message *message)
{
    uint64_t id =
        type == AXI_WIRE_TRANSFER ? message->Transfer.migration : message->Switch.migration;
    struct axi_agent_migration *m = axi_migration_find(agent, id);

    if (type == AXI_WIRE_DECISION) {
        on_decision(agent, &message->Decision);
    } else if (m == NULL) {
        axi_migration_tell_unknown(agent, id, 0);
    } else {
        axi_migration_event(agent, m, type == AXI_WIRE_TRANSFER ? AXI_ON_TRANSFER : AXI_ON_SWITCH,
                            &(struct axi_migration_input){0});
    }
}

/* In doubt: only the record can tell how it goes on. */
static bool is_in_doubt(const struct axi_agent_migration *m)
{
    return m->state == AXI_M_S_FROZEN || m->state == AXI_M_S_IN_DOUBT ||
           m->state == AXI_M_T_PREPARED;
}

void axi_migrations_rejoin(struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->config.migrations; i++) {
        struct axi_agent_migration *m = &agent->migrations[i];

        if (m->id == 0) {
            continue;
        }
        if (!axi_migration_is_final(m) || m->told == 0) {
            axi_migration_tell(agent, m);
        }
        if (is_in_doubt(m) || m->state == AXI_M_T_STANDBY) {
            axi_migration_query(agent, m);
        }
    }
}

static uint64_t latest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t axi_agent_migrations_tick(struct axi_agent *agent)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < agent->config.migrations; i++) {
        struct axi_agent_migration *m = &agent->migrations[i];
        uint64_t since_ns = latest(latest(m->since_ns, m->asked_ns),
                                   latest(m->image.last_ns, m->checkpoint.last_ns));
        uint64_t wait_ns = is_in_doubt(m) ? agent->heartbeat_ns : agent->config.transfer_ns;

        if (m->id == 0 || actions[m->state][AXI_ON_TIMEOUT] == NULL) {
            continue;
        }
        if (agent->now_ns >= since_ns + wait_ns) {
            axi_migration_event(agent, m, AXI_ON_TIMEOUT,
                                &(struct axi_migration_input){
                                    .code = -AXC_ETIMEOUT, .reason = "the peer does not answer"});
            since_ns = agent->now_ns;
        }
        next_ns = since_ns + wait_ns < next_ns ? since_ns + wait_ns : next_ns;
    }
    return next_ns;
}
