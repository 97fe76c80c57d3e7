/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <stdlib.h>
#include <string.h>

enum segment_kind { SEGMENT_OPEN, SEGMENT_OPENED, SEGMENT_DATA, SEGMENT_END };

struct segment {
    struct segment *next;
    enum segment_kind kind;
    uint64_t due_ns;
    size_t count;
    uint8_t bytes[];
};

enum side_state { SIDE_NONE, SIDE_OPENING, SIDE_OPEN, SIDE_CLOSED };

struct side {
    uint32_t host;
    enum side_state state;
    const struct sim_endpoint_ops *ops;
    void *context;
    /* what is under way towards this side, in order */
    struct segment *first, *last;
    uint64_t last_due_ns;
    uint64_t stuck_since_ns;
    bool is_sealed; /* its END is queued: nothing may follow */
};

struct connection {
    struct sim_network *network;
    uint64_t number;
    struct side sides[2]; /* 0 = who connected */
};

struct host {
    const struct sim_endpoint_ops *ops;
    sim_accept accept;
    void *context;
    bool is_paused;
    bool is_apart[SIM_HOSTS_MAX];
};

struct sim_network {
    struct sim_clock *clock;
    struct sim_network_faults faults;
    struct host hosts[SIM_HOSTS_MAX];
    struct connection **connections; /* number - 1 */
    size_t count, capacity;
};

static void pump(void *context, uint64_t argument);

struct sim_network *sim_network_new(struct sim_clock *clock)
{
    struct sim_network *network = calloc(1, sizeof *network);

    if (network == NULL) {
        abort();
    }
    network->clock = clock;
    network->faults.delay_min_ns = 50 * SIM_US;
    network->faults.delay_max_ns = 500 * SIM_US;
    network->faults.timeout_ns = 2 * SIM_S;
    return network;
}

static void drop_queue(struct side *side)
{
    while (side->first != NULL) {
        struct segment *segment = side->first;

        side->first = segment->next;
        free(segment);
    }
    side->last = NULL;
}

void sim_network_free(struct sim_network *network)
{
    for (size_t i = 0; network != NULL && i < network->count; i++) {
        drop_queue(&network->connections[i]->sides[0]);
        drop_queue(&network->connections[i]->sides[1]);
        free(network->connections[i]);
    }
    if (network != NULL) {
        free(network->connections);
    }
    free(network);
}

void sim_network_set_faults(struct sim_network *network, const struct sim_network_faults *faults)
{
    network->faults = *faults;
}

void sim_network_listen(struct sim_network *network, uint32_t host,
                        const struct sim_endpoint_ops *ops, sim_accept accept, void *context)
{
    network->hosts[host].ops = ops;
    network->hosts[host].accept = accept;
    network->hosts[host].context = context;
}

static uint64_t draw_delay(struct sim_network *network)
{
    const struct sim_network_faults *faults = &network->faults;
    uint64_t delay = sim_between(network->clock, faults->delay_min_ns, faults->delay_max_ns);

    return delay + (sim_chance(network->clock, faults->slow_ppm)
                        ? sim_below(network->clock, faults->slow_ns)
                        : 0);
}

static void queue(struct connection *connection, uint32_t to, enum segment_kind kind,
                  const void *bytes, size_t count, uint64_t extra_ns)
{
    struct sim_network *network = connection->network;
    struct side *side = &connection->sides[to];
    struct segment *segment = NULL;

    if (side->is_sealed) {
        return;
    }
    segment = malloc(sizeof *segment + count);
    if (segment == NULL) {
        abort();
    }
    *segment = (struct segment){.kind = kind, .count = count};
    if (count > 0) {
        memcpy(segment->bytes, bytes, count);
    }
    segment->due_ns = network->clock->now_ns + draw_delay(network) + extra_ns;
    segment->due_ns = segment->due_ns > side->last_due_ns ? segment->due_ns : side->last_due_ns;
    side->last_due_ns = segment->due_ns;
    side->is_sealed = kind == SEGMENT_END;
    *(side->last != NULL ? &side->last->next : &side->first) = segment;
    side->last = segment;
    sim_at(network->clock, segment->due_ns, pump, connection, to);
}

static void deliver(struct connection *connection, uint32_t to, const struct segment *segment)
{
    struct sim_network *network = connection->network;
    struct side *side = &connection->sides[to];
    struct host *host = &network->hosts[side->host];

    switch (segment->kind) {
    case SEGMENT_OPEN:
        side->context = host->ops == NULL ? NULL
                                          : host->accept(host->context, connection->number,
                                                         connection->sides[0].host);
        side->context = host->ops == NULL ? NULL : side->context; /* it died of the link */
        side->ops = host->ops;
        side->state = side->context == NULL ? SIDE_CLOSED : SIDE_OPEN;
        queue(connection, 0, side->context == NULL ? SEGMENT_END : SEGMENT_OPENED, NULL, 0, 0);
        break;
    case SEGMENT_OPENED:
        if (side->state == SIDE_OPENING) {
            side->state = SIDE_OPEN;
            side->ops->opened(side->context, connection->number);
        }
        break;
    case SEGMENT_DATA:
        if (side->state == SIDE_OPEN) {
            side->ops->received(side->context, connection->number, segment->bytes, segment->count);
        }
        break;
    case SEGMENT_END:
        if (side->state == SIDE_OPEN || side->state == SIDE_OPENING) {
            side->state = SIDE_CLOSED;
            if (side->ops != NULL) { /* given up before it was accepted */
                side->ops->closed(side->context, connection->number);
            }
            /* our end closes too; the peer may still hear what is under way */
            queue(connection, 1 - to, SEGMENT_END, NULL, 0, 0);
        }
        break;
    }
}

/* A side that makes no progress for too long gives up: it hears END, and so will its peer. */
static bool is_given_up(struct connection *connection, struct side *side)
{
    struct sim_clock *clock = connection->network->clock;

    if (side->stuck_since_ns == 0) {
        side->stuck_since_ns = clock->now_ns;
    }
    return clock->now_ns - side->stuck_since_ns > connection->network->faults.timeout_ns;
}

static void pump(void *context, uint64_t argument)
{
    struct connection *connection = context;
    struct sim_network *network = connection->network;
    uint32_t to = (uint32_t)argument;
    struct side *side = &connection->sides[to];

    while (side->first != NULL && side->first->due_ns <= network->clock->now_ns) {
        struct segment *segment = side->first;
        uint32_t other = connection->sides[1 - to].host;
        bool is_apart = network->hosts[side->host].is_apart[other];

        if (is_apart || network->hosts[side->host].is_paused) {
            if (is_apart && is_given_up(connection, side)) {
                drop_queue(side);
                side->is_sealed = false;
                side->stuck_since_ns = 0;
                side->last_due_ns = 0;
                segment = calloc(1, sizeof *segment);
                if (segment == NULL) {
                    abort();
                }
                segment->kind = SEGMENT_END;
                deliver(connection, to, segment);
                side->is_sealed = true;
                free(segment);
                return;
            }
            sim_at(network->clock, network->clock->now_ns + 5 * SIM_MS, pump, connection, to);
            return;
        }
        side->stuck_since_ns = 0;
        side->first = segment->next;
        side->last = side->first == NULL ? NULL : side->last;
        deliver(connection, to, segment);
        free(segment);
    }
}

uint64_t sim_network_connect(struct sim_network *network, uint32_t from, uint32_t to,
                             const struct sim_endpoint_ops *ops, void *context)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (network->count == network->capacity) {
        network->capacity = network->capacity == 0 ? 64 : 2 * network->capacity;
        network->connections =
            realloc(network->connections, network->capacity * sizeof *network->connections);
    }
    if (connection == NULL || network->connections == NULL) {
        abort();
    }
    network->connections[network->count++] = connection;
    connection->network = network;
    connection->number = network->count;
    connection->sides[0] =
        (struct side){.host = from, .state = SIDE_OPENING, .ops = ops, .context = context};
    connection->sides[1] = (struct side){.host = to};
    queue(connection, 1, SEGMENT_OPEN, NULL, 0, 0);
    return connection->number;
}

static struct connection *find(struct sim_network *network, uint32_t host, uint64_t number,
                               uint32_t *ret_side)
{
    struct connection *connection = NULL;

    if (number == 0 || number > network->count) {
        return NULL;
    }
    connection = network->connections[number - 1];
    *ret_side = connection->sides[0].host == host ? 0 : 1;
    return connection;
}

static void cut(struct connection *connection)
{
    struct sim_clock *clock = connection->network->clock;

    for (uint32_t to = 0; to < 2; to++) {
        struct side *side = &connection->sides[to];

        /* the last segment under way may be torn anywhere */
        if (side->last != NULL && side->last->kind == SEGMENT_DATA && sim_chance(clock, 500000)) {
            side->last->count = sim_below(clock, side->last->count);
        }
        queue(connection, to, SEGMENT_END, NULL, 0, sim_below(clock, 300 * SIM_MS));
    }
}

void sim_network_send(struct sim_network *network, uint32_t host, uint64_t number,
                      const void *bytes, size_t count)
{
    uint32_t side = 0;
    struct connection *connection = find(network, host, number, &side);
    size_t first = count;

    if (connection == NULL || connection->sides[side].state != SIDE_OPEN || count == 0) {
        return;
    }
    if (count > 1 && sim_chance(network->clock, network->faults.split_ppm)) {
        first = (size_t)sim_between(network->clock, 1, count - 1);
    }
    queue(connection, 1 - side, SEGMENT_DATA, bytes, first, 0);
    if (first < count) {
        queue(connection, 1 - side, SEGMENT_DATA, (const uint8_t *)bytes + first, count - first, 0);
    }
    if (sim_chance(network->clock, network->faults.cut_ppm)) {
        cut(connection);
    }
}

void sim_network_close(struct sim_network *network, uint32_t host, uint64_t number)
{
    uint32_t side = 0;
    struct connection *connection = find(network, host, number, &side);

    if (connection == NULL || connection->sides[side].state == SIDE_CLOSED) {
        return;
    }
    connection->sides[side].state = SIDE_CLOSED;
    queue(connection, 1 - side, SEGMENT_END, NULL, 0, 0);
}

void sim_network_kill_host(struct sim_network *network, uint32_t host)
{
    /* a process that dies is told of by its kernel; a machine that dies is not */
    uint64_t silence = sim_chance(network->clock, 500000) ? 0 : network->faults.timeout_ns;

    sim_network_listen(network, host, NULL, NULL, NULL);
    for (size_t i = 0; i < network->count; i++) {
        struct connection *connection = network->connections[i];

        for (uint32_t side = 0; side < 2; side++) {
            if (connection->sides[side].host == host &&
                connection->sides[side].state != SIDE_CLOSED) {
                connection->sides[side].state = SIDE_CLOSED;
                queue(connection, 1 - side, SEGMENT_END, NULL, 0, silence);
            }
        }
    }
}

void sim_network_partition(struct sim_network *network, uint32_t a, uint32_t b, bool is_cut)
{
    network->hosts[a].is_apart[b] = is_cut;
    network->hosts[b].is_apart[a] = is_cut;
}

void sim_network_heal_all(struct sim_network *network)
{
    for (uint32_t i = 0; i < SIM_HOSTS_MAX; i++) {
        memset(network->hosts[i].is_apart, 0, sizeof network->hosts[i].is_apart);
    }
}

void sim_network_cut_some(struct sim_network *network)
{
    size_t start = network->count == 0 ? 0 : (size_t)sim_below(network->clock, network->count);

    for (size_t i = 0; i < network->count; i++) {
        struct connection *connection = network->connections[(start + i) % network->count];

        if (connection->sides[0].state == SIDE_OPEN && connection->sides[1].state == SIDE_OPEN) {
            cut(connection);
            return;
        }
    }
}

void sim_network_pause_host(struct sim_network *network, uint32_t host, bool is_paused)
{
    network->hosts[host].is_paused = is_paused;
}
