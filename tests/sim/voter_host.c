/* SPDX-License-Identifier: Apache-2.0 */
/* A voter's daemon without sockets: the real core and the real link to the master, and the
 * datagrams that replicas send to it: lost, late, doubled, damaged and out of order. */
#include "cluster.h"
#include "vote/master_link.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MAX_NS = 1000000000, CONNECT_MS = 2000 };

struct datagram {
    struct sim_voter *voter;
    struct axi_stamp stamp;
    uint32_t value;
    bool is_damaged;
};

static void settle(struct sim_voter *host);

/* ---- the link's port ---- */

static uint64_t port_local_ns(void *context)
{
    const struct sim_voter *host = context;
    uint64_t elapsed = host->cluster->clock.now_ns - host->cluster->start_ns;

    return 11 * SIM_S + elapsed + (uint64_t)((int64_t)(elapsed / SIM_US) * host->drift_ppm / 1000);
}

static const struct sim_endpoint_ops endpoint;

static void port_close(void *context, uint64_t number)
{
    struct sim_voter *host = context;

    sim_network_close(host->cluster->network, host->host, number);
}

/* As net/links.h does: who does not answer is not there. */
static void give_up_connecting(void *context, uint64_t number)
{
    struct sim_voter *host = context;

    if (host->link != NULL && host->link->number == number && !host->link->is_up) {
        port_close(host, number);
        axi_vote_link_down(host->link, number, -AXC_ETIMEOUT);
        settle(host);
    }
}

static int port_connect(void *context, const char *address, uint64_t *ret_number)
{
    struct sim_voter *host = context;

    (void)address;
    *ret_number = sim_network_connect(host->cluster->network, host->host, host->cluster->current,
                                      &endpoint, host);
    sim_at(&host->cluster->clock, host->cluster->clock.now_ns + CONNECT_MS * SIM_MS,
           give_up_connecting, host, *ret_number);
    return 0;
}

static void port_send(void *context, uint64_t number, const uint8_t *frame, size_t bytes)
{
    struct sim_voter *host = context;

    sim_network_send(host->cluster->network, host->host, number, frame, bytes);
}

static void opened(void *context, uint64_t connection)
{
    struct sim_voter *host = context;

    if (host->link != NULL) {
        axi_vote_link_up(host->link, connection);
    }
}

static void received(void *context, uint64_t connection, const uint8_t *bytes, size_t count)
{
    struct sim_voter *host = context;

    if (host->link != NULL) {
        axi_vote_link_bytes(host->link, connection, bytes, count);
    }
}

static void closed(void *context, uint64_t connection)
{
    struct sim_voter *host = context;

    if (host->link != NULL) {
        axi_vote_link_down(host->link, connection, -AXC_EUNAVAILABLE);
        settle(host);
    }
}

static const struct sim_endpoint_ops endpoint = {opened, received, closed};

/* ---- what it says ---- */

static void on_put(void *context, const char *service, const struct axi_stamp *stamp,
                   const uint8_t *value, uint32_t bytes)
{
    uint32_t number = 0;

    memcpy(&number, value, bytes < sizeof number ? bytes : sizeof number);
    sim_votes_put(context, service, stamp, number);
}

static void on_verdict(void *context, const char *service, const struct axi_vote_verdict *verdict)
{
    struct sim_voter *host = context;

    if (verdict->task == 0) {
        sim_votes_judged(host, service, verdict->job);
    } else {
        sim_votes_blamed(host, service, verdict->job, verdict->task,
                         verdict->kind == AXI_VERDICT_WRONG);
    }
}

/* ---- datagrams ---- */

static void arrives(void *context, uint64_t argument)
{
    struct datagram *datagram = context;
    struct sim_voter *host = datagram->voter;
    uint8_t bytes[AXI_STAMP_BYTES + sizeof datagram->value];
    size_t count = 0;

    (void)argument;
    if (host->vote != NULL &&
        axi_stamp_encode(&datagram->stamp, &datagram->value, sizeof datagram->value, bytes,
                         sizeof bytes, &count) == 0) {
        uint64_t taken = axi_vote_taken(host->vote);

        bytes[sim_below(&host->cluster->clock, count)] ^= datagram->is_damaged ? 0x10 : 0;
        if (!datagram->is_damaged) {
            sim_votes_arrived(host, &datagram->stamp);
        }
        axi_vote_datagram(host->vote, axi_vote_link_now(host->link), bytes, count);
        if (axi_vote_taken(host->vote) > taken) {
            sim_votes_taken(host, &datagram->stamp);
        }
        settle(host);
    }
    free(datagram);
}

static void send(struct sim_voter *host, const struct axi_stamp *stamp, uint32_t value)
{
    struct sim_clock *clock = &host->cluster->clock;
    const struct sim_datagrams *how = &host->cluster->datagrams;
    struct datagram *datagram = malloc(sizeof *datagram);
    uint64_t delay = sim_between(clock, 30 * SIM_US, 2 * SIM_MS);

    if (datagram == NULL) {
        abort();
    }
    *datagram = (struct datagram){host, *stamp, value, sim_chance(clock, how->damaged_ppm)};
    if (sim_chance(clock, how->late_ppm)) {
        delay += sim_below(clock, how->late_ns);
    }
    sim_at(clock, clock->now_ns + delay, arrives, datagram, 0);
}

void sim_voter_output(struct sim_node *node, uint32_t slot)
{
    struct sim_cluster *cluster = node->cluster;
    const struct sim_runner *runner = &node->machine.runners[slot];
    struct axi_slot_view view;
    struct axi_stamp stamp = {.task_id = runner->task_id, .job = runner->job};
    int voter = node->slots[slot].voter;
    enum sim_liar lies = sim_votes_liar(cluster, node, runner->task_id);

    if (voter < 0) {
        return;
    }
    axi_sched_view(node->machine.sched, slot, &view);
    stamp.epoch = view.epoch;
    for (; stamp.place < sim_vote_places(runner->job); stamp.place++) {
        uint32_t value = runner->output * (2 * stamp.place + 1) ^ (lies == SIM_LIES ? 0x40u : 0);

        sim_votes_sent(cluster, &stamp, value);
        if (lies == SIM_SILENT || sim_chance(&cluster->clock, cluster->datagrams.lost_ppm)) {
            continue;
        }
        send(&cluster->voters[voter], &stamp, value);
        if (sim_chance(&cluster->clock, cluster->datagrams.twice_ppm)) {
            send(&cluster->voters[voter], &stamp, value);
        }
    }
}

/* ---- life ---- */

static void tick(void *context, uint64_t generation)
{
    struct sim_voter *host = context;

    if (host->link != NULL && host->tick_generation == generation) {
        settle(host);
    }
}

/* As the daemon does after datagrams and timers; its timers count in ms. */
static void settle(struct sim_voter *host)
{
    struct sim_clock *clock = &host->cluster->clock;
    uint64_t local_ns = port_local_ns(host);
    uint64_t now_ns = axi_vote_link_now(host->link);
    uint64_t judge_ns = axi_vote_tick(host->vote, now_ns);
    uint64_t link_ns = axi_vote_link_tick(host->link);
    uint64_t wait_ns = link_ns > local_ns ? link_ns - local_ns : 0;
    uint64_t judge_wait_ns = judge_ns > now_ns ? judge_ns - now_ns : 0;

    wait_ns = judge_wait_ns < wait_ns ? judge_wait_ns : wait_ns;
    wait_ns = wait_ns < TICK_MAX_NS ? wait_ns : TICK_MAX_NS;
    wait_ns = wait_ns < SIM_MS ? SIM_MS : (wait_ns + SIM_MS - 1) / SIM_MS * SIM_MS;
    host->tick_generation++;
    sim_at(clock, clock->now_ns + wait_ns, tick, host, host->tick_generation);
}

void sim_voter_init(struct sim_cluster *cluster, uint32_t index)
{
    struct sim_voter *host = &cluster->voters[index];

    host->cluster = cluster;
    host->index = index;
    host->host = SIM_VOTER_HOST + index;
    host->drift_ppm = (int32_t)sim_below(&cluster->clock, 160) - 80;
    (void)snprintf(host->name, sizeof host->name, "v%u", index & 0xfu);
    (void)snprintf(host->address, sizeof host->address, "10.0.0.%u:7404", index & 0xfu);
}

void sim_voter_boot(struct sim_voter *host)
{
    const struct axi_vote_port port = {.context = host, .put = on_put, .verdict = on_verdict};
    const struct axi_vote_link_port link_port = {.context = host,
                                                 .local_ns = port_local_ns,
                                                 .connect = port_connect,
                                                 .send = port_send,
                                                 .close = port_close};
    const struct axi_vote_link_config config = {.name = host->name,
                                                .token = "",
                                                .version = "sim",
                                                .output_address = host->address,
                                                .masters = "master:1",
                                                .boot_id = sim_random(&host->cluster->clock) | 1};

    host->vote = axi_vote_new(&port);
    host->link = calloc(1, sizeof *host->link);
    if (host->vote == NULL || host->link == NULL) {
        abort();
    }
    host->life = ++host->cluster->voter_lives;
    host->booted_ns = host->cluster->clock.now_ns;
    axi_vote_link_init(host->link, host->vote, &config, &link_port);
    sim_log(host->cluster, host->name, "boot");
    settle(host);
}

static void boot_again(void *context, uint64_t life)
{
    struct sim_voter *host = context;

    if (host->vote == NULL && host->life == life) {
        sim_voter_boot(host);
    }
}

static void drop_memory(struct sim_voter *host)
{
    axi_vote_free(host->vote);
    free(host->link);
    host->vote = NULL;
    host->link = NULL;
    host->tick_generation++;
}

void sim_voter_crash(struct sim_voter *host, uint64_t away_ns)
{
    if (host->vote == NULL) {
        return;
    }
    sim_log(host->cluster, host->name, "dies");
    host->cluster->counts.voter_crashes++;
    drop_memory(host);
    sim_network_kill_host(host->cluster->network, host->host);
    sim_at(&host->cluster->clock, host->cluster->clock.now_ns + away_ns, boot_again, host,
           host->life);
}

uint64_t sim_voter_clock_error(struct sim_voter *host)
{
    uint64_t now_ns = axi_vote_link_now(host->link);
    uint64_t truth_ns = host->cluster->clock.now_ns;

    return now_ns > truth_ns ? now_ns - truth_ns : truth_ns - now_ns;
}

int sim_voter_find(const struct sim_cluster *cluster, const char *address)
{
    for (uint32_t i = 0; i < cluster->voter_count; i++) {
        if (strcmp(cluster->voters[i].address, address) == 0) {
            return (int)i;
        }
    }
    return -1;
}

void sim_voter_deinit(struct sim_voter *host)
{
    drop_memory(host);
    sim_forget(&host->cluster->clock, arrives, free);
}
