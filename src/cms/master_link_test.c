/* SPDX-License-Identifier: Apache-2.0 */
/* What a manager answers its master: the newest checkpoint of a task. */
#include "cms/manager.h"
#include "core/wire.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define TASK 0x77u
#define MASTER_LINK 5u

struct rig {
    struct axi_cms *cms;
    struct axi_store *store;
    struct axi_checkpoints *checkpoints;
    uint64_t now_ns, random;
    uint8_t object[256];
    size_t object_bytes;
    axi_Result result;
    uint32_t results;
};

static uint64_t now(void *context)
{
    return ((struct rig *)context)->now_ns;
}

static uint64_t random64(void *context)
{
    return ++((struct rig *)context)->random;
}

static int port_connect(void *context, const char *address, uint64_t *ret_link)
{
    (void)context;
    assert_string_equal(address, "master:1");
    *ret_link = MASTER_LINK;
    return 0;
}

static void port_close(void *context, uint64_t link)
{
    (void)context;
    (void)link;
}

static int get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size)
{
    (void)context;
    (void)digest;
    (void)ret_bytes;
    (void)ret_size;
    return -AXC_ENOENT;
}

static void port_send(void *context, uint64_t link, const uint8_t *bytes, size_t count)
{
    static uint8_t buffer[AXI_WIRE_FRAME_BYTES_MAX];
    static union axi_wire_message message;
    struct rig *rig = context;
    struct axi_wire_parser parser;
    struct axi_wire_frame frame;

    assert_int_equal(link, MASTER_LINK);
    axi_wire_parser_init(&parser, buffer, sizeof(buffer));
    assert_int_equal(axi_wire_feed(&parser, &bytes, &count, &frame), 1);
    assert_int_equal(axi_wire_decode(&frame, &message), 0);
    if (frame.type == AXI_WIRE_RESULT) {
        rig->result = message.Result;
        rig->results++;
    } else if (frame.type == AXI_WIRE_CHUNK) {
        assert_int_equal(message.Chunk.transfer, 9);
        assert_true(message.Chunk.offset + frame.tail_bytes <= sizeof(rig->object));
        memcpy(rig->object + message.Chunk.offset, frame.tail, frame.tail_bytes);
        rig->object_bytes = message.Chunk.total;
    }
}

static void master_says(struct rig *rig, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes), 0);
    axi_cms_link_bytes(rig->cms, MASTER_LINK, frame, bytes);
}

static void keep_checkpoint(struct rig *rig, uint64_t epoch, uint64_t job)
{
    struct axi_checkpoint header = {
        .task_id = TASK, .epoch = epoch, .job = job, .state_version = 1, .state_bytes = 4};
    struct axi_checkpoints_result result;
    const uint8_t state[4] = {(uint8_t)job};
    uint8_t bytes[256];
    size_t count = 0;

    assert_int_equal(axi_checkpoint_encode(&header, state, bytes, sizeof(bytes), &count), 0);
    assert_int_equal(axi_checkpoints_put(rig->checkpoints, 1, bytes, count, 1), 0);
    assert_int_equal(axi_checkpoints_poll(rig->checkpoints, &result, 1), 1);
    assert_int_equal(result.code, 0);
}

static int setup(void **state)
{
    struct axi_store_sqlite_options store = {.path = ":memory:", .is_volatile = 1};
    struct axi_checkpoints_options options = {.path = ":memory:"};
    struct rig *rig = calloc(1, sizeof(*rig));
    struct axi_cms_port port = {.context = rig,
                                .now_local_ns = now,
                                .random64 = random64,
                                .connect = port_connect,
                                .send = port_send,
                                .close = port_close,
                                .get_blob = get_blob};
    struct axi_cms_config config = {
        .manager_id = 1, .boot_id = 1, .name = "c0", .master_address = "master:1"};

    rig->now_ns = 1000000000;
    assert_int_equal(axi_store_sqlite_new(&store, &rig->store), 0);
    assert_int_equal(axi_checkpoints_new(&options, &rig->checkpoints), 0);
    config.store = rig->store;
    config.checkpoints = rig->checkpoints;
    assert_int_equal(axi_cms_new(&config, &port, &rig->cms), 0);
    (void)axi_cms_tick(rig->cms);
    axi_cms_link_up(rig->cms, MASTER_LINK, false, "master:1");
    master_says(rig, AXI_WIRE_HELLO_REPLY, &(axi_HelloReply){.protocol = 1});
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    axi_cms_free(rig->cms);
    axi_checkpoints_free(rig->checkpoints);
    axi_store_free(rig->store);
    free(rig);
    return 0;
}

static void the_master_gets_the_newest(void **state)
{
    struct rig *rig = *state;
    axi_GetCheckpoint get = {.request = 9, .task_id = TASK, .epoch = UINT64_MAX};
    struct axi_checkpoint header;
    const uint8_t *content = NULL;

    keep_checkpoint(rig, 2, 40);
    keep_checkpoint(rig, 3, 11);
    keep_checkpoint(rig, 3, 12);
    master_says(rig, AXI_WIRE_GET_CHECKPOINT, &get);
    assert_int_equal(rig->results, 1);
    assert_int_equal(rig->result.request, 9);
    assert_int_equal(rig->result.code, 0);
    assert_int_equal(axi_checkpoint_decode(rig->object, rig->object_bytes, &header, &content), 0);
    assert_int_equal(header.epoch, 3);
    assert_int_equal(header.job, 12);
    get.epoch = 2;
    master_says(rig, AXI_WIRE_GET_CHECKPOINT, &get);
    assert_int_equal(axi_checkpoint_decode(rig->object, rig->object_bytes, &header, &content), 0);
    assert_int_equal(header.job, 40);
}

static void what_it_does_not_hold_is_refused(void **state)
{
    struct rig *rig = *state;

    master_says(rig, AXI_WIRE_GET_CHECKPOINT,
                &(axi_GetCheckpoint){.request = 9, .task_id = TASK, .epoch = UINT64_MAX});
    assert_int_equal(rig->results, 1);
    assert_int_equal(rig->result.code, -AXC_ENOENT);
    assert_int_equal(rig->object_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_master_gets_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(what_it_does_not_hold_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests_name("master_link", tests, NULL, NULL);
}
