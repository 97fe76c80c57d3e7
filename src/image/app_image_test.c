/* SPDX-License-Identifier: Apache-2.0 */
#include "image/app_image.h"

#include "image/file.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct axi_tar_file files[] = {
    {"boot/axcan.json", "{}", 2, 0644},
    {"usr/bin/program", "abc", 3, 0755},
    {"tmp/", NULL, 0, 01777},
};

static void test_an_archive_gives_back_its_files(void **state)
{
    struct axi_tar_file found;
    uint8_t *data = NULL;
    uint8_t *again = NULL;
    size_t bytes = 0;
    size_t again_bytes = 0;
    (void)state;

    assert_int_equal(axi_tar_write(files, 3, &data, &bytes), 0);
    assert_int_equal(axi_tar_write(files, 3, &again, &again_bytes), 0);
    assert_int_equal(bytes, again_bytes);
    assert_memory_equal(data, again, bytes);
    assert_int_equal(bytes % 512, 0);
    assert_int_equal(axi_tar_find(data, bytes, "usr/bin/program", &found), 0);
    assert_int_equal(found.bytes, 3);
    assert_int_equal(found.mode, 0755);
    assert_memory_equal(found.data, "abc", 3);
    assert_int_equal(axi_tar_find(data, bytes, "usr/bin", &found), -AXC_ENOENT);
    assert_int_equal(axi_tar_find(data, bytes, "none", &found), -AXC_ENOENT);
    data[512 + 150] ^= 1; /* checksum of the second header */
    assert_int_equal(axi_tar_find(data, bytes, "usr/bin/program", &found), -AXC_EIMAGE_LAYER);
    assert_int_equal(axi_tar_find(again, 700, "boot/axcan.json", &found), -AXC_ENOENT);
    assert_int_equal(axi_tar_find(again, 100, "boot/axcan.json", &found), -AXC_EIMAGE_LAYER);
    free(data);
    free(again);
}

static void test_a_path_that_does_not_fit_is_refused(void **state)
{
    char path[AXI_TAR_PATH_BYTES + 1];
    struct axi_tar_file file = {path, "x", 1, 0644};
    uint8_t *data = NULL;
    size_t bytes = 0;
    (void)state;

    memset(path, 'a', AXI_TAR_PATH_BYTES);
    path[AXI_TAR_PATH_BYTES] = '\0';
    assert_int_equal(axi_tar_write(&file, 1, &data, &bytes), -AXC_EOVERFLOW);
    file.path = "/etc/x";
    assert_int_equal(axi_tar_write(&file, 1, &data, &bytes), -AXC_EOVERFLOW);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void break_blob(const char *dir, const struct axi_digest *digest)
{
    char text[AXI_DIGEST_TEXT_BYTES];
    char path[256];

    axi_digest_format(digest, text);
    (void)snprintf(path, sizeof(path), "%s/blobs/sha256/%s", dir, axi_digest_hex(text));
    assert_int_equal(axi_file_write(path, "broken", 6), 0);
}

static void test_an_image_is_read_as_written_and_damage_is_seen(void **state)
{
    static const char *const args[] = {"/usr/bin/program", NULL};
    struct axi_app_part parts[2] = {
        {.entry = {.os = "linux", .architecture = "amd64", .ref = "linux-amd64"},
         .files = files + 1,
         .file_count = 2,
         .args = args},
        {.entry = {.os = "none",
                   .architecture = "arm64",
                   .variant = "virt",
                   .ref = "virt",
                   .board = "virt"},
         .files = files,
         .file_count = 1,
         .args = args}};
    static struct axi_app_index written;
    static struct axi_app_index index;
    struct axi_app_layers layers;
    struct axi_tar_file file;
    char dir[] = "/tmp/axcan-app-XXXXXX";
    (void)state;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(axi_app_write(dir, "sample", parts, 2, &written), 0);
    assert_int_equal(axi_app_open(dir, &index), 0);
    assert_string_equal(index.name, "sample");
    assert_memory_equal(&index, &written, sizeof(index));
    assert_int_equal(strncmp(index.entries[1].bri, "sha256:", 7), 0);
    assert_string_equal(index.entries[0].bri, "");
    assert_int_equal(axi_app_load(dir, &index.entries[1], &layers), 0);
    assert_string_equal(layers.program, "/usr/bin/program");
    assert_int_equal(axi_app_find(&layers, "boot/axcan.json", &file), 0);
    assert_int_equal(axi_app_find(&layers, "usr/bin/program", &file), -AXC_ENOENT);
    axi_app_unload(&layers);
    break_blob(dir, &index.entries[1].manifest.digest);
    assert_int_equal(axi_app_load(dir, &index.entries[1], &layers), -AXC_EIMAGE_DIGEST);
    break_blob(dir, &index.digest);
    assert_int_equal(axi_app_open(dir, &index), -AXC_EIMAGE_DIGEST);
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_archive_gives_back_its_files),
        cmocka_unit_test(test_a_path_that_does_not_fit_is_refused),
        cmocka_unit_test(test_an_image_is_read_as_written_and_damage_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
