/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out, bulk data in and out, and who handles a message that came in. */
#include "master/internal.h"

#include "base/crc32c.h"
#include "core/trace.h"
#include "master/service/voters.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 65536u
#define INCOMING_MAX (AXC_STATE_BYTES_MAX + 4096u)

void axi_send_link(struct axi_master *m, uint64_t link, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    if (m->is_crashed ||
        axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes) != 0) {
        return;
    }
    m->port.send(m->port.context, link, frame, bytes);
}

bool axi_send(struct axi_master *m, struct axi_node *node, uint32_t type, const void *message)
{
    if (node == NULL || node->link == 0) {
        return false;
    }
    axi_send_link(m, node->link, type, message);
    return true;
}

void axi_forward_chunk(struct axi_master *m, struct axi_node *to, const axi_Chunk *chunk,
                       const void *tail, size_t tail_bytes)
{
    uint8_t *frame;
    size_t bytes = 0;

    if (to == NULL || to->link == 0 || m->is_crashed) {
        return;
    }
    frame = malloc(AXI_WIRE_FRAME_BYTES_MAX);
    if (frame != NULL && axi_wire_encode(AXI_WIRE_CHUNK, chunk, tail, tail_bytes, frame,
                                         AXI_WIRE_FRAME_BYTES_MAX, &bytes) == 0) {
        m->port.send(m->port.context, to->link, frame, bytes);
    }
    free(frame);
}

void axi_send_object(struct axi_master *m, struct axi_node *node, uint64_t transfer, uint32_t kind,
                     const uint8_t *bytes, size_t count)
{
    axi_Chunk chunk = {.transfer = transfer, .kind = kind, .total = count};

    chunk.crc = axi_crc32c(0, bytes, count);
    while (chunk.offset < count) {
        size_t part = count - chunk.offset < CHUNK_BYTES ? count - chunk.offset : CHUNK_BYTES;

        axi_forward_chunk(m, node, &chunk, bytes + chunk.offset, part);
        chunk.offset += part;
    }
}

void axi_send_elf(struct axi_master *m, struct axi_node *node, uint64_t transfer,
                  const uint8_t digest[32])
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    char text[65];

    axi_hex(digest, 32, text);
    if (m->port.get_blob(m->port.context, digest, &bytes, &count) != 0) {
        axi_event(m, AXI_ERROR, "image-missing", NULL, node, "no blob sha256:%s to send", text);
        return;
    }
    axi_send_object(m, node, transfer, AXI_CHUNK_ELF, bytes, count);
    free(bytes);
}

void axi_incoming_clear(struct axi_incoming *incoming)
{
    free(incoming->bytes);
    *incoming = (struct axi_incoming){0};
}

int axi_incoming_take(struct axi_incoming *in, const axi_Chunk *chunk, const void *tail,
                      size_t tail_bytes)
{
    if (chunk->offset == 0) {
        axi_incoming_clear(in);
        if (chunk->total == 0 || chunk->total > INCOMING_MAX) {
            return -AXC_EFULL;
        }
        in->bytes = malloc(chunk->total);
        if (in->bytes == NULL) {
            return -AXC_ENOMEM;
        }
        in->transfer = chunk->transfer;
        in->total = chunk->total;
        in->crc = chunk->crc;
    }
    if (in->bytes == NULL || chunk->transfer != in->transfer || chunk->total != in->total ||
        chunk->offset != in->received || tail_bytes > in->total - in->received) {
        return -AXC_EINVALID;
    }
    memcpy(in->bytes + in->received, tail, tail_bytes);
    in->received += tail_bytes;
    if (in->received < in->total) {
        return 0;
    }
    return axi_crc32c(0, in->bytes, in->total) == in->crc ? 1 : -AXC_ECKPT_CRC;
}

void axi_send_remove(struct axi_master *m, struct axi_node *node, uint64_t task_id, uint64_t epoch,
                     uint64_t request)
{
    axi_Remove message = {.request = request, .task_id = task_id, .epoch = epoch};

    axi_send(m, node, AXI_WIRE_REMOVE, &message);
}

void axi_link_close(struct axi_master *m, struct axi_link *link, int code, const char *reason)
{
    axi_Goodbye message = {.code = code};

    if (link->is_closing || m->is_crashed) {
        return;
    }
    axi_copy_text(message.reason, sizeof(message.reason), reason);
    axi_send_link(m, link->id, AXI_WIRE_GOODBYE, &message);
    link->is_closing = m->has_closing_links = true;
    m->port.close(m->port.context, link->id);
}

static void log_line(struct axi_master *m, struct axi_task *task, struct axi_node *node,
                     const char *text, size_t count)
{
    enum { KEPT = 500 };
    struct axi_log_line *line;

    if (task->log == NULL) {
        task->log = calloc(KEPT, sizeof(*task->log));
        if (task->log == NULL) {
            return;
        }
    }
    if (task->log_count == KEPT) {
        line = &task->log[task->log_start];
        task->log_start = (task->log_start + 1) % KEPT;
        free(line->text);
    } else {
        line = &task->log[(task->log_start + task->log_count++) % KEPT];
    }
    line->number = ++m->log_number;
    axi_copy_text(line->node, sizeof(line->node), node->hello.name);
    line->text = strndup(text, count);
    if (m->port.on_log != NULL && line->text != NULL) {
        m->port.on_log(m->port.context, task->record.name, line->node, line->text);
    }
}

static void take_log(struct axi_master *m, struct axi_node *node, const axi_LogLines *lines,
                     const char *tail, size_t tail_bytes)
{
    struct axi_task *task = axi_task_find(m, lines->task_id);

    while (task != NULL && tail_bytes > 0) {
        const char *end = memchr(tail, '\n', tail_bytes);
        size_t count = end != NULL ? (size_t)(end - tail) : tail_bytes;

        log_line(m, task, node, tail, count);
        count += end != NULL;
        tail += count;
        tail_bytes -= count;
    }
}

static void take_traces(struct axi_master *m, struct axi_node *node, uint64_t first,
                        const uint8_t *tail, size_t tail_bytes)
{
    axi_TraceAck ack = {0};

    if (m->port.on_traces == NULL || tail_bytes % sizeof(struct axi_trace) != 0) {
        axi_event(m, AXI_WARNING, "node-protocol", NULL, node, "trace records nobody asked for");
        return;
    }
    ack.next = m->port.on_traces(m->port.context, node->hello.name, node->id, node->boot_id, first,
                                 tail, tail_bytes / sizeof(struct axi_trace));
    axi_send(m, node, AXI_WIRE_TRACE_ACK, &ack);
}

static void take_image_need(struct axi_master *m, struct axi_node *node, const axi_ImageNeed *need)
{
    for (size_t i = 0; i < m->image_count; i++) {
        for (uint32_t e = 0; e < m->images[i].entry_count; e++) {
            if (memcmp(m->images[i].entries[e].elf_digest, need->digest, 32) == 0) {
                axi_send_elf(m, node, need->request, need->digest);
                return;
            }
        }
    }
    axi_event(m, AXI_WARNING, "image-unknown", NULL, node, "asked for an image nobody deployed");
}

static void dispatch_node(struct axi_master *m, struct axi_node *node, uint32_t type,
                          union axi_wire_message *message, const struct axi_wire_frame *frame)
{
    switch (type) {
    case AXI_WIRE_HEARTBEAT:
        axi_node_heartbeat(m, node, &message->Heartbeat);
        break;
    case AXI_WIRE_REPORT:
        axi_node_report(m, node, &message->Report);
        break;
    case AXI_WIRE_RESULT:
        axi_flow_result(m, node, &message->Result);
        break;
    case AXI_WIRE_IMAGE_NEED:
        take_image_need(m, node, &message->ImageNeed);
        break;
    case AXI_WIRE_CHUNK:
        if (message->Chunk.relay_to != 0) {
            axi_forward_chunk(m, axi_node_find(m, message->Chunk.relay_to), &message->Chunk,
                              frame->tail, frame->tail_bytes);
        } else {
            axi_flow_chunk(m, node, &message->Chunk, frame->tail, frame->tail_bytes);
        }
        break;
    case AXI_WIRE_PROGRESS:
        axi_migrate_progress(m, node, &message->Progress);
        break;
    case AXI_WIRE_QUERY_DECISION:
        axi_migrate_query(m, node, &message->QueryDecision);
        break;
    case AXI_WIRE_NODE_EVENT:
        axi_recover_event(m, node, &message->NodeEvent);
        break;
    case AXI_WIRE_HISTOGRAM:
        axi_recover_histogram(m, node, &message->Histogram);
        break;
    case AXI_WIRE_LOG_LINES:
        take_log(m, node, &message->LogLines, (const char *)frame->tail, frame->tail_bytes);
        break;
    case AXI_WIRE_TRACE_RECORDS:
        take_traces(m, node, message->TraceRecords.first, frame->tail, frame->tail_bytes);
        break;
    case AXI_WIRE_PROFILE_DATA:
        axi_profile_data(m, node, &message->ProfileData);
        break;
    case AXI_WIRE_OFFLOAD_REQUEST:
        axi_offload_request(m, node, &message->OffloadRequest);
        break;
    case AXI_WIRE_GOODBYE:
        axi_event(m, AXI_INFO, "node-goodbye", NULL, node, "%s", message->Goodbye.reason);
        break;
    default:
        axi_event(m, AXI_WARNING, "node-protocol", NULL, node, "unexpected message %s",
                  axi_wire_type_name(type));
        break;
    }
}

void axi_dispatch(struct axi_master *m, struct axi_link *link, const struct axi_wire_frame *frame)
{
    union axi_wire_message *message = &m->message;
    struct axi_node *node = link->node;
    int rc = axi_wire_decode(frame, message);

    if (rc != 0) {
        axi_link_close(m, link, rc, axi_error_text(rc));
    } else if (link->manager != 0) {
        axi_manager_message(m, link, frame, message);
    } else if (link->voter != 0) {
        axi_voter_message(m, link, frame->type, message);
    } else if (frame->type == AXI_WIRE_HELLO && link->node == NULL) {
        axi_node_hello(m, link, &message->Hello);
    } else if (frame->type == AXI_WIRE_MANAGER_JOIN && link->node == NULL) {
        axi_manager_join(m, link, &message->ManagerJoin);
    } else if (frame->type == AXI_WIRE_VOTER_JOIN && link->node == NULL) {
        axi_voter_join(m, link, &message->VoterJoin);
    } else if (node == NULL || node->link != link->id) {
        axi_link_close(m, link, -AXC_EWIRE_STATE, "say Hello first");
    } else {
        dispatch_node(m, node, frame->type, message, frame);
    }
}
