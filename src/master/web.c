/* SPDX-License-Identifier: Apache-2.0 */
/* A path names a row of the table or nothing: no file system is asked, so that there is nothing to
 * climb out of. */
#include "master/web.h"

#include <microhttpd.h>
#include <string.h>

#define PREFIX "/web/"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)

/* Scripts, styles and data come from this master alone, and nothing is ever run from text. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const struct {
    const char *name, *value;
} headers[] = {
    {"Content-Security-Policy", policy},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-cache"}, /* may be kept, is asked for: another master may be newer */
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},     {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"}, {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
};

static const struct {
    const char *path, *name;
} others[] = {
    {"/", "index.html"}, {"/favicon.ico", "icon.svg"}, /* what browsers ask for by themselves */
};

/* The name of the file that is served at the path; NULL: the path is not the page's. */
static const char *name_of(const char *path)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(others[i].path, path) == 0) {
            return others[i].name;
        }
    }
    return strncmp(path, PREFIX, PREFIX_BYTES) == 0 ? path + PREFIX_BYTES : NULL;
}

bool axi_web_owns(const char *path)
{
    return name_of(path) != NULL;
}

static const struct axi_web_file *find_file(const char *path)
{
    const char *name = name_of(path);

    for (size_t i = 0; name != NULL && i < axi_web_file_count; i++) {
        if (strcmp(axi_web_files[i].name, name) == 0) {
            return &axi_web_files[i];
        }
    }
    return NULL;
}

static const char *find_type(const char *name)
{
    const char *suffix = strrchr(name, '.');

    for (size_t i = 0; suffix != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].suffix, suffix) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

struct axi_web_answer axi_web_find(const char *method, const char *path, const char *known)
{
    struct axi_web_answer answer = {.status = MHD_HTTP_NOT_FOUND};

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        answer.status = MHD_HTTP_BAD_REQUEST;
        return answer;
    }
    answer.file = find_file(path);
    if (answer.file == NULL) {
        return answer;
    }
    bool is_known =
        known != NULL && (strcmp(known, "*") == 0 || strstr(known, answer.file->etag) != NULL);

    answer.status = is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK;
    answer.type = find_type(answer.file->name);
    return answer;
}

void axi_web_handle(struct axi_http_request *request)
{
    struct axi_web_answer answer =
        axi_web_find(axi_http_method(request), axi_http_path(request),
                     axi_http_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH));
    bool is_whole = answer.status == MHD_HTTP_OK;

    if (answer.file == NULL) {
        bool is_method = answer.status == MHD_HTTP_BAD_REQUEST;

        axi_http_reply_error(request, is_method ? -AXC_EINVALID : -AXC_ENOENT,
                             is_method ? "this path takes GET and HEAD" : "no such file",
                             "the web page is at /");
        return;
    }
    axi_http_reply_static(request, answer.status, answer.file->bytes,
                          is_whole ? answer.file->count : 0);
    axi_http_add_header(request, "ETag", answer.file->etag);
    if (is_whole) {
        axi_http_add_header(request, "Content-Type", answer.type);
    }
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        axi_http_add_header(request, headers[i].name, headers[i].value);
    }
}
