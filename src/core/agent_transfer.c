/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk data: images into the cache, checkpoints into buffers, both as Chunks in order. Sending
 * stops while the port has no room (back-pressure) and goes on at the next pump. */
#include "core/agent_internal.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/log.h"

#include <string.h>

#define CHUNKS_PER_PUMP 16u /* of one transfer, so that others and timers have their turn */

void axi_transfer_reset(struct axi_agent *agent, struct axi_agent_transfer *transfer)
{
    uint8_t *buffer = transfer->buffer;

    if (transfer->has_handle) {
        agent->port.image_abort(agent->port.context, transfer->handle);
    }
    *transfer = (struct axi_agent_transfer){.buffer = buffer};
}

int axi_transfer_send_buffer(struct axi_agent *agent, struct axi_agent_transfer *transfer,
                             uint32_t link, uint64_t id, uint32_t kind, size_t bytes,
                             uint64_t relay_to)
{
    axi_transfer_reset(agent, transfer);
    transfer->state = AXI_TRANSFER_SENDING;
    transfer->kind = kind;
    transfer->id = id;
    transfer->link = link;
    transfer->total = bytes;
    transfer->crc = axi_crc32c(0, transfer->buffer, bytes);
    transfer->relay_to = relay_to;
    transfer->last_ns = agent->now_ns;
    return 0;
}

/* The image's CRC is needed in the first chunk, so it is read twice. */
int axi_transfer_send_image(struct axi_agent *agent, struct axi_agent_transfer *transfer,
                            uint32_t link, uint64_t id, const uint8_t *digest, uint64_t relay_to)
{
    uint64_t total = 0;
    uint64_t offset = 0;
    uint32_t crc = 0;

    if (!agent->port.image_has(agent->port.context, digest, &total) || total == 0) {
        return -AXC_ENOENT;
    }
    while (offset < total) {
        size_t bytes = total - offset < agent->config.chunk_bytes ? (size_t)(total - offset)
                                                                  : agent->config.chunk_bytes;
        int r = agent->port.image_read(agent->port.context, digest, offset, agent->chunk, bytes);

        if (r < 0) {
            return r;
        }
        crc = axi_crc32c(crc, agent->chunk, bytes);
        offset += bytes;
    }
    axi_transfer_reset(agent, transfer);
    transfer->state = AXI_TRANSFER_SENDING;
    transfer->kind = AXI_CHUNK_ELF;
    transfer->id = id;
    transfer->link = link;
    transfer->total = total;
    transfer->crc = crc;
    transfer->relay_to = relay_to;
    transfer->last_ns = agent->now_ns;
    memcpy(transfer->digest, digest, AXI_AGENT_DIGEST_BYTES);
    return 0;
}

/* Sends the next chunk: 1 sent, 0 no room now, negative when the object or link is beyond use. */
static int send_chunk(struct axi_agent *agent, struct axi_agent_transfer *t)
{
    uint64_t left = t->total - t->offset;
    size_t count = left < agent->config.chunk_bytes ? (size_t)left : agent->config.chunk_bytes;
    const uint8_t *data = agent->chunk;
    size_t bytes = 0;
    axi_Chunk chunk = {.transfer = t->id,
                       .kind = t->kind,
                       .offset = t->offset,
                       .total = t->total,
                       .crc = t->crc,
                       .relay_to = t->relay_to};
    int r = 0;

    if (agent->port.send_room(agent->port.context, t->link) <
        AXI_WIRE_HEADER_BYTES + axi_Chunk_size + count) {
        return 0;
    }
    if (t->kind == AXI_CHUNK_ELF) {
        r = agent->port.image_read(agent->port.context, t->digest, t->offset, agent->chunk, count);
    } else {
        data = t->buffer + t->offset;
    }
    if (r == 0) {
        r = axi_wire_encode(AXI_WIRE_CHUNK, &chunk, data, count, agent->frame,
                            AXI_WIRE_FRAME_BYTES_MAX, &bytes);
    }
    if (r == 0) {
        r = agent->port.send(agent->port.context, t->link, agent->frame, bytes);
    }
    if (r < 0) {
        return r;
    }
    t->offset += count;
    t->last_ns = agent->now_ns;
    return 1;
}

/* 1: just finished; 0: goes on later. *want is set when it could go on at once. */
static int pump_one(struct axi_agent *agent, struct axi_agent_transfer *t, bool *want)
{
    struct axi_agent_link *link = axi_agent_find_link(agent, t->link);

    if (link == NULL || link->broken != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < CHUNKS_PER_PUMP; i++) {
        int r = send_chunk(agent, t);

        if (r <= 0) {
            link->broken = r;
            return 0;
        }
        if (t->offset == t->total) {
            axi_transfer_reset(agent, t);
            return 1;
        }
    }
    *want = true;
    return 0;
}

static void pump_migration(struct axi_agent *agent, struct axi_agent_migration *m, bool *want)
{
    struct axi_agent_transfer *both[2] = {&m->image, &m->checkpoint};

    for (size_t k = 0; k < 2; k++) {
        if (m->id != 0 && both[k]->state == AXI_TRANSFER_SENDING &&
            pump_one(agent, both[k], want) == 1) {
            axi_migration_event(agent, m, AXI_ON_SENT, &(struct axi_migration_input){0});
            *want = true;
        }
    }
}

uint64_t axi_agent_pump(struct axi_agent *agent)
{
    bool want = false;

    for (uint32_t i = 0; i < agent->config.migrations; i++) {
        pump_migration(agent, &agent->migrations[i], &want);
    }
    for (uint32_t i = 0; i < agent->config.transfers; i++) {
        struct axi_agent_transfer *t = &agent->transfers[i];
        uint64_t id = t->id;

        if (t->state == AXI_TRANSFER_SENDING && pump_one(agent, t, &want) == 1) {
            axi_request_sent(agent, id);
        }
    }
    want |= axi_managers_pump(agent);
    return want ? agent->now_ns : UINT64_MAX;
}

struct axi_agent_transfer *axi_agent_find_transfer(struct axi_agent *agent, uint64_t id)
{
    for (uint32_t i = 0; i < agent->config.transfers; i++) {
        if (agent->transfers[i].state != AXI_TRANSFER_IDLE && agent->transfers[i].id == id) {
            return &agent->transfers[i];
        }
    }
    return NULL;
}

/* An idle one, or one whose checkpoint nobody asked for in time. */
struct axi_agent_transfer *axi_agent_take_transfer(struct axi_agent *agent)
{
    for (uint32_t i = 0; i < agent->config.transfers; i++) {
        struct axi_agent_transfer *t = &agent->transfers[i];

        if (t->state == AXI_TRANSFER_IDLE) {
            return t;
        }
        if (t->state != AXI_TRANSFER_SENDING &&
            agent->now_ns >= t->last_ns + agent->config.transfer_ns) {
            axi_transfer_reset(agent, t);
            return t;
        }
    }
    return NULL;
}

static int begin(struct axi_agent *agent, struct axi_agent_transfer *t, const axi_Chunk *chunk,
                 const uint8_t *digest)
{
    int r = 0;

    axi_transfer_reset(agent, t);
    t->state = AXI_TRANSFER_RECEIVING;
    t->id = chunk->transfer;
    t->kind = chunk->kind;
    t->total = chunk->total;
    t->crc = chunk->crc;
    if (digest != NULL) {
        memcpy(t->digest, digest, AXI_AGENT_DIGEST_BYTES);
        r = agent->port.image_open(agent->port.context, digest, chunk->total, &t->handle);
        t->has_handle = r == 0;
    }
    return r;
}

static int finish(struct axi_agent *agent, struct axi_agent_transfer *t)
{
    if (t->crc_so_far != t->crc) {
        return -AXC_EWIRE_OBJECT_CRC;
    }
    t->state = AXI_TRANSFER_DONE;
    if (!t->has_handle) {
        return 1;
    }
    t->has_handle = false;
    return agent->port.image_commit(agent->port.context, t->handle) < 0 ? -AXC_EIMAGE_DIGEST : 1;
}

/* Takes one chunk: 1 when the object is whole, 0 when more is to come, negative when it is wrong.
 * limit bounds the object; digest is that of the image, NULL for checkpoints. */
static int receive(struct axi_agent *agent, struct axi_agent_transfer *t, const axi_Chunk *chunk,
                   const uint8_t *tail, size_t tail_bytes, uint64_t limit, const uint8_t *digest)
{
    int r = 0;

    if (chunk->total == 0 || chunk->total > limit) {
        return -AXC_EWIRE_OBJECT;
    }
    if (tail_bytes == 0 || !axi_range_ok(chunk->total, chunk->offset, tail_bytes)) {
        return -AXC_EWIRE_CHUNK;
    }
    if (chunk->offset == 0) {
        r = begin(agent, t, chunk, digest);
    } else if (t->state != AXI_TRANSFER_RECEIVING || t->offset != chunk->offset ||
               t->total != chunk->total || t->crc != chunk->crc || t->kind != chunk->kind) {
        r = -AXC_EWIRE_CHUNK;
    }
    if (r < 0) {
        return r;
    }
    if (digest != NULL) {
        r = agent->port.image_write(agent->port.context, t->handle, chunk->offset, tail,
                                    tail_bytes);
        if (r < 0) {
            return r;
        }
    } else {
        memcpy(t->buffer + chunk->offset, tail, tail_bytes);
    }
    t->crc_so_far = axi_crc32c(t->crc_so_far, tail, tail_bytes);
    t->offset += tail_bytes;
    t->last_ns = agent->now_ns;
    return t->offset == t->total ? finish(agent, t) : 0;
}

static struct axi_agent_instance *find_fetching(struct axi_agent *agent, uint64_t id)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_instance *instance = &agent->instances[i];

        if (instance->phase == AXI_INSTANCE_FETCHING && instance->fetch_id == id) {
            return instance;
        }
    }
    return NULL;
}

static void on_image_chunk(struct axi_agent *agent, struct axi_agent_link *link,
                           const axi_Chunk *chunk, const uint8_t *tail, size_t tail_bytes)
{
    struct axi_agent_instance *instance = find_fetching(agent, chunk->transfer);
    struct axi_agent_migration *m = axi_migration_find(agent, chunk->transfer);
    int r;

    if (instance == NULL) {
        return; /* it was here already, or nobody waits any more */
    }
    instance->image.link = link->id;
    r = receive(agent, &instance->image, chunk, tail, tail_bytes, instance->spec.elf_bytes,
                instance->spec.elf_digest);
    instance->image.link = link->id;
    if (m != NULL) {
        m->since_ns = agent->now_ns;
    }
    if (r == 1) {
        axi_instance_image_here(agent, instance);
    } else if (r < 0) {
        axi_instance_fail(agent, instance, r, NULL);
    }
}

static void on_migration_chunk(struct axi_agent *agent, struct axi_agent_migration *m,
                               struct axi_agent_link *link, const axi_Chunk *chunk,
                               const uint8_t *tail, size_t tail_bytes)
{
    uint32_t event = chunk->kind == AXI_CHUNK_CHECKPOINT ? AXI_ON_CHECKPOINT : AXI_ON_FINAL;
    int r;

    if (axi_migration_is_source(m) || axi_migration_is_final(m)) {
        return;
    }
    r = receive(agent, &m->checkpoint, chunk, tail, tail_bytes, agent->config.checkpoint_bytes_max,
                NULL);
    m->checkpoint.link = link->id;
    m->since_ns = agent->now_ns;
    if (r == 1) {
        axi_migration_event(agent, m, event, &(struct axi_migration_input){0});
    } else if (r < 0) {
        axi_migration_event(agent, m, AXI_ON_STOPPED, &(struct axi_migration_input){.code = r});
    }
}

/* A checkpoint for a Start that follows. */
static void on_start_chunk(struct axi_agent *agent, struct axi_agent_link *link,
                           const axi_Chunk *chunk, const uint8_t *tail, size_t tail_bytes)
{
    struct axi_agent_transfer *t = axi_agent_find_transfer(agent, chunk->transfer);
    int r;

    if (t == NULL && chunk->offset == 0) {
        t = axi_agent_take_transfer(agent);
    }
    if (t == NULL || t->state == AXI_TRANSFER_SENDING) {
        return; /* the Start will say that there is no checkpoint */
    }
    r = receive(agent, t, chunk, tail, tail_bytes, agent->config.checkpoint_bytes_max, NULL);
    t->link = link->id;
    if (r < 0) {
        axi_log(AXI_LOG_WARN, "bad-chunk", "error=%s", axi_error_name(r));
        axi_transfer_reset(agent, t);
    }
}

void axi_agent_on_chunk(struct axi_agent *agent, struct axi_agent_link *link,
                        const axi_Chunk *chunk, const uint8_t *tail, size_t tail_bytes)
{
    struct axi_agent_migration *m = axi_migration_find(agent, chunk->transfer);

    if (link->role == AXI_LINK_PEER_IN && chunk->transfer != link->migration) {
        axi_agent_close_link(agent, link->id, -AXC_EWIRE_CHUNK, "not the agreed migration");
        return;
    }
    switch (chunk->kind) {
    case AXI_CHUNK_ELF:
        on_image_chunk(agent, link, chunk, tail, tail_bytes);
        break;
    case AXI_CHUNK_CHECKPOINT:
    case AXI_CHUNK_FINAL_CHECKPOINT:
        if (m != NULL && link->role != AXI_LINK_MANAGER) {
            on_migration_chunk(agent, m, link, chunk, tail, tail_bytes);
        } else if (m == NULL && link->role != AXI_LINK_PEER_IN) {
            on_start_chunk(agent, link, chunk, tail, tail_bytes);
        }
        break;
    default:
        axi_agent_close_link(agent, link->id, -AXC_EWIRE_CHUNK, "unknown kind of chunk");
        break;
    }
}

/* Relayed migrations have no peer link: the master link carries their chunks. */
static void migration_link_down(struct axi_agent *agent, struct axi_agent_migration *m,
                                uint32_t link)
{
    bool was_sending = false;
    struct axi_agent_transfer *both[2] = {&m->image, &m->checkpoint};

    for (size_t k = 0; k < 2; k++) {
        if (both[k]->link == link &&
            (both[k]->state == AXI_TRANSFER_SENDING || both[k]->state == AXI_TRANSFER_RECEIVING)) {
            was_sending |= both[k]->state == AXI_TRANSFER_SENDING;
            axi_transfer_reset(agent, both[k]);
        }
    }
    if (was_sending && m->is_relayed) {
        axi_migration_event(agent, m, AXI_ON_LINK_DOWN,
                            &(struct axi_migration_input){.code = -AXC_EUNAVAILABLE,
                                                          .reason = "link to the relay lost"});
    }
}

void axi_transfers_link_down(struct axi_agent *agent, uint32_t link)
{
    for (uint32_t i = 0; i < agent->config.slots; i++) {
        struct axi_agent_transfer *t = &agent->instances[i].image;

        if (t->state == AXI_TRANSFER_RECEIVING && t->link == link) {
            axi_transfer_reset(agent, t);
            t->state = AXI_TRANSFER_EXPECTED;
            t->last_ns = agent->now_ns;
        }
    }
    for (uint32_t i = 0; i < agent->config.transfers; i++) {
        struct axi_agent_transfer *t = &agent->transfers[i];

        if (t->state == AXI_TRANSFER_SENDING && t->link == link) {
            axi_request_unsent(agent, t->id);
        }
        if (t->state != AXI_TRANSFER_IDLE && t->link == link) {
            axi_transfer_reset(agent, t);
        }
    }
    for (uint32_t i = 0; i < agent->config.migrations; i++) {
        if (agent->migrations[i].id != 0) {
            migration_link_down(agent, &agent->migrations[i], link);
        }
    }
}
