/* SPDX-License-Identifier: Apache-2.0 */
#include "image/os_image.h"

#include "base/bytes.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

enum {
    RAW = 3000,      /* bytes of the kernel's file */
    MEMORY = 9000,   /* with its bss */
    ELF_TEXT = 4096, /* where text lies in the ELF file */
    ELF = ELF_TEXT + RAW
};
#define LOAD UINT64_C(0x40200000)
#define HIGH UINT64_C(0xffffff8000000000)

static uint8_t raw[RAW], elf[ELF];
static const uint8_t config[40] = "AXBC and what follows";

static void make_kernels(void)
{
    for (size_t i = 0; i < RAW; i++) {
        raw[i] = (uint8_t)(i * 13);
    }
    memset(raw, 0, 96);
    axi_put_le64(raw + 8, 0x200000);
    axi_put_le64(raw + 16, MEMORY);
    memcpy(raw + 56, "ARM\x64", 4);
    axi_put_le32(raw + AXI_BOOT_IMAGE_AT_MAGIC, AXI_BOOT_IMAGE_MAGIC);
    axi_put_le32(raw + AXI_BOOT_IMAGE_AT_VERSION, AXI_BOOT_IMAGE_VERSION);
    memcpy(raw + AXI_BOOT_IMAGE_AT_BOARD, "virt", 5);

    memset(elf, 0, sizeof(elf));
    memcpy(elf, "\177ELF\2\1\1", 7);
    axi_put_le16(elf + 16, 2);
    axi_put_le16(elf + 18, 183);
    axi_put_le64(elf + 32, 64);
    axi_put_le16(elf + 54, 56);
    axi_put_le16(elf + 56, 2);
    axi_put_le32(elf + 64, 0x6474e551); /* GNU_STACK */
    axi_put_le32(elf + 120, 1);
    axi_put_le64(elf + 120 + 8, ELF_TEXT);
    axi_put_le64(elf + 120 + 16, HIGH + LOAD);
    axi_put_le64(elf + 120 + 24, LOAD);
    axi_put_le64(elf + 120 + 32, RAW);
    axi_put_le64(elf + 120 + 40, MEMORY);
    memcpy(elf + ELF_TEXT, raw, RAW);
}

static int setup(void **state)
{
    (void)state;
    make_kernels();
    return 0;
}

static void a_raw_kernel_gets_its_configuration_behind_its_bss(void **state)
{
    struct axi_os_image image;
    uint8_t *file = NULL;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(axi_os_image_pack(raw, RAW, config, sizeof(config), &file, &bytes), 0);
    assert_int_equal(axi_os_image_read(file, bytes, &image), 0);
    assert_string_equal(image.board, "virt");
    assert_false(image.is_elf);
    assert_int_equal(image.image_bytes, 16384);
    assert_int_equal(image.config - file, 12288);
    assert_int_equal(image.config_bytes, sizeof(config));
    assert_memory_equal(image.config, config, sizeof(config));
    assert_memory_equal(file + 96, raw + 96, RAW - 96);
    for (size_t i = RAW; i < 12288; i++) {
        assert_int_equal(file[i], 0);
    }
    free(file);
}

static void an_elf_kernel_gets_one_more_loadable_part(void **state)
{
    struct axi_os_image image;
    uint8_t *file = NULL;
    size_t bytes = 0;
    const uint8_t *added;

    (void)state;
    assert_int_equal(axi_os_image_pack(elf, ELF, config, sizeof(config), &file, &bytes), 0);
    assert_int_equal(axi_os_image_read(file, bytes, &image), 0);
    assert_true(image.is_elf);
    assert_int_equal(image.config_bytes, sizeof(config));
    assert_memory_equal(image.config, config, sizeof(config));
    assert_int_equal(axi_get_le16(file + 56), 3);
    added = file + axi_get_le64(file + 32) + 2 * 56;
    assert_int_equal(axi_get_le64(added + 24), LOAD + 12288);
    assert_int_equal(axi_get_le64(added + 16), HIGH + LOAD + 12288);
    assert_int_equal(axi_get_le64(added + 8) % 4096, 0);
    assert_int_equal(axi_get_le64(file + ELF_TEXT + AXI_BOOT_IMAGE_AT_CONFIG_OFFSET), 12288);
    assert_memory_equal(file + ELF_TEXT + 96, raw + 96, RAW - 96);
    free(file);
}

static void a_packed_image_is_not_packed_again(void **state)
{
    uint8_t *file = NULL;
    uint8_t *again = NULL;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(axi_os_image_pack(raw, RAW, config, sizeof(config), &file, &bytes), 0);
    assert_int_equal(axi_os_image_pack(file, bytes, config, sizeof(config), &again, &bytes),
                     -AXC_EEXIST);
    free(file);
}

static void refuses_what_is_no_image(void **state)
{
    static const struct {
        bool is_elf;
        size_t at;
        uint8_t value;
    } cases[] = {
        {false, 56, 0},
        {false, AXI_BOOT_IMAGE_AT_MAGIC, 0},
        {false, AXI_BOOT_IMAGE_AT_VERSION, 9},
        {false, 16 + 7, 1},
        {false, AXI_BOOT_IMAGE_AT_BOARD, 7},
        {false, AXI_BOOT_IMAGE_AT_CONFIG_OFFSET + 7, 1},
        {false, AXI_BOOT_IMAGE_AT_CONFIG_OFFSET + 1, 0x20}, /* behind the file */
        {true, 16, 3},
        {true, 18, 62},
        {true, 32 + 7, 0xff},
        {true, 54, 32},
        {true, 56, 0},
        {true, 57, 1},
        {true, 120 + 8 + 7, 0xff},
        {true, 120 + 32 + 7, 0x7f},
        {true, 120, 2},
        {true, ELF_TEXT + 56, 0},
        {true, ELF_TEXT + AXI_BOOT_IMAGE_AT_CONFIG_OFFSET + 1, 0x20}, /* in no loadable part */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axi_os_image image;

        make_kernels();
        (cases[i].is_elf ? elf : raw)[cases[i].at] = cases[i].value;
        if (axi_os_image_read(cases[i].is_elf ? elf : raw, cases[i].is_elf ? ELF : RAW, &image) !=
            -AXC_EIMAGE_OS_LAYOUT) {
            fail_msg("case %zu was taken", i);
        }
    }
}

static void reads_no_byte_behind_the_file(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < ELF; bytes += bytes < 256 ? 1 : 97) {
        struct axi_os_image image;
        uint8_t *part = malloc(bytes > 0 ? bytes : 1); /* for the sanitizer */

        assert_non_null(part);
        memcpy(part, elf, bytes);
        assert_int_equal(axi_os_image_read(part, bytes, &image), -AXC_EIMAGE_OS_LAYOUT);
        if (bytes < 96) {
            memcpy(part, raw, bytes);
            assert_int_equal(axi_os_image_read(part, bytes, &image), -AXC_EIMAGE_OS_LAYOUT);
        }
        free(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_raw_kernel_gets_its_configuration_behind_its_bss, setup),
        cmocka_unit_test_setup(an_elf_kernel_gets_one_more_loadable_part, setup),
        cmocka_unit_test_setup(a_packed_image_is_not_packed_again, setup),
        cmocka_unit_test_setup(refuses_what_is_no_image, setup),
        cmocka_unit_test_setup(reads_no_byte_behind_the_file, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
