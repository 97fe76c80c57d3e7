/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, links and frames. */
#include "core/agent_internal.h"

#include "base/log.h"

#include <string.h>

#define LINKS_DEFAULT 8u
#define MANAGERS_DEFAULT 4u
#define MIGRATIONS_DEFAULT 16u
#define TRANSFERS_DEFAULT 4u
#define LIMIT_MAX 1024u
#define TRACES_MAX (1u << 20)
#define CHUNK_BYTES_DEFAULT 32768u
#define IMAGE_BYTES_DEFAULT (UINT64_C(16) << 20)
#define REPORT_NS_DEFAULT UINT64_C(1000000000)
#define TRANSFER_NS_DEFAULT UINT64_C(5000000000)
#define RETRY_NS_DEFAULT UINT64_C(200000000)
#define HOLDOVER_NS_DEFAULT UINT64_C(60000000000)
#define NOTICE_NS_DEFAULT UINT64_C(5000000)
#define HEARTBEAT_NS_DEFAULT UINT64_C(200000000)
#define ALIGN 64u

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

static bool is_config_ok(const struct axi_agent_config *c)
{
    return c->slots >= 1 && c->slots <= LIMIT_MAX && c->links <= LIMIT_MAX &&
           c->managers_max <= AXI_AGENT_MANAGERS_MAX && c->migrations <= LIMIT_MAX &&
           c->transfers <= LIMIT_MAX && c->chunk_bytes <= AXI_WIRE_TAIL_BYTES_MAX &&
           c->trace_records <= TRACES_MAX &&
           (c->checkpoint_bytes_max == 0 ||
            (c->checkpoint_bytes_max > AXI_CHECKPOINT_HEADER_BYTES &&
             c->checkpoint_bytes_max <= AXI_CHECKPOINT_BYTES_MAX));
}

static struct axi_agent_config with_defaults(const struct axi_agent_config *config)
{
    struct axi_agent_config c = *config;

    c.links = (uint32_t)or_default(c.links, LINKS_DEFAULT);
    c.managers_max = (uint32_t)or_default(c.managers_max, MANAGERS_DEFAULT);
    c.migrations = (uint32_t)or_default(c.migrations, MIGRATIONS_DEFAULT);
    c.transfers = (uint32_t)or_default(c.transfers, TRANSFERS_DEFAULT);
    c.chunk_bytes = (uint32_t)or_default(c.chunk_bytes, CHUNK_BYTES_DEFAULT);
    c.image_bytes_max = or_default(c.image_bytes_max, IMAGE_BYTES_DEFAULT);
    c.checkpoint_bytes_max = (uint32_t)or_default(c.checkpoint_bytes_max, AXI_CHECKPOINT_BYTES_MAX);
    c.report_ns = or_default(c.report_ns, REPORT_NS_DEFAULT);
    c.transfer_ns = or_default(c.transfer_ns, TRANSFER_NS_DEFAULT);
    c.retry_ns = or_default(c.retry_ns, RETRY_NS_DEFAULT);
    c.holdover_ns = or_default(c.holdover_ns, HOLDOVER_NS_DEFAULT);
    c.notice_ns = or_default(c.notice_ns, NOTICE_NS_DEFAULT);
    return c;
}

/* Hands out pieces of one memory block; with base NULL it only counts. */
struct carver {
    uint8_t *base;
    size_t used;
};

static void *carve(struct carver *carver, size_t count, size_t bytes)
{
    void *piece = carver->base != NULL ? carver->base + carver->used : NULL;

    carver->used += (count * bytes + ALIGN - 1) / ALIGN * ALIGN;
    return piece;
}

static void lay_out(struct carver *carver, struct axi_agent *agent)
{
    const struct axi_agent_config *c = &agent->config;

    carve(carver, 1, sizeof(struct axi_agent));
    agent->request_count = c->slots + 64;
    agent->seen_count = c->slots + 64;
    agent->link_count = c->links + c->managers_max;
    agent->links = carve(carver, agent->link_count, sizeof(*agent->links));
    agent->managers = carve(carver, c->managers_max, sizeof(*agent->managers));
    agent->marks = carve(carver, (size_t)(c->managers_max + 1) * c->slots, sizeof(*agent->marks));
    agent->instances = carve(carver, c->slots, sizeof(*agent->instances));
    agent->migrations = carve(carver, c->migrations, sizeof(*agent->migrations));
    agent->transfers = carve(carver, c->transfers, sizeof(*agent->transfers));
    agent->requests = carve(carver, agent->request_count, sizeof(*agent->requests));
    agent->seen = carve(carver, agent->seen_count, sizeof(*agent->seen));
    agent->demand = carve(carver, c->slots + 1u, sizeof(*agent->demand));
}

/* Buffers behind the rest: they need no clearing, so what is never used takes no memory. */
static void lay_out_buffers(struct carver *carver, struct axi_agent *agent)
{
    const struct axi_agent_config *c = &agent->config;
    uint8_t *frame = carve(carver, 1, AXI_WIRE_FRAME_BYTES_MAX);
    uint8_t *chunk = carve(carver, 1, c->chunk_bytes);
    struct axi_trace *traces = carve(carver, c->trace_records, sizeof(*traces));
    uint8_t *parsers = carve(carver, agent->link_count, AXI_WIRE_FRAME_BYTES_MAX);
    uint8_t *checkpoints = carve(carver, c->migrations + c->transfers, c->checkpoint_bytes_max);

    if (carver->base == NULL) {
        return;
    }
    agent->frame = frame;
    agent->chunk = chunk;
    agent->traces = traces;
    for (uint32_t i = 0; i < agent->link_count; i++) {
        agent->links[i].parser.buffer = parsers + (size_t)i * AXI_WIRE_FRAME_BYTES_MAX;
    }
    for (uint32_t i = 0; i < c->migrations; i++) {
        agent->migrations[i].checkpoint.buffer = checkpoints;
        checkpoints += c->checkpoint_bytes_max;
    }
    for (uint32_t i = 0; i < c->transfers; i++) {
        agent->transfers[i].buffer = checkpoints;
        checkpoints += c->checkpoint_bytes_max;
    }
}

size_t axi_agent_bytes(const struct axi_agent_config *config)
{
    struct axi_agent shape;
    struct carver carver = {0};

    if (!is_config_ok(config)) {
        return 0;
    }
    shape.config = with_defaults(config);
    lay_out(&carver, &shape);
    lay_out_buffers(&carver, &shape);
    return carver.used;
}

struct axi_agent *axi_agent_init(void *memory, const struct axi_agent_config *config,
                                 const struct axi_agent_port *port)
{
    struct axi_agent *agent = memory;
    struct axi_agent shape;
    struct carver counter = {0};
    struct carver carver = {.base = memory};

    if (axi_agent_bytes(config) == 0 || (uintptr_t)memory % ALIGN != 0) {
        return NULL;
    }
    shape.config = with_defaults(config);
    lay_out(&counter, &shape);
    memset(memory, 0, counter.used);
    agent->config = with_defaults(config);
    agent->port = *port;
    lay_out(&carver, agent);
    lay_out_buffers(&carver, agent);
    for (uint32_t i = 0; i < config->slots; i++) {
        agent->instances[i].slot = i;
    }
    axi_masters_init(&agent->masters, agent->config.master_address);
    agent->master = AXI_AGENT_LINK_NONE;
    agent->retry_wait_ns = agent->config.retry_ns;
    agent->heartbeat_ns = HEARTBEAT_NS_DEFAULT;
    agent->keeper = UINT32_MAX;
    axi_managers_init(agent);
    return agent;
}

struct axi_agent_link *axi_agent_find_link(struct axi_agent *agent, uint32_t id)
{
    for (uint32_t i = 0; i < agent->link_count; i++) {
        if (agent->links[i].role != AXI_LINK_FREE && agent->links[i].id == id) {
            return &agent->links[i];
        }
    }
    return NULL;
}

/* Managers have places of their own: whoever connects to this node cannot take them. */
struct axi_agent_link *axi_agent_add_link(struct axi_agent *agent, uint32_t id, uint32_t role)
{
    uint32_t first = role == AXI_LINK_MANAGER ? agent->config.links : 0;
    uint32_t end = role == AXI_LINK_MANAGER ? agent->link_count : agent->config.links;

    for (uint32_t i = first; i < end; i++) {
        struct axi_agent_link *link = &agent->links[i];
        uint8_t *buffer = link->parser.buffer;

        if (link->role == AXI_LINK_FREE) {
            *link = (struct axi_agent_link){.role = role, .id = id, .since_ns = agent->now_ns};
            axi_wire_parser_init(&link->parser, buffer, AXI_WIRE_FRAME_BYTES_MAX);
            return link;
        }
    }
    return NULL;
}

void axi_agent_send(struct axi_agent *agent, uint32_t id, uint32_t type, const void *message)
{
    struct axi_agent_link *link = axi_agent_find_link(agent, id);
    size_t bytes = 0;
    int r;

    if (link == NULL || !link->is_up || link->broken != 0) {
        return;
    }
    r = axi_wire_encode(type, message, NULL, 0, agent->frame, AXI_WIRE_FRAME_BYTES_MAX, &bytes);
    if (r == 0) {
        r = agent->port.send(agent->port.context, id, agent->frame, bytes);
    }
    if (r < 0) {
        link->broken = r;
    }
}

void axi_agent_tell_master(struct axi_agent *agent, uint32_t type, const void *message)
{
    if (agent->join == AXI_JOIN_DONE) {
        axi_agent_send(agent, agent->master, type, message);
    }
}

void axi_agent_answer(struct axi_agent *agent, uint32_t origin, uint32_t type, const void *message)
{
    if (origin == AXI_ORIGIN_MASTER) {
        axi_agent_tell_master(agent, type, message);
    } else if (origin != AXI_ORIGIN_NONE) {
        axi_agent_send(agent, origin, type, message);
    }
}

/* Frees the entry and tells whom it served. */
static void forget_link(struct axi_agent *agent, struct axi_agent_link *link, int code)
{
    uint32_t id = link->id;
    uint32_t role = link->role;
    uint64_t migration = link->migration;
    struct axi_agent_migration *m;

    link->role = AXI_LINK_FREE;
    axi_transfers_link_down(agent, id);
    if (role == AXI_LINK_MASTER) {
        agent->master = AXI_AGENT_LINK_NONE;
        axi_agent_join_down(agent, code);
        return;
    }
    if (role == AXI_LINK_MANAGER) {
        axi_managers_link_down(agent, id, code);
        return;
    }
    m = migration != 0 ? axi_migration_find(agent, migration) : NULL;
    if (m != NULL && m->link == id) {
        m->link = AXI_AGENT_LINK_NONE;
        axi_migration_event(
            agent, m, AXI_ON_LINK_DOWN,
            &(struct axi_migration_input){.code = code, .reason = "peer link lost"});
    }
}

void axi_agent_close_link(struct axi_agent *agent, uint32_t id, int code, const char *reason)
{
    struct axi_agent_link *link = axi_agent_find_link(agent, id);
    axi_Goodbye goodbye = axi_Goodbye_init_zero;

    if (link == NULL) {
        return;
    }
    if (link->is_up && link->broken == 0) {
        goodbye.code = code;
        axi_text_set(goodbye.reason, sizeof(goodbye.reason),
                     reason != NULL ? reason : axi_error_text(code));
        axi_agent_send(agent, id, AXI_WIRE_GOODBYE, &goodbye);
    }
    agent->port.close(agent->port.context, id);
    forget_link(agent, link, code);
}

/* Closes links that broke while an event was handled. */
static void close_broken(struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->link_count; i++) {
        struct axi_agent_link *link = &agent->links[i];

        if (link->role != AXI_LINK_FREE && link->broken != 0) {
            axi_agent_close_link(agent, link->id, link->broken, NULL);
        }
    }
}

static void read_clock(struct axi_agent *agent)
{
    agent->now_ns = agent->port.now_ns(agent->port.context);
}

void axi_agent_link_up(struct axi_agent *agent, uint32_t id, bool incoming)
{
    struct axi_agent_link *link = axi_agent_find_link(agent, id);
    struct axi_agent_migration *m;

    read_clock(agent);
    if (link == NULL && incoming && agent->join != AXI_JOIN_LEFT) {
        link = axi_agent_add_link(agent, id, AXI_LINK_PEER_IN);
    }
    if (link == NULL) {
        agent->port.close(agent->port.context, id);
        return;
    }
    link->is_up = true;
    link->since_ns = agent->now_ns;
    if (link->role == AXI_LINK_MASTER) {
        axi_agent_join_up(agent);
    } else if (link->role == AXI_LINK_MANAGER) {
        axi_managers_link_up(agent, link);
    } else if (link->role == AXI_LINK_PEER_OUT) {
        m = axi_migration_find(agent, link->migration);
        if (m != NULL) {
            axi_migration_event(agent, m, AXI_ON_LINK_UP, &(struct axi_migration_input){0});
        }
    }
    close_broken(agent);
}

void axi_agent_link_down(struct axi_agent *agent, uint32_t id, int code)
{
    struct axi_agent_link *link = axi_agent_find_link(agent, id);

    read_clock(agent);
    if (link != NULL) {
        forget_link(agent, link, code != 0 ? code : -AXC_EUNAVAILABLE);
    }
    close_broken(agent);
}

void axi_agent_link_writable(struct axi_agent *agent, uint32_t id)
{
    (void)id;
    read_clock(agent);
    (void)axi_agent_pump(agent);
    close_broken(agent);
}

/* What each kind of link may carry; everything else ends it. */
static bool is_allowed(const struct axi_agent *agent, const struct axi_agent_link *link,
                       uint32_t type)
{
    if (type == AXI_WIRE_GOODBYE) {
        return true;
    }
    switch (link->role) {
    case AXI_LINK_MASTER:
        if (agent->join == AXI_JOIN_HELLO) {
            return type == AXI_WIRE_HELLO_REPLY;
        }
        return agent->join == AXI_JOIN_DONE &&
               (type == AXI_WIRE_HEARTBEAT_ACK || type == AXI_WIRE_MANAGERS ||
                type == AXI_WIRE_LOAD || type == AXI_WIRE_START ||
                (type >= AXI_WIRE_HALT && type <= AXI_WIRE_TRANSFER) || type == AXI_WIRE_SWITCH ||
                type == AXI_WIRE_DECISION || type == AXI_WIRE_GET_PROFILE ||
                type == AXI_WIRE_TRACE_ACK || type == AXI_WIRE_SET_OUTPUT);
    case AXI_LINK_PEER_IN:
        return link->migration == 0 ? type == AXI_WIRE_PEER_HELLO : type == AXI_WIRE_CHUNK;
    case AXI_LINK_PEER_OUT:
        return type == AXI_WIRE_PEER_REPLY;
    case AXI_LINK_MANAGER:
        return axi_managers_allow(agent, link, type);
    default:
        return false;
    }
}

static void on_goodbye(struct axi_agent *agent, struct axi_agent_link *link,
                       const axi_Goodbye *goodbye)
{
    int code = goodbye->code < 0 ? goodbye->code : -AXC_EUNAVAILABLE;

    axi_log(AXI_LOG_INFO, "goodbye", "link=%u code=%s", link->id, axi_error_name(code));
    link->is_up = false; /* no answer */
    axi_agent_close_link(agent, link->id, code, NULL);
}

static void dispatch(struct axi_agent *agent, struct axi_agent_link *link,
                     const struct axi_wire_frame *frame)
{
    const union axi_wire_message *message = &agent->message;

    switch (frame->type) {
    case AXI_WIRE_HELLO_REPLY:
        axi_agent_on_hello_reply(agent, &message->HelloReply);
        break;
    case AXI_WIRE_HEARTBEAT_ACK:
        axi_agent_on_heartbeat_ack(agent,
                                   link->role == AXI_LINK_MANAGER ? link->id : AXI_ORIGIN_MASTER,
                                   &message->HeartbeatAck);
        break;
    case AXI_WIRE_TRACE_ACK:
        axi_agent_on_trace_ack(agent, &message->TraceAck);
        break;
    case AXI_WIRE_CHUNK:
        axi_agent_on_chunk(agent, link, &message->Chunk, frame->tail, frame->tail_bytes);
        break;
    case AXI_WIRE_PEER_HELLO:
        axi_target_on_peer_hello(agent, link, &message->PeerHello);
        break;
    case AXI_WIRE_PEER_REPLY:
        axi_source_on_peer_reply(agent, link, &message->PeerReply);
        break;
    case AXI_WIRE_TRANSFER:
    case AXI_WIRE_SWITCH:
    case AXI_WIRE_DECISION:
        axi_agent_on_step(agent, frame->type, message);
        break;
    case AXI_WIRE_GOODBYE:
        on_goodbye(agent, link, &message->Goodbye);
        break;
    case AXI_WIRE_MANAGERS:
        axi_managers_on_list(agent, &message->Managers);
        break;
    case AXI_WIRE_MANAGER_REPLY:
        axi_managers_on_reply(agent, link, &message->ManagerReply);
        break;
    case AXI_WIRE_SLOT_READ:
        axi_managers_on_read(agent, link, &message->SlotRead);
        break;
    case AXI_WIRE_ACKS:
        axi_managers_on_acks(agent, link, &message->Acks);
        break;
    case AXI_WIRE_LOAD_QUERY:
        axi_managers_on_query(agent, link, &message->LoadQuery);
        break;
    default:
        axi_agent_on_request(agent, link->role == AXI_LINK_MANAGER ? link->id : AXI_ORIGIN_MASTER,
                             frame->type, message);
        break;
    }
}

/* Handles one frame; a negative result ends the link. */
static int take_frame(struct axi_agent *agent, struct axi_agent_link *link,
                      const struct axi_wire_frame *frame)
{
    int r;

    if (!is_allowed(agent, link, frame->type)) {
        return -AXC_EWIRE_STATE;
    }
    r = axi_wire_decode(frame, &agent->message);
    if (r < 0) {
        return r;
    }
    if (link->role == AXI_LINK_MASTER) {
        agent->heard_ns = agent->now_ns;
    }
    dispatch(agent, link, frame);
    return 0;
}

void axi_agent_link_bytes(struct axi_agent *agent, uint32_t id, const uint8_t *bytes, size_t count)
{
    struct axi_agent_link *link;
    struct axi_wire_frame frame;
    int r;

    read_clock(agent);
    /* A frame may close its own link: look it up each time. */
    while ((link = axi_agent_find_link(agent, id)) != NULL && link->broken == 0) {
        r = axi_wire_feed(&link->parser, &bytes, &count, &frame);
        if (r == 1) {
            r = take_frame(agent, link, &frame);
        } else if (r == 0) {
            break;
        }
        if (r < 0) {
            axi_log(AXI_LOG_WARN, "bad-frame", "link=%u error=%s", id, axi_error_name(r));
            axi_agent_close_link(agent, id, r, NULL);
        }
    }
    (void)axi_agent_pump(agent);
    close_broken(agent);
}

/* Peers that connect and say nothing. */
static uint64_t tick_links(struct axi_agent *agent)
{
    uint64_t next_ns = UINT64_MAX;

    for (uint32_t i = 0; i < agent->config.links; i++) {
        const struct axi_agent_link *link = &agent->links[i];
        uint64_t until_ns = link->since_ns + agent->config.transfer_ns;

        if (link->role != AXI_LINK_PEER_IN || link->migration != 0) {
            continue;
        }
        if (agent->now_ns >= until_ns) {
            axi_agent_close_link(agent, link->id, -AXC_ETIMEOUT, "no PeerHello came");
        } else if (until_ns < next_ns) {
            next_ns = until_ns;
        }
    }
    return next_ns;
}

uint64_t axi_agent_tick(struct axi_agent *agent, uint64_t now_ns)
{
    uint64_t next_ns[7];
    uint64_t earliest_ns = UINT64_MAX;

    agent->now_ns = now_ns;
    axi_agent_clock_tick(agent);
    next_ns[0] = axi_agent_instances_tick(agent);
    next_ns[1] = axi_agent_migrations_tick(agent);
    axi_agent_retry_requests(agent);
    next_ns[2] = tick_links(agent);
    next_ns[3] = axi_managers_tick(agent);
    next_ns[4] = axi_agent_pump(agent);
    close_broken(agent);
    next_ns[5] = axi_agent_join_tick(agent);
    next_ns[6] = axi_agent_keeper_tick(agent);
    close_broken(agent);
    for (size_t i = 0; i < sizeof(next_ns) / sizeof(next_ns[0]); i++) {
        earliest_ns = next_ns[i] < earliest_ns ? next_ns[i] : earliest_ns;
    }
    return earliest_ns;
}

void axi_agent_leave(struct axi_agent *agent, const char *reason)
{
    read_clock(agent);
    agent->join = AXI_JOIN_LEFT;
    for (uint32_t i = 0; i < agent->link_count; i++) {
        if (agent->links[i].role != AXI_LINK_FREE) {
            axi_agent_close_link(agent, agent->links[i].id, 0, reason);
        }
    }
}

void axi_agent_get_status(const struct axi_agent *agent, struct axi_agent_status *ret_status)
{
    struct axi_agent_status status = {
        .joined = agent->join == AXI_JOIN_DONE,
        .join_error = agent->join_error,
        .lease_until_ns = agent->lease_until_ns,
        .master_ns = agent->master_ns,
        .density_ppm = axi_agent_density_ppm(agent),
        .is_kept = agent->join != AXI_JOIN_DONE && axi_agent_has_keeper(agent),
        .is_clocked = agent->clock.is_steering,
        .delta_ns = agent->clock.margin.delta_ns,
    };

    for (uint32_t i = 0; i < agent->config.managers_max; i++) {
        status.managers += agent->managers[i].state == AXI_MANAGER_LINKED;
    }

    status.instances = agent->config.slots - axi_agent_free_slots(agent);
    for (uint32_t i = 0; i < agent->config.migrations; i++) {
        const struct axi_agent_migration *m = &agent->migrations[i];

        status.migrations += m->id != 0 && !axi_migration_is_final(m);
    }
    *ret_status = status;
}
