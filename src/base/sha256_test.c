/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static void assert_digest(const struct axi_sha256 *sha, const char *hex)
{
    struct axi_sha256 copy = *sha;
    uint8_t digest[AXI_SHA256_BYTES];
    char text[2 * AXI_SHA256_BYTES + 1];

    axi_sha256_final(&copy, digest);
    for (unsigned i = 0; i < AXI_SHA256_BYTES; i++) {
        (void)snprintf(text + 2u * i, 3, "%02x", digest[i]);
    }
    assert_string_equal(text, hex);
}

static void assert_hash(const char *message, const char *hex)
{
    struct axi_sha256 sha;

    axi_sha256_init(&sha);
    axi_sha256_update(&sha, message, strlen(message));
    assert_digest(&sha, hex);
}

/* FIPS 180-4 examples (csrc.nist.gov, SHA256.pdf) and the empty message. */
static void standard_vectors(void **state)
{
    (void)state;
    assert_hash("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_hash("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqkl"
                "mnopqrlmnopqrsmnopqrstnopqrstu",
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void a_million_letters_in_odd_pieces(void **state)
{
    struct axi_sha256 sha;
    char piece[173];
    size_t left = 1000000;

    (void)state;
    memset(piece, 'a', sizeof(piece));
    axi_sha256_init(&sha);
    for (size_t n = 1; left > 0; n = n % sizeof(piece) + 1) {
        size_t count = n < left ? n : left;

        axi_sha256_update(&sha, piece, count);
        left -= count;
    }
    assert_digest(&sha, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_vectors),
        cmocka_unit_test(a_million_letters_in_odd_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
