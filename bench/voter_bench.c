/* SPDX-License-Identifier: Apache-2.0 */
/* voter_bench AXCAN-VOTER: a real voter over loopback sockets, with the master played here. From
 * the sending of the datagram that makes enough to the arrival of the agreed value (both ways of
 * the loopback included; beside it such a way there and back by a process that only echoes), and
 * values a second that one voter takes. One JSON object a line for bench/run. */
#include "core/gate.h"
#include "core/wire.h"
#include "vote/vote.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES 2000u
#define PERIOD_NS 1000000ull
#define PLACES 16u /* outputs of one job that are voted on */
#define FLOOD_NS 2000000000ull
#define MEMBERS 3u
#define CORE_JOBS 200000u

static uint64_t samples[SAMPLES];

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "voter_bench: %s\n", what);
    exit(1);
}

static int bind_port(int type, uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        die("no socket");
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int connect_to(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        die("no socket");
    }
    return fd;
}

/* ---- the master ---- */

static void say(int link, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    if (axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes) != 0 ||
        write(link, frame, bytes) != (ssize_t)bytes) {
        die("the voter does not listen");
    }
}

static int accept_voter(int listener)
{
    axi_HelloReply reply = {.protocol = 1};
    uint8_t bytes[1024];
    int link = listen(listener, 1) == 0 ? accept(listener, NULL, NULL) : -1;

    if (link < 0 || read(link, bytes, sizeof(bytes)) <= 0) {
        die("the voter does not join");
    }
    reply.master_ns = clock_ns(CLOCK_TAI);
    say(link, AXI_WIRE_HELLO_REPLY, &reply);
    return link;
}

static void tell_group(int link, const char *service, uint64_t first_task, uint64_t release_ns)
{
    axi_VoteGroup group = {.generation = 1,
                           .needed = 2,
                           .period_ns = PERIOD_NS,
                           .deadline_ns = PERIOD_NS,
                           .wait_ns = 20 * PERIOD_NS,
                           .release_ns = release_ns,
                           .members_count = MEMBERS};

    (void)snprintf(group.service, sizeof(group.service), "%s", service);
    for (pb_size_t i = 0; i < MEMBERS; i++) {
        group.members[i] = (axi_VoteMember){.task_id = first_task + i, .is_counted = true};
    }
    say(link, AXI_WIRE_VOTE_GROUP, &group);
    (void)usleep(100000);
}

/* What the voter says is not of interest, but must not fill the socket. */
static void drain_link(int link)
{
    uint8_t bytes[4096];

    while (recv(link, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
    }
}

/* ---- the replicas ---- */

static void send_value(int fd, uint64_t task, uint64_t job)
{
    const struct axi_stamp stamp = {.task_id = task, .epoch = 1, .job = job};
    uint8_t bytes[AXI_STAMP_BYTES + 8];
    size_t count = 0;

    (void)!axi_stamp_encode(&stamp, &job, 8, bytes, sizeof(bytes), &count);
    (void)send(fd, bytes, count, 0);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

static double quantile_us(double q)
{
    qsort(samples, SAMPLES, sizeof(samples[0]), by_number);
    return (double)samples[(size_t)((SAMPLES - 1) * q)] / 1e3;
}

static void await(int out)
{
    struct pollfd waiting = {.fd = out, .events = POLLIN};
    uint8_t bytes[2048];

    if (poll(&waiting, 1, 2000) != 1 || recv(out, bytes, sizeof(bytes), 0) < 0) {
        die("a value did not come");
    }
}

static void measure_vote(int link, int in, int out, uint64_t release_ns)
{
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint64_t job = (clock_ns(CLOCK_TAI) - release_ns) / PERIOD_NS + 1;
        const uint64_t until_ns = release_ns + job * PERIOD_NS;
        const struct timespec until = {(time_t)(until_ns / 1000000000u),
                                       (long)(until_ns % 1000000000u)};

        (void)clock_nanosleep(CLOCK_TAI, TIMER_ABSTIME, &until, NULL);
        send_value(in, 1, job);
        (void)usleep(100); /* the voter sleeps again */
        uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);

        send_value(in, 2, job);
        await(out);
        samples[i] = clock_ns(CLOCK_MONOTONIC) - start_ns;
        send_value(in, 3, job);
        drain_link(link);
    }
}

static void measure_echo(int in, int out)
{
    for (uint32_t i = 0; i < SAMPLES; i++) {
        (void)usleep(300);
        uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);

        send_value(in, 2, i);
        await(out);
        samples[i] = clock_ns(CLOCK_MONOTONIC) - start_ns;
    }
}

/* Values of one job, all places of all replicas. */
static void send_job(int in, uint64_t first_task, uint64_t job)
{
    uint8_t bytes[AXI_STAMP_BYTES + 8];
    size_t count = 0;

    for (uint32_t place = 0; place < PLACES; place++) {
        for (uint64_t task = first_task; task < first_task + MEMBERS; task++) {
            const struct axi_stamp stamp = {
                .task_id = task, .epoch = 1, .job = job, .place = place};

            (void)!axi_stamp_encode(&stamp, &job, 8, bytes, sizeof(bytes), &count);
            (void)send(in, bytes, count, 0);
        }
    }
}

/* Jobs of three replicas one after another, each when the former one's agreed values are there. */
static double measure_rate(int link, int in, int out, uint64_t first_task)
{
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    uint64_t values = 0;

    for (uint64_t job = 0; clock_ns(CLOCK_MONOTONIC) - start_ns < FLOOD_NS; job++) {
        struct pollfd waiting = {.fd = out, .events = POLLIN};
        uint8_t bytes[2048];
        uint32_t came = 0;

        send_job(in, first_task, job);
        while (came < PLACES && poll(&waiting, 1, 100) == 1) {
            came += recv(out, bytes, sizeof(bytes), MSG_DONTWAIT) > 0;
        }
        values += came * MEMBERS;
        drain_link(link);
    }
    return (double)values / ((double)FLOOD_NS / 1e9);
}

/* The core without sockets. */
static void ignore(void *context, const char *service, const struct axi_stamp *stamp,
                   const uint8_t *value, uint32_t bytes)
{
    (void)service;
    (void)stamp;
    (void)value;
    (void)bytes;
    ++*(uint64_t *)context;
}

static double measure_core_us(void)
{
    uint64_t put = 0;
    const struct axi_vote_port port = {.context = &put, .put = ignore};
    struct axi_vote_group group = {.service = "core",
                                   .generation = 1,
                                   .needed = 2,
                                   .period_ns = PERIOD_NS,
                                   .deadline_ns = PERIOD_NS,
                                   .release_ns = PERIOD_NS,
                                   .member_count = MEMBERS};
    struct axi_vote *vote = axi_vote_new(&port);
    uint8_t bytes[AXI_STAMP_BYTES + 8];
    size_t count = 0;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        group.members[i] = (struct axi_vote_member){.task = i + 1, .is_counted = true};
    }
    if (vote == NULL || axi_vote_set(vote, PERIOD_NS, &group) != 0) {
        die("out of memory");
    }
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);

    for (uint64_t job = 0; job < CORE_JOBS; job++) {
        for (uint64_t task = 1; task <= MEMBERS; task++) {
            const struct axi_stamp stamp = {.task_id = task, .epoch = 1, .job = job};

            (void)!axi_stamp_encode(&stamp, &job, 8, bytes, sizeof(bytes), &count);
            axi_vote_datagram(vote, (job + 1) * PERIOD_NS + 1, bytes, count);
        }
    }
    uint64_t took_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;

    axi_vote_free(vote);
    if (put != CORE_JOBS) {
        die("values are missing");
    }
    return (double)took_ns / 1e3 / (CORE_JOBS * MEMBERS);
}

/* ---- processes ---- */

static pid_t start_voter(const char *program, const char *dir, uint16_t master,
                         uint16_t listen_port, uint16_t out)
{
    char token[128], master_text[32], listen_text[32], out_text[40];

    (void)snprintf(token, sizeof(token), "%s/token", dir);
    FILE *file = fopen(token, "we");

    if (file == NULL || fputs("bench\n", file) < 0 || fclose(file) != 0 ||
        chmod(token, 0600) != 0) {
        die("no token");
    }
    (void)snprintf(master_text, sizeof(master_text), "127.0.0.1:%u", master);
    (void)snprintf(listen_text, sizeof(listen_text), "127.0.0.1:%u", listen_port);
    (void)snprintf(out_text, sizeof(out_text), "node:127.0.0.1:%u", out);
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a measurement fails */
        (void)execl(program, program, "--name", "bench", "--quiet", "--token-file", token,
                    "--master", master_text, "--listen", listen_text, "--out", out_text,
                    (char *)NULL);
        _exit(127);
    }
    return pid;
}

static pid_t start_echo(int in, uint16_t out)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int to = connect_to(out);
        uint8_t bytes[2048];
        ssize_t count;

        while ((count = recv(in, bytes, sizeof(bytes), 0)) >= 0) {
            (void)send(to, bytes, (size_t)count, 0);
        }
        _exit(0);
    }
    return pid;
}

static void end_process(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/voter-bench-XXXXXX";
    char token[64];
    uint16_t master_port = 0, out_port = 0, in_port = 0, echo_port = 0;
    int listener = bind_port(SOCK_STREAM, &master_port);
    int out = bind_port(SOCK_DGRAM, &out_port);
    int probe = bind_port(SOCK_DGRAM, &in_port);
    int echo_in = bind_port(SOCK_DGRAM, &echo_port);

    if (argc != 2 || mkdtemp(dir) == NULL || listen(listener, 1) != 0) {
        die("usage: voter_bench AXCAN-VOTER");
    }
    (void)close(probe); /* its port is the voter's now */
    pid_t echo = start_echo(echo_in, out_port);
    int to_echo = connect_to(echo_port);

    measure_echo(to_echo, out);
    double echo_us = quantile_us(0.5);
    double echo_p99_us = quantile_us(0.99);

    end_process(echo);
    pid_t voter = start_voter(argv[1], dir, master_port, in_port, out_port);
    int link = accept_voter(listener);
    int in = connect_to(in_port);
    uint64_t release_ns = clock_ns(CLOCK_TAI);

    tell_group(link, "latency", 1, release_ns);

    measure_vote(link, in, out, release_ns);
    (void)printf("{\"name\": \"deciding value sent to agreed value received\", \"value\": %.1f, "
                 "\"unit\": \"us\", \"versus\": \"echo by a process\", \"versus_value\": %.1f}\n",
                 quantile_us(0.5), echo_us);
    (void)printf("{\"name\": \"the same, p99\", \"value\": %.1f, \"unit\": \"us\", \"versus\": "
                 "\"echo by a process, p99\", \"versus_value\": %.1f}\n",
                 quantile_us(0.99), echo_p99_us);
    tell_group(link, "rate", 11, 0); /* of no known grid: nothing is early or late */
    (void)printf("{\"name\": \"values one voter takes\", \"value\": %.0f, \"unit\": \"1/s\", "
                 "\"note\": \"three replicas, 16 outputs a job; sender and receiver beside it\"}\n",
                 measure_rate(link, in, out, 11));
    (void)printf("{\"name\": \"the voter's core, one value\", \"value\": %.3f, \"unit\": \"us\", "
                 "\"note\": \"mean; encoding it included\"}\n",
                 measure_core_us());
    end_process(voter);
    (void)snprintf(token, sizeof(token), "%s/token", dir);
    (void)unlink(token);
    (void)rmdir(dir);
    return 0;
}
