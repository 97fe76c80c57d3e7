/* SPDX-License-Identifier: Apache-2.0 */
/* Every word of every sample task's state matters, whatever it is changed to is survived, and the
 * sample images declare a load that fits a node. Argument: the folder with the images. */
#include "base/crc32c.h"
#include "image/image.h"
#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#define WARM_UP_JOBS 60u
#define LATER_JOBS 40u

static const char *const names[] = {"cruise", "planner", "lane", "radar", "video", "neural"};
static const char *folder;

#define TASK_COUNT (sizeof(names) / sizeof(names[0]))

static struct axi_image *open_image(const char *name)
{
    struct axi_image *image = NULL;
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s.axi", folder, name);
    assert_int_equal(axi_image_open(path, &image), 0);
    return image;
}

static struct axi_replay *open_replay(const char *name)
{
    struct axi_image *image = open_image(name);
    const struct axi_image_entry *entry = NULL;
    struct axi_replay *replay = NULL;

    assert_int_equal(axi_image_entry_for_isa(image, AXI_ISA_HOST, &entry), 0);
    assert_int_equal(axi_replay_new(entry->elf, entry->elf_bytes, &replay), 0);
    axi_image_free(image);
    return replay;
}

static uint32_t run_job(struct axi_replay *replay, uint64_t job)
{
    struct axi_replay_result result;

    axi_replay_job(replay, job, 0, &result);
    assert_int_equal(result.result, 0);
    assert_true(result.is_comparable);
    assert_true(result.output_bytes > 0);
    return result.output_crc;
}

/* True when some later job's output differs from the expected one. */
static int is_noticed(struct axi_replay *replay, const uint32_t *expected)
{
    for (uint32_t i = 0; i < LATER_JOBS; i++) {
        if (run_job(replay, WARM_UP_JOBS + i) != expected[i]) {
            return 1;
        }
    }
    return 0;
}

static void check_words(const char *name)
{
    struct axi_replay *replay = open_replay(name);
    uint32_t bytes = axi_replay_meta(replay)->state_bytes;
    uint8_t *saved = malloc(bytes);
    uint32_t expected[LATER_JOBS];
    uint32_t unnoticed = 0;

    assert_non_null(saved);
    for (uint32_t job = 0; job < WARM_UP_JOBS; job++) {
        (void)run_job(replay, job);
    }
    memcpy(saved, axi_replay_state(replay), bytes);
    for (uint32_t i = 0; i < LATER_JOBS; i++) {
        expected[i] = run_job(replay, WARM_UP_JOBS + i);
    }
    assert_int_equal(bytes % 4, 0);
    for (uint32_t at = 0; at < bytes; at += 4) {
        memcpy(axi_replay_state(replay), saved, bytes);
        for (uint32_t i = 0; i < 4; i++) {
            axi_replay_state(replay)[at + i] ^= (uint8_t)(0x15u + 0x11u * i);
        }
        if (!is_noticed(replay, expected)) {
            print_error("%s: word at %u does not matter\n", name, at);
            unnoticed++;
        }
    }
    assert_int_equal(unnoticed, 0);
    free(saved);
    axi_replay_free(replay);
}

static void every_state_word_matters(void **state)
{
    (void)state;
    for (size_t i = 0; i < TASK_COUNT; i++) {
        check_words(names[i]);
    }
}

/* A restored checkpoint has a checksum, but a task must not crash the node's runner over bits. */
static void any_state_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < TASK_COUNT; i++) {
        struct axi_replay *replay = open_replay(names[i]);
        uint32_t bytes = axi_replay_meta(replay)->state_bytes;
        uint64_t seed = 1;

        for (uint64_t round = 0; round < 20; round++) {
            for (uint32_t at = 0; at < bytes; at++) {
                seed = seed * 6364136223846793005ull + 1442695040888963407ull;
                axi_replay_state(replay)[at] = (uint8_t)(seed >> 56);
            }
            for (uint64_t job = 0; job < 3; job++) {
                (void)run_job(replay, job);
            }
        }
        axi_replay_free(replay);
    }
}

/* A second replay of the same jobs and one that goes on from a copied state give the same. */
static void state_is_all_that_carries_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < TASK_COUNT; i++) {
        struct axi_replay *first = open_replay(names[i]);
        struct axi_replay *second = open_replay(names[i]);
        uint32_t bytes = axi_replay_meta(first)->state_bytes;

        for (uint64_t job = 0; job < 50; job++) {
            (void)run_job(first, job);
        }
        memcpy(axi_replay_state(second), axi_replay_state(first), bytes);
        for (uint64_t job = 50; job < 100; job++) {
            assert_int_equal(run_job(first, job), run_job(second, job));
        }
        assert_memory_equal(axi_replay_state(first), axi_replay_state(second), bytes);
        axi_replay_free(first);
        axi_replay_free(second);
    }
}

static void all_six_fit_one_node(void **state)
{
    static const struct {
        const char *name;
        double density;
    } platforms[] = {{"linux-x86_64", 0.6},
                     {"linux-aarch64", 0.6},
                     /* emulated boards run slower and by fits; the network's server takes 0.1 */
                     {"axcan-virt", 0.8},
                     {"axcan-zcu102", 0.8}};

    (void)state;
    for (size_t p = 0; p < sizeof(platforms) / sizeof(platforms[0]); p++) {
        double density = 0.0;

        for (size_t i = 0; i < TASK_COUNT; i++) {
            struct axi_image *image = open_image(names[i]);
            const struct axi_task_meta *meta = &axi_image_entry_at(image, 0)->meta;
            uint64_t wcet_ns = 0;

            assert_in_range(meta->state_bytes, 1024, 10240);
            assert_int_equal(axi_meta_wcet_ns(meta, platforms[p].name, &wcet_ns), 0);
            density += (double)wcet_ns / 1000.0 / meta->deadline_us;
            axi_image_free(image);
        }
        assert_true(density <= platforms[p].density);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_word_matters),
        cmocka_unit_test(any_state_is_survived),
        cmocka_unit_test(state_is_all_that_carries_over),
        cmocka_unit_test(all_six_fit_one_node),
    };

    folder = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
