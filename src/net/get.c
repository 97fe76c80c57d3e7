/* SPDX-License-Identifier: Apache-2.0 */
#include "net/get.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 1000L

struct buffer {
    size_t bytes_max;
    uint8_t *bytes;
    size_t count;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct buffer *buffer = context;
    size_t bytes = size * count;

    if (bytes > buffer->bytes_max - buffer->count) {
        return 0;
    }
    uint8_t *grown = realloc(buffer->bytes, buffer->count + bytes + 1);

    if (grown == NULL) {
        return 0;
    }
    memcpy(grown + buffer->count, data, bytes);
    buffer->bytes = grown;
    buffer->count += bytes;
    return bytes;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct axi_get *get = context;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return get->is_ending != NULL && get->is_ending(get->context) ? 1 : 0; /* 1: give up */
}

long axi_get(void *curl, const struct axi_get *get, uint8_t **ret_bytes, size_t *ret_count)
{
    struct buffer body = {.bytes_max = get->bytes_max};
    char url[320];
    char header[128];
    long status = 0;

    (void)snprintf(url, sizeof(url), "http://%s%s", get->source, get->path);
    (void)snprintf(header, sizeof(header), "Authorization: Bearer %s", get->token);
    struct curl_slist *headers = curl_slist_append(NULL, header);

    curl_easy_reset(curl);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, get);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, get->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    if (curl_easy_perform(curl) == CURLE_OK) {
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    *ret_bytes = body.bytes;
    *ret_count = body.count;
    return status;
}
