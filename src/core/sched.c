/* SPDX-License-Identifier: Apache-2.0 */
/* Earliest deadline first (Liu and Layland 1973) with a stack of running jobs. */
#include "core/sched.h"

#include "base/bytes.h"
#include "core/sched_slot.h"

#include <assert.h>
#include <string.h>

#define ALIGN 64u

/* A job that sleeps consumes no processor time, so its budget alone would never end it. */
#define STUCK_BUDGETS 8u
#define STUCK_NS 2000000000u

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

size_t axi_sched_bytes(const struct axi_sched_limits *limits)
{
    size_t n = limits->slots;

    return aligned(sizeof(struct axi_sched)) + aligned(n * sizeof(struct axi_sched_slot)) +
           2 * aligned(n * sizeof(struct axi_heap_node *)) + aligned(n * sizeof(uint16_t)) +
           aligned(limits->commands * sizeof(struct axi_sched_command)) +
           aligned(AXI_CHECKPOINT_BYTES_MAX);
}

static void *take(uint8_t **memory, size_t bytes)
{
    void *part = *memory;

    *memory += aligned(bytes);
    return part;
}

struct axi_sched *axi_sched_init(void *memory, const struct axi_sched_limits *limits,
                                 const struct axi_sched_port *port, struct axi_timebase *timebase)
{
    uint8_t *rest = memory;
    size_t n = limits->slots;
    struct axi_sched *sched;

    assert(n >= 1 && n <= 1024 && (limits->commands & (limits->commands - 1)) == 0);
    memset(memory, 0, axi_sched_bytes(limits));
    sched = take(&rest, sizeof(*sched));
    sched->port = *port;
    sched->timebase = timebase;
    sched->limits = *limits;
    sched->slots = take(&rest, n * sizeof(struct axi_sched_slot));
    axi_heap_init(&sched->release, take(&rest, n * sizeof(struct axi_heap_node *)), (uint32_t)n);
    axi_heap_init(&sched->ready, take(&rest, n * sizeof(struct axi_heap_node *)), (uint32_t)n);
    sched->stack = take(&rest, n * sizeof(uint16_t));
    axi_ring_init(&sched->commands,
                  take(&rest, limits->commands * sizeof(struct axi_sched_command)),
                  sizeof(struct axi_sched_command), limits->commands);
    sched->scratch = take(&rest, AXI_CHECKPOINT_BYTES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        sched->slots[i].index = i;
        sched->slots[i].release.order = i;
        sched->slots[i].ready.order = i;
        axi_hist_init(&sched->slots[i].response);
        axi_hist_init(&sched->slots[i].exec);
    }
    return sched;
}

bool axi_sched_post(struct axi_sched *sched, const struct axi_sched_command *command)
{
    return axi_ring_push(&sched->commands, command);
}

static uint64_t lease_until(struct axi_sched *sched)
{
    return atomic_load_explicit(&sched->lease_until_ns, memory_order_acquire);
}

void axi_sched_set_lease(struct axi_sched *sched, uint64_t until_local_ns)
{
    static const struct axi_sched_command fence = {.op = AXI_SCHED_FENCE};
    uint64_t before = lease_until(sched);

    if (before != 0 && sched->port.now_ns(sched->port.context) >= before) {
        /* Set first: whoever sees the new lease sees this. */
        atomic_store_explicit(&sched->is_fence_due, true, memory_order_release);
        if (!axi_ring_push(&sched->commands, &fence)) {
            return;
        }
    }
    atomic_store_explicit(&sched->lease_until_ns, until_local_ns, memory_order_release);
}

int axi_sched_current(const struct axi_sched *sched)
{
    return sched->stack_count == 0 ? -1 : sched->stack[sched->stack_count - 1];
}

uint64_t axi_sched_current_key(const struct axi_sched *sched)
{
    int top = axi_sched_current(sched);

    return top < 0 ? UINT64_MAX : sched->slots[top].ready.key;
}

void axi_sched_read_clock(struct axi_sched *sched)
{
    struct axc_time_local now = {sched->port.now_ns(sched->port.context)};

    sched->now_ns = now.ns;
    sched->now_master_ns = axi_time_to_master(sched->timebase, now).ns;
}

static bool is_fenceable(const struct axi_sched_slot *slot)
{
    return (slot->state == AXI_SLOT_ACTIVE || slot->state == AXI_SLOT_FREEZING) &&
           !slot->config.continue_isolated;
}

void axi_sched_set_state(struct axi_sched *sched, struct axi_sched_slot *slot, uint32_t state)
{
    sched->fenceable -= is_fenceable(slot);
    slot->state = state;
    slot->view.state = state;
    sched->fenceable += is_fenceable(slot);
}

bool axi_sched_is_lease_ok(struct axi_sched *sched, const struct axi_sched_slot *slot)
{
    uint64_t until = lease_until(sched);
    bool has_lapsed = atomic_load_explicit(&sched->is_fence_due, memory_order_acquire);

    return until != 0 && (slot->config.continue_isolated || (!has_lapsed && sched->now_ns < until));
}

static struct axi_sched_slot *top_of(struct axi_sched *sched)
{
    int top = axi_sched_current(sched);

    return top < 0 ? NULL : &sched->slots[top];
}

static void charge(struct axi_sched_slot *slot, uint64_t now_ns)
{
    uint64_t ran_ns = axi_sub_sat(now_ns, slot->run_since_ns);

    if (ran_ns == 0) {
        return; /* in its grace: run_since_ns lies ahead */
    }
    slot->ran_ns += ran_ns;
    slot->wall_ns += ran_ns;
    slot->run_since_ns = now_ns;
}

static uint64_t run_start(const struct axi_sched *sched)
{
    return sched->is_held ? UINT64_MAX : sched->now_ns;
}

void axi_sched_hold(struct axi_sched *sched, bool is_held)
{
    struct axi_sched_slot *top = top_of(sched);

    if (is_held == sched->is_held) {
        return;
    }
    axi_sched_read_clock(sched);
    if (top != NULL) {
        charge(top, sched->now_ns);
    }
    sched->is_held = is_held;
    if (top != NULL) {
        top->run_since_ns = run_start(sched);
    }
}

void axi_sched_stack_push(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    struct axi_sched_slot *below = top_of(sched);

    if (below != NULL) {
        charge(below, sched->now_ns);
    }
    slot->is_running = true;
    slot->depth = below == NULL ? 0 : below->depth + 1;
    slot->ran_ns = 0;
    slot->wall_ns = 0;
    slot->run_since_ns = run_start(sched);
    sched->stack[sched->stack_count++] = (uint16_t)slot->index;
}

void axi_sched_stack_remove(struct axi_sched *sched, struct axi_sched_slot *slot)
{
    uint32_t at = sched->stack_count;
    bool was_top = axi_sched_current(sched) == (int)slot->index;

    while (at > 0 && sched->stack[at - 1] != slot->index) {
        at--;
    }
    assert(at > 0);
    memmove(&sched->stack[at - 1], &sched->stack[at],
            (sched->stack_count - at) * sizeof(sched->stack[0]));
    sched->stack_count--;
    slot->is_running = false;
    if (was_top && sched->stack_count > 0) {
        top_of(sched)->run_since_ns = run_start(sched);
    }
}

void axi_sched_fence_all(struct axi_sched *sched)
{
    atomic_store_explicit(&sched->is_fence_due, false, memory_order_release);
    if (sched->fenceable == 0) {
        return;
    }
    for (uint32_t i = 0; i < sched->limits.slots; i++) {
        struct axi_sched_slot *slot = &sched->slots[i];

        if (!is_fenceable(slot)) {
            continue;
        }
        if (slot->is_running) {
            axi_slot_kill(sched, slot, AXI_CAUSE_LEASE, 0);
        }
        axi_slot_disarm(sched, slot);
        axi_sched_set_state(sched, slot, AXI_SLOT_FENCED);
        axi_sched_emit_kind(sched, slot, AXI_TRACE_FENCED);
    }
}

/* The lease went: nothing that stops with it may release, output or checkpoint any more. */
static void fence(struct axi_sched *sched)
{
    uint64_t until = lease_until(sched);

    if (sched->fenceable > 0 && until != 0 && sched->now_ns >= until) {
        axi_sched_fence_all(sched);
    }
}

static void release_due(struct axi_sched *sched)
{
    struct axi_heap_node *first;

    if (lease_until(sched) == 0) {
        return;
    }
    while ((first = axi_heap_first(&sched->release)) != NULL &&
           first->key <= sched->now_master_ns) {
        struct axi_sched_slot *slot = &sched->slots[first->order];

        axi_heap_remove(&sched->release, first);
        axi_slot_make_ready(sched, slot);
    }
}

/* Kills the top when it used up its budget; returns when to look again. Only the top is watched:
 * the jobs below do not run. */
static uint64_t watch_budget(struct axi_sched *sched)
{
    struct axi_sched_slot *top = top_of(sched);
    uint64_t consumed_ns;
    uint64_t budget_ns;

    if (top == NULL || top->config.budget_ns == 0) {
        return UINT64_MAX;
    }
    budget_ns = top->config.budget_ns;
    charge(top, sched->now_ns);
    if (top->ran_ns >= budget_ns) {
        consumed_ns = sched->port.consumed_ns(sched->port.context, top->index);
        if (consumed_ns >= budget_ns ||
            top->wall_ns >= axi_add_sat(axi_mul_sat(budget_ns, STUCK_BUDGETS), STUCK_NS)) {
            axi_slot_kill(sched, top, AXI_CAUSE_BUDGET, consumed_ns);
            axi_slot_settle(sched, top);
            return watch_budget(sched);
        }
        top->ran_ns = consumed_ns;
        top->run_since_ns = axi_add_sat(
            top->run_since_ns, axi_sub_sat(sched->limits.budget_grain_ns, budget_ns - consumed_ns));
    }
    return axi_add_sat(top->run_since_ns, budget_ns - top->ran_ns);
}

static void watch_deadlines(struct axi_sched *sched)
{
    struct axi_sched_slot *top = top_of(sched);
    struct axi_heap_node *first = axi_heap_first(&sched->ready);

    if (top != NULL) {
        axi_slot_note_miss(sched, top);
    }
    if (first != NULL) {
        axi_slot_note_miss(sched, &sched->slots[first->order]);
    }
}

static void dispatch(struct axi_sched *sched)
{
    struct axi_heap_node *first;

    while ((first = axi_heap_first(&sched->ready)) != NULL) {
        const struct axi_sched_slot *top = top_of(sched);

        if (top != NULL &&
            (first->key >= top->ready.key || top->depth + 1 >= AXI_SCHED_DEPTH_MAX)) {
            break;
        }
        axi_heap_remove(&sched->ready, first);
        axi_slot_start(sched, &sched->slots[first->order]);
    }
}

static uint64_t next_release(struct axi_sched *sched)
{
    struct axi_heap_node *first = axi_heap_first(&sched->release);

    if (first == NULL || lease_until(sched) == 0) {
        return UINT64_MAX;
    }
    return axi_time_to_local(sched->timebase, (struct axc_time_master){first->key}).ns;
}

uint64_t axi_sched_next_budget_end(struct axi_sched *sched)
{
    const struct axi_heap_node *first = axi_heap_first(&sched->release);

    if (first == NULL || sched->slots[first->order].config.budget_ns == 0) {
        return UINT64_MAX;
    }
    return axi_add_sat(sched->next_release_ns, sched->slots[first->order].config.budget_ns);
}

uint64_t axi_sched_run(struct axi_sched *sched)
{
    uint64_t next_ns;
    uint64_t budget_end_ns;

    axi_sched_read_clock(sched);
    axi_sched_take_commands(sched);
    fence(sched);
    release_due(sched);
    watch_deadlines(sched);
    (void)watch_budget(sched);
    dispatch(sched);
    sched->next_release_ns = next_release(sched);
    next_ns = sched->next_release_ns;
    budget_end_ns = watch_budget(sched);
    if (budget_end_ns < next_ns) {
        next_ns = budget_end_ns;
    }
    if (sched->fenceable > 0 && lease_until(sched) != 0 && lease_until(sched) < next_ns) {
        next_ns = lease_until(sched);
    }
    return next_ns;
}
