/* SPDX-License-Identifier: Apache-2.0 */
#include "cms/fake_managers.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

static uint64_t now(void *context)
{
    return ((struct fake_manager *)context)->all->now_ns;
}

static uint64_t random64(void *context)
{
    return ((struct fake_manager *)context)->all->random += 0x9e3779b97f4a7c15ull;
}

static void enqueue(struct fake_managers *all, uint32_t from, uint64_t link, const uint8_t *frame,
                    size_t bytes)
{
    struct fake_frame item = {.from = from, .to = UINT32_MAX, .link = link, .bytes = bytes};

    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        if (from < FAKE_MANAGERS && all->nodes[n].links[from] == link) {
            item.to = FAKE_MANAGERS + n;
        }
    }
    if (from < FAKE_MANAGERS && link == all->peer_link) {
        item.to = 1 - from;
    }
    if (item.to == UINT32_MAX) {
        return; /* nobody is there any more */
    }
    if (bytes > 0) {
        item.frame = malloc(bytes);
        assert_non_null(item.frame);
        memcpy(item.frame, frame, bytes);
    }
    assert_true(all->tail - all->head < FAKE_QUEUE);
    all->queue[all->tail++ % FAKE_QUEUE] = item;
}

static void port_send(void *context, uint64_t link, const uint8_t *frame, size_t bytes)
{
    struct fake_manager *manager = context;

    enqueue(manager->all, manager->index, link, frame, bytes);
}

static void port_close(void *context, uint64_t link)
{
    struct fake_manager *manager = context;

    enqueue(manager->all, manager->index, link, NULL, 0);
}

static int port_connect(void *context, const char *address, uint64_t *ret_link)
{
    struct fake_manager *manager = context;
    struct fake_managers *all = manager->all;
    uint32_t to = (uint32_t)(address[1] - '0');

    if (address[0] != 'c' || to >= FAKE_MANAGERS || all->managers[to].cms == NULL) {
        return -AXC_EUNAVAILABLE;
    }
    *ret_link = all->peer_link = ++all->next_link;
    all->has_peer_link = false; /* opened by the next step of the run */
    return 0;
}

static int get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size)
{
    (void)context;
    (void)digest;
    *ret_bytes = calloc(1, 100);
    *ret_size = 100;
    return *ret_bytes != NULL ? 0 : -AXC_ENOMEM;
}

static void on_event(void *context, const json_t *event)
{
    struct fake_manager *manager = context;
    size_t used = strlen(manager->events);

    if (getenv("AXI_TEST_VERBOSE") != NULL) {
        (void)json_dumpf(event, stderr, JSON_COMPACT);
        (void)fputc('\n', stderr);
    }
    (void)snprintf(manager->events + used, sizeof(manager->events) - used, "%s ",
                   json_string_value(json_object_get(event, "type")));
}

static bool crash_point(void *context, uint32_t point)
{
    struct fake_manager *manager = context;

    if ((int)point != manager->crash_at) {
        return false;
    }
    manager->crash_at = -1;
    manager->has_crashed = true;
    return true;
}

/* ---- the store as one manager sees it ---- */

static struct axi_store *inner(struct axi_store *base)
{
    return ((struct fake_store *)base)->all->store;
}

static bool is_away(struct axi_store *base)
{
    return ((struct fake_store *)base)->is_unreachable;
}

static int store_get(struct axi_store *base, const char *key, struct axi_store_value *ret_value)
{
    return is_away(base) ? -AXC_EUNAVAILABLE : axi_store_get(inner(base), key, ret_value);
}

static int store_commit(struct axi_store *base, const struct axi_store_op *ops, size_t count,
                        uint64_t *ret_revision)
{
    return is_away(base) ? -AXC_EUNAVAILABLE
                         : axi_store_commit(inner(base), ops, count, ret_revision);
}

static int store_list(struct axi_store *base, const char *prefix, axi_store_visit visit,
                      void *context)
{
    return is_away(base) ? -AXC_EUNAVAILABLE : axi_store_list(inner(base), prefix, visit, context);
}

static int store_changes(struct axi_store *base, const char *prefix, uint64_t after,
                         axi_store_changed changed, void *context, uint64_t *ret_revision)
{
    return is_away(base)
               ? -AXC_EUNAVAILABLE
               : axi_store_changes(inner(base), prefix, after, changed, context, ret_revision);
}

static int store_grant(struct axi_store *base, uint32_t ttl_ms, uint64_t *ret_lease)
{
    return is_away(base) ? -AXC_EUNAVAILABLE
                         : axi_store_lease_grant(inner(base), ttl_ms, ret_lease);
}

static int store_keep(struct axi_store *base, uint64_t lease)
{
    return is_away(base) ? -AXC_EUNAVAILABLE : axi_store_lease_keep(inner(base), lease);
}

static int store_revoke(struct axi_store *base, uint64_t lease)
{
    return is_away(base) ? -AXC_EUNAVAILABLE : axi_store_lease_revoke(inner(base), lease);
}

static const struct axi_store_ops store_ops = {.get = store_get,
                                               .commit = store_commit,
                                               .list = store_list,
                                               .changes = store_changes,
                                               .lease_grant = store_grant,
                                               .lease_keep = store_keep,
                                               .lease_revoke = store_revoke};

/* ---- a node's side ---- */

void fakes_say(struct fake_managers *all, uint32_t n, uint32_t m, uint32_t type,
               const void *message, const void *tail, size_t tail_bytes)
{
    static uint8_t frame[AXI_WIRE_FRAME_BYTES_MAX];
    size_t bytes = 0;

    if (all->nodes[n].links[m] == 0 || all->managers[m].cms == NULL) {
        return;
    }
    assert_int_equal(axi_wire_encode(type, message, tail, tail_bytes, frame, sizeof(frame), &bytes),
                     0);
    axi_cms_link_bytes(all->managers[m].cms, all->nodes[n].links[m], frame, bytes);
}

static void answer(struct fake_managers *all, uint32_t n, uint32_t m, uint64_t request, int code)
{
    axi_Result result = {.request = request, .code = code};

    fakes_say(all, n, m, AXI_WIRE_RESULT, &result, NULL, 0);
}

static struct fake_instance *find(struct fake_node *node, uint64_t task, uint64_t epoch)
{
    for (size_t i = 0; i < 4; i++) {
        if (node->instances[i].state != AXI_SLOT_FREE && node->instances[i].task == task &&
            node->instances[i].epoch == epoch) {
            return &node->instances[i];
        }
    }
    return NULL;
}

static void install(struct fake_node *node, uint64_t task, uint64_t epoch, uint32_t state)
{
    for (size_t i = 0; find(node, task, epoch) == NULL && i < 4; i++) {
        if (node->instances[i].state == AXI_SLOT_FREE) {
            node->instances[i] = (struct fake_instance){task, epoch, state};
        }
    }
}

static void on_start(struct fake_managers *all, uint32_t n, uint32_t m, const axi_Start *start)
{
    struct fake_node *node = &all->nodes[n];
    struct fake_instance *it = find(node, start->task_id, start->epoch);

    if (it == NULL && start->standby_epoch != 0) {
        it = find(node, start->task_id, start->standby_epoch);
    }
    node->start = *start;
    if (it != NULL) {
        it->epoch = start->epoch;
        it->state = AXI_SLOT_ACTIVE;
    }
    answer(all, n, m, start->request, it != NULL ? 0 : -AXC_ENOENT);
}

static void on_read(struct fake_managers *all, uint32_t n, uint32_t m, const axi_SlotRead *read)
{
    struct fake_node *node = &all->nodes[n];
    axi_SlotData data = {.request = read->request,
                         .offset = read->offset,
                         .total = (uint32_t)node->checkpoint_bytes,
                         .newest = node->write};

    node->read = *read;
    if (node->is_torn || read->write != node->write) {
        data.code = -AXC_ECKPT_TORN;
        fakes_say(all, n, m, AXI_WIRE_SLOT_DATA, &data, NULL, 0);
    } else {
        fakes_say(all, n, m, AXI_WIRE_SLOT_DATA, &data, node->checkpoint + read->offset,
                  node->checkpoint_bytes - read->offset);
    }
}

static void on_remove(struct fake_node *node, const axi_Remove *remove)
{
    for (size_t i = 0; i < 4; i++) {
        if (node->instances[i].task == remove->task_id &&
            node->instances[i].epoch <= remove->epoch) {
            node->instances[i].state = AXI_SLOT_FREE;
        }
    }
}

static void act(struct fake_managers *all, uint32_t n, uint32_t m, uint32_t type,
                const union axi_wire_message *msg)
{
    struct fake_node *node = &all->nodes[n];
    axi_LoadReply load = {.memory_free_bytes = 1u << 30, .free_slots = 4};

    switch (type) {
    case AXI_WIRE_LOAD:
        install(node, msg->Load.spec.task_id, msg->Load.epoch, AXI_SLOT_STANDBY);
        answer(all, n, m, msg->Load.request, 0);
        break;
    case AXI_WIRE_START:
        on_start(all, n, m, &msg->Start);
        break;
    case AXI_WIRE_REMOVE:
        on_remove(node, &msg->Remove);
        answer(all, n, m, msg->Remove.request, 0);
        break;
    case AXI_WIRE_RESUME:
        node->resume = msg->Resume;
        answer(all, n, m, msg->Resume.request,
               find(node, msg->Resume.task_id, msg->Resume.epoch) != NULL ? 0 : -AXC_ENOENT);
        break;
    case AXI_WIRE_SLOT_READ:
        on_read(all, n, m, &msg->SlotRead);
        break;
    case AXI_WIRE_LOAD_QUERY:
        load.request = msg->LoadQuery.request;
        load.cpu_load_ppm = n * 1000;
        load.master_ns = all->now_ns;
        fakes_say(all, n, m, AXI_WIRE_LOAD_REPLY, &load, NULL, 0);
        break;
    case AXI_WIRE_HEARTBEAT_ACK:
        node->heartbeat_ack = msg->HeartbeatAck;
        break;
    case AXI_WIRE_ACKS:
        node->ack = msg->Acks.acks[0];
        break;
    default:
        break;
    }
}

static uint64_t request_of(const union axi_wire_message *m, uint32_t type)
{
    return type == AXI_WIRE_LOAD ? m->Load.request : type == AXI_WIRE_START ? m->Start.request : 0;
}

static void node_receive(struct fake_managers *all, uint32_t n, uint32_t m, const uint8_t *bytes,
                         size_t count)
{
    static uint8_t buffer[AXI_WIRE_FRAME_BYTES_MAX];
    static union axi_wire_message message;
    struct fake_node *node = &all->nodes[n];
    struct axi_wire_parser parser;
    struct axi_wire_frame frame;

    axi_wire_parser_init(&parser, buffer, sizeof(buffer));
    assert_int_equal(axi_wire_feed(&parser, &bytes, &count, &frame), 1);
    assert_int_equal(axi_wire_decode(&frame, &message), 0);
    node->received[frame.type]++;
    if (node->refuse == frame.type) {
        answer(all, n, m, request_of(&message, frame.type), -AXC_EADMIT_LOAD);
    } else if (node->ignore != frame.type) {
        act(all, n, m, frame.type, &message);
    }
}

void fakes_notice(struct fake_managers *all, uint32_t n, uint32_t m, uint64_t epoch, uint64_t job)
{
    struct fake_node *node = &all->nodes[n];
    struct axi_checkpoint header = {.task_id = FAKE_TASK,
                                    .epoch = epoch,
                                    .job = job,
                                    .state_version = 1,
                                    .state_bytes = FAKE_STATE_BYTES};
    uint8_t state[FAKE_STATE_BYTES] = {(uint8_t)job};
    axi_Notices notices = {.notices_count = 1};

    assert_int_equal(axi_checkpoint_encode(&header, state, node->checkpoint,
                                           sizeof(node->checkpoint), &node->checkpoint_bytes),
                     0);
    notices.notices[0] = (axi_Notice){.task_id = FAKE_TASK,
                                      .epoch = epoch,
                                      .job = job,
                                      .bytes = (uint32_t)node->checkpoint_bytes,
                                      .write = ++node->write};
    fakes_say(all, n, m, AXI_WIRE_NOTICES, &notices, NULL, 0);
}

/* ---- the cluster ---- */

static void deliver_one(struct fake_managers *all, const struct fake_frame *item)
{
    struct fake_manager *manager = item->to < FAKE_MANAGERS ? &all->managers[item->to] : NULL;
    struct fake_node *node = manager == NULL ? &all->nodes[item->to - FAKE_MANAGERS] : NULL;

    if (manager != NULL && manager->cms != NULL && item->frame != NULL) {
        axi_cms_link_bytes(manager->cms, item->link, item->frame, item->bytes);
    } else if (manager != NULL && manager->cms != NULL) {
        axi_cms_link_down(manager->cms, item->link, 0);
    } else if (node != NULL && node->is_alive && node->links[item->from] == item->link) {
        if (item->frame == NULL) {
            node->links[item->from] = 0;
        } else {
            node_receive(all, item->to - FAKE_MANAGERS, item->from, item->frame, item->bytes);
        }
    }
}

static void deliver(struct fake_managers *all)
{
    while (all->head != all->tail) {
        struct fake_frame item = all->queue[all->head++ % FAKE_QUEUE];

        deliver_one(all, &item);
        free(item.frame);
    }
}

static void greet(struct fake_managers *all, uint32_t n, uint32_t m)
{
    axi_ManagerHello hello = {.protocol_min = 1,
                              .protocol_max = 1,
                              .node_id = all->nodes[n].id,
                              .boot_id = 1,
                              .machine_id = 5 + n};

    (void)snprintf(hello.name, sizeof(hello.name), "n%u", n);
    all->nodes[n].links[m] = ++all->next_link;
    axi_cms_link_up(all->managers[m].cms, all->nodes[n].links[m], true, "node");
    fakes_say(all, n, m, AXI_WIRE_MANAGER_HELLO, &hello, NULL, 0);
}

static void open_peer_link(struct fake_managers *all)
{
    if (!all->has_peer_link && all->peer_link != 0) {
        all->has_peer_link = true;
        for (uint32_t m = 0; m < FAKE_MANAGERS; m++) {
            if (all->managers[m].cms != NULL) {
                axi_cms_link_up(all->managers[m].cms, all->peer_link, m == 1, "peer");
            }
        }
    }
}

static void renew_leases(struct fake_managers *all)
{
    char key[40];

    if (all->now_ns < all->leases_ns) {
        return;
    }
    all->leases_ns = all->now_ns + 100 * MS;
    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        if (all->nodes[n].is_alive && all->nodes[n].has_lease) {
            (void)snprintf(key, sizeof(key), "lease/%llx", (unsigned long long)all->nodes[n].id);
            assert_int_equal(axi_store_cas(all->store, key, AXI_STORE_ANY, "{}", 2, NULL), 0);
        }
    }
}

void fakes_run(struct fake_managers *all, uint64_t ms)
{
    uint64_t end = all->now_ns + ms * MS;

    for (; all->now_ns < end; all->now_ns += MS) {
        renew_leases(all);
        open_peer_link(all);
        for (uint32_t m = 0; m < FAKE_MANAGERS; m++) {
            for (uint32_t n = 0; n < FAKE_NODES && all->managers[m].cms != NULL; n++) {
                if (all->nodes[n].is_alive && all->nodes[n].links[m] == 0) {
                    greet(all, n, m);
                }
            }
            if (all->managers[m].cms != NULL) {
                (void)axi_cms_tick(all->managers[m].cms);
            }
            if (all->managers[m].has_crashed) {
                fakes_kill_manager(all, m);
            }
        }
        deliver(all);
    }
}

void fakes_kill_manager(struct fake_managers *all, uint32_t m)
{
    struct fake_manager *manager = &all->managers[m];
    struct axi_checkpoints_result results[8];

    axi_cms_free(manager->cms);
    manager->cms = NULL;
    manager->has_crashed = false;
    while (axi_checkpoints_poll(manager->checkpoints, results, 8) > 0) {
    }
    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        all->nodes[n].links[m] = 0;
    }
    if (all->managers[1 - m].cms != NULL && all->peer_link != 0) {
        axi_cms_link_down(all->managers[1 - m].cms, all->peer_link, 0);
    }
    all->peer_link = 0;
}

void fakes_start_manager(struct fake_managers *all, uint32_t m)
{
    struct fake_manager *manager = &all->managers[m];
    const struct axi_cms_port port = {.context = manager,
                                      .now_local_ns = now,
                                      .random64 = random64,
                                      .connect = port_connect,
                                      .send = port_send,
                                      .close = port_close,
                                      .get_blob = get_blob,
                                      .on_event = on_event,
                                      .crash_point = crash_point};
    struct axi_cms_config config = all->config;

    manager->store.base.ops = &store_ops;
    manager->store.all = all;
    config.store = &manager->store.base;
    config.checkpoints = manager->checkpoints;
    config.manager_id = 0xa0 + m;
    (void)snprintf(config.name, sizeof(config.name), "c%u", m);
    (void)snprintf(config.address, sizeof(config.address), "c%u", m);
    assert_int_equal(axi_cms_new(&config, &port, &manager->cms), 0);
}

void fakes_kill_node(struct fake_managers *all, uint32_t n)
{
    all->nodes[n].is_alive = false;
    memset(all->nodes[n].instances, 0, sizeof(all->nodes[n].instances));
    for (uint32_t m = 0; m < FAKE_MANAGERS; m++) {
        if (all->managers[m].cms != NULL && all->nodes[n].links[m] != 0) {
            axi_cms_link_down(all->managers[m].cms, all->nodes[n].links[m], 0);
        }
        all->nodes[n].links[m] = 0;
    }
}

void fakes_put(struct fake_managers *all, const struct axi_record *record)
{
    json_t *json = axi_record_to_json(record);
    char *text = json_dumps(json, JSON_COMPACT);

    assert_int_equal(
        axi_store_cas(all->store, "task/0000000000000077", AXI_STORE_ANY, text, strlen(text), NULL),
        0);
    free(text);
    json_decref(json);
}

struct axi_record fakes_record(struct fake_managers *all)
{
    struct axi_store_value value;
    struct axi_record record;
    json_t *json;

    assert_int_equal(axi_store_get(all->store, "task/0000000000000077", &value), 0);
    json = json_loads(value.bytes, 0, NULL);
    assert_int_equal(axi_record_from_json(json, &record), 0);
    json_decref(json);
    axi_store_value_clear(&value);
    return record;
}

static void put_node(struct fake_managers *all, uint32_t n)
{
    char key[40];
    char text[200];

    (void)snprintf(key, sizeof(key), "node/%llx", (unsigned long long)all->nodes[n].id);
    (void)snprintf(
        text, sizeof(text),
        "{\"id\":\"%llx\",\"boot\":\"1\",\"name\":\"n%u\",\"platforms\":[\"linux-x86_64\"],"
        "\"services\":7,\"assurance\":1,\"capacity_ppm\":900000,\"slots\":4,"
        "\"memory_bytes\":1073741824}",
        (unsigned long long)all->nodes[n].id, n);
    assert_int_equal(axi_store_cas(all->store, key, AXI_STORE_ANY, text, strlen(text), NULL), 0);
}

static uint64_t store_now(void *context)
{
    return ((struct fake_managers *)context)->now_ns;
}

void fakes_up(struct fake_managers *all)
{
    const struct axi_store_sqlite_options store = {
        .path = ":memory:", .is_volatile = 1, .now_ns = store_now, .clock_context = all};
    const struct axi_checkpoints_options checkpoints = {
        .path = ":memory:", .is_inline = true, .is_volatile = true};
    struct axi_record record = {.id = FAKE_TASK,
                                .name = "work",
                                .spec = {.name = "work",
                                         .period_ns = 10 * MS,
                                         .deadline_ns = 10 * MS,
                                         .state_bytes = FAKE_STATE_BYTES,
                                         .state_version = 1},
                                .entry_count = 1,
                                .entries = {{"linux-x86_64", {1}, 100, MS}},
                                .state = AXI_TASK_RUNNING,
                                .owner = 0x11,
                                .epoch = 3,
                                .epoch_last = 3,
                                .release_ns = 5 * MS};

    memset(all, 0, sizeof(*all));
    all->now_ns = 1000000 * MS;
    assert_int_equal(axi_store_sqlite_new(&store, &all->store), 0);
    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        all->nodes[n].id = 0x11 + n;
        all->nodes[n].is_alive = all->nodes[n].has_lease = true;
        put_node(all, n);
    }
    install(&all->nodes[0], FAKE_TASK, 3, AXI_SLOT_ACTIVE);
    fakes_put(all, &record);
    for (uint32_t m = 0; m < FAKE_MANAGERS; m++) {
        all->managers[m].all = all;
        all->managers[m].index = m;
        all->managers[m].crash_at = -1;
        assert_int_equal(axi_checkpoints_new(&checkpoints, &all->managers[m].checkpoints), 0);
        fakes_start_manager(all, m);
    }
    fakes_run(all, 100);
}

void fakes_down(struct fake_managers *all)
{
    for (uint32_t m = 0; m < FAKE_MANAGERS; m++) {
        axi_cms_free(all->managers[m].cms);
        axi_checkpoints_free(all->managers[m].checkpoints);
    }
    while (all->head != all->tail) {
        free(all->queue[all->head++ % FAKE_QUEUE].frame);
    }
    axi_store_free(all->store);
}

uint32_t fakes_active(struct fake_managers *all)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < FAKE_NODES; n++) {
        for (size_t i = 0; i < 4; i++) {
            count += all->nodes[n].is_alive && all->nodes[n].instances[i].state == AXI_SLOT_ACTIVE;
        }
    }
    return count;
}

bool fakes_heard(const struct fake_managers *all, uint32_t m, const char *event)
{
    char wanted[40];

    (void)snprintf(wanted, sizeof(wanted), "%s ", event);
    return strstr(all->managers[m].events, wanted) != NULL;
}
