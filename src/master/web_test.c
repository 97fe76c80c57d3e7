/* SPDX-License-Identifier: Apache-2.0 */
#include "master/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void serves_every_file_with_its_type(void **context)
{
    (void)context;
    assert_true(axi_web_file_count > 5);
    for (size_t i = 0; i < axi_web_file_count; i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "/web/%s", axi_web_files[i].name);
        struct axi_web_answer answer = axi_web_find("GET", path, NULL);

        assert_int_equal(answer.status, 200);
        assert_ptr_equal(answer.file, &axi_web_files[i]);
        assert_true(answer.file->count > 0);
        assert_string_not_equal(answer.type, "application/octet-stream");
    }
}

static void the_root_is_the_page(void **context)
{
    (void)context;
    struct axi_web_answer answer = axi_web_find("GET", "/", NULL);

    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.file->name, "index.html");
    assert_string_equal(answer.type, "text/html; charset=utf-8");
    assert_memory_equal(answer.file->bytes, "<!doctype html>", 15);
    assert_ptr_equal(axi_web_find("HEAD", "/", NULL).file, answer.file);
    assert_string_equal(axi_web_find("GET", "/favicon.ico", NULL).type, "image/svg+xml");
    assert_int_equal(axi_web_find("GET", "/v1/status", NULL).status, 404);
}

static void the_same_path_names_the_same_content_once(void **context)
{
    (void)context;
    for (size_t i = 0; i < axi_web_file_count; i++) {
        assert_int_equal(axi_web_files[i].etag[0], '"');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(axi_web_files[i].name, axi_web_files[k].name);
            assert_string_not_equal(axi_web_files[i].etag, axi_web_files[k].etag);
        }
    }
}

static void what_is_known_is_not_sent_again(void **context)
{
    const char *etag = axi_web_find("GET", "/", NULL).file->etag;
    char list[256];

    (void)context;
    assert_int_equal(axi_web_find("GET", "/", etag).status, 304);
    assert_int_equal(axi_web_find("HEAD", "/", "*").status, 304);
    (void)snprintf(list, sizeof(list), "\"other\", W/%s", etag);
    assert_int_equal(axi_web_find("GET", "/", list).status, 304);
    assert_int_equal(axi_web_find("GET", "/", "\"other\"").status, 200);
    assert_int_equal(axi_web_find("GET", "/", "").status, 200);
    assert_int_equal(axi_web_find("GET", "/web/none", "*").status, 404);
}

static void nothing_else_is_served(void **context)
{
    static const char *const paths[] = {
        "/web/",           "/web/none",         "/web/../token",      "/web/../web/main.js",
        "/web//main.js",   "/web/main.js/",     "/web/./main.js",     "/web/main.js\n",
        "/web/..%2ftoken", "/web/%2e%2e/token", "/web/..\\..\\token", "/web/MAIN.JS",
    };

    (void)context;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_true(axi_web_owns(paths[i]));
        assert_int_equal(axi_web_find("GET", paths[i], NULL).status, 404);
        assert_null(axi_web_find("GET", paths[i], NULL).file);
    }
    assert_int_equal(axi_web_find("POST", "/", NULL).status, 400);
    assert_int_equal(axi_web_find("DELETE", "/web/main.js", NULL).status, 400);
}

static void other_paths_are_not_the_pages(void **context)
{
    static const char *const paths[] = {"/v1/status", "/web",        "/webx/main.js",  "//",
                                        "",           "/index.html", "/v1/web/main.js"};

    (void)context;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_false(axi_web_owns(paths[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_every_file_with_its_type),
        cmocka_unit_test(the_root_is_the_page),
        cmocka_unit_test(the_same_path_names_the_same_content_once),
        cmocka_unit_test(what_is_known_is_not_sent_again),
        cmocka_unit_test(nothing_else_is_served),
        cmocka_unit_test(other_paths_are_not_the_pages),
    };

    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
