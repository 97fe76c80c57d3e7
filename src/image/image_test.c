/* SPDX-License-Identifier: Apache-2.0 */
/* Digests, blob store, the OCI documents' parsers and image folders. */
#include "image/blobs.h"
#include "image/boards.h"
#include "image/file.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define GOOD_DIGEST "sha256:" ZEROS

static int make_dir(void **state)
{
    char *dir = strdup("/tmp/axi-image-test-XXXXXX");

    *state = dir;
    return dir != NULL && mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", (const char *)*state);
    free(*state);
    return system(command);
}

static void digest_of_abc_is_the_standards(void **state)
{
    struct axi_digest digest;
    struct axi_digest parsed;
    char text[AXI_DIGEST_TEXT_BYTES];

    (void)state;
    axi_digest_of("abc", 3, &digest);
    axi_digest_format(&digest, text);
    assert_string_equal(text,
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(axi_digest_parse(text, &parsed), 0);
    assert_true(axi_digest_is_equal(&digest, &parsed));
}

static void rejects_texts_that_are_no_digest(void **state)
{
    static const char *const bad[] = {
        "",
        "sha256:",
        ZEROS,
        "sha512:" ZEROS,
        "sha256:" ZEROS "0",
        "sha256:../../../../../../../../../../../../../../../../../../etc/passwd0",
        "sha256:A000000000000000000000000000000000000000000000000000000000000000",
    };
    struct axi_digest digest;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(axi_digest_parse(bad[i], &digest), -AXC_EIMAGE_DIGEST);
    }
}

static void blob_store_returns_what_was_put(void **state)
{
    const char *dir = *state;
    struct axi_digest digest;
    uint8_t *data = NULL;
    size_t bytes = 0;

    assert_int_equal(axi_blobs_init(dir), 0);
    assert_int_equal(axi_blobs_init(dir), 0);
    assert_int_equal(axi_blobs_put(dir, "hello", 5, &digest), 0);
    assert_int_equal(axi_blobs_put(dir, "hello", 5, NULL), 0);
    assert_int_equal(axi_blobs_get(dir, &digest, 5, &data, &bytes), 0);
    assert_int_equal(bytes, 5);
    assert_string_equal((const char *)data, "hello");
    free(data);
    assert_int_equal(axi_blobs_get(dir, &digest, 4, &data, &bytes), -AXC_EIMAGE_TOO_LARGE);
    assert_int_equal(axi_blobs_remove(dir, &digest), 0);
    assert_int_equal(axi_blobs_remove(dir, &digest), -AXC_EIMAGE_BLOB);
    assert_int_equal(axi_blobs_get(dir, &digest, 5, &data, &bytes), -AXC_EIMAGE_BLOB);
}

static void blob_store_notices_damage_and_repairs_it(void **state)
{
    const char *dir = *state;
    struct axi_digest digest;
    char text[AXI_DIGEST_TEXT_BYTES];
    char path[AXI_PATH_BYTES];
    uint8_t *data = NULL;
    size_t bytes = 0;

    assert_int_equal(axi_blobs_init(dir), 0);
    assert_int_equal(axi_blobs_put(dir, "hello", 5, &digest), 0);
    axi_digest_format(&digest, text);
    (void)snprintf(path, sizeof(path), "%s/blobs/sha256/%s", dir, axi_digest_hex(text));
    assert_int_equal(axi_file_write(path, "hellO", 5), 0);
    assert_int_equal(axi_blobs_get(dir, &digest, 5, &data, &bytes), -AXC_EIMAGE_DIGEST);
    assert_int_equal(axi_blobs_put_expected(dir, &digest, "hellO", 5), -AXC_EIMAGE_DIGEST);
    assert_int_equal(axi_blobs_put_expected(dir, &digest, "hello", 5), 0);
    assert_int_equal(axi_blobs_get(dir, &digest, 5, &data, &bytes), 0);
    free(data);
}

struct text_case {
    const char *text;
    int error;
};

#define DESCRIPTOR(type, more) "{\"mediaType\":\"" type "\",\"digest\":\"" GOOD_DIGEST "\"" more "}"
#define PLATFORM(arch) ",\"size\":10,\"platform\":{\"architecture\":\"" arch "\",\"os\":\"linux\"}"
#define INDEX(list) "{\"schemaVersion\":2,\"manifests\":[" list "]}"
#define AMD64 DESCRIPTOR(AXI_MEDIA_MANIFEST, PLATFORM("amd64"))

static void index_parser_names_each_defect(void **state)
{
    static const struct text_case cases[] = {
        {INDEX(AMD64), 0},
        {"", AXC_EIMAGE_INDEX},
        {"[]", AXC_EIMAGE_INDEX},
        {"{\"manifests\":[" AMD64 "]}", AXC_EIMAGE_INDEX},
        {"{\"schemaVersion\":1,\"manifests\":[" AMD64 "]}", AXC_EIMAGE_INDEX},
        {"{\"schemaVersion\":2,\"manifests\":{}}", AXC_EIMAGE_INDEX},
        {"{\"schemaVersion\":2,\"schemaVersion\":2,\"manifests\":[" AMD64 "]}", AXC_EIMAGE_INDEX},
        {"{\"schemaVersion\":2,\"mediaType\":\"text/plain\",\"manifests\":[" AMD64 "]}",
         AXC_EIMAGE_MEDIA_TYPE},
        {INDEX(""), AXC_EIMAGE_COUNT},
        {INDEX(AMD64 "," AMD64), AXC_EIMAGE_COUNT},
        {INDEX(AMD64 "," AMD64 "," AMD64 "," AMD64 "," AMD64), AXC_EIMAGE_COUNT},
        {INDEX("7"), AXC_EIMAGE_MEDIA_TYPE},
        {INDEX(DESCRIPTOR(AXI_MEDIA_INDEX, PLATFORM("amd64"))), AXC_EIMAGE_MEDIA_TYPE},
        {INDEX(DESCRIPTOR(AXI_MEDIA_MANIFEST, PLATFORM("riscv64"))), AXC_EIMAGE_PLATFORM},
        {INDEX(DESCRIPTOR(AXI_MEDIA_MANIFEST, ",\"size\":10")), AXC_EIMAGE_PLATFORM},
        {INDEX(
             DESCRIPTOR(AXI_MEDIA_MANIFEST,
                        ",\"size\":-1,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}")),
         AXC_EIMAGE_INDEX},
        {INDEX(DESCRIPTOR(
             AXI_MEDIA_MANIFEST,
             ",\"size\":999999999,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}")),
         AXC_EIMAGE_TOO_LARGE},
        {INDEX("{\"mediaType\":\"" AXI_MEDIA_MANIFEST
               "\",\"digest\":\"sha256:zz\"" PLATFORM("amd64") "}"),
         AXC_EIMAGE_DIGEST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_oci_index index;
        int error = axi_oci_parse_index(cases[i].text, strlen(cases[i].text), &index);

        if (error != -cases[i].error) {
            print_error("case %zu: %s\n", i, cases[i].text);
        }
        assert_int_equal(error, -cases[i].error);
    }
}

#define MANIFEST(config, layers)                                                                   \
    "{\"schemaVersion\":2,\"config\":" config ",\"layers\":[" layers "]}"
#define CONFIG DESCRIPTOR(AXI_MEDIA_CONFIG, ",\"size\":2")
#define LAYER DESCRIPTOR(AXI_MEDIA_ELF, ",\"size\":3")

static void manifest_parser_names_each_defect(void **state)
{
    static const struct text_case cases[] = {
        {MANIFEST(CONFIG, LAYER), 0},
        {MANIFEST(CONFIG, ""), AXC_EIMAGE_MANIFEST},
        {MANIFEST(CONFIG, LAYER "," LAYER), AXC_EIMAGE_MANIFEST},
        {MANIFEST("null", LAYER), AXC_EIMAGE_MANIFEST},
        {MANIFEST(LAYER, LAYER), AXC_EIMAGE_MEDIA_TYPE},
        {MANIFEST(CONFIG, CONFIG), AXC_EIMAGE_MEDIA_TYPE},
        {MANIFEST(CONFIG, DESCRIPTOR(AXI_MEDIA_ELF, ",\"size\":99999999")), AXC_EIMAGE_TOO_LARGE},
        {MANIFEST(CONFIG, DESCRIPTOR(AXI_MEDIA_ELF, ",\"size\":1.5")), AXC_EIMAGE_MANIFEST},
        {MANIFEST(CONFIG, LAYER) "x", AXC_EIMAGE_MANIFEST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_oci_manifest manifest;

        assert_int_equal(axi_oci_parse_manifest(cases[i].text, strlen(cases[i].text), &manifest),
                         -cases[i].error);
    }
}

#define CONFIG_TEXT(arch, ids, rest)                                                               \
    "{\"architecture\":\"" arch "\",\"rootfs\":{\"diff_ids\":[" ids "]}" rest "}"
#define CONFIG_REST ",\"dev.axcan.task\":{},\"dev.axcan.schema\":\"s\""

static void config_parser_names_each_defect(void **state)
{
    static const struct text_case cases[] = {
        {CONFIG_TEXT("arm64", "\"" GOOD_DIGEST "\"", CONFIG_REST), 0},
        {CONFIG_TEXT("arm64", "", CONFIG_REST), AXC_EIMAGE_CONFIG},
        {CONFIG_TEXT("arm64", "\"" GOOD_DIGEST "\"", ""), AXC_EIMAGE_CONFIG},
        {CONFIG_TEXT("mips", "\"" GOOD_DIGEST "\"", CONFIG_REST), AXC_EIMAGE_PLATFORM},
        {CONFIG_TEXT("arm64", "\"sha256:0\"", CONFIG_REST), AXC_EIMAGE_DIGEST},
        {"null", AXC_EIMAGE_CONFIG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_oci_config config = {0};

        assert_int_equal(axi_oci_parse_config(cases[i].text, strlen(cases[i].text), &config),
                         -cases[i].error);
        axi_oci_config_deinit(&config);
    }
}

static void documents_print_and_parse_back(void **state)
{
    struct axi_oci_index index = {.count = 2};
    struct axi_oci_index again;
    char *text = NULL;

    (void)state;
    index.entries[0].isa = AXI_ISA_AARCH64;
    index.entries[0].manifest.bytes = 7;
    axi_digest_of("a", 1, &index.entries[0].manifest.digest);
    index.entries[1].isa = AXI_ISA_X86_64;
    text = axi_oci_print_index(&index, "probe");
    assert_non_null(text);
    assert_int_equal(axi_oci_parse_index(text, strlen(text), &again), 0);
    assert_int_equal(again.count, 2);
    assert_int_equal(again.entries[0].isa, AXI_ISA_AARCH64);
    assert_int_equal(again.entries[0].manifest.bytes, 7);
    assert_true(
        axi_digest_is_equal(&again.entries[0].manifest.digest, &index.entries[0].manifest.digest));
    free(text);
    text = axi_oci_print_layout();
    assert_int_equal(axi_oci_parse_layout(text, strlen(text)), 0);
    free(text);
    assert_int_equal(axi_oci_parse_layout("{}", 2), -AXC_EIMAGE_LAYOUT);
}

static void platforms_have_an_instruction_set(void **state)
{
    enum axi_isa isa = AXI_ISA_X86_64;

    (void)state;
    assert_int_equal(axi_isa_of_platform("linux-aarch64", &isa), 0);
    assert_int_equal(isa, AXI_ISA_AARCH64);
    assert_int_equal(axi_isa_of_platform("linux-x86_64", &isa), 0);
    assert_int_equal(isa, AXI_ISA_X86_64);
    assert_int_equal(axi_isa_of_platform("dos", &isa), -AXC_EIMAGE_PLATFORM);
}

static void a_folder_without_layout_is_no_image(void **state)
{
    struct axi_image *image = NULL;

    assert_int_equal(axi_image_open(*state, &image), -AXC_EIMAGE_LAYOUT);
    assert_int_equal(axi_image_open("/nowhere/at/all", &image), -AXC_ENOENT);
    assert_int_equal(axi_image_open_elf(*state, &image), -AXC_EIO);
}

static void wrong_sets_of_entries_are_not_written(void **state)
{
    struct axi_image_entry entries[2] = {{.isa = AXI_ISA_X86_64, .schema = ""},
                                         {.isa = AXI_ISA_X86_64, .schema = ""}};

    assert_int_equal(axi_image_write(*state, entries, 0), -AXC_EIMAGE_COUNT);
    assert_int_equal(axi_image_write(*state, entries, 5), -AXC_EIMAGE_COUNT);
    assert_int_equal(axi_image_write(*state, entries, 2), -AXC_EIMAGE_COUNT);
    entries[1].isa = AXI_ISA_AARCH64;
    entries[1].meta.name[0] = 'x';
    assert_int_equal(axi_image_write(*state, entries, 2), -AXC_EIMAGE_ELF);
}

/* What messages say there is. */
static void the_boards_named_in_messages_are_those_of_the_table(void **state)
{
    char names[sizeof(AXI_BOARD_NAMES) + 64] = "";
    size_t used = 0;

    (void)state;
    for (size_t i = 0; axi_board_at(i) != NULL; i++) {
        used += (size_t)snprintf(&names[used], sizeof(names) - used, "%s%s", i > 0 ? ", " : "",
                                 axi_board_at(i)->name);
        assert_true(used < sizeof(names));
        assert_ptr_equal(axi_board_find(axi_board_at(i)->name), axi_board_at(i));
    }
    assert_string_equal(names, AXI_BOARD_NAMES);
    assert_null(axi_board_find(AXI_BOARD_NAMES));
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_of_abc_is_the_standards),
        cmocka_unit_test(rejects_texts_that_are_no_digest),
        WITH_DIR(blob_store_returns_what_was_put),
        WITH_DIR(blob_store_notices_damage_and_repairs_it),
        cmocka_unit_test(index_parser_names_each_defect),
        cmocka_unit_test(manifest_parser_names_each_defect),
        cmocka_unit_test(config_parser_names_each_defect),
        cmocka_unit_test(documents_print_and_parse_back),
        cmocka_unit_test(platforms_have_an_instruction_set),
        cmocka_unit_test(the_boards_named_in_messages_are_those_of_the_table),
        WITH_DIR(a_folder_without_layout_is_no_image),
        WITH_DIR(wrong_sets_of_entries_are_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
