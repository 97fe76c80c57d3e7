/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot_config.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "core/masters.h"
#include "core/meta.h"

#include <string.h>

#define RECORD_HEADER 8u
#define HOST_CHANNEL_ALIGN 4096u
#define PERIOD_NS_MAX UINT64_C(1000000000)
#define CLOCK_NS_MAX UINT64_C(60000000000)

enum record {
    RECORD_NAME = 1,
    RECORD_NODE_ID = 2,
    RECORD_MAC = 3,
    RECORD_NETWORK = 4,
    RECORD_MASTER = 5,
    RECORD_TOKEN = 6,
    RECORD_ADVERTISE = 7,
    RECORD_SERVER = 8,
    RECORD_LIMITS = 9,
    RECORD_RUN = 10,
    RECORD_SEED = 11,
    RECORD_TASK = 12,
    RECORD_CHANNEL = 13,
    RECORD_CLOCK = 14,
    RECORD_HOST_CHANNEL = 15,
    RECORD_MASTERS = 16,
    RECORD_END
};

enum { /* fixed parts */
       NETWORK_BYTES = 16,
       TASK_BYTES = 56,
       CHANNEL_BYTES = 40,
       CLOCK_BYTES = 24
};

void axi_boot_config_init(struct axi_boot_config *config)
{
    memset(config, 0, sizeof(*config));
    config->server_budget_ns = 1000000;
    config->server_period_ns = 10000000;
    config->slots = 16;
    config->capacity_ppm = 900000;
}

/* ---- checks ---- */

/* Printable ASCII without blanks, ended by a NUL within `bytes`. */
static bool is_text(const char *text, size_t bytes)
{
    size_t length = strnlen(text, bytes);

    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return length < bytes;
}

static int check_values(const struct axi_boot_config *c)
{
    if (c->name[0] != '\0' && !axi_meta_is_name(c->name)) {
        return -AXC_EBOOT_VALUE;
    }
    if (!is_text(c->master, sizeof(c->master)) || !is_text(c->advertise, sizeof(c->advertise)) ||
        !is_text(c->token, sizeof(c->token)) || !is_text(c->masters, sizeof(c->masters))) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->masters[0] != '\0' && (c->master[0] == '\0' || axi_masters_check(c->masters) < 0)) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->network > AXI_BOOT_NETWORK_DHCP || c->exit > AXI_BOOT_EXIT_SEMIHOSTING ||
        (c->flags & ~AXI_BOOT_FLAG_TRACE) != 0) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->clock > AXI_BOOT_CLOCK_PTP || (c->clock_flags & ~AXI_BOOT_CLOCK_FLAG_LINES) != 0 ||
        c->clock_bound_ns > CLOCK_NS_MAX || c->latency_ns > CLOCK_NS_MAX) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->host_channel % HOST_CHANNEL_ALIGN != 0) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->network == AXI_BOOT_NETWORK_STATIC && (c->prefix == 0 || c->prefix > 30)) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->has_mac && (c->mac[0] & 1) != 0) {
        return -AXC_EBOOT_VALUE; /* a group address */
    }
    if (c->server_budget_ns == 0 || c->server_budget_ns > c->server_period_ns ||
        c->server_period_ns > PERIOD_NS_MAX) {
        return -AXC_EBOOT_VALUE;
    }
    if (c->slots == 0 || c->slots > AXI_BOOT_SLOTS_MAX || c->capacity_ppm == 0 ||
        c->capacity_ppm > 1000000) {
        return -AXC_EBOOT_VALUE;
    }
    return 0;
}

static int check_tasks(const struct axi_boot_config *c)
{
    for (uint32_t i = 0; i < c->task_count; i++) {
        const struct axi_boot_task *task = &c->tasks[i];

        if (!axi_meta_is_name(task->name) || task->elf == NULL || task->elf_bytes == 0) {
            return -AXC_EBOOT_VALUE;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(c->tasks[k].name, task->name) == 0) {
                return -AXC_EBOOT_DUPLICATE;
            }
        }
    }
    return 0;
}

static int check_channels(const struct axi_boot_config *c)
{
    for (uint32_t i = 0; i < c->channel_count; i++) {
        const struct axi_boot_channel *channel = &c->channels[i];

        if (!axi_meta_is_name(channel->name) || channel->target[0] == '\0' ||
            !is_text(channel->target, sizeof(channel->target))) {
            return -AXC_EBOOT_VALUE;
        }
    }
    return 0;
}

int axi_boot_config_check(const struct axi_boot_config *config)
{
    bool has_network = config->network != AXI_BOOT_NETWORK_NONE;
    int r = 0;

    if (config->task_count > AXI_BOOT_TASKS_MAX || config->channel_count > AXI_BOOT_CHANNELS_MAX) {
        return -AXC_EBOOT_COUNT;
    }
    r = check_values(config);
    if (r == 0) {
        r = check_tasks(config);
    }
    if (r == 0) {
        r = check_channels(config);
    }
    if (r < 0) {
        return r;
    }
    if (has_network &&
        (config->task_count > 0 || config->master[0] == '\0' || config->name[0] == '\0')) {
        return -AXC_EBOOT_MODE;
    }
    return 0;
}

/* ---- writing ---- */

/* Where the next record goes. With buffer NULL it only counts. */
struct writer {
    uint8_t *buffer;
    size_t bytes;
};

/* Adds a record of `bytes`, zeroed; returns its value, or NULL when only counting. */
static uint8_t *add(struct writer *writer, enum record type, size_t bytes)
{
    size_t whole = RECORD_HEADER + (bytes + AXI_BOOT_ALIGN - 1) / AXI_BOOT_ALIGN * AXI_BOOT_ALIGN;
    uint8_t *record = writer->buffer != NULL ? writer->buffer + writer->bytes : NULL;

    writer->bytes += whole;
    if (record == NULL) {
        return NULL;
    }
    memset(record, 0, whole);
    axi_put_le16(record, (uint16_t)type);
    axi_put_le32(record + 4, (uint32_t)bytes);
    return record + RECORD_HEADER;
}

static void add_bytes(struct writer *writer, enum record type, const void *value, size_t bytes)
{
    uint8_t *to = add(writer, type, bytes);

    if (to != NULL) {
        memcpy(to, value, bytes);
    }
}

static void add_text(struct writer *writer, enum record type, const char *text)
{
    if (text[0] != '\0') {
        add_bytes(writer, type, text, strlen(text));
    }
}

/* One record of one or two numbers; two u32 as one u64, low half first. */
static void add_numbers(struct writer *writer, enum record type, uint64_t a, const uint64_t *b)
{
    uint8_t *to = add(writer, type, b != NULL ? 16 : 8);

    if (to != NULL) {
        axi_put_le64(to, a);
        if (b != NULL) {
            axi_put_le64(to + 8, *b);
        }
    }
}

static uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

static void add_network(struct writer *writer, const struct axi_boot_config *c)
{
    uint8_t *to = add(writer, RECORD_NETWORK, NETWORK_BYTES);

    if (to == NULL) {
        return;
    }
    to[0] = (uint8_t)c->network;
    to[1] = (uint8_t)c->prefix;
    axi_put_le16(to + 2, c->peer_port);
    memcpy(to + 4, c->address, 4);
    memcpy(to + 8, c->gateway, 4);
    memcpy(to + 12, c->loopback, 4);
}

static void add_clock(struct writer *writer, const struct axi_boot_config *c)
{
    uint8_t *to = add(writer, RECORD_CLOCK, CLOCK_BYTES);

    if (to == NULL) {
        return;
    }
    to[0] = (uint8_t)c->clock;
    to[1] = c->clock_domain;
    axi_put_le32(to + 4, c->clock_flags);
    axi_put_le64(to + 8, c->clock_bound_ns);
    axi_put_le64(to + 16, c->latency_ns);
}

static void add_task(struct writer *writer, const struct axi_boot_task *task)
{
    uint8_t *to = add(writer, RECORD_TASK, (size_t)TASK_BYTES + task->elf_bytes);

    if (to == NULL) {
        return;
    }
    memcpy(to, task->name, strnlen(task->name, sizeof(task->name)));
    axi_put_le64(to + 32, task->jobs);
    axi_put_le64(to + 40, task->wcet_ns);
    axi_put_le64(to + 48, task->offset_ns);
    memcpy(to + TASK_BYTES, task->elf, task->elf_bytes);
}

static void add_channel(struct writer *writer, const struct axi_boot_channel *channel)
{
    size_t length = strlen(channel->target);
    uint8_t *to = add(writer, RECORD_CHANNEL, CHANNEL_BYTES + length);

    if (to == NULL) {
        return;
    }
    memcpy(to, channel->name, strnlen(channel->name, sizeof(channel->name)));
    to[32] = channel->is_output;
    memcpy(to + CHANNEL_BYTES, channel->target, length);
}

/* A blob of the defaults is what kernels read that know no clocks. */
static bool has_clock(const struct axi_boot_config *c)
{
    return c->clock != AXI_BOOT_CLOCK_MASTER || c->clock_domain != 0 || c->clock_flags != 0 ||
           c->clock_bound_ns != 0 || c->latency_ns != 0;
}

static void write_records(struct writer *writer, const struct axi_boot_config *c)
{
    add_text(writer, RECORD_NAME, c->name);
    if (c->node_id != 0) {
        add_numbers(writer, RECORD_NODE_ID, c->node_id, NULL);
    }
    if (c->has_mac) {
        add_bytes(writer, RECORD_MAC, c->mac, sizeof(c->mac));
    }
    add_network(writer, c);
    add_text(writer, RECORD_MASTER, c->master);
    add_text(writer, RECORD_MASTERS, c->masters);
    add_text(writer, RECORD_TOKEN, c->token);
    add_text(writer, RECORD_ADVERTISE, c->advertise);
    add_numbers(writer, RECORD_SERVER, c->server_budget_ns, &c->server_period_ns);
    add_numbers(writer, RECORD_LIMITS, pair(c->slots, c->capacity_ppm), NULL);
    add_numbers(writer, RECORD_RUN, pair(c->flags, c->exit), &c->time_limit_ns);
    if (c->seed != 0) {
        add_numbers(writer, RECORD_SEED, c->seed, NULL);
    }
    if (has_clock(c)) {
        add_clock(writer, c);
    }
    if (c->host_channel != 0) {
        add_numbers(writer, RECORD_HOST_CHANNEL, c->host_channel, NULL);
    }
    for (uint32_t i = 0; i < c->task_count; i++) {
        add_task(writer, &c->tasks[i]);
    }
    for (uint32_t i = 0; i < c->channel_count; i++) {
        add_channel(writer, &c->channels[i]);
    }
}

size_t axi_boot_config_bytes(const struct axi_boot_config *config)
{
    struct writer writer = {.bytes = AXI_BOOT_HEADER_BYTES};

    write_records(&writer, config);
    return writer.bytes;
}

void axi_boot_config_seal(uint8_t *bytes, size_t length)
{
    uint32_t crc = axi_crc32c(0, bytes, 12);

    axi_put_le32(bytes + 12,
                 axi_crc32c(crc, bytes + AXI_BOOT_HEADER_BYTES, length - AXI_BOOT_HEADER_BYTES));
}

int axi_boot_config_encode(const struct axi_boot_config *config, uint8_t *buffer, size_t capacity,
                           size_t *ret_bytes)
{
    struct writer writer = {.buffer = buffer, .bytes = AXI_BOOT_HEADER_BYTES};
    int r = axi_boot_config_check(config);
    size_t bytes = 0;

    if (r < 0) {
        return r;
    }
    bytes = axi_boot_config_bytes(config);
    if (bytes > capacity || bytes > AXI_BOOT_BYTES_MAX) {
        return -AXC_EFULL;
    }
    axi_put_le32(buffer, AXI_BOOT_MAGIC);
    axi_put_le16(buffer + 4, AXI_BOOT_VERSION);
    axi_put_le16(buffer + 6, AXI_BOOT_HEADER_BYTES);
    axi_put_le32(buffer + 8, (uint32_t)bytes);
    write_records(&writer, config);
    axi_boot_config_seal(buffer, bytes);
    *ret_bytes = bytes;
    return 0;
}

/* ---- reading ---- */

int axi_boot_config_length(const uint8_t *bytes, size_t length, size_t *ret_bytes)
{
    uint32_t whole = 0;

    if (length < AXI_BOOT_HEADER_BYTES) {
        return -AXC_EBOOT_TRUNCATED;
    }
    if (axi_get_le32(bytes) != AXI_BOOT_MAGIC) {
        return -AXC_EBOOT_MAGIC;
    }
    if (axi_get_le16(bytes + 4) != AXI_BOOT_VERSION ||
        axi_get_le16(bytes + 6) != AXI_BOOT_HEADER_BYTES) {
        return -AXC_EBOOT_VERSION;
    }
    whole = axi_get_le32(bytes + 8);
    if (whole < AXI_BOOT_HEADER_BYTES || whole > AXI_BOOT_BYTES_MAX ||
        whole % AXI_BOOT_ALIGN != 0) {
        return -AXC_EBOOT_SIZE;
    }
    if (whole > length) {
        return -AXC_EBOOT_TRUNCATED;
    }
    *ret_bytes = whole;
    return 0;
}

/* A text of 1..size-1 bytes without NUL; its characters are judged by the check afterwards. */
static int read_text(char *to, size_t size, const uint8_t *value, uint32_t bytes)
{
    if (bytes == 0 || bytes >= size) {
        return -AXC_EBOOT_VALUE;
    }
    memcpy(to, value, bytes); /* `to` is zeroed, so an inner NUL shows as a shorter text */
    return strnlen(to, size) == bytes ? 0 : -AXC_EBOOT_VALUE;
}

static void read_network(struct axi_boot_config *c, const uint8_t *value)
{
    c->network = (enum axi_boot_network)value[0];
    c->prefix = value[1];
    c->peer_port = axi_get_le16(value + 2);
    memcpy(c->address, value + 4, 4);
    memcpy(c->gateway, value + 8, 4);
    memcpy(c->loopback, value + 12, 4);
}

static int read_clock(struct axi_boot_config *c, const uint8_t *value)
{
    c->clock = (enum axi_boot_clock)value[0];
    c->clock_domain = value[1];
    c->clock_flags = axi_get_le32(value + 4);
    c->clock_bound_ns = axi_get_le64(value + 8);
    c->latency_ns = axi_get_le64(value + 16);
    return axi_get_le16(value + 2) == 0 ? 0 : -AXC_EBOOT_VALUE;
}

static int read_task(struct axi_boot_config *c, const uint8_t *value, uint32_t bytes)
{
    struct axi_boot_task *task = &c->tasks[c->task_count];

    if (bytes <= TASK_BYTES) {
        return -AXC_EBOOT_RECORD;
    }
    if (c->task_count == AXI_BOOT_TASKS_MAX) {
        return -AXC_EBOOT_COUNT;
    }
    memcpy(task->name, value, sizeof(task->name));
    task->jobs = axi_get_le64(value + 32);
    task->wcet_ns = axi_get_le64(value + 40);
    task->offset_ns = axi_get_le64(value + 48);
    task->elf = value + TASK_BYTES;
    task->elf_bytes = bytes - TASK_BYTES;
    c->task_count++;
    return 0;
}

static int read_channel(struct axi_boot_config *c, const uint8_t *value, uint32_t bytes)
{
    struct axi_boot_channel *channel = &c->channels[c->channel_count];

    if (bytes <= CHANNEL_BYTES) {
        return -AXC_EBOOT_RECORD;
    }
    if (c->channel_count == AXI_BOOT_CHANNELS_MAX) {
        return -AXC_EBOOT_COUNT;
    }
    memcpy(channel->name, value, sizeof(channel->name));
    channel->is_output = value[32] == 1;
    if (value[32] > 1) {
        return -AXC_EBOOT_VALUE;
    }
    c->channel_count++;
    return read_text(channel->target, sizeof(channel->target), value + CHANNEL_BYTES,
                     bytes - CHANNEL_BYTES);
}

/* Records whose size is fixed. */
static int read_fixed(struct axi_boot_config *c, uint32_t type, const uint8_t *value,
                      uint32_t bytes)
{
    static const uint8_t sizes[RECORD_END] = {[RECORD_NODE_ID] = 8,
                                              [RECORD_MAC] = 6,
                                              [RECORD_NETWORK] = NETWORK_BYTES,
                                              [RECORD_SERVER] = 16,
                                              [RECORD_LIMITS] = 8,
                                              [RECORD_RUN] = 16,
                                              [RECORD_SEED] = 8,
                                              [RECORD_CLOCK] = CLOCK_BYTES,
                                              [RECORD_HOST_CHANNEL] = 8};

    if (bytes != sizes[type]) {
        return -AXC_EBOOT_RECORD;
    }
    switch (type) {
    case RECORD_NODE_ID:
        c->node_id = axi_get_le64(value);
        break;
    case RECORD_MAC:
        c->has_mac = true;
        memcpy(c->mac, value, sizeof(c->mac));
        break;
    case RECORD_NETWORK:
        read_network(c, value);
        break;
    case RECORD_SERVER:
        c->server_budget_ns = axi_get_le64(value);
        c->server_period_ns = axi_get_le64(value + 8);
        break;
    case RECORD_LIMITS:
        c->slots = axi_get_le32(value);
        c->capacity_ppm = axi_get_le32(value + 4);
        break;
    case RECORD_RUN:
        c->flags = axi_get_le32(value);
        c->exit = (enum axi_boot_exit)axi_get_le32(value + 4);
        c->time_limit_ns = axi_get_le64(value + 8);
        break;
    case RECORD_CLOCK:
        return read_clock(c, value);
    case RECORD_HOST_CHANNEL:
        c->host_channel = axi_get_le64(value);
        break;
    default:
        c->seed = axi_get_le64(value);
        break;
    }
    return 0;
}

static int read_record(struct axi_boot_config *c, uint32_t type, const uint8_t *value,
                       uint32_t bytes)
{
    switch (type) {
    case RECORD_NAME:
        return read_text(c->name, sizeof(c->name), value, bytes);
    case RECORD_MASTER:
        return read_text(c->master, sizeof(c->master), value, bytes);
    case RECORD_MASTERS:
        return read_text(c->masters, sizeof(c->masters), value, bytes);
    case RECORD_TOKEN:
        return read_text(c->token, sizeof(c->token), value, bytes);
    case RECORD_ADVERTISE:
        return read_text(c->advertise, sizeof(c->advertise), value, bytes);
    case RECORD_TASK:
        return read_task(c, value, bytes);
    case RECORD_CHANNEL:
        return read_channel(c, value, bytes);
    default:
        return read_fixed(c, type, value, bytes);
    }
}

static int read_records(struct axi_boot_config *c, const uint8_t *bytes, size_t length)
{
    uint32_t seen = 0;
    size_t at = AXI_BOOT_HEADER_BYTES;

    while (at < length) {
        uint32_t type = 0;
        uint32_t value_bytes = 0;
        int r = 0;

        if (length - at < RECORD_HEADER) {
            return -AXC_EBOOT_RECORD;
        }
        type = axi_get_le32(bytes + at);
        value_bytes = axi_get_le32(bytes + at + 4);
        at += RECORD_HEADER;
        if (value_bytes > length - at) {
            return -AXC_EBOOT_RECORD;
        }
        if (type == 0 || type >= RECORD_END) {
            return -AXC_EBOOT_TYPE;
        }
        if (type != RECORD_TASK && type != RECORD_CHANNEL && (seen & 1u << type) != 0) {
            return -AXC_EBOOT_DUPLICATE;
        }
        seen |= 1u << type;
        r = read_record(c, type, bytes + at, value_bytes);
        if (r < 0) {
            return r;
        }
        /* length and at are multiples of the alignment, so this stays inside */
        at += (value_bytes + AXI_BOOT_ALIGN - 1) / AXI_BOOT_ALIGN * AXI_BOOT_ALIGN;
    }
    return 0;
}

int axi_boot_config_decode(const uint8_t *bytes, size_t length, struct axi_boot_config *ret_config)
{
    size_t whole = 0;
    uint32_t crc = 0;
    int r = axi_boot_config_length(bytes, length, &whole);

    if (r < 0) {
        return r;
    }
    crc = axi_crc32c(0, bytes, 12);
    crc = axi_crc32c(crc, bytes + AXI_BOOT_HEADER_BYTES, whole - AXI_BOOT_HEADER_BYTES);
    if (axi_get_le32(bytes + 12) != crc) {
        return -AXC_EBOOT_CRC;
    }
    axi_boot_config_init(ret_config);
    r = read_records(ret_config, bytes, whole);
    return r < 0 ? r : axi_boot_config_check(ret_config);
}
