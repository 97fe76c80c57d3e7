/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out, who handles a message that came in, events. */
#include "cms/internal.h"

#include "base/crc32c.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CHUNK_BYTES 65536u

void axi_cms_send(struct axi_cms *cms, uint64_t link, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    if (link == 0 || cms->is_crashed ||
        axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes) != 0) {
        return;
    }
    cms->port.send(cms->port.context, link, frame, bytes);
}

void axi_cms_send_object(struct axi_cms *cms, uint64_t link, uint64_t transfer, uint32_t kind,
                         const uint8_t *bytes, size_t count)
{
    axi_Chunk chunk = {.transfer = transfer, .kind = kind, .total = count};

    chunk.crc = axi_crc32c(0, bytes, count);
    while (chunk.offset < count && !cms->is_crashed) {
        size_t part = count - chunk.offset < CHUNK_BYTES ? count - chunk.offset : CHUNK_BYTES;
        size_t frame_bytes = 0;

        if (axi_wire_encode(AXI_WIRE_CHUNK, &chunk, bytes + chunk.offset, part, cms->frame,
                            AXI_WIRE_FRAME_BYTES_MAX, &frame_bytes) != 0) {
            return;
        }
        cms->port.send(cms->port.context, link, cms->frame, frame_bytes);
        chunk.offset += part;
    }
}

static uint32_t level_number(const char *level)
{
    return strcmp(level, AXI_ERROR) == 0 ? 2 : strcmp(level, AXI_WARNING) == 0 ? 1 : 0;
}

void axi_cms_event(struct axi_cms *cms, const char *level, const char *type,
                   const struct axi_cms_task *task, const struct axi_cms_node *node,
                   const char *format, ...)
{
    axi_ManagerEvent wire = {.level = level_number(level)};
    char text[AXI_REASON_BYTES];
    va_list arguments;
    json_t *event;

    if (cms->is_crashed) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (cms->has_joined) {
        axi_copy_text(wire.type, sizeof(wire.type), type);
        axi_copy_text(wire.text, sizeof(wire.text), text);
        wire.task_id = task != NULL ? task->record.id : 0;
        wire.node_id = node != NULL ? node->id : 0;
        wire.master_ns = axi_cms_master_now(cms);
        axi_cms_send(cms, cms->master_link, AXI_WIRE_MANAGER_EVENT, &wire);
    }
    if (cms->port.on_event == NULL) {
        return;
    }
    event = json_pack("{s:s, s:s, s:s, s:s}", "type", type, "level", level, "manager",
                      cms->config.name, "text", text);
    if (event == NULL) { /* text that is no UTF-8 */
        event = json_pack("{s:s, s:s, s:s}", "type", type, "level", level, "text", "(unprintable)");
    }
    if (task != NULL) {
        json_object_set_new(event, "task", json_string(task->record.name));
    }
    if (node != NULL) {
        json_object_set_new(event, "node", json_string(node->name));
    }
    cms->port.on_event(cms->port.context, event);
    json_decref(event);
}

static void dispatch_node(struct axi_cms *cms, struct axi_cms_link *link, uint32_t type,
                          const struct axi_wire_frame *frame)
{
    struct axi_cms_node *node = axi_cms_node_find(cms, link->owner);
    const union axi_wire_message *m = &cms->message;

    if (node == NULL || node->link != link->id) {
        return; /* replaced by a newer link */
    }
    switch (type) {
    case AXI_WIRE_NOTICES:
        axi_cms_notices(cms, node, &m->Notices);
        break;
    case AXI_WIRE_SLOT_DATA:
        axi_cms_slot_data(cms, node, &m->SlotData, frame->tail, frame->tail_bytes);
        break;
    case AXI_WIRE_LOAD_REPLY:
        axi_cms_load_reply(cms, node, &m->LoadReply);
        break;
    case AXI_WIRE_REPORT:
        axi_cms_report(node, &m->Report);
        break;
    case AXI_WIRE_HEARTBEAT:
        axi_cms_heartbeat(node, &m->Heartbeat);
        break;
    case AXI_WIRE_RESULT:
        axi_cms_result(cms, node, &m->Result);
        break;
    case AXI_WIRE_IMAGE_NEED:
        axi_cms_image_need(cms, node, &m->ImageNeed);
        break;
    case AXI_WIRE_CHUNK: /* nothing here was asked for */
    case AXI_WIRE_GOODBYE:
        break;
    default:
        axi_cms_link_close(cms, link, -AXC_EWIRE_STATE, "not allowed on a manager link");
        break;
    }
}

static void dispatch_peer(struct axi_cms *cms, struct axi_cms_link *link, uint32_t type)
{
    if (type == AXI_WIRE_MANAGER_REPLY) {
        axi_cms_peer_reply(cms, link, &cms->message.ManagerReply);
    } else if (type == AXI_WIRE_NEWEST_LIST) {
        axi_cms_peer_newest(cms, link, &cms->message.NewestList);
    } else if (type != AXI_WIRE_GOODBYE) {
        axi_cms_link_close(cms, link, -AXC_EWIRE_STATE, "not allowed between managers");
    }
}

void axi_cms_dispatch(struct axi_cms *cms, struct axi_cms_link *link,
                      const struct axi_wire_frame *frame)
{
    int rc = axi_wire_decode(frame, &cms->message);

    if (rc != 0) {
        axi_cms_link_close(cms, link, rc, axi_error_text(rc));
        return;
    }
    switch (link->kind) {
    case AXI_CMS_LINK_NODE:
        dispatch_node(cms, link, frame->type, frame);
        break;
    case AXI_CMS_LINK_PEER:
        dispatch_peer(cms, link, frame->type);
        break;
    case AXI_CMS_LINK_MASTER:
        axi_cms_master_message(cms, frame->type, &cms->message);
        break;
    case AXI_CMS_LINK_NEW:
        if (frame->type == AXI_WIRE_MANAGER_HELLO) {
            axi_cms_node_hello(cms, link, &cms->message.ManagerHello);
        } else if (frame->type == AXI_WIRE_PEER_MANAGER_HELLO) {
            axi_cms_peer_hello(cms, link, &cms->message.PeerManagerHello);
        } else {
            axi_cms_link_close(cms, link, -AXC_EWIRE_STATE, "say ManagerHello first");
        }
        break;
    }
}
