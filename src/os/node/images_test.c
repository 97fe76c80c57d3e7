/* SPDX-License-Identifier: Apache-2.0 */
#include "os/node/images.h"

#include "base/sha256.h"
#include "os/kernel/memory.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

/* The kernel's pool, as far as it matters here: bounded, zeroed, in whole pages. */
#define POOL_BYTES (16u * AXI_PAGE_BYTES)

static size_t pool_used;

static size_t in_pages(size_t bytes)
{
    return (bytes + AXI_PAGE_BYTES - 1) / AXI_PAGE_BYTES * AXI_PAGE_BYTES;
}

void *axi_pages_take(size_t bytes)
{
    if (in_pages(bytes) > POOL_BYTES - pool_used) {
        return NULL;
    }
    pool_used += in_pages(bytes);
    return calloc(1, in_pages(bytes));
}

void axi_pages_give(void *pages, size_t bytes)
{
    pool_used -= in_pages(bytes);
    free(pages);
}

static struct axi_images images;

static void digest_of(const void *bytes, size_t count, uint8_t *ret_digest)
{
    struct axi_sha256 sha;

    axi_sha256_init(&sha);
    axi_sha256_update(&sha, bytes, count);
    axi_sha256_final(&sha, ret_digest);
}

/* An image of so many bytes, all `fill`. */
static int bring(uint8_t fill, size_t bytes, uint8_t *ret_digest)
{
    uint8_t *content = malloc(bytes);
    uint32_t handle = 0;

    assert_non_null(content);
    memset(content, fill, bytes);
    digest_of(content, bytes, ret_digest);
    int r = axi_images_open(&images, ret_digest, bytes, &handle);

    if (r == 0) {
        assert_int_equal(axi_images_write(&images, handle, 0, content, bytes / 2), 0);
        assert_int_equal(
            axi_images_write(&images, handle, bytes / 2, content + bytes / 2, bytes - bytes / 2),
            0);
        r = axi_images_commit(&images, handle);
    }
    free(content);
    return r;
}

static bool has(const uint8_t *digest)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;

    return axi_images_get(&images, digest, &bytes, &size) == 0;
}

static int start(void **state)
{
    (void)state;
    memset(&images, 0, sizeof(images));
    images.bytes_max = 8u * AXI_PAGE_BYTES;
    return 0;
}

static int end(void **state)
{
    (void)state;
    while (axi_images_drop_one(&images, NULL)) {
    }
    return pool_used == 0 ? 0 : -1; /* nothing leaks */
}

static void an_image_comes_back_as_it_went(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    const uint8_t *bytes = NULL;
    size_t size = 0;

    (void)state;
    assert_int_equal(bring(7, 5000, digest), 0);
    assert_int_equal(axi_images_get(&images, digest, &bytes, &size), 0);
    assert_int_equal(size, 5000);
    assert_int_equal(bytes[0], 7);
    assert_int_equal(bytes[4999], 7);
    assert_int_equal(bring(7, 5000, digest), 0); /* twice is once */
    assert_int_equal(pool_used, 2u * AXI_PAGE_BYTES);
}

static void pieces_may_come_in_any_order(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    uint32_t handle = 0;

    (void)state;
    digest_of("0123456789", 10, digest);
    assert_int_equal(axi_images_open(&images, digest, 10, &handle), 0);
    assert_int_equal(axi_images_write(&images, handle, 0, "01234", 5), 0);
    assert_int_equal(axi_images_write(&images, handle, 8, "89", 2), 0);
    assert_int_equal(axi_images_write(&images, handle, 0, "01234", 5), 0);
    assert_int_equal(axi_images_write(&images, handle, 5, "567", 3), 0);
    assert_int_equal(axi_images_commit(&images, handle), 0);
    assert_true(has(digest));
}

static void a_piece_written_over_counts_as_it_is(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];
    uint32_t handle = 0;

    (void)state;
    digest_of("0123456789", 10, digest);
    assert_int_equal(axi_images_open(&images, digest, 10, &handle), 0);
    assert_int_equal(axi_images_write(&images, handle, 0, "0123456789", 10), 0);
    assert_int_equal(axi_images_write(&images, handle, 3, "x", 1), 0);
    assert_int_equal(axi_images_commit(&images, handle), -AXC_EIMAGE_DIGEST);
}

static void a_damaged_image_is_refused(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES] = {1};
    uint32_t handle = 0;

    (void)state;
    assert_int_equal(axi_images_open(&images, digest, 10, &handle), 0);
    assert_int_equal(axi_images_write(&images, handle, 0, "0123456789", 10), 0);
    assert_int_equal(axi_images_commit(&images, handle), -AXC_EIMAGE_DIGEST);
    assert_int_equal(axi_images_commit(&images, handle), -AXC_EINVALID);
    assert_int_equal(pool_used, 0);
}

static void writes_stay_inside(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES] = {2};
    uint32_t handle = 0;

    (void)state;
    assert_int_equal(axi_images_open(&images, digest, 0, &handle), -AXC_EIMAGE_TOO_LARGE);
    assert_int_equal(axi_images_open(&images, digest, images.bytes_max + 1, &handle),
                     -AXC_EIMAGE_TOO_LARGE);
    assert_int_equal(axi_images_open(&images, digest, 10, &handle), 0);
    assert_int_equal(axi_images_write(&images, handle, 8, "abc", 3), -AXC_EINVALID);
    assert_int_equal(axi_images_write(&images, handle, 11, "", 0), -AXC_EINVALID);
    assert_int_equal(axi_images_write(&images, handle, UINT64_MAX, "abc", 3), -AXC_EINVALID);
    assert_int_equal(axi_images_write(&images, AXI_IMAGES_MAX, 0, "a", 1), -AXC_EINVALID);
    assert_false(has(digest)); /* not before it is whole */
    axi_images_abort(&images, handle);
    axi_images_abort(&images, handle);
    assert_int_equal(pool_used, 0);
}

static void the_oldest_makes_room(void **state)
{
    uint8_t first[AXI_IMAGES_DIGEST_BYTES];
    uint8_t second[AXI_IMAGES_DIGEST_BYTES];
    uint8_t third[AXI_IMAGES_DIGEST_BYTES];

    (void)state;
    assert_int_equal(bring(1, 8u * AXI_PAGE_BYTES, first), 0);
    assert_int_equal(bring(2, 8u * AXI_PAGE_BYTES, second), 0);
    assert_true(has(first)); /* used later than the second */
    assert_int_equal(bring(3, 8u * AXI_PAGE_BYTES, third), 0);
    assert_true(has(first));
    assert_false(has(second));
    assert_true(has(third));
    assert_true(axi_images_drop_one(&images, first));
    assert_true(has(first));
    assert_false(axi_images_drop_one(&images, first));
}

static void incoming_images_are_bounded_and_stay(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES] = {3};
    uint32_t handles[AXI_IMAGE_HANDLES];
    uint32_t handle = 0;

    (void)state;
    for (uint32_t i = 0; i < AXI_IMAGE_HANDLES; i++) {
        assert_int_equal(axi_images_open(&images, digest, 1, &handles[i]), 0);
    }
    assert_int_equal(axi_images_open(&images, digest, 1, &handle), -AXC_EBUSY);
    axi_images_abort(&images, handles[0]);
    axi_images_abort(&images, handles[1]);
    /* 6 pages are taken by incoming images: of the others 2 x 4 pages fit, and no third stays */
    assert_int_equal(bring(1, 4u * AXI_PAGE_BYTES, digest), 0);
    assert_int_equal(bring(2, 4u * AXI_PAGE_BYTES, digest), 0);
    assert_int_equal(bring(3, 8u * AXI_PAGE_BYTES, digest), 0);
    assert_int_equal(axi_images_open(&images, digest, 8u * AXI_PAGE_BYTES, &handle), 0);
    assert_int_equal(axi_images_open(&images, digest, 8u * AXI_PAGE_BYTES, &handles[0]),
                     -AXC_EADMIT_MEMORY);
    axi_images_abort(&images, handle);
    for (uint32_t i = 2; i < AXI_IMAGE_HANDLES; i++) {
        axi_images_abort(&images, handles[i]);
    }
}

static void more_images_than_places(void **state)
{
    uint8_t digest[AXI_IMAGES_DIGEST_BYTES];

    (void)state;
    for (uint8_t i = 0; i < 2u * AXI_IMAGES_MAX; i++) {
        assert_int_equal(bring(i, 100, digest), 0);
        assert_true(has(digest));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_image_comes_back_as_it_went, start, end),
        cmocka_unit_test_setup_teardown(pieces_may_come_in_any_order, start, end),
        cmocka_unit_test_setup_teardown(a_piece_written_over_counts_as_it_is, start, end),
        cmocka_unit_test_setup_teardown(a_damaged_image_is_refused, start, end),
        cmocka_unit_test_setup_teardown(writes_stay_inside, start, end),
        cmocka_unit_test_setup_teardown(the_oldest_makes_room, start, end),
        cmocka_unit_test_setup_teardown(incoming_images_are_bounded_and_stay, start, end),
        cmocka_unit_test_setup_teardown(more_images_than_places, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
