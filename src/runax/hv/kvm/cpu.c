/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/kvm/vm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KICK SIGRTMIN /* interrupts KVM_RUN and waits for the console; blocked everywhere else */
#define STACK_BYTES (64u * 1024u)
#define GATE_TIMEOUT_S 2

static __thread struct kvm_run *running; /* of this thread's virtual CPU */

int axi_kvm_fail(struct axi_report *report, const char *what)
{
    return axi_report_set(report, -AXC_EHV_FAILED, "kvm: %s: %s", what, strerror(errno));
}

/* A kick that comes before KVM_RUN must not be lost: then KVM_RUN returns at once. */
static void on_kick(int number)
{
    (void)number;
    if (running != NULL) {
        running->immediate_exit = 1;
    }
}

static void install_kick(void)
{
    struct sigaction action = {.sa_handler = on_kick}; /* no SA_RESTART: waits shall end */
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(KICK, &action, NULL);
}

/* False: leave. */
static bool pass_gate(struct axi_hv_guest *vm)
{
    if (vm->is_open && !vm->is_ending) {
        return true;
    }
    (void)pthread_mutex_lock(&vm->lock);
    vm->at_gate++;
    (void)pthread_cond_broadcast(&vm->changed);
    while (!vm->is_open && !vm->is_ending) {
        (void)pthread_cond_wait(&vm->changed, &vm->lock);
    }
    vm->at_gate--;
    bool goes_on = !vm->is_ending;
    (void)pthread_mutex_unlock(&vm->lock);
    return goes_on;
}

void axi_kvm_end(struct axi_hv_guest *vm, enum axi_hv_state state, int exit_code,
                 const char *reason)
{
    (void)pthread_mutex_lock(&vm->lock);
    bool is_first = !vm->is_ending;
    if (is_first) {
        vm->end.state = state;
        vm->end.exit_code = exit_code;
        (void)snprintf(vm->end.reason, sizeof(vm->end.reason), "%s", reason != NULL ? reason : "");
        vm->is_ending = true;
        vm->is_open = false;
        (void)pthread_cond_broadcast(&vm->changed);
    }
    (void)pthread_mutex_unlock(&vm->lock);
    for (uint32_t i = 0; is_first && i < vm->cpu_count; i++) {
        if (vm->cpus[i].has_thread) {
            (void)pthread_kill(vm->cpus[i].thread, KICK);
        }
    }
    uint64_t one = 1;
    (void)!write(vm->end_event, &one, sizeof(one));
}

static void end_crashed(struct axi_hv_guest *vm, const char *reason)
{
    axi_kvm_end(vm, AXI_HV_FAILED, AXI_EXIT_CRASHED, reason);
}

static void handle_exit(struct axi_kvm_cpu *cpu)
{
    char reason[64];
    const struct kvm_run *run = cpu->run;
    switch (run->exit_reason) {
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        break;
    case KVM_EXIT_SHUTDOWN:
        end_crashed(cpu->vm, "triple fault");
        break;
    case KVM_EXIT_FAIL_ENTRY:
        end_crashed(cpu->vm, "the processor's state cannot be entered");
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        (void)snprintf(reason, sizeof(reason), "KVM cannot go on: internal error %u",
                       run->internal.suberror);
        end_crashed(cpu->vm, reason);
        break;
    default:
        axi_kvm_arch_exit(cpu);
        break;
    }
}

static void run_cpu(struct axi_kvm_cpu *cpu)
{
    struct axi_hv_guest *vm = cpu->vm;
    while (pass_gate(vm)) {
        cpu->run->immediate_exit = 0;
        if (!vm->is_open) { /* the gate closed before its kick could be seen */
            continue;
        }
        int rc = ioctl(cpu->fd, KVM_RUN, 0);
        atomic_fetch_add_explicit(&cpu->exits, 1, memory_order_relaxed);
        if (rc == 0) {
            handle_exit(cpu);
        } else if (errno != EINTR && errno != EAGAIN) {
            char reason[64];
            (void)snprintf(reason, sizeof(reason), "KVM_RUN: %s", strerror(errno));
            end_crashed(vm, reason);
        }
    }
}

static void *cpu_main(void *argument)
{
    struct axi_kvm_cpu *cpu = argument;
    sigset_t kick;
    struct timespec used;
    running = cpu->run;
    (void)sigemptyset(&kick);
    (void)sigaddset(&kick, KICK);
    (void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
    run_cpu(cpu);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    cpu->cpu_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
    return NULL;
}

/* The n-th CPU of the set, round and round. */
static uint32_t host_cpu(const struct axi_cpuset *set, uint32_t n)
{
    uint32_t wanted = n % axi_cpuset_count(set), cpu = 0;
    for (;; cpu++) {
        if (axi_cpuset_has(set, cpu) && wanted-- == 0) {
            return cpu;
        }
    }
}

/* Option "fifo": the threads run before all others of their CPU. */
static int set_priority(const struct axi_kvm_cpu *cpu, pthread_attr_t *attributes,
                        struct axi_report *report)
{
    const char *text = axi_partition_option(&cpu->vm->partition, "fifo");
    if (text == NULL) {
        return 0;
    }
    struct sched_param priority = {.sched_priority = atoi(text)};
    if (priority.sched_priority < 1 || priority.sched_priority > 99) {
        return axi_report_set(report, -AXC_EINVALID, "option fifo: \"%s\" is not 1 to 99", text);
    }
    (void)pthread_attr_setinheritsched(attributes, PTHREAD_EXPLICIT_SCHED);
    (void)pthread_attr_setschedpolicy(attributes, SCHED_FIFO);
    (void)pthread_attr_setschedparam(attributes, &priority);
    return 0;
}

static int start_thread(struct axi_kvm_cpu *cpu, struct axi_report *report)
{
    const struct axi_cpuset *set = &cpu->vm->partition.cpus;
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (axi_cpuset_count(set) != 0) {
        cpu_set_t pinned;
        CPU_ZERO(&pinned);
        CPU_SET(host_cpu(set, cpu->index), &pinned);
        (void)pthread_attr_setaffinity_np(&attributes, sizeof(pinned), &pinned);
    }
    int rc = set_priority(cpu, &attributes, report);
    int error = rc == 0 ? pthread_create(&cpu->thread, &attributes, cpu_main, cpu) : 0;
    (void)pthread_attr_destroy(&attributes);
    if (rc != 0) {
        return rc;
    }
    if (error != 0) {
        errno = error;
        return axi_report_errno(report, "thread of virtual CPU %u", cpu->index);
    }
    cpu->has_thread = true;
    return 0;
}

static int wait_at_gate(struct axi_hv_guest *vm)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end); /* no step of the wall clock shortens it */
    end.tv_sec += GATE_TIMEOUT_S;
    int error = 0;
    (void)pthread_mutex_lock(&vm->lock);
    while (vm->at_gate < vm->cpu_count && !vm->is_ending && error == 0) {
        error = pthread_cond_clockwait(&vm->changed, &vm->lock, CLOCK_MONOTONIC, &end);
    }
    (void)pthread_mutex_unlock(&vm->lock);
    return error == 0 ? 0 : -AXC_ETIMEOUT;
}

int axi_kvm_start_threads(struct axi_hv_guest *vm, struct axi_report *report)
{
    sigset_t all, before;
    install_kick();
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: signals are the monitor's */
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < vm->cpu_count; i++) {
        rc = start_thread(&vm->cpus[i], report);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0 && wait_at_gate(vm) != 0) {
        rc = axi_report_set(report, -AXC_ETIMEOUT, "the virtual CPUs do not reach their gate");
    }
    return rc;
}

void axi_kvm_open_gate(struct axi_hv_guest *vm)
{
    (void)pthread_mutex_lock(&vm->lock);
    vm->is_open = !vm->is_ending;
    (void)pthread_cond_broadcast(&vm->changed);
    (void)pthread_mutex_unlock(&vm->lock);
}

int axi_kvm_close_gate(struct axi_hv_guest *vm)
{
    vm->is_open = false;
    for (uint32_t i = 0; i < vm->cpu_count; i++) {
        (void)pthread_kill(vm->cpus[i].thread, KICK);
    }
    return wait_at_gate(vm);
}

void axi_kvm_join_threads(struct axi_hv_guest *vm)
{
    for (uint32_t i = 0; i < vm->cpu_count; i++) {
        if (vm->cpus[i].has_thread) {
            (void)pthread_join(vm->cpus[i].thread, NULL);
            vm->cpus[i].has_thread = false;
        }
    }
}

void axi_kvm_console_write(struct axi_hv_guest *vm, const uint8_t *bytes, size_t count)
{
    while (count != 0) {
        ssize_t n = send(vm->uart_fd, bytes, count, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        } else if (n < 0 && (errno == EINTR || errno == EAGAIN)) { /* a kick, or SO_SNDTIMEO */
            if (!pass_gate(vm)) {
                return;
            }
        } else {
            return; /* nobody listens any more */
        }
    }
}

void axi_kvm_console_poll(struct axi_hv_guest *vm)
{
    uint8_t bytes[AXI_UART_INPUT_BYTES];
    uint32_t room = axi_uart_room(&vm->uart);
    ssize_t n = room != 0 ? recv(vm->uart_fd, bytes, room, MSG_DONTWAIT) : 0;
    if (n > 0) {
        axi_uart_type(&vm->uart, bytes, (uint32_t)n);
    }
}
