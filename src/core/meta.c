/* SPDX-License-Identifier: Apache-2.0 */
#include "core/meta.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <string.h>

#define MAGIC 0x4e545841u /* "AXTN" */
#define VERSION 1u
#define RESTART_LIMIT_DEFAULT 3u
#define STACK_BYTES_MIN 1024u

enum offset {
    OFFSET_MAGIC = 0,
    OFFSET_VERSION = 4,
    OFFSET_BYTES = 6,
    OFFSET_ABI = 8,
    OFFSET_NAME = 12,
    OFFSET_STATE_BYTES = 44,
    OFFSET_STATE_VERSION = 48,
    OFFSET_SCHEMA = 52,
    OFFSET_PERIOD = 84,
    OFFSET_DEADLINE = 88,
    OFFSET_CRITICALITY = 92,
    OFFSET_NEEDS = 96,
    OFFSET_STACK = 100,
    OFFSET_JOBS = 104,
    OFFSET_OVERRUN = 112,
    OFFSET_FAULT = 116,
    OFFSET_RESTART = 120,
    OFFSET_EVERY = 124,
    OFFSET_WCET = 128,
    OFFSET_RESERVED = 240,
    OFFSET_CRC = 244
};
#define WCET_BYTES (AXC_PLATFORM_BYTES + 4u)

_Static_assert(OFFSET_NAME + AXC_NAME_BYTES == OFFSET_STATE_BYTES, "layout");
_Static_assert(OFFSET_SCHEMA + AXI_SCHEMA_HASH_BYTES == OFFSET_PERIOD, "layout");
_Static_assert(OFFSET_WCET + AXC_WCET_MAX * WCET_BYTES == OFFSET_RESERVED, "layout");
_Static_assert(OFFSET_CRC + 4 == AXI_META_BYTES, "layout");

_Static_assert(sizeof(struct axi_task_meta) == 232, "no padding");

void axi_meta_set_defaults(struct axi_task_meta *meta)
{
    meta->abi = meta->abi == 0 ? AXC_ABI : meta->abi;
    meta->stack_bytes = meta->stack_bytes == 0 ? AXC_STACK_BYTES_DEFAULT : meta->stack_bytes;
    meta->restart_limit = meta->restart_limit == 0 ? RESTART_LIMIT_DEFAULT : meta->restart_limit;
    meta->checkpoint_every = meta->checkpoint_every == 0 ? 1 : meta->checkpoint_every;
}

/* [a-z0-9-] and what `extra` allows, starting with a letter, ended by a NUL within `bytes`. */
static bool is_word(const char *text, size_t bytes, char extra)
{
    size_t length = 0;

    for (; length < bytes && text[length] != '\0'; length++) {
        char c = text[length];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_inner = (c >= '0' && c <= '9') || c == '-' || c == extra;

        if (!is_letter && (length == 0 || !is_inner)) {
            return false;
        }
    }
    return length > 0 && length < bytes;
}

bool axi_meta_is_name(const char *name)
{
    return is_word(name, AXC_NAME_BYTES, '-');
}

static bool is_wcet_unused(const struct axc_wcet *wcet)
{
    return wcet->platform[0] == '\0' && wcet->wcet_us == 0;
}

static int check_wcets(const struct axi_task_meta *meta)
{
    for (uint32_t i = 0; i < AXC_WCET_MAX; i++) {
        const struct axc_wcet *wcet = &meta->wcet[i];

        if (is_wcet_unused(wcet)) {
            continue;
        }
        if (!is_word(wcet->platform, AXC_PLATFORM_BYTES, '_') || wcet->wcet_us == 0) {
            return -AXC_EMETA_WCET;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(meta->wcet[k].platform, wcet->platform) == 0) {
                return -AXC_EMETA_WCET;
            }
        }
    }
    return 0;
}

int axi_meta_check(const struct axi_task_meta *meta)
{
    if (meta->abi == 0 || meta->abi > AXC_ABI) {
        return -AXC_EMETA_ABI;
    }
    if (!axi_meta_is_name(meta->name)) {
        return -AXC_EMETA_NAME;
    }
    if (meta->state_bytes == 0 || meta->state_bytes > AXC_STATE_BYTES_MAX) {
        return -AXC_EMETA_STATE_BYTES;
    }
    if (meta->deadline_us == 0 || meta->deadline_us > meta->period_us) {
        return -AXC_EMETA_PARAM; /* also a period of 0 */
    }
    if (meta->criticality > AXI_META_CRITICALITY_MAX) {
        return -AXC_EMETA_CRITICALITY;
    }
    if (meta->stack_bytes < STACK_BYTES_MIN || meta->stack_bytes > AXC_STACK_BYTES_MAX) {
        return -AXC_EMETA_STACK;
    }
    if (meta->overrun_policy > AXC_POLICY_STOP || meta->fault_policy > AXC_POLICY_STOP) {
        return -AXC_EMETA_POLICY;
    }
    return check_wcets(meta);
}

/* Copies a NUL-terminated text and clears what follows it. */
static void put_text(uint8_t *to, const char *text, size_t bytes)
{
    size_t length = strnlen(text, bytes);

    memcpy(to, text, length);
    memset(to + length, 0, bytes - length);
}

int axi_meta_encode(const struct axi_task_meta *meta, uint8_t *buffer, size_t capacity,
                    size_t *ret_bytes)
{
    struct axi_task_meta m = *meta;
    int r;

    axi_meta_set_defaults(&m);
    r = axi_meta_check(&m);
    if (r < 0) {
        return r;
    }
    if (capacity < AXI_META_BYTES) {
        return -AXC_EFULL;
    }
    memset(buffer, 0, AXI_META_BYTES);
    axi_put_le32(buffer + OFFSET_MAGIC, MAGIC);
    axi_put_le16(buffer + OFFSET_VERSION, VERSION);
    axi_put_le16(buffer + OFFSET_BYTES, AXI_META_BYTES);
    axi_put_le32(buffer + OFFSET_ABI, m.abi);
    put_text(buffer + OFFSET_NAME, m.name, AXC_NAME_BYTES);
    axi_put_le32(buffer + OFFSET_STATE_BYTES, m.state_bytes);
    axi_put_le32(buffer + OFFSET_STATE_VERSION, m.state_version);
    memcpy(buffer + OFFSET_SCHEMA, m.schema_hash, AXI_SCHEMA_HASH_BYTES);
    axi_put_le32(buffer + OFFSET_PERIOD, m.period_us);
    axi_put_le32(buffer + OFFSET_DEADLINE, m.deadline_us);
    axi_put_le32(buffer + OFFSET_CRITICALITY, m.criticality);
    axi_put_le32(buffer + OFFSET_NEEDS, m.needs);
    axi_put_le32(buffer + OFFSET_STACK, m.stack_bytes);
    axi_put_le64(buffer + OFFSET_JOBS, m.jobs);
    axi_put_le32(buffer + OFFSET_OVERRUN, m.overrun_policy);
    axi_put_le32(buffer + OFFSET_FAULT, m.fault_policy);
    axi_put_le32(buffer + OFFSET_RESTART, m.restart_limit);
    axi_put_le32(buffer + OFFSET_EVERY, m.checkpoint_every);
    for (uint32_t i = 0; i < AXC_WCET_MAX; i++) {
        uint8_t *to = buffer + OFFSET_WCET + i * WCET_BYTES;

        put_text(to, m.wcet[i].platform, AXC_PLATFORM_BYTES);
        axi_put_le32(to + AXC_PLATFORM_BYTES, m.wcet[i].wcet_us);
    }
    axi_put_le32(buffer + OFFSET_CRC, axi_crc32c(0, buffer, OFFSET_CRC));
    *ret_bytes = AXI_META_BYTES;
    return 0;
}

int axi_meta_encode_note(const struct axi_task_meta *meta, uint8_t *buffer, size_t capacity,
                         size_t *ret_bytes)
{
    static const char owner[8] = AXI_META_NOTE_OWNER; /* padded to 4 as the note format wants */
    size_t bytes = 0;
    int r;

    if (capacity < AXI_META_NOTE_BYTES) {
        return -AXC_EFULL;
    }
    r = axi_meta_encode(meta, buffer + 12 + sizeof(owner), AXI_META_BYTES, &bytes);
    if (r < 0) {
        return r;
    }
    axi_put_le32(buffer, sizeof(AXI_META_NOTE_OWNER));
    axi_put_le32(buffer + 4, AXI_META_BYTES);
    axi_put_le32(buffer + 8, AXI_META_NOTE_TYPE);
    memcpy(buffer + 12, owner, sizeof(owner));
    *ret_bytes = AXI_META_NOTE_BYTES;
    return 0;
}

static int check_frame(const uint8_t *bytes, size_t length)
{
    if (length < OFFSET_ABI) {
        return -AXC_EMETA_SIZE;
    }
    if (axi_get_le32(bytes + OFFSET_MAGIC) != MAGIC) {
        return -AXC_EMETA_MAGIC;
    }
    if (axi_get_le16(bytes + OFFSET_VERSION) != VERSION) {
        return -AXC_EMETA_VERSION;
    }
    if (length != AXI_META_BYTES || axi_get_le16(bytes + OFFSET_BYTES) != AXI_META_BYTES) {
        return -AXC_EMETA_SIZE;
    }
    return axi_get_le32(bytes + OFFSET_CRC) == axi_crc32c(0, bytes, OFFSET_CRC) ? 0
                                                                                : -AXC_EMETA_CRC;
}

int axi_meta_decode(const uint8_t *bytes, size_t length, struct axi_task_meta *ret_meta)
{
    struct axi_task_meta m = {0};
    int r = check_frame(bytes, length);

    if (r < 0) {
        return r;
    }
    m.abi = axi_get_le32(bytes + OFFSET_ABI);
    memcpy(m.name, bytes + OFFSET_NAME, AXC_NAME_BYTES);
    m.state_bytes = axi_get_le32(bytes + OFFSET_STATE_BYTES);
    m.state_version = axi_get_le32(bytes + OFFSET_STATE_VERSION);
    memcpy(m.schema_hash, bytes + OFFSET_SCHEMA, AXI_SCHEMA_HASH_BYTES);
    m.period_us = axi_get_le32(bytes + OFFSET_PERIOD);
    m.deadline_us = axi_get_le32(bytes + OFFSET_DEADLINE);
    m.criticality = axi_get_le32(bytes + OFFSET_CRITICALITY);
    m.needs = axi_get_le32(bytes + OFFSET_NEEDS);
    m.stack_bytes = axi_get_le32(bytes + OFFSET_STACK);
    m.jobs = axi_get_le64(bytes + OFFSET_JOBS);
    m.overrun_policy = axi_get_le32(bytes + OFFSET_OVERRUN);
    m.fault_policy = axi_get_le32(bytes + OFFSET_FAULT);
    m.restart_limit = axi_get_le32(bytes + OFFSET_RESTART);
    m.checkpoint_every = axi_get_le32(bytes + OFFSET_EVERY);
    for (uint32_t i = 0; i < AXC_WCET_MAX; i++) {
        const uint8_t *from = bytes + OFFSET_WCET + i * WCET_BYTES;

        memcpy(m.wcet[i].platform, from, AXC_PLATFORM_BYTES);
        m.wcet[i].wcet_us = axi_get_le32(from + AXC_PLATFORM_BYTES);
    }
    axi_meta_set_defaults(&m);
    r = axi_meta_check(&m);
    if (r == 0) {
        *ret_meta = m;
    }
    return r;
}

int axi_meta_wcet_ns(const struct axi_task_meta *meta, const char *platform, uint64_t *ret_ns)
{
    for (uint32_t i = 0; i < AXC_WCET_MAX; i++) {
        const struct axc_wcet *wcet = &meta->wcet[i];

        if (!is_wcet_unused(wcet) && strcmp(wcet->platform, platform) == 0) {
            *ret_ns = (uint64_t)wcet->wcet_us * 1000u;
            return 0;
        }
    }
    return -AXC_EADMIT_NO_WCET;
}
