/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong command lines end the program: each is tried in a child. */
#include "support/test.h"

#include "net/options.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    const char *name, *other;
    uint64_t number, word;
    int64_t value;
    int flag;
    char called[16];
} got;

static const char *const words[] = {"red", "green", NULL};

static const char *take(void *to, const char *value)
{
    if (strlen(value) > 3) {
        return "at most 3 characters";
    }
    (void)snprintf(to, 16, "%s", value);
    return NULL;
}

static const struct axi_option options[] = {
    {.name = "name", .kind = AXI_OPTION_TEXT, .to = &got.name, .is_required = 1},
    {.name = "other", .kind = AXI_OPTION_TEXT, .to = &got.other},
    {.name = "number",
     .kind = AXI_OPTION_NUMBER,
     .to = &got.number,
     .min = 1,
     .max = 9,
     .scale = 10},
    {.name = "value", .kind = AXI_OPTION_SIGNED, .to = &got.value, .min = -5, .max = 5},
    {.name = "flag", .kind = AXI_OPTION_FLAG, .to = &got.flag},
    {.name = "word", .kind = AXI_OPTION_WORD, .to = &got.word, .words = words},
    {.name = "call", .kind = AXI_OPTION_CALL, .to = got.called, .call = take},
    {.name = NULL},
};
static const struct axi_program program = {
    .name = "prog", .version = "7", .usage = "usage: prog\n"};

static void read_words(int argc, const char *const *argv)
{
    axi_options_read(&program, options, argc, (char **)argv);
}

#define READ(...)                                                                                  \
    do {                                                                                           \
        const char *const argv[] = {"prog", __VA_ARGS__};                                          \
        memset(&got, 0, sizeof(got));                                                              \
        read_words((int)(sizeof(argv) / sizeof(argv[0])), argv);                                   \
    } while (0)

/* What the child wrote, and its exit code. */
static int run(int argc, const char *const *argv, char *text, size_t size)
{
    int pipes[2];
    int status = 0;
    size_t used = 0;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        memset(&got, 0, sizeof(got));
        (void)dup2(pipes[1], 1);
        (void)dup2(pipes[1], 2);
        read_words(argc, argv);
        _exit(99);
    }
    (void)close(pipes[1]);
    while ((n = read(pipes[0], text + used, size - 1 - used)) > 0) {
        used += (size_t)n;
    }
    text[used] = '\0';
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(pipes[0]);
    return WEXITSTATUS(status);
}

#define REFUSED(wanted, ...)                                                                       \
    do {                                                                                           \
        const char *const argv[] = {"prog", __VA_ARGS__};                                          \
        char text[400];                                                                            \
        assert_int_equal(run((int)(sizeof(argv) / sizeof(argv[0])), argv, text, sizeof(text)), 2); \
        assert_non_null(strstr(text, wanted));                                                     \
    } while (0)

static void all_kinds_are_read(void **state)
{
    (void)state;
    READ("--name", "a", "--number=9", "--value", "-5", "--flag", "--word", "green", "--call",
         "xyz");
    assert_string_equal(got.name, "a");
    assert_null(got.other);
    assert_int_equal(got.number, 90);
    assert_int_equal(got.value, -5);
    assert_int_equal(got.flag, 1);
    assert_int_equal(got.word, 1);
    assert_string_equal(got.called, "xyz");
    READ("--quiet", "--name=", "--other", "--flag", "--verbose"); /* a value may look like one */
    assert_string_equal(got.name, "");
    assert_string_equal(got.other, "--flag");
    assert_int_equal(got.flag, 0);
}

static void wrong_values_say_what_was_wanted(void **state)
{
    (void)state;
    REFUSED("--number: '10' is not a number from 1 to 9", "--name", "a", "--number", "10");
    REFUSED("--number: '' is not a number", "--name", "a", "--number", "");
    REFUSED("--number: '3x' is not a number", "--name", "a", "--number=3x");
    REFUSED("--number: ' 3' is not a number", "--name", "a", "--number= 3");
    REFUSED("--value: '-6' is not a number from -5 to 5", "--name", "a", "--value", "-6");
    REFUSED("--value: '99999999999999999999' is not", "--value", "99999999999999999999");
    REFUSED("--word: 'blue' is not one of: red green", "--name", "a", "--word", "blue");
    REFUSED("--call: 'long' is not at most 3 characters", "--name", "a", "--call", "long");
}

static void wrong_command_lines_show_the_usage(void **state)
{
    (void)state;
    REFUSED("--name is missing\nusage: prog", "--flag");
    REFUSED("unknown option --nam\nusage", "--nam", "a");
    REFUSED("unexpected 'a'", "a");
    REFUSED("--name: its value is missing", "--name");
    REFUSED("this option takes no value", "--flag=1");
}

static void version_and_help_end_well(void **state)
{
    const char *const version[] = {"prog", "--version"};
    const char *const help[] = {"prog", "-h"};
    char text[400];

    (void)state;
    assert_int_equal(run(2, version, text, sizeof(text)), 0);
    assert_string_equal(text, "prog 7\n");
    assert_int_equal(run(2, help, text, sizeof(text)), 0);
    assert_string_equal(text, "usage: prog\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_are_read),
        cmocka_unit_test(wrong_values_say_what_was_wanted),
        cmocka_unit_test(wrong_command_lines_show_the_usage),
        cmocka_unit_test(version_and_help_end_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
