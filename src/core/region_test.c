/* SPDX-License-Identifier: Apache-2.0 */
#include "core/region.h"

#include "base/bytes.h"
#include "support/test.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_STATE = 8192, SLOTS_MAX = 4, HEADER = 64, SLOT_HEAD = 32 };

static _Alignas(AXI_REGION_ALIGN) uint8_t memory[HEADER + SLOTS_MAX * (MAX_STATE + 256)];
static uint8_t copy[AXI_CHECKPOINT_HEADER_BYTES + MAX_STATE];

static struct axi_region make(uint32_t slots, uint32_t state_bytes_max)
{
    struct axi_region region;

    assert_int_equal(axi_region_init(&region, memory, sizeof(memory), slots, state_bytes_max), 0);
    return region;
}

/* Writes job `job`; every word of its state is the job number. */
static void write_job(struct axi_region *region, uint64_t job, uint32_t state_bytes)
{
    static uint64_t state[MAX_STATE / 8];
    struct axi_checkpoint c = {.task_id = 5, .epoch = 1, .job = job, .state_bytes = state_bytes};

    for (uint32_t i = 0; i < state_bytes / 8; i++) {
        state[i] = job;
    }
    assert_int_equal(axi_region_write(region, &c, state), 0);
}

static uint64_t newest_job(const struct axi_region *region)
{
    struct axi_checkpoint c;
    const uint8_t *state;
    size_t bytes;

    assert_int_equal(axi_region_newest(region, copy, sizeof(copy), &bytes), 0);
    assert_int_equal(axi_checkpoint_decode(copy, bytes, &c, &state), 0);
    assert_int_equal(axi_get_le64(state), c.job);
    return c.job;
}

static uint8_t *slot_of(const struct axi_region *region, uint64_t number)
{
    return region->memory + HEADER + number % region->slots * region->slot_bytes;
}

static void rejects_impossible_shapes(void **unused)
{
    struct axi_region region;

    (void)unused;
    assert_int_equal(axi_region_bytes(1, 100), 0);
    assert_int_equal(axi_region_bytes(AXI_REGION_SLOTS_MAX + 1, 100), 0);
    assert_int_equal(axi_region_bytes(2, 0), 0);
    assert_int_equal(axi_region_bytes(2, AXC_STATE_BYTES_MAX + 1), 0);
    assert_int_equal(axi_region_init(&region, memory, sizeof(memory), 1, 8), -AXC_EINVALID);
    assert_int_equal(axi_region_init(&region, memory + 8, sizeof(memory) - 8, 2, 8), -AXC_EINVALID);
    assert_int_equal(axi_region_init(&region, memory, axi_region_bytes(2, 8) - 1, 2, 8),
                     -AXC_EFULL);
}

static void empty_region_has_no_checkpoint(void **unused)
{
    struct axi_region region = make(2, 64);
    size_t bytes = 9;

    (void)unused;
    assert_int_equal(axi_region_newest(&region, copy, sizeof(copy), &bytes), -AXC_ECKPT_NONE);
    assert_int_equal(bytes, 9);
    assert_int_equal(axi_region_writes(&region), 0);
}

static void newest_is_the_last_write(void **unused)
{
    (void)unused;
    for (uint32_t slots = 2; slots <= SLOTS_MAX; slots++) {
        struct axi_region region = make(slots, MAX_STATE);

        for (uint64_t job = 1; job < 20; job++) {
            write_job(&region, job, job % 2 == 0 ? MAX_STATE : 8);
            assert_int_equal(newest_job(&region), job);
            assert_int_equal(axi_region_writes(&region), job);
        }
    }
}

static void write_rejects_states_beyond_the_region(void **unused)
{
    struct axi_region region = make(2, 64);
    struct axi_checkpoint c = {.state_bytes = 65};
    uint8_t state[65] = {0};

    (void)unused;
    assert_int_equal(axi_region_write(&region, &c, state), -AXC_ECKPT_SIZE);
    c.state_bytes = 0;
    assert_int_equal(axi_region_write(&region, &c, state), -AXC_ECKPT_SIZE);
    assert_int_equal(axi_region_writes(&region), 0);
}

static void newest_rejects_a_small_buffer(void **unused)
{
    struct axi_region region = make(2, 64);
    size_t bytes;

    (void)unused;
    write_job(&region, 1, 64);
    assert_int_equal(axi_region_newest(&region, copy, 159, &bytes), -AXC_EFULL);
    assert_int_equal(axi_region_newest(&region, copy, 10, &bytes), -AXC_EFULL);
    assert_int_equal(axi_region_newest(&region, copy, 160, &bytes), 0);
}

/* A writer that dies after any byte of its write: the slot is marked, partly new, not published. */
static void torn_write_keeps_the_previous_checkpoint(void **unused)
{
    const size_t length = AXI_CHECKPOINT_HEADER_BYTES + 256;

    (void)unused;
    for (size_t torn_at = 0; torn_at <= length; torn_at++) {
        struct axi_region region = make(2, 256);
        struct axi_region next;
        uint8_t *slot = slot_of(&region, 3);

        write_job(&region, 1, 256);
        write_job(&region, 2, 256);
        axi_put_le64(slot, 5);
        memset(slot + SLOT_HEAD, 0xee, torn_at);
        assert_int_equal(newest_job(&region), 2);
        assert_int_equal(axi_region_attach(&next, memory, sizeof(memory)), 0);
        write_job(&next, 3, 256); /* the successor writes over the torn slot */
        assert_int_equal(newest_job(&region), 3);
    }
}

static void damaged_newest_falls_back_to_the_previous(void **unused)
{
    struct axi_region region = make(3, 256);

    (void)unused;
    write_job(&region, 1, 256);
    write_job(&region, 2, 256);
    slot_of(&region, 2)[SLOT_HEAD + AXI_CHECKPOINT_HEADER_BYTES + 9] ^= 1;
    assert_int_equal(newest_job(&region), 1);
}

static void reports_damage_when_no_slot_is_intact(void **unused)
{
    struct axi_region region = make(2, 256);
    size_t bytes;

    (void)unused;
    write_job(&region, 1, 256);
    write_job(&region, 2, 256);
    slot_of(&region, 1)[SLOT_HEAD] ^= 1;
    slot_of(&region, 2)[SLOT_HEAD + AXI_CHECKPOINT_HEADER_BYTES] ^= 1;
    assert_int_equal(axi_region_newest(&region, copy, sizeof(copy), &bytes), -AXC_ECKPT_CRC);
}

static void reports_torn_when_the_published_slot_stays_marked(void **unused)
{
    struct axi_region region = make(2, 256);
    size_t bytes;

    (void)unused;
    write_job(&region, 1, 256);
    axi_put_le64(slot_of(&region, 1), 1);
    assert_int_equal(axi_region_newest(&region, copy, sizeof(copy), &bytes), -AXC_ECKPT_TORN);
}

static void attach_rejects_foreign_memory(void **unused)
{
    struct axi_region region = make(2, 256);

    (void)unused;
    assert_int_equal(axi_region_attach(&region, memory, 8), -AXC_EINVALID);
    assert_int_equal(axi_region_attach(&region, memory, 64), -AXC_ECKPT_SIZE);
    axi_put_le32(memory + 8, 1000);
    assert_int_equal(axi_region_attach(&region, memory, sizeof(memory)), -AXC_ECKPT_SIZE);
    axi_put_le32(memory + 4, 9);
    assert_int_equal(axi_region_attach(&region, memory, sizeof(memory)), -AXC_ECKPT_VERSION);
    axi_put_le32(memory, 0);
    assert_int_equal(axi_region_attach(&region, memory, sizeof(memory)), -AXC_ECKPT_MAGIC);
}

static void reads_one_write_whole_or_in_parts(void **unused)
{
    static uint8_t parts[sizeof(copy)];
    struct axi_region region = make(3, 256);
    struct axi_checkpoint c;
    const uint8_t *state;
    size_t bytes = 0;
    size_t total = 0;

    (void)unused;
    for (uint64_t job = 1; job <= 4; job++) {
        write_job(&region, job, 256);
    }
    assert_int_equal(axi_region_info(&region, 3, &c), 0);
    assert_int_equal(c.job, 3);
    assert_int_equal(axi_region_read(&region, 3, 0, copy, sizeof(copy), &bytes, &total), 0);
    assert_int_equal(bytes, AXI_CHECKPOINT_HEADER_BYTES + 256);
    assert_int_equal(total, bytes);
    assert_int_equal(axi_checkpoint_decode(copy, bytes, &c, &state), 0);
    assert_int_equal(axi_get_le64(state), 3);
    for (size_t step = 1; step < total; step += 37) {
        for (size_t at = 0; at < total; at += bytes) {
            assert_int_equal(axi_region_read(&region, 3, at, parts + at, step, &bytes, &total), 0);
            assert_int_equal(bytes, total - at < step ? total - at : step);
        }
        assert_memory_equal(parts, copy, total);
    }
    assert_int_equal(axi_region_read(&region, 3, total, copy, 1, &bytes, &total), -AXC_EINVALID);
}

static void tells_an_overwritten_write_from_one_to_come(void **unused)
{
    struct axi_region region = make(2, 256);
    struct axi_checkpoint c = {.job = 77};
    size_t bytes = 5;
    size_t total = 5;

    (void)unused;
    for (uint64_t job = 1; job <= 3; job++) {
        write_job(&region, job, 256);
    }
    assert_int_equal(axi_region_info(&region, 0, &c), -AXC_ECKPT_NONE);
    assert_int_equal(axi_region_info(&region, 4, &c), -AXC_ECKPT_NONE);
    assert_int_equal(axi_region_info(&region, 1, &c), -AXC_ECKPT_TORN);
    axi_put_le64(slot_of(&region, 2), 7); /* write 4 is under way */
    assert_int_equal(axi_region_info(&region, 2, &c), -AXC_ECKPT_TORN);
    assert_int_equal(axi_region_read(&region, 2, 0, copy, 8, &bytes, &total), -AXC_ECKPT_TORN);
    slot_of(&region, 3)[SLOT_HEAD + 60] ^= 1;
    assert_int_equal(axi_region_info(&region, 3, &c), -AXC_ECKPT_HEADER_CRC);
    assert_int_equal(c.job, 77);
    assert_int_equal(bytes, 5);
}

static void region_file_is_checked_before_it_is_read(void **unused)
{
    static _Alignas(AXI_REGION_FILE_PAGE) uint8_t file[3 * AXI_REGION_FILE_PAGE];
    struct axi_region region;
    uint64_t at = 2 * AXI_REGION_FILE_PAGE;

    (void)unused;
    assert_int_equal(axi_region_file_check(file, sizeof(file), 7, 8), -AXC_ECKPT_MAGIC);
    axi_region_file_init(file, sizeof(file), 7, 8);
    assert_int_equal(axi_region_file_check(file, 64, 7, 8), -AXC_ECKPT_MAGIC);
    assert_int_equal(axi_region_file_check(file, sizeof(file), 7, 9), -AXC_ENOENT);
    assert_int_equal(axi_region_file_check(file, sizeof(file), 6, 8), -AXC_ENOENT);
    assert_int_equal(axi_region_file_check(file, sizeof(file) - 1, 7, 8), -AXC_ECKPT_SIZE);
    assert_int_equal(axi_region_file_check(file, sizeof(file), 7, 8), 0);
    assert_int_equal(axi_region_init(&region, file + at, AXI_REGION_FILE_PAGE, 2, 256), 0);
    write_job(&region, 1, 256);
    assert_int_equal(axi_region_file_attach(&region, file, sizeof(file), 0), -AXC_EINVALID);
    assert_int_equal(axi_region_file_attach(&region, file, sizeof(file), at + 64), -AXC_EINVALID);
    assert_int_equal(axi_region_file_attach(&region, file, sizeof(file), UINT64_MAX),
                     -AXC_EINVALID);
    assert_int_equal(axi_region_file_attach(&region, file, sizeof(file), 3 * AXI_REGION_FILE_PAGE),
                     -AXC_EINVALID);
    assert_int_equal(axi_region_file_attach(&region, file, at + 128, at), -AXC_ECKPT_SIZE);
    assert_int_equal(axi_region_file_attach(&region, file, sizeof(file), at), 0);
    assert_int_equal(newest_job(&region), 1);
}

static bool is_writer_done;

static void *write_many(void *argument)
{
    for (uint64_t job = 1; job <= 20000; job++) {
        write_job(argument, job, 4096);
    }
    __atomic_store_n(&is_writer_done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* Every checkpoint a reader gets is whole (one job's words throughout) and none goes backwards. */
static void concurrent_reader_sees_only_whole_checkpoints(void **unused)
{
    struct axi_region region = make(2, 4096);
    uint64_t last = 0;
    pthread_t writer;

    (void)unused;
    is_writer_done = false;
    assert_int_equal(pthread_create(&writer, NULL, write_many, &region), 0);
    while (!__atomic_load_n(&is_writer_done, __ATOMIC_ACQUIRE)) {
        size_t bytes = 0;
        int r = axi_region_newest(&region, copy, sizeof(copy), &bytes);
        uint64_t job;

        if (r == -AXC_ECKPT_NONE || r == -AXC_ECKPT_TORN) {
            continue;
        }
        assert_int_equal(r, 0);
        job = axi_get_le64(copy + AXI_CHECKPOINT_HEADER_BYTES);
        for (size_t i = AXI_CHECKPOINT_HEADER_BYTES; i < bytes; i += 8) {
            assert_int_equal(axi_get_le64(copy + i), job);
        }
        assert_true(job >= last);
        last = job;
    }
    pthread_join(writer, NULL);
    assert_int_equal(newest_job(&region), 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejects_impossible_shapes),
        cmocka_unit_test(empty_region_has_no_checkpoint),
        cmocka_unit_test(newest_is_the_last_write),
        cmocka_unit_test(write_rejects_states_beyond_the_region),
        cmocka_unit_test(newest_rejects_a_small_buffer),
        cmocka_unit_test(torn_write_keeps_the_previous_checkpoint),
        cmocka_unit_test(damaged_newest_falls_back_to_the_previous),
        cmocka_unit_test(reports_damage_when_no_slot_is_intact),
        cmocka_unit_test(reports_torn_when_the_published_slot_stays_marked),
        cmocka_unit_test(attach_rejects_foreign_memory),
        cmocka_unit_test(reads_one_write_whole_or_in_parts),
        cmocka_unit_test(tells_an_overwritten_write_from_one_to_come),
        cmocka_unit_test(region_file_is_checked_before_it_is_read),
        cmocka_unit_test(concurrent_reader_sees_only_whole_checkpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
