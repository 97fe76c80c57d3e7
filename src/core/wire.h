/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the node protocol over a byte stream (docs/formats/wire.md has the byte table):
 *
 *     magic "AX" | version | flags | type u16 | body_bytes u16 | tail_bytes u32 | crc32c u32
 *     body: the protobuf message of `type`          tail: raw bytes (types with has_tail)
 *
 * The CRC covers header bytes 0..11, body and tail. Freestanding; nothing is allocated; a parser
 * belongs to one stream and one thread. */
#ifndef AXI_CORE_WIRE_H
#define AXI_CORE_WIRE_H

#include "base/error.h"
#include "core/wire.pb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_WIRE_VERSION 1u
#define AXI_WIRE_HEADER_BYTES 16u
#define AXI_WIRE_BODY_BYTES_MAX 4096u
#define AXI_WIRE_TAIL_BYTES_MAX 65536u
#define AXI_WIRE_FRAME_BYTES_MAX                                                                   \
    (AXI_WIRE_HEADER_BYTES + AXI_WIRE_BODY_BYTES_MAX + AXI_WIRE_TAIL_BYTES_MAX)
/* A frame without tail. */
#define AXI_WIRE_CONTROL_BYTES_MAX (AXI_WIRE_HEADER_BYTES + AXI_WIRE_BODY_BYTES_MAX)

/* X(NAME, number, Message, has_tail). The numbers are on the wire: append only. */
#define AXI_WIRE_LIST(X)                                                                           \
    X(HELLO, 1, Hello, 0)                                                                          \
    X(HELLO_REPLY, 2, HelloReply, 0)                                                               \
    X(HEARTBEAT, 3, Heartbeat, 0)                                                                  \
    X(HEARTBEAT_ACK, 4, HeartbeatAck, 0)                                                           \
    X(REPORT, 5, Report, 0)                                                                        \
    X(RESULT, 6, Result, 0)                                                                        \
    X(LOAD, 7, Load, 0)                                                                            \
    X(IMAGE_NEED, 8, ImageNeed, 0)                                                                 \
    X(START, 9, Start, 0)                                                                          \
    X(HALT, 10, Halt, 0)                                                                           \
    X(REMOVE, 11, Remove, 0)                                                                       \
    X(RESUME, 12, Resume, 0)                                                                       \
    X(GET_CHECKPOINT, 13, GetCheckpoint, 0)                                                        \
    X(CHUNK, 14, Chunk, 1)                                                                         \
    X(MIGRATE_IN, 15, MigrateIn, 0)                                                                \
    X(MIGRATE_OUT, 16, MigrateOut, 0)                                                              \
    X(TRANSFER, 17, Transfer, 0)                                                                   \
    X(PEER_HELLO, 18, PeerHello, 0)                                                                \
    X(PEER_REPLY, 19, PeerReply, 0)                                                                \
    X(SWITCH, 20, Switch, 0)                                                                       \
    X(PROGRESS, 21, Progress, 0)                                                                   \
    X(DECISION, 22, Decision, 0)                                                                   \
    X(QUERY_DECISION, 23, QueryDecision, 0)                                                        \
    X(NODE_EVENT, 24, NodeEvent, 0)                                                                \
    X(LOG_LINES, 25, LogLines, 1)                                                                  \
    X(GET_PROFILE, 26, GetProfile, 0)                                                              \
    X(PROFILE_DATA, 27, ProfileData, 0)                                                            \
    X(GOODBYE, 28, Goodbye, 0)                                                                     \
    X(MANAGERS, 29, Managers, 0)                                                                   \
    X(MANAGER_HELLO, 30, ManagerHello, 0)                                                          \
    X(MANAGER_REPLY, 31, ManagerReply, 0)                                                          \
    X(NOTICES, 32, Notices, 0)                                                                     \
    X(SLOT_READ, 33, SlotRead, 0)                                                                  \
    X(SLOT_DATA, 34, SlotData, 1)                                                                  \
    X(ACKS, 35, Acks, 0)                                                                           \
    X(LOAD_QUERY, 36, LoadQuery, 0)                                                                \
    X(LOAD_REPLY, 37, LoadReply, 0)                                                                \
    X(PEER_MANAGER_HELLO, 38, PeerManagerHello, 0)                                                 \
    X(NEWEST_LIST, 39, NewestList, 0)                                                              \
    X(MANAGER_JOIN, 40, ManagerJoin, 0)                                                            \
    X(MANAGER_EVENT, 41, ManagerEvent, 0)                                                          \
    X(MANAGER_STATUS, 42, ManagerStatus, 0)                                                        \
    X(MANAGER_STATUS_ACK, 43, ManagerStatusAck, 0)                                                 \
    X(OFFLOAD_REQUEST, 44, OffloadRequest, 0)                                                      \
    X(TRACE_RECORDS, 45, TraceRecords, 1)                                                          \
    X(TRACE_ACK, 46, TraceAck, 0)                                                                  \
    X(HISTOGRAM, 47, Histogram, 0)                                                                 \
    X(VOTER_JOIN, 48, VoterJoin, 0)                                                                \
    X(VOTE_GROUP, 49, VoteGroup, 0)                                                                \
    X(VOTE_REPORT, 50, VoteReport, 0)                                                              \
    X(SET_OUTPUT, 51, SetOutput, 0)

enum axi_wire_type {
#define AXI_WIRE_ENUM(name, number, message, has_tail) AXI_WIRE_##name = number,
    AXI_WIRE_LIST(AXI_WIRE_ENUM)
#undef AXI_WIRE_ENUM
        AXI_WIRE_TYPE_END
};

/* Room for any message; the member's name is the message's type: message.Hello. */
union axi_wire_message {
#define AXI_WIRE_MEMBER(name, number, message, has_tail) axi_##message message;
    AXI_WIRE_LIST(AXI_WIRE_MEMBER)
#undef AXI_WIRE_MEMBER
};

/* Hello.features: what the node can do. HelloReply.features: what the master wants done. */
#define AXI_FEATURE_TRACE UINT64_C(0x1)     /* TraceRecords */
#define AXI_FEATURE_HISTOGRAM UINT64_C(0x2) /* Histogram */

/* Chunk.kind */
enum axi_wire_chunk_kind {
    AXI_CHUNK_ELF = 1,
    AXI_CHUNK_CHECKPOINT = 2,
    AXI_CHUNK_FINAL_CHECKPOINT = 3,
};

/* Progress.phase */
enum axi_wire_phase {
    AXI_PHASE_READY = 1,
    AXI_PHASE_STANDBY = 2,
    AXI_PHASE_FROZEN = 3,
    AXI_PHASE_PREPARED = 4,
    AXI_PHASE_ACTIVATED = 5,
    AXI_PHASE_CONFIRMED = 6,
    AXI_PHASE_FAILED = 7,
    AXI_PHASE_RESUMED = 8,
};

/* Message name for logs; "UNKNOWN" for unknown types. Static storage. */
const char *axi_wire_type_name(uint32_t type);

/* Encodes one frame into `buffer`. `message` is the struct of `type` (axi_Hello for
 * AXI_WIRE_HELLO). -AXC_EWIRE_TYPE, -AXC_EWIRE_TAIL (this type has none, or too long),
 * -AXC_EWIRE_BODY (a field is out of its bounds), -AXC_EFULL (capacity). */
AXC_MUST_USE int axi_wire_encode(uint32_t type, const void *message, const void *tail,
                                 size_t tail_bytes, uint8_t *buffer, size_t capacity,
                                 size_t *ret_bytes);

/* One whole, checked frame; borrows from the parser's buffer until the next feed. */
struct axi_wire_frame {
    uint32_t type; /* a known enum axi_wire_type */
    const uint8_t *body;
    size_t body_bytes;
    const uint8_t *tail;
    size_t tail_bytes;
};

struct axi_wire_parser {
    uint8_t *buffer; /* borrowed for the parser's life */
    size_t capacity;
    size_t fill;
    size_t frame_bytes; /* whole length once the header is there, else 0 */
    int error;          /* sticky: a broken stream stays broken */
};

/* `buffer` of AXI_WIRE_FRAME_BYTES_MAX takes every frame; a smaller one (at least
 * AXI_WIRE_CONTROL_BYTES_MAX) refuses longer ones with -AXC_EWIRE_LENGTH. */
void axi_wire_parser_init(struct axi_wire_parser *parser, uint8_t *buffer, size_t capacity);

/* Takes bytes from *bytes (advancing *bytes and *count) until one frame is whole or all are taken.
 * Returns 1 with *ret_frame set, 0 when more bytes are needed, or a negative error; the header is
 * judged as soon as its 16 bytes are there. Errors, in order of the checks:
 * -AXC_EWIRE_{MAGIC,VERSION,FLAGS,TYPE,LENGTH (body, or frame beyond capacity),TAIL,CRC}. After an
 * error every call returns the same one. Call again while it returns 1. */
AXC_MUST_USE int axi_wire_feed(struct axi_wire_parser *parser, const uint8_t **bytes, size_t *count,
                               struct axi_wire_frame *ret_frame);

/* Decodes the frame's body into the struct of its type; -AXC_EWIRE_BODY. Unknown fields are skipped
 * (they come from a younger peer); absent ones are zero. */
AXC_MUST_USE int axi_wire_decode(const struct axi_wire_frame *frame, union axi_wire_message *ret);

#endif
