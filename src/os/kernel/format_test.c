/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's formatter says what the C library's does. */
#include "os/kernel/console.h"

#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[256], theirs[256];                                                               \
        int length = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                \
                                                                                                   \
        assert_int_equal(axi_format(ours, sizeof(ours), __VA_ARGS__), length);                     \
        assert_string_equal(ours, theirs);                                                         \
    } while (0)

static void formats_numbers(void **state)
{
    (void)state;
    SAME("%d %i %u %x %X", -5, 7, 4000000000u, 0xbeefu, 0xbeefu);
    SAME("%ld %lu %lx", INT64_MIN, UINT64_MAX, UINT64_MAX);
    SAME("%lld %llu", (long long)INT64_MIN, (unsigned long long)UINT64_MAX);
    SAME("%" PRIu64 " %" PRId32 " %zu", (uint64_t)1 << 63, INT32_MIN, (size_t)17);
    SAME("%hhx %hx %hhu %hd", (unsigned char)0xab, (unsigned short)0xabcd, (unsigned char)200,
         (short)-3);
    SAME("%d %u %x", 0, 0u, 0u);
    SAME("%p", (void *)0x1234);
}

static void pads(void **state)
{
    (void)state;
    SAME("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
    SAME("[%3d] [%016lx] [%.4d] [%8.4d]", 12345, 0xabcul, 7, -7);
    SAME("[%*d] [%-*d] [%*d]", 6, 1, 6, 2, -6, 3);
    SAME("[%10s] [%-10s] [%.3s] [%10.2s] [%.*s]", "abc", "abc", "abcdef", "abcdef", 2, "xyz");
    SAME("[%c] [%3c] [%%] [%-3c]", 'a', 'b', 'c');
    SAME("[%02x:%02x]", 5u, 0xffu);
}

static void cuts_at_the_capacity(void **state)
{
    const char *volatile none = NULL;
    char text[8] = "zzzzzzz";

    (void)state;
    assert_int_equal(axi_format(text, 4, "%s", "abcdef"), 6);
    assert_string_equal(text, "abc");
    assert_int_equal(text[4], 'z');
    assert_int_equal(axi_format(text, 0, "%s", "abc"), 3);
    assert_string_equal(text, "abc");
    assert_int_equal(axi_format(text, sizeof(text), "%s", none), 6);
    assert_string_equal(text, "(null)");
}

static void survives_a_broken_directive(void **state)
{
    char text[128];
    const char *volatile broken[] = {"%", "%5", "%-", "%l", "%.", "a%k", "%q%"};

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int length = axi_format(text, sizeof(text), broken[i]);
#pragma GCC diagnostic pop

        assert_int_equal(length, strlen(text));
    }
    assert_int_equal(axi_format(text, sizeof(text), "%0*d", 1000000, 7), 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_numbers),
        cmocka_unit_test(pads),
        cmocka_unit_test(cuts_at_the_capacity),
        cmocka_unit_test(survives_a_broken_directive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
