/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's thread: sleeps on the event word; runners, zygote, agent and the timer bump it.
 *
 * Reprogramming the hardware timer is the most expensive step of a dispatch (16 us in a virtual
 * machine). So a timer is never moved to a later time, a wake-up that turns out to be too early is
 * cheaper; and while the first timer waits for a release, the second one is set already to the end
 * of that job's budget, so that nothing is programmed between release and first instruction.
 */
#include "node/futex.h"
#include "node/local_clock.h"
#include "node/runtime_internal.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define LONGEST_SLEEP_NS 100000000u
#define SHORTEST_SLEEP_NS 5000u
#define PATROL_NS 50000000u
#define PATROL_SLOTS 8u
#define TIMER_SIGNAL (SIGRTMIN + 1)

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

void axi_runtime_wake(struct axi_runtime *runtime)
{
    atomic_fetch_add_explicit(&runtime->memory.event->word, 1, memory_order_release);
    axi_futex_wake(&runtime->memory.event->word);
}

static void on_timer(int signal_number, siginfo_t *info, void *context)
{
    struct axi_runtime_timer *timer = info->si_value.sival_ptr;

    (void)signal_number;
    (void)context;
    if (info->si_code != SI_TIMER) {
        return;
    }
    atomic_store_explicit(&timer->at_ns, UINT64_MAX, memory_order_relaxed);
    atomic_fetch_add_explicit(timer->event, 1, memory_order_release);
}

static int make_timers(struct axi_runtime *runtime)
{
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TIMER_SIGNAL};
    sigset_t mask;

    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    sigemptyset(&mask);
    sigaddset(&mask, TIMER_SIGNAL);
    if (sigaction(TIMER_SIGNAL, &action, NULL) != 0 ||
        pthread_sigmask(SIG_UNBLOCK, &mask, NULL) != 0) {
        return -AXC_EIO;
    }
    for (uint32_t i = 0; i < AXI_RUNTIME_TIMERS; i++) {
        struct axi_runtime_timer *timer = &runtime->timers[i];

        event.sigev_value.sival_ptr = timer;
        timer->event = &runtime->memory.event->word;
        atomic_store(&timer->at_ns, UINT64_MAX);
        if (timer_create(CLOCK_BOOTTIME, &event, &timer->id) != 0) {
            return -AXC_EIO;
        }
        timer->exists = true;
    }
    return 0;
}

static void set_timer(struct axi_runtime_timer *timer, uint64_t at_ns)
{
    struct itimerspec spec = {0};
    uint64_t boottime_ns = axi_local_clock_to_boottime(at_ns);

    spec.it_value.tv_sec = (time_t)(boottime_ns / 1000000000u);
    spec.it_value.tv_nsec = (long)(boottime_ns % 1000000000u);
    if (boottime_ns == 0) {
        spec.it_value.tv_nsec = 1; /* zero would disarm */
    }
    atomic_store_explicit(&timer->at_ns, at_ns, memory_order_relaxed);
    (void)timer_settime(timer->id, TIMER_ABSTIME, &spec, NULL);
}

/* Makes sure of a wake-up in (after_ns, at_ns]; takes the timer that is free or set to latest. */
static void arm(struct axi_runtime *runtime, uint64_t after_ns, uint64_t at_ns)
{
    struct axi_runtime_timer *latest = NULL;
    uint64_t latest_ns = 0;

    for (uint32_t i = 0; i < AXI_RUNTIME_TIMERS; i++) {
        uint64_t set_ns = atomic_load_explicit(&runtime->timers[i].at_ns, memory_order_relaxed);

        if (set_ns <= at_ns && set_ns >= after_ns) {
            return;
        }
        if (latest == NULL || set_ns > latest_ns) {
            latest = &runtime->timers[i];
            latest_ns = set_ns;
        }
    }
    if (latest_ns > at_ns) {
        set_timer(latest, at_ns);
    }
}

/* Before sleep. next_ns: what axi_sched_run returned. */
static void arm_timers(struct axi_runtime *runtime, uint64_t next_ns)
{
    uint64_t now_ns = axi_runtime_clock_ns();
    uint64_t latest_ns = now_ns + LONGEST_SLEEP_NS;
    uint64_t budget_end_ns = axi_sched_next_budget_end(runtime->sched);

    /* Above every task there must be no loop without sleep, whatever the reason. */
    next_ns = next_ns < now_ns + SHORTEST_SLEEP_NS ? now_ns + SHORTEST_SLEEP_NS : next_ns;
    arm(runtime, 0, next_ns < latest_ns ? next_ns : latest_ns);
    if (budget_end_ns < latest_ns && budget_end_ns > next_ns) {
        arm(runtime, next_ns + 1, budget_end_ns);
    }
}

static void runner_forked(struct axi_runtime *runtime, const struct axi_zygote_event *event)
{
    struct axi_node_slot *slot = &runtime->slots[event->slot];

    if (atomic_load(&slot->runner_state) != AXI_RUNNER_DOWN) {
        return;
    }
    slot->pid = event->pid;
    slot->commands = 0;
    slot->cpu_last_ns = 0;
    slot->priority = runtime->assurance == AXI_ASSURANCE_REALTIME ? AXI_RUNNER_PRIORITY : 0;
    (void)clock_getcpuclockid(event->pid, &slot->cpu_clock);
    atomic_store(&slot->runner_state, AXI_RUNNER_STARTING);
}

static void take_report(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);
    uint32_t report = atomic_load_explicit(&shm->report, memory_order_acquire);

    if (report == AXI_REPORT_NONE ||
        atomic_load(&runtime->slots[slot_number].runner_state) != AXI_RUNNER_LOADED) {
        return;
    }
    atomic_store_explicit(&shm->report, AXI_REPORT_NONE, memory_order_relaxed);
    if (report == AXI_REPORT_DONE) {
        axi_sched_job_done(runtime->sched, slot_number, shm->result);
    } else if (report == AXI_REPORT_STEP) {
        axi_sched_job_step(runtime->sched, slot_number, shm->step);
        atomic_store_explicit(&shm->step_ack, 1, memory_order_release);
        axi_futex_wake(&shm->step_ack);
    } else if (report == AXI_REPORT_FAULT) {
        uint32_t cause = shm->fault_cause;

        axi_sched_job_fault(runtime->sched, slot_number,
                            cause >= AXI_CAUSE_SEGV && cause <= AXI_CAUSE_SYSCALL ? cause
                                                                                  : AXI_CAUSE_SEGV,
                            shm->fault_detail);
    }
}

/* A runner died that nobody killed. */
static void runner_died(struct axi_runtime *runtime, const struct axi_zygote_event *event)
{
    struct axi_node_slot *slot = &runtime->slots[event->slot];
    uint32_t state;

    if (event->pid == 0) { /* the fork failed */
        slot->is_fork_asked = false;
        return;
    }
    if (event->pid != slot->pid) {
        return;
    }
    take_report(runtime, event->slot); /* its last words, if any, name the cause */
    state = atomic_load(&slot->runner_state);
    if (state == AXI_RUNNER_DOWN) {
        return;
    }
    if (state == AXI_RUNNER_LOADED && !slot->is_job_waiting) {
        axi_sched_job_fault(runtime->sched, event->slot, AXI_CAUSE_EXIT, (uint64_t)event->status);
    }
    axi_runner_end(runtime, event->slot);
}

static void take_zygote_events(struct axi_runtime *runtime)
{
    struct axi_zygote_event event;

    while (axi_ring_pop(&runtime->memory.zygote->ring, &event)) {
        if (event.slot >= runtime->config.slots) {
            continue;
        }
        if (event.kind == AXI_ZYGOTE_FORKED) {
            runner_forked(runtime, &event);
        } else {
            runner_died(runtime, &event);
        }
    }
}

static void send_load(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);

    shm->entry = slot->entry;
    shm->data_start = slot->data_start;
    shm->data_bytes = slot->data_bytes;
    shm->stack_bytes = slot->stack_bytes;
    axi_runner_send(runtime, slot_number, AXI_RUNNER_RELOAD);
}

/* Brings a fresh runner to where the old one was. */
static void advance(struct axi_runtime *runtime, uint32_t slot_number)
{
    struct axi_node_slot *slot = &runtime->slots[slot_number];
    struct axi_shm_slot *shm = axi_memory_slot(&runtime->memory, slot_number);
    uint32_t report = atomic_load_explicit(&shm->report, memory_order_acquire);
    uint32_t state = atomic_load(&slot->runner_state);

    if (state == AXI_RUNNER_DOWN && !slot->is_fork_asked) {
        slot->is_fork_asked = axi_zygote_request(&runtime->zygote, slot_number);
    } else if (state == AXI_RUNNER_STARTING && report == AXI_REPORT_ALIVE) {
        atomic_store_explicit(&shm->report, AXI_REPORT_NONE, memory_order_relaxed);
        if (atomic_load(&slot->has_image)) {
            atomic_store(&slot->runner_state, AXI_RUNNER_RELOADING);
            send_load(runtime, slot_number);
        } else {
            runtime->changing--;
            atomic_store(&slot->runner_state, AXI_RUNNER_IDLE);
        }
    } else if (state == AXI_RUNNER_RELOADING && report == AXI_REPORT_LOADED) {
        runtime->changing--;
        axi_runner_read_cpu(slot); /* what starting cost is not the first job's */
        atomic_store(&slot->runner_state, AXI_RUNNER_LOADED);
        if (slot->is_job_waiting) {
            axi_runner_start_job(runtime, slot_number);
        } else {
            axi_sched_runner_ready(runtime->sched, slot_number);
        }
    }
}

static void take_unloads(struct axi_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->config.slots; i++) {
        if (atomic_exchange(&runtime->slots[i].is_unload_asked, false)) {
            axi_runner_end(runtime, i);
            atomic_store(&runtime->slots[i].has_image, false);
        }
    }
}

/* A task may say that its job is done and go on running. The next job's budget would end it; this
 * ends it when there is no next job. A few slots at a time. */
static void patrol(struct axi_runtime *runtime)
{
    uint64_t now_ns = axi_runtime_clock_ns();

    if (now_ns - runtime->patrol_ns < PATROL_NS) {
        return;
    }
    runtime->patrol_ns = now_ns;
    for (uint32_t i = 0; i < PATROL_SLOTS && i < runtime->config.slots; i++) {
        runtime->patrol_slot = (runtime->patrol_slot + 1) % runtime->config.slots;
        if (axi_runner_is_lingering(runtime, runtime->patrol_slot)) {
            axi_runner_end(runtime, runtime->patrol_slot);
        }
    }
}

static void take_events(struct axi_runtime *runtime)
{
    take_zygote_events(runtime);
    if (atomic_exchange_explicit(&runtime->is_unload_asked, false, memory_order_acquire)) {
        take_unloads(runtime);
    }
    for (uint32_t i = 0; runtime->changing > 0 && i < runtime->config.slots; i++) {
        advance(runtime, i);
    }
    for (uint32_t i = runtime->running_count; i > 0; i--) {
        take_report(runtime, runtime->running[i - 1]);
    }
}

/* The real-time rights are asked for here, so that only this thread has them. */
static void enter_realtime(struct axi_runtime *runtime)
{
    const struct sched_param param = {.sched_priority = AXI_SCHEDULER_PRIORITY};
    cpu_set_t cpus;

    (void)prctl(PR_SET_NAME, "axcan-sched");
    (void)prctl(PR_SET_TIMERSLACK, 1);
    if (runtime->config.is_pinned) {
        CPU_ZERO(&cpus);
        CPU_SET(runtime->config.cpu, &cpus);
        (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    }
    if (runtime->assurance == AXI_ASSURANCE_REALTIME) {
        (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
    }
}

static void *sched_main(void *argument)
{
    struct axi_runtime *runtime = argument;
    _Atomic uint32_t *event = &runtime->memory.event->word;

    enter_realtime(runtime);
    if (make_timers(runtime) < 0) {
        return NULL; /* cannot happen after start's own try; the node would release nothing */
    }
    while (!atomic_load(&runtime->is_stopping)) {
        uint32_t seen = atomic_load_explicit(event, memory_order_acquire);

        take_events(runtime);
        patrol(runtime);
        arm_timers(runtime, axi_sched_run(runtime->sched));
        axi_futex_wait(event, seen, NULL);
    }
    return NULL;
}

int axi_sched_thread_start(struct axi_runtime *runtime)
{
    sigset_t all;
    sigset_t former;
    int r;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &former);
    r = pthread_create(&runtime->thread, NULL, sched_main, runtime);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (r != 0) {
        return -AXC_ENOMEM;
    }
    runtime->has_thread = true;
    return 0;
}

void axi_sched_thread_stop(struct axi_runtime *runtime)
{
    if (runtime->has_thread) {
        atomic_store(&runtime->is_stopping, true);
        axi_runtime_wake(runtime);
        (void)pthread_join(runtime->thread, NULL);
        runtime->has_thread = false;
    }
    for (uint32_t i = 0; i < AXI_RUNTIME_TIMERS; i++) {
        if (runtime->timers[i].exists) {
            (void)timer_delete(runtime->timers[i].id);
            runtime->timers[i].exists = false;
        }
    }
}
