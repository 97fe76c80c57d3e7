/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to etcd's members: which one, how long, and what a failure means. */
#include "store/etcd_internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

uint64_t axi_etcd_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    struct axi_etcd_buffer *buffer = context;

    count *= size;
    if (count > AXI_ETCD_ANSWER_MAX - buffer->count) {
        return 0;
    }
    if (buffer->count + count > buffer->room) {
        size_t room = (buffer->count + count) * 2;
        char *grown = realloc(buffer->bytes, room);

        if (grown == NULL) {
            return 0;
        }
        buffer->bytes = grown;
        buffer->room = room;
    }
    memcpy(buffer->bytes + buffer->count, bytes, count);
    buffer->count += count;
    return count;
}

/* A peer that vanished without a word is found out in seconds, also on a watch that only listens.
 */
static int set_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
    int timeout_ms = 3000;

    (void)context;
    (void)purpose;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return CURL_SOCKOPT_OK;
}

static CURLcode set_tls(const struct axi_etcd_location *location, CURL *easy)
{
    CURLcode rc = CURLE_OK;

    if (location->ca[0] != '\0') {
        rc = curl_easy_setopt(easy, CURLOPT_CAINFO, location->ca);
    }
    if (rc == CURLE_OK && location->certificate[0] != '\0') {
        rc = curl_easy_setopt(easy, CURLOPT_SSLCERT, location->certificate);
    }
    if (rc == CURLE_OK && location->key[0] != '\0') {
        rc = curl_easy_setopt(easy, CURLOPT_SSLKEY, location->key);
    }
    return rc;
}

int axi_etcd_prepare(struct axi_store_etcd *s, CURL *easy, size_t endpoint, const char *path,
                     struct axi_etcd_buffer *into)
{
    const struct axi_etcd_location *location = &s->location;
    char url[256];

    snprintf(url, sizeof(url), "%s://%s/v3/%s", location->is_tls ? "https" : "http",
             location->endpoints[endpoint], path);
    if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        set_tls(location, easy) != CURLE_OK) {
        return -AXC_EUNAVAILABLE;
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, s->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, into);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(location->timeout_ms / 2));
    return 0;
}

/* What is being sent, and whether any of it left: then curl may not silently send it again on
 * another connection, which would make a commit that was applied look like a lost comparison. */
struct upload {
    const char *text;
    size_t count, sent;
};

static size_t read_upload(char *into, size_t size, size_t count, void *context)
{
    struct upload *upload = context;
    size_t left = upload->count - upload->sent;

    count = size * count < left ? size * count : left;
    memcpy(into, upload->text + upload->sent, count);
    upload->sent += count;
    return count;
}

static int seek_upload(void *context, curl_off_t offset, int origin)
{
    const struct upload *upload = context;

    return origin == SEEK_SET && offset == 0 && upload->sent == 0 ? CURL_SEEKFUNC_OK
                                                                  : CURL_SEEKFUNC_FAIL;
}

/* One attempt at one endpoint. *ret_was_sent: the member may have got it. */
static int attempt(struct axi_store_etcd *s, size_t endpoint, const char *path, const char *text,
                   bool *ret_was_sent, json_t **ret_answer)
{
    struct axi_etcd_buffer buffer = {0};
    struct upload upload = {.text = text, .count = strlen(text)};
    long status = 0;
    json_t *answer = NULL;
    int rc;

    curl_easy_reset(s->request);
    rc = axi_etcd_prepare(s, s->request, endpoint, path, &buffer);
    if (rc != 0) {
        return rc;
    }
    curl_easy_setopt(s->request, CURLOPT_READFUNCTION, read_upload);
    curl_easy_setopt(s->request, CURLOPT_READDATA, &upload);
    curl_easy_setopt(s->request, CURLOPT_SEEKFUNCTION, seek_upload);
    curl_easy_setopt(s->request, CURLOPT_SEEKDATA, &upload);
    curl_easy_setopt(s->request, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)upload.count);
    curl_easy_setopt(s->request, CURLOPT_TIMEOUT_MS, (long)s->location.timeout_ms);
    rc = curl_easy_perform(s->request) == CURLE_OK ? 0 : -AXC_ETIMEOUT;
    *ret_was_sent = upload.sent > 0;
    curl_easy_getinfo(s->request, CURLINFO_RESPONSE_CODE, &status);
    if (rc == 0 && axi_etcd_parse(buffer.bytes, buffer.count, &answer) != 0) {
        rc = -AXC_ETIMEOUT; /* no etcd, or one that broke off */
    }
    free(buffer.bytes);
    if (rc == 0 && status != 200) {
        rc = axi_etcd_error(answer);
        json_decref(answer);
    } else if (rc == 0) {
        *ret_answer = answer;
    }
    return rc;
}

int axi_etcd_call(struct axi_store_etcd *s, const char *path, json_t *body, bool is_write,
                  json_t **ret_answer)
{
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    int rc = -AXC_EUNAVAILABLE;

    json_decref(body);
    if (text == NULL) {
        return -AXC_ENOMEM;
    }
    for (size_t i = 0; i < s->location.endpoint_count; i++) {
        bool was_sent = false;

        rc = attempt(s, s->current, path, text, &was_sent, ret_answer);
        if (rc != -AXC_ETIMEOUT && rc != -AXC_EUNAVAILABLE) {
            break;
        }
        s->current = (s->current + 1) % s->location.endpoint_count;
        if (is_write && was_sent) {
            break; /* with -AXC_EUNAVAILABLE the member said that it did nothing */
        }
        rc = -AXC_EUNAVAILABLE;
    }
    free(text);
    return rc;
}
