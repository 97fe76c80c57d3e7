/* SPDX-License-Identifier: Apache-2.0 */
#include "master/fake_cluster.h"

#include "base/crc32c.h"
#include "core/checkpoint.h"
#include "core/sched.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define STATE_BYTES 16u

static uint64_t now(void *context)
{
    return ((struct fake_cluster *)context)->now_ns;
}

static uint64_t random64(void *context)
{
    return ((struct fake_cluster *)context)->random += 0x9e3779b97f4a7c15ull;
}

static void enqueue(struct fake_cluster *c, uint64_t link, const uint8_t *frame, size_t bytes)
{
    struct fake_frame *slot = &c->queue[c->queue_tail++ % FAKE_QUEUE];

    assert_true(c->queue_tail - c->queue_head < FAKE_QUEUE);
    *slot = (struct fake_frame){link, bytes, NULL};
    if (bytes > 0) {
        slot->frame = malloc(bytes);
        memcpy(slot->frame, frame, bytes);
    }
}

static void port_send(void *context, uint64_t link, const uint8_t *frame, size_t bytes)
{
    enqueue(context, link, frame, bytes);
}

static void port_close(void *context, uint64_t link)
{
    enqueue(context, link, NULL, 0);
}

static int get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size)
{
    (void)context;
    (void)digest;
    *ret_bytes = calloc(1, 100);
    *ret_size = 100;
    return 0;
}

static bool crash_point(void *context, uint32_t point)
{
    struct fake_cluster *c = context;

    if ((int)point != c->crash_at) {
        return false;
    }
    c->crash_at = -1;
    c->has_crashed = true;
    return true;
}

static void on_event(void *context, const json_t *event)
{
    struct fake_cluster *c = context;

    if (getenv("AXI_TEST_VERBOSE") != NULL) {
        json_dumpf(event, stderr, JSON_COMPACT);
        (void)fputc('\n', stderr);
    }
    if (strcmp(json_string_value(json_object_get(event, "level")), "error") == 0) {
        (void)snprintf(c->last_error_event, sizeof(c->last_error_event), "%s",
                       json_string_value(json_object_get(event, "type")));
    }
}

static void start_master(struct fake_cluster *c)
{
    struct axi_master_port port = {.context = c,
                                   .now_master_ns = now,
                                   .now_local_ns = now,
                                   .random64 = random64,
                                   .send = port_send,
                                   .close = port_close,
                                   .get_blob = get_blob,
                                   .on_event = on_event,
                                   .crash_point = crash_point};

    assert_int_equal(axi_master_new(&c->config, &port, &c->master), 0);
}

/* ---- a node's side ---- */

static void tell(struct fake_cluster *c, struct fake_node *node, uint32_t type, const void *message,
                 const void *tail, size_t tail_bytes)
{
    static uint8_t frame[AXI_WIRE_FRAME_BYTES_MAX];
    size_t bytes = 0;

    if (!node->is_alive || node->link == 0) {
        return;
    }
    assert_int_equal(axi_wire_encode(type, message, tail, tail_bytes, frame, sizeof(frame), &bytes),
                     0);
    axi_master_link_bytes(c->master, node->link, frame, bytes);
}

static void answer(struct fake_cluster *c, struct fake_node *node, uint64_t request, int code)
{
    axi_Result result = {.request = request, .code = code};

    tell(c, node, AXI_WIRE_RESULT, &result, NULL, 0);
}

static void progress(struct fake_cluster *c, struct fake_node *node, uint32_t phase)
{
    axi_Progress message = {.migration = c->peer_migration,
                            .task_id = c->peer_task,
                            .phase = phase,
                            .job = 7,
                            .master_ns = c->now_ns};

    tell(c, node, AXI_WIRE_PROGRESS, &message, NULL, 0);
}

static struct fake_instance *instance(struct fake_node *node, uint64_t task, uint64_t epoch)
{
    for (size_t i = 0; i < 8; i++) {
        if (node->instances[i].state != AXI_SLOT_FREE && node->instances[i].task == task &&
            node->instances[i].epoch == epoch) {
            return &node->instances[i];
        }
    }
    return NULL;
}

static void install(struct fake_node *node, uint64_t task, uint64_t epoch, uint64_t migration)
{
    for (size_t i = 0; instance(node, task, epoch) == NULL && i < 8; i++) {
        if (node->instances[i].state == AXI_SLOT_FREE) {
            node->instances[i] = (struct fake_instance){
                .task = task, .epoch = epoch, .migration = migration, .state = AXI_SLOT_STANDBY};
        }
    }
}

static void set_state(struct fake_node *node, uint64_t task, uint64_t epoch, uint32_t state)
{
    struct fake_instance *found = instance(node, task, epoch);

    if (found != NULL) {
        found->state = state;
    }
}

static void set_output(struct fake_node *node, uint64_t task, uint64_t epoch, uint64_t from,
                       uint64_t until)
{
    struct fake_instance *found = instance(node, task, epoch);

    if (found != NULL) {
        found->output_from = from;
        found->output_until = until;
    }
}

static void set_grid(struct fake_node *node, const axi_Start *start)
{
    struct fake_instance *found = instance(node, start->task_id, start->epoch);

    if (found != NULL && found->release_ns == 0) {
        found->release_ns = start->release_ns;
        found->next_job = start->first_job;
    }
}

/* The jobs that are due by now. */
static void put_out(struct fake_cluster *c, struct fake_instance *it)
{
    while (it->state == AXI_SLOT_ACTIVE && it->release_ns != 0 &&
           it->release_ns + it->next_job * 10 * MS <= c->now_ns) {
        if (it->next_job < FAKE_JOBS && it->next_job >= it->output_from &&
            (it->output_until == 0 || it->next_job < it->output_until)) {
            c->put_out[it->next_job] += it->is_listened;
        }
        it->next_job++;
    }
}

static void send_checkpoint(struct fake_cluster *c, struct fake_node *node, uint64_t request,
                            uint64_t task, uint64_t epoch)
{
    struct axi_checkpoint header = {.task_id = task,
                                    .epoch = epoch,
                                    .job = c->checkpoint.job,
                                    .step = c->checkpoint.step,
                                    .state_version = 1,
                                    .state_bytes = STATE_BYTES};
    uint8_t state[STATE_BYTES] = {1, 2, 3};
    uint8_t bytes[256];
    size_t count = 0;

    memcpy(header.schema_hash, c->checkpoint.schema_hash, sizeof(header.schema_hash));
    if (instance(node, task, epoch) == NULL) {
        answer(c, node, request, -AXC_ENOENT);
        return;
    }
    assert_int_equal(axi_checkpoint_encode(&header, state, bytes, sizeof(bytes), &count), 0);
    axi_Chunk chunk = {.transfer = request,
                       .kind = AXI_CHUNK_CHECKPOINT,
                       .total = count,
                       .crc = axi_crc32c(0, bytes, count)};
    tell(c, node, AXI_WIRE_CHUNK, &chunk, bytes, count);
    answer(c, node, request, 0);
}

static struct fake_node *peer_target(struct fake_cluster *c)
{
    for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
        for (size_t i = 0; i < 8; i++) {
            if (c->nodes[n].instances[i].migration == c->peer_migration &&
                c->nodes[n].instances[i].state == AXI_SLOT_STANDBY) {
                return &c->nodes[n];
            }
        }
    }
    return NULL;
}

static void on_decision(struct fake_cluster *c, struct fake_node *node, const axi_Decision *d)
{
    node->decision = *d;
    c->peer_migration = d->migration;
    c->peer_task = d->task_id;
    for (size_t i = 0; i < 8; i++) {
        struct fake_instance *it = &node->instances[i];

        if (it->state == AXI_SLOT_FREE || it->task != d->task_id) {
            continue;
        }
        if (it->migration == d->migration && !d->committed) {
            it->state = AXI_SLOT_FREE;
        } else if (it->migration == d->migration) {
            it->state = AXI_SLOT_ACTIVE;
            progress(c, node, AXI_PHASE_ACTIVATED);
            progress(c, node, AXI_PHASE_CONFIRMED);
        } else if (!d->committed && it->state == AXI_SLOT_FROZEN) {
            it->state = AXI_SLOT_ACTIVE;
            progress(c, node, AXI_PHASE_RESUMED);
        } else if (!d->committed) {
            progress(c, node, AXI_PHASE_RESUMED);
        } else {
            it->state = AXI_SLOT_FROZEN;
        }
    }
}

static void on_switch(struct fake_cluster *c, struct fake_node *node)
{
    struct fake_node *target = peer_target(c);

    for (size_t i = 0; i < 8; i++) {
        if (node->instances[i].state == AXI_SLOT_ACTIVE &&
            node->instances[i].task == c->peer_task) {
            node->instances[i].state = AXI_SLOT_FROZEN;
        }
    }
    progress(c, node, AXI_PHASE_FROZEN);
    if (target != NULL) {
        progress(c, target, AXI_PHASE_PREPARED);
    }
}

static uint64_t request_of(const union axi_wire_message *m, uint32_t type)
{
    switch (type) {
    case AXI_WIRE_LOAD:
        return m->Load.request;
    case AXI_WIRE_MIGRATE_IN:
        return m->MigrateIn.migration;
    case AXI_WIRE_MIGRATE_OUT:
        return m->MigrateOut.migration;
    case AXI_WIRE_START:
        return m->Start.request;
    case AXI_WIRE_HALT:
        return m->Halt.request;
    default:
        return 0;
    }
}

static void say_hello(struct fake_cluster *c, struct fake_node *node);

/* 100 ms of a 10 ms task. */
static void work(struct fake_cluster *c, struct fake_instance *it)
{
    enum fake_fault fault = c->faults[it->elf % 8];

    if (it->state != AXI_SLOT_ACTIVE || fault == FAKE_STUCK) {
        return;
    }
    it->completed += 10;
    it->missed += fault == FAKE_MISSES && it->completed > 30 ? 1 : 0;
    it->killed += fault == FAKE_KILLED && it->completed > 50 ? 1 : 0;
    if (fault == FAKE_FAILS && it->completed > 50) {
        it->state = AXI_SLOT_FAILED;
    }
}

static void report(struct fake_cluster *c, struct fake_node *node)
{
    axi_Report message = {.complete = true};
    axi_Heartbeat beat = node->clock;

    beat.sequence = ++node->sequence;
    beat.send_local_ns = c->now_ns;
    beat.cpu_load_ppm = node->cpu_load_ppm;
    beat.memory_free_bytes = 1 << 30;
    beat.free_slots = 8;
    for (size_t i = 0; i < 8; i++) {
        struct fake_instance *it = &node->instances[i];

        work(c, it);
        if (it->state != AXI_SLOT_FREE) {
            message.instances[message.instances_count++] =
                (axi_InstanceStatus){.task_id = it->task,
                                     .epoch = it->epoch,
                                     .state = it->state,
                                     .next_job = it->release_ns != 0 ? it->next_job : 7,
                                     .output_from = it->output_from,
                                     .output_until = it->output_until,
                                     .completed = it->completed,
                                     .missed = it->missed,
                                     .killed = it->killed,
                                     .last_cause = it->killed > 0 ? AXI_CAUSE_SEGV : 0};
        }
    }
    tell(c, node, AXI_WIRE_REPORT, &message, NULL, 0);
    tell(c, node, AXI_WIRE_HEARTBEAT, &beat, NULL, 0);
    node->heartbeat_ns = c->now_ns + 100 * MS;
}

static void act_on_migration(struct fake_cluster *c, struct fake_node *node, uint32_t type,
                             const union axi_wire_message *m)
{
    switch (type) {
    case AXI_WIRE_MIGRATE_IN:
        c->peer_migration = m->MigrateIn.migration;
        c->peer_task = m->MigrateIn.spec.task_id;
        install(node, c->peer_task, m->MigrateIn.epoch, c->peer_migration);
        answer(c, node, c->peer_migration, 0);
        break;
    case AXI_WIRE_MIGRATE_OUT:
        answer(c, node, m->MigrateOut.migration, 0);
        break;
    case AXI_WIRE_TRANSFER:
        if (peer_target(c) != NULL) {
            progress(c, peer_target(c), AXI_PHASE_STANDBY);
        }
        break;
    case AXI_WIRE_SWITCH:
        on_switch(c, node);
        break;
    case AXI_WIRE_DECISION:
        on_decision(c, node, &m->Decision);
        break;
    default:
        break;
    }
}

static void act(struct fake_cluster *c, struct fake_node *node, uint32_t type,
                const union axi_wire_message *m)
{
    switch (type) {
    case AXI_WIRE_HELLO_REPLY:
        if (m->HelloReply.result == 0) {
            report(c, node);
        }
        break;
    case AXI_WIRE_HEARTBEAT_ACK:
        node->ack = m->HeartbeatAck;
        break;
    case AXI_WIRE_LOAD:
        install(node, m->Load.spec.task_id, m->Load.epoch, 0);
        instance(node, m->Load.spec.task_id, m->Load.epoch)->elf = m->Load.spec.elf_digest[0];
        set_output(node, m->Load.spec.task_id, m->Load.epoch, m->Load.spec.output_from,
                   m->Load.spec.output_until);
        instance(node, m->Load.spec.task_id, m->Load.epoch)->is_listened =
            c->listened != NULL &&
            strncmp(m->Load.spec.name, c->listened, strlen(c->listened)) == 0;
        answer(c, node, m->Load.request, 0);
        break;
    case AXI_WIRE_START:
        node->start = m->Start;
        set_state(node, m->Start.task_id, m->Start.epoch, AXI_SLOT_ACTIVE);
        set_grid(node, &m->Start);
        answer(c, node, m->Start.request, 0);
        break;
    case AXI_WIRE_HALT:
        set_state(node, m->Halt.task_id, m->Halt.epoch, AXI_SLOT_FROZEN);
        send_checkpoint(c, node, m->Halt.request, m->Halt.task_id, m->Halt.epoch);
        break;
    case AXI_WIRE_GET_CHECKPOINT:
        send_checkpoint(c, node, m->GetCheckpoint.request, m->GetCheckpoint.task_id,
                        m->GetCheckpoint.epoch);
        break;
    case AXI_WIRE_REMOVE:
        for (size_t i = 0; i < 8; i++) {
            if (node->instances[i].task == m->Remove.task_id &&
                node->instances[i].epoch <= m->Remove.epoch) {
                node->instances[i].state = AXI_SLOT_FREE;
            }
        }
        answer(c, node, m->Remove.request, 0);
        break;
    case AXI_WIRE_RESUME:
        set_state(node, m->Resume.task_id, m->Resume.epoch, AXI_SLOT_ACTIVE);
        answer(c, node, m->Resume.request, 0);
        break;
    case AXI_WIRE_SET_OUTPUT:
        set_output(node, m->SetOutput.task_id, m->SetOutput.epoch, m->SetOutput.output_from,
                   m->SetOutput.output_until);
        answer(c, node, m->SetOutput.request, 0);
        break;
    default:
        act_on_migration(c, node, type, m);
        break;
    }
}

static void receive(struct fake_cluster *c, struct fake_node *node, const uint8_t *bytes,
                    size_t count)
{
    static uint8_t buffer[AXI_WIRE_FRAME_BYTES_MAX];
    union axi_wire_message message;
    struct axi_wire_parser parser;
    struct axi_wire_frame frame;

    axi_wire_parser_init(&parser, buffer, sizeof(buffer));
    assert_int_equal(axi_wire_feed(&parser, &bytes, &count, &frame), 1);
    assert_int_equal(axi_wire_decode(&frame, &message), 0);
    node->received[frame.type]++;
    if (frame.type == AXI_WIRE_CHUNK && frame.tail_bytes <= sizeof(node->object)) {
        memcpy(node->object, frame.tail, frame.tail_bytes);
        node->object_bytes = frame.tail_bytes;
    }
    if (node->die_at == frame.type) {
        fake_kill(c, (uint32_t)(node - c->nodes));
    } else if (node->refuse == frame.type) {
        answer(c, node, request_of(&message, frame.type), -AXC_EADMIT_LOAD);
    } else if (node->ignore != frame.type) {
        act(c, node, frame.type, &message);
    }
}

/* ---- the cluster ---- */

static void deliver(struct fake_cluster *c)
{
    while (c->queue_head != c->queue_tail) {
        struct fake_frame item = c->queue[c->queue_head++ % FAKE_QUEUE];

        for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
            struct fake_node *node = &c->nodes[n];

            if (!node->is_alive || node->link != item.link) {
                continue;
            }
            if (item.frame == NULL) {
                node->link = 0;
            } else {
                receive(c, node, item.frame, item.bytes);
            }
        }
        free(item.frame);
    }
}

static void say_hello(struct fake_cluster *c, struct fake_node *node)
{
    axi_Hello hello = {.protocol_min = 1,
                       .protocol_max = 1,
                       .node_id = node->id,
                       .boot_id = node->boot,
                       .platforms_count = 1,
                       .services = 7,
                       .assurance = node->assurance != 0 ? node->assurance : 1,
                       .capacity_ppm = 900000,
                       .slots = 8};

    (void)snprintf(hello.name, sizeof(hello.name), "n%u", (unsigned)(node - c->nodes) + 1);
    if (node->name != NULL) {
        (void)snprintf(hello.name, sizeof(hello.name), "%s", node->name);
    }
    (void)snprintf(hello.platforms[0], sizeof(hello.platforms[0]), "%s",
                   node->platform != NULL ? node->platform : "linux-x86_64");
    node->link = ++c->next_link;
    node->heartbeat_ns = UINT64_MAX;
    axi_master_link_up(c->master, node->link, "fake");
    tell(c, node, AXI_WIRE_HELLO, &hello, NULL, 0);
}

void fake_run(struct fake_cluster *c, uint64_t ms)
{
    uint64_t end = c->now_ns + ms * MS;

    for (; c->now_ns < end; c->now_ns += MS) {
        if (c->has_crashed) {
            c->has_crashed = false;
            fake_restart_master(c);
        }
        for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
            struct fake_node *node = &c->nodes[n];

            for (size_t i = 0; i < 8; i++) {
                put_out(c, &node->instances[i]);
            }
            if (node->is_alive && node->link == 0 && c->now_ns % (50 * MS) == 0) {
                say_hello(c, node);
            } else if (node->is_alive && c->now_ns >= node->heartbeat_ns) {
                report(c, node);
            }
        }
        (void)axi_master_tick(c->master);
        deliver(c);
    }
}

void fake_kill(struct fake_cluster *c, uint32_t n)
{
    uint64_t link = c->nodes[n].link;

    c->nodes[n].is_alive = false;
    c->nodes[n].link = 0;
    c->nodes[n].die_at = 0;
    memset(c->nodes[n].instances, 0, sizeof(c->nodes[n].instances));
    axi_master_link_down(c->master, link);
}

void fake_revive(struct fake_cluster *c, uint32_t n, uint64_t boot)
{
    c->nodes[n].is_alive = true;
    c->nodes[n].boot = boot;
}

void fake_restart_master(struct fake_cluster *c)
{
    axi_master_free(c->master);
    while (c->queue_head != c->queue_tail) {
        free(c->queue[c->queue_head++ % FAKE_QUEUE].frame);
    }
    for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
        c->nodes[n].link = 0;
    }
    start_master(c);
}

void fake_up(struct fake_cluster *c)
{
    struct axi_store_sqlite_options options = {.path = ":memory:", .is_volatile = 1};
    struct axi_image_info image = {.digest = {0xab, 0xcd, 0xef},
                                   .spec = {.name = "work",
                                            .period_ns = 10 * MS,
                                            .deadline_ns = 10 * MS,
                                            .state_bytes = STATE_BYTES,
                                            .state_version = 1},
                                   .entry_count = 1,
                                   .entries = {{"linux-x86_64", {1}, 100, MS}}};

    *c = (struct fake_cluster){.now_ns = 1000000 * MS, .crash_at = -1, .checkpoint = {.job = 7}};
    assert_int_equal(axi_store_sqlite_new(&options, &c->store), 0);
    c->config.store = c->store;
    start_master(c);
    for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
        c->nodes[n].id = n + 1;
    }
    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        fake_revive(c, n, 100 + n);
    }
    assert_int_equal(axi_master_image_add(c->master, &image, NULL), 0);
    fake_run(c, 200);
}

void fake_down(struct fake_cluster *c)
{
    axi_master_free(c->master);
    while (c->queue_head != c->queue_tail) {
        free(c->queue[c->queue_head++ % FAKE_QUEUE].frame);
    }
    axi_store_free(c->store);
}

uint32_t fake_active_count(struct fake_cluster *c)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < FAKE_NODES_MAX; n++) {
        for (size_t i = 0; i < 8; i++) {
            count += c->nodes[n].is_alive && c->nodes[n].instances[i].state == AXI_SLOT_ACTIVE;
        }
    }
    return count;
}

struct fake_node *fake_owner(struct fake_cluster *c)
{
    json_t *task = axi_master_task(c->master, "work");
    const char *name = json_string_value(json_object_get(task, "node"));
    struct fake_node *node = name != NULL && name[0] == 'n' ? &c->nodes[name[1] - '1'] : NULL;

    json_decref(task);
    return node;
}

const char *fake_state(struct fake_cluster *c)
{
    static char state[16];
    json_t *task = axi_master_task(c->master, "work");
    const char *text = json_string_value(json_object_get(task, "state"));

    (void)snprintf(state, sizeof(state), "%s", text != NULL ? text : "");
    json_decref(task);
    return state;
}

int fake_op_code(struct fake_cluster *c, uint64_t op)
{
    json_t *json = axi_master_op(c->master, op);
    bool is_running = strcmp(json_string_value(json_object_get(json, "state")), "running") == 0;
    int code = is_running ? 1 : (int)json_integer_value(json_object_get(json, "code"));

    json_decref(json);
    return code;
}

void fake_put_checkpoint(struct fake_cluster *c, uint64_t key_task, uint64_t task, uint64_t job)
{
    struct axi_checkpoint header = {
        .task_id = task, .epoch = 1, .job = job, .state_version = 1, .state_bytes = 16};
    const uint8_t state[16] = {9};
    uint8_t bytes[256];
    size_t count = 0;
    char key[40];

    assert_int_equal(axi_checkpoint_encode(&header, state, bytes, sizeof(bytes), &count), 0);
    (void)snprintf(key, sizeof(key), "checkpoint/%016llx", (unsigned long long)key_task);
    assert_int_equal(axi_store_cas(c->store, key, AXI_STORE_ANY, (char *)bytes, count, NULL), 0);
}
