/* SPDX-License-Identifier: Apache-2.0 */
#include "node/zygote.h"

#include "node/futex.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct state {
    const struct axi_node_memory *memory;
    struct axi_runner_options options;
    struct axi_shm_event *event;
    int socket;
    int signal_fd;
    sigset_t former_mask;
    pid_t *runners; /* per slot; 0: none */
    bool *is_told;  /* its death was reported */
};

static void tell(struct state *state, uint32_t kind, uint32_t slot, pid_t pid, int status)
{
    const struct axi_zygote_event event = {
        .kind = kind, .slot = slot, .pid = pid, .status = status};

    while (!axi_ring_push(&state->memory->zygote->ring, &event)) {
        (void)poll(NULL, 0, 1); /* the node drains it, or is gone and takes this process along */
    }
    atomic_fetch_add(&state->event->word, 1);
    axi_futex_wake(&state->event->word);
}

static void fork_runner(struct state *state, uint32_t slot)
{
    pid_t zygote;
    pid_t pid = 0;

    if (state->runners[slot] > 0) {
        (void)kill(state->runners[slot], SIGKILL);
        while (waitpid(state->runners[slot], NULL, 0) < 0 && errno == EINTR) {
        }
        state->runners[slot] = 0;
    }
    zygote = getpid();
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != zygote) {
            _exit(1); /* the zygote died before the line above: nobody would end this runner */
        }
        (void)sigprocmask(SIG_SETMASK, &state->former_mask, NULL);
        axi_runner_main(state->memory, &state->options, slot);
    }
    if (pid > 0) {
        state->runners[slot] = pid;
        state->is_told[slot] = false;
        tell(state, AXI_ZYGOTE_FORKED, slot, pid, 0);
    } else {
        tell(state, AXI_ZYGOTE_DIED, slot, 0, 0);
    }
}

/* Reports who died, without reaping. */
static void look_for_deaths(struct state *state)
{
    struct signalfd_siginfo ignored;

    while (read(state->signal_fd, &ignored, sizeof(ignored)) == (ssize_t)sizeof(ignored)) {
    }
    for (uint32_t i = 0; i < state->memory->slots; i++) {
        siginfo_t info = {0};

        if (state->runners[i] <= 0 || state->is_told[i]) {
            continue;
        }
        if (waitid(P_PID, (id_t)state->runners[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == state->runners[i]) {
            state->is_told[i] = true;
            tell(state, AXI_ZYGOTE_DIED, i, state->runners[i], info.si_status);
        }
    }
}

static _Noreturn void serve(struct state *state)
{
    struct pollfd fds[] = {{.fd = state->socket, .events = POLLIN},
                           {.fd = state->signal_fd, .events = POLLIN}};

    for (;;) {
        uint32_t slot = 0;
        ssize_t n = 0;

        (void)poll(fds, 2, -1);
        if (fds[1].revents != 0) {
            look_for_deaths(state);
        }
        if (fds[0].revents == 0) {
            continue;
        }
        n = recv(state->socket, &slot, sizeof(slot), MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            _exit(0); /* the node is gone; PDEATHSIG ends the runners */
        }
        if (n == (ssize_t)sizeof(slot) && slot < state->memory->slots) {
            fork_runner(state, slot);
        }
    }
}

static _Noreturn void zygote_main(const struct axi_node_memory *memory,
                                  const struct axi_runner_options *options, int socket,
                                  pid_t parent)
{
    struct state state = {.memory = memory, .options = *options, .socket = socket};
    sigset_t mask;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "axcan-zygote");
    if (getppid() != parent) {
        _exit(0);
    }
    state.event = mmap(NULL, AXI_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->event_fd, 0);
    state.runners = calloc(memory->slots, sizeof(pid_t));
    state.is_told = calloc(memory->slots, sizeof(bool));
    /* An interrupt from the terminal is the node's to handle. */
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &mask, &state.former_mask);
    state.former_mask = mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL);
    state.signal_fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (state.event == MAP_FAILED || state.runners == NULL || state.is_told == NULL ||
        state.signal_fd < 0) {
        _exit(1);
    }
    serve(&state);
}

int axi_zygote_start(struct axi_zygote *ret_zygote, const struct axi_node_memory *memory,
                     const struct axi_runner_options *options)
{
    int sockets[2];
    pid_t parent = getpid();
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return -AXC_EIO;
    }
    pid = fork();
    if (pid == 0) {
        (void)close(sockets[0]);
        zygote_main(memory, options, sockets[1], parent);
    }
    (void)close(sockets[1]);
    if (pid < 0) {
        (void)close(sockets[0]);
        return -AXC_EIO;
    }
    ret_zygote->pid = pid;
    ret_zygote->socket = sockets[0];
    return 0;
}

bool axi_zygote_request(struct axi_zygote *zygote, uint32_t slot)
{
    return send(zygote->socket, &slot, sizeof(slot), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           (ssize_t)sizeof(slot);
}

void axi_zygote_stop(struct axi_zygote *zygote)
{
    if (zygote->pid > 0) {
        (void)close(zygote->socket);
        (void)kill(zygote->pid, SIGKILL);
        while (waitpid(zygote->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        zygote->pid = 0;
    }
}
