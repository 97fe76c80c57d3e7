/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas over scripted nodes: whose state they begin with, on which grid, and how they end. */
#include "master/service/replica.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/sha256.h"
#include "core/checkpoint.h"
#include "master/fake_cluster.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define MANAGER_LINK 900001u
#define OLD_SCHEMA "axcan-schema 1 16\ncount 0 4 u32\nrest[12] 4 1 u8\n"
#define NEW_SCHEMA "axcan-schema 1 8\nfresh 0 4 u32\ncount 4 4 u32\n"

struct rig {
    struct fake_cluster c;
    struct axi_service_spec spec;
    struct axi_image_info *image;
    uint64_t release_ns;
    uint64_t first; /* the running replica on n1 */
    uint32_t number;
    char reason[AXI_REASON_BYTES];
};

static uint64_t node_of(struct rig *rig, uint32_t n)
{
    return rig->c.nodes[n].id;
}

static int create(struct rig *rig, uint32_t n, uint64_t seed, enum axi_state_rule rule,
                  uint64_t *ret_task)
{
    struct axi_replica_request request = {.spec = &rig->spec,
                                          .number = ++rig->number,
                                          .image = rig->image,
                                          .node = node_of(rig, n),
                                          .release_ns = rig->release_ns,
                                          .seed = seed,
                                          .rule = rule,
                                          .output_address = ""};

    return axi_replica_create(rig->c.master, &request, NULL, 0, ret_task, rig->reason);
}

static struct axi_replica_view look(struct rig *rig, uint64_t task)
{
    struct axi_replica_view view;

    axi_replica_look(rig->c.master, task, &view);
    return view;
}

static const struct axi_record *record_of(struct rig *rig, uint64_t task)
{
    const struct axi_task *found = axi_task_find(rig->c.master, task);

    assert_non_null(found);
    return &found->record;
}

static void add_image(struct rig *rig, const char *name, uint8_t digest, const char *schema,
                      uint32_t state_bytes)
{
    struct axi_image_info image = {.digest = {digest},
                                   .spec = {.period_ns = 10 * MS,
                                            .deadline_ns = 10 * MS,
                                            .state_bytes = state_bytes,
                                            .state_version = 1},
                                   .entry_count = 1,
                                   .entries = {{"linux-x86_64", {1}, 100, MS}}};
    struct axi_sha256 sha;

    (void)snprintf(image.spec.name, sizeof(image.spec.name), "%s", name);
    axi_sha256_init(&sha);
    axi_sha256_update(&sha, schema, strlen(schema));
    axi_sha256_final(&sha, image.spec.schema_hash);
    assert_int_equal(axi_master_image_add(rig->c.master, &image, NULL), 0);
    assert_int_equal(axi_master_schema_add(rig->c.master, schema, image.spec.schema_hash, NULL), 0);
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    fake_up(&rig->c);
    rig->spec = (struct axi_service_spec){.name = "svc"};
    rig->image = axi_image_lookup(rig->c.master, "work", NULL);
    assert_non_null(rig->image);
    assert_int_equal(create(rig, 0, 0, AXI_STATE_CARRY, &rig->first), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, rig->first).state, AXI_REPLICA_RUNNING);
    rig->release_ns = record_of(rig, rig->first)->release_ns;
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    fake_down(&rig->c);
    free(rig);
    return 0;
}

static struct axi_checkpoint started_with(struct rig *rig, uint32_t n, const uint8_t **ret_state)
{
    const struct fake_node *node = &rig->c.nodes[n];
    struct axi_checkpoint header = {0};

    assert_true(node->start.has_checkpoint);
    assert_int_equal(axi_checkpoint_decode(node->object, node->object_bytes, &header, ret_state),
                     0);
    return header;
}

static void the_first_begins_the_grid(void **state)
{
    struct rig *rig = *state;
    const struct fake_node *node = &rig->c.nodes[0];

    assert_false(node->start.has_checkpoint);
    assert_int_equal(node->start.first_job, 0);
    assert_int_equal(node->start.seed, 0);
    assert_true(record_of(rig, rig->first)->is_grid_fixed);
}

static void a_peer_gives_its_state(void **state)
{
    struct rig *rig = *state;
    struct axi_checkpoint header;
    const uint8_t *bytes = NULL;
    uint64_t task = 0;

    fake_run(&rig->c, 500);
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_int_equal(look(rig, task).node, node_of(rig, 1));
    header = started_with(rig, 1, &bytes);
    assert_int_equal(header.task_id, task);
    assert_int_equal(header.epoch, rig->c.nodes[1].start.epoch);
    assert_int_equal(header.job, 7);
    assert_int_equal(bytes[2], 3);
    assert_int_equal(rig->c.nodes[1].start.first_job, 7);
    assert_int_equal(rig->c.nodes[1].start.seed, rig->first);
    assert_int_equal(rig->c.nodes[1].start.release_ns, rig->release_ns); /* never shifted */
    assert_int_equal(record_of(rig, task)->seed, 0);
    assert_int_equal(record_of(rig, task)->replica, 2);
}

static void without_a_seed_it_joins_the_grid(void **state)
{
    struct rig *rig = *state;
    const struct fake_node *node = &rig->c.nodes[1];
    uint64_t task = 0;
    uint64_t release;

    fake_run(&rig->c, 503);
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_RESTART, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_false(node->start.has_checkpoint);
    assert_int_equal(node->start.release_ns, rig->release_ns);
    release = node->start.release_ns + node->start.first_job * 10 * MS;
    assert_true(release > rig->c.now_ns - 100 * MS && release < rig->c.now_ns);
    assert_int_equal(node->start.seed, task);
}

static void who_comes_too_late_for_the_first_job_begins_like_the_others(void **state)
{
    struct rig *rig = *state;
    uint64_t task = 0;

    fake_run(&rig->c, 503);
    assert_int_equal(create(rig, 1, 0, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_true(rig->c.nodes[1].start.has_checkpoint);
    assert_int_equal(rig->c.nodes[1].start.seed, rig->first);
}

static void the_store_gives_what_no_node_has(void **state)
{
    struct rig *rig = *state;
    const uint8_t *bytes = NULL;
    uint64_t task = 0;

    fake_kill(&rig->c, 0);
    fake_run(&rig->c, 1500);
    assert_int_equal(look(rig, rig->first).state, AXI_REPLICA_FAILED);
    fake_put_checkpoint(&rig->c, rig->first, rig->first, 40);
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_int_equal(started_with(rig, 1, &bytes).job, 40);
}

static void another_tasks_checkpoint_is_not_taken(void **state)
{
    struct rig *rig = *state;
    uint64_t task = 0;

    fake_kill(&rig->c, 0);
    fake_run(&rig->c, 1500);
    fake_put_checkpoint(&rig->c, rig->first, 4711, 40);
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_GONE);
    assert_int_equal(rig->c.nodes[1].received[AXI_WIRE_START], 0);
    assert_int_equal(fake_active_count(&rig->c), 0);
}

/* ---- a manager, played over its link ---- */

static void manager_says(struct rig *rig, uint32_t type, const void *message, const void *tail,
                         size_t tail_bytes)
{
    static uint8_t frame[AXI_WIRE_FRAME_BYTES_MAX];
    size_t bytes = 0;

    assert_int_equal(axi_wire_encode(type, message, tail, tail_bytes, frame, sizeof(frame), &bytes),
                     0);
    axi_master_link_bytes(rig->c.master, MANAGER_LINK, frame, bytes);
}

static void manager_joins(struct rig *rig)
{
    axi_ManagerJoin join = {.protocol_min = 1,
                            .protocol_max = 1,
                            .manager_id = 0xa0,
                            .boot_id = 1,
                            .name = "c0",
                            .address = "h:1"};

    axi_master_link_up(rig->c.master, MANAGER_LINK, "manager");
    manager_says(rig, AXI_WIRE_MANAGER_JOIN, &join, NULL, 0);
}

static void a_manager_gives_what_no_node_has(void **state)
{
    struct rig *rig = *state;
    struct axi_checkpoint header = {.epoch = 1, .job = 55, .state_version = 1, .state_bytes = 16};
    const uint8_t content[16] = {5};
    const uint8_t *got = NULL;
    uint8_t bytes[256];
    size_t count = 0;
    uint64_t task = 0;
    uint64_t request;

    manager_joins(rig);
    fake_kill(&rig->c, 0);
    fake_run(&rig->c, 1500);
    fake_put_checkpoint(&rig->c, rig->first, rig->first, 3); /* older */
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 20);
    request = axi_task_find(rig->c.master, task)->flow.request_target;
    assert_int_equal(axi_task_find(rig->c.master, task)->flow.step, AXI_STEP_LAUNCH_SEED);
    header.task_id = rig->first;
    assert_int_equal(axi_checkpoint_encode(&header, content, bytes, sizeof(bytes), &count), 0);
    axi_Chunk chunk = {.transfer = request,
                       .kind = AXI_CHUNK_CHECKPOINT,
                       .total = count,
                       .crc = axi_crc32c(0, bytes, count)};
    manager_says(rig, AXI_WIRE_CHUNK, &chunk, bytes, count);
    manager_says(rig, AXI_WIRE_RESULT, &(axi_Result){.request = request}, NULL, 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_int_equal(started_with(rig, 1, &got).job, 55);
    assert_int_equal(got[0], 5);
}

static void a_manager_without_it_is_passed_over(void **state)
{
    struct rig *rig = *state;
    const uint8_t *got = NULL;
    uint64_t task = 0;
    axi_Result none = {.code = -AXC_ENOENT};

    manager_joins(rig);
    fake_kill(&rig->c, 0);
    fake_run(&rig->c, 1500);
    fake_put_checkpoint(&rig->c, rig->first, rig->first, 3);
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 20);
    none.request = axi_task_find(rig->c.master, task)->flow.request_target;
    manager_says(rig, AXI_WIRE_RESULT, &none, NULL, 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_int_equal(started_with(rig, 1, &got).job, 3);
}

/* ---- ends ---- */

static void a_dead_nodes_replica_is_lost_at_once(void **state)
{
    struct rig *rig = *state;

    fake_kill(&rig->c, 0);
    fake_run(&rig->c, 400);
    assert_int_equal(look(rig, rig->first).state, AXI_REPLICA_RUNNING); /* fenced by its lease */
    fake_run(&rig->c, 400);
    assert_int_equal(look(rig, rig->first).state, AXI_REPLICA_FAILED);
    assert_string_equal(look(rig, rig->first).reason, "its node n1 is dead");
    axi_replica_remove(rig->c.master, rig->first);
    fake_run(&rig->c, 50);
    assert_int_equal(look(rig, rig->first).state, AXI_REPLICA_GONE);
}

static void what_comes_back_after_that_is_removed(void **state)
{
    struct rig *rig = *state;
    struct fake_instance kept[8];

    memcpy(kept, rig->c.nodes[0].instances, sizeof(kept));
    fake_kill(&rig->c, 0);
    fake_run(&rig->c, 800);
    memcpy(rig->c.nodes[0].instances, kept, sizeof(kept));
    rig->c.nodes[0].instances[0].state = AXI_SLOT_FENCED;
    fake_revive(&rig->c, 0, 100);
    fake_run(&rig->c, 300);
    assert_int_equal(rig->c.nodes[0].instances[0].state, AXI_SLOT_FREE);
}

static void a_refused_one_is_gone_and_its_node_alone_was_asked(void **state)
{
    struct rig *rig = *state;
    uint64_t task = 0;

    rig->c.nodes[1].refuse = AXI_WIRE_LOAD;
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_GONE);
    assert_int_equal(rig->c.nodes[2].received[AXI_WIRE_LOAD], 0);
    rig->c.nodes[1].refuse = AXI_WIRE_START;
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 100);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_GONE);
    assert_int_equal(fake_active_count(&rig->c), 1);
}

static void removing_works_in_every_step(void **state)
{
    static const uint32_t ignored[] = {AXI_WIRE_LOAD, AXI_WIRE_START, AXI_WIRE_GET_CHECKPOINT};
    struct rig *rig = *state;

    for (size_t i = 0; i < 3; i++) {
        uint64_t task = 0;

        rig->c.nodes[0].ignore = rig->c.nodes[1].ignore = ignored[i];
        assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
        fake_run(&rig->c, 60);
        assert_int_equal(look(rig, task).state, AXI_REPLICA_STARTING);
        axi_replica_remove(rig->c.master, task);
        axi_replica_remove(rig->c.master, task);
        fake_run(&rig->c, 60);
        assert_int_equal(look(rig, task).state, AXI_REPLICA_GONE);
        assert_int_equal(fake_active_count(&rig->c), 1);
    }
}

static void its_node_may_die_in_every_step(void **state)
{
    static const uint32_t steps[] = {AXI_WIRE_LOAD, AXI_WIRE_START};
    struct rig *rig = *state;

    for (uint32_t i = 0; i < 2; i++) {
        uint64_t task = 0;

        rig->c.nodes[1 + i].die_at = steps[i];
        assert_int_equal(create(rig, 1 + i, rig->first, AXI_STATE_CARRY, &task), 0);
        fake_run(&rig->c, 1000);
        assert_true(look(rig, task).state == AXI_REPLICA_GONE ||
                    look(rig, task).state == AXI_REPLICA_FAILED);
    }
    assert_int_equal(look(rig, rig->first).state, AXI_REPLICA_RUNNING);
}

static void the_seeds_node_may_die_when_asked(void **state)
{
    struct rig *rig = *state;
    const uint8_t *got = NULL;
    uint64_t task = 0;

    fake_put_checkpoint(&rig->c, rig->first, rig->first, 3);
    rig->c.nodes[0].die_at = AXI_WIRE_GET_CHECKPOINT;
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 1500);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_int_equal(started_with(rig, 1, &got).job, 3);
}

static void a_master_may_die_in_every_step(void **state)
{
    uint32_t count = 0;

    (void)state;
    (void)axi_master_crash_points(&count);
    for (uint32_t point = 2 * AXI_STEP_LAUNCH_PLACE; point < 2 * AXI_STEP_LAUNCH_RECORD + 2;
         point++) {
        void *inner = NULL;
        uint64_t task = 0;
        struct rig *rig;

        assert_true(point < count);
        (void)setup(&inner);
        rig = inner;
        rig->c.crash_at = (int)point;
        (void)!create(rig, 1, rig->first, AXI_STATE_CARRY, &task);
        fake_run(&rig->c, 2000);
        assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
        assert_int_equal(look(rig, task).node, node_of(rig, 1));
        assert_int_equal(fake_active_count(&rig->c), 2);
        assert_int_equal(rig->c.nodes[1].start.first_job, 7);
        (void)teardown(&inner);
    }
}

/* ---- schemas ---- */

static void another_schema_is_not_carried_over(void **state)
{
    struct rig *rig = *state;
    uint64_t task = 0;

    add_image(rig, "other", 0x77, NEW_SCHEMA, 8);
    rig->image = axi_image_lookup(rig->c.master, "other", NULL);
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), -AXC_ECKPT_SCHEMA);
    assert_non_null(strstr(rig->reason, "declare update.state map or restart"));
    /* nobody uploaded the old text */
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_MAP, &task), -AXC_ECKPT_SCHEMA);
    assert_non_null(strstr(rig->reason, "the schema text of the old image is not known"));
    assert_int_equal(task, 0);
}

static void state_is_mapped_by_field(void **state)
{
    struct rig *rig = *state;
    const uint8_t *got = NULL;
    uint64_t old = 0;
    uint64_t task = 0;
    struct axi_checkpoint header;

    add_image(rig, "old", 0x66, OLD_SCHEMA, 16);
    add_image(rig, "new", 0x77, NEW_SCHEMA, 8);
    rig->image = axi_image_lookup(rig->c.master, "old", NULL);
    assert_int_equal(create(rig, 1, 0, AXI_STATE_CARRY, &old), 0);
    fake_run(&rig->c, 100);
    memcpy(rig->c.checkpoint.schema_hash, rig->image->spec.schema_hash, 32);
    rig->image = axi_image_lookup(rig->c.master, "new", NULL);
    assert_int_equal(create(rig, 2, old, AXI_STATE_MAP, &task), 0);
    fake_run(&rig->c, 100);
    header = started_with(rig, 2, &got);
    assert_int_equal(header.state_bytes, 8);
    assert_memory_equal(header.schema_hash, rig->image->spec.schema_hash, 32);
    assert_int_equal(axi_get_le32(got), 0);
    assert_int_equal(axi_get_le32(got + 4), 0x030201);
    assert_true(rig->c.nodes[2].start.is_mapped);
}

static void a_half_done_job_is_not_taken_into_another_image(void **state)
{
    struct rig *rig = *state;
    const uint8_t *got = NULL;
    uint64_t task = 0;
    struct axi_image_info other = *rig->image;

    other.digest[0] ^= 0xff;
    assert_int_equal(axi_master_image_add(rig->c.master, &other, NULL), 0);
    rig->image = &other;
    rig->c.checkpoint.step = 2;
    assert_int_equal(create(rig, 1, rig->first, AXI_STATE_CARRY, &task), 0);
    fake_run(&rig->c, 600);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_STARTING);
    rig->c.checkpoint.step = 0;
    fake_run(&rig->c, 600);
    assert_int_equal(look(rig, task).state, AXI_REPLICA_RUNNING);
    assert_int_equal(started_with(rig, 1, &got).step, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_begins_the_grid),
        CASE(a_peer_gives_its_state),
        CASE(without_a_seed_it_joins_the_grid),
        CASE(who_comes_too_late_for_the_first_job_begins_like_the_others),
        CASE(the_store_gives_what_no_node_has),
        CASE(another_tasks_checkpoint_is_not_taken),
        CASE(a_manager_gives_what_no_node_has),
        CASE(a_manager_without_it_is_passed_over),
        CASE(a_dead_nodes_replica_is_lost_at_once),
        CASE(what_comes_back_after_that_is_removed),
        CASE(a_refused_one_is_gone_and_its_node_alone_was_asked),
        CASE(removing_works_in_every_step),
        CASE(its_node_may_die_in_every_step),
        CASE(the_seeds_node_may_die_when_asked),
        cmocka_unit_test(a_master_may_die_in_every_step),
        CASE(another_schema_is_not_carried_over),
        CASE(state_is_mapped_by_field),
        CASE(a_half_done_job_is_not_taken_into_another_image),
    };

    return cmocka_run_group_tests_name("replica", tests, NULL, NULL);
}
