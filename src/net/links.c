/* SPDX-License-Identifier: Apache-2.0 */
#include "net/links.h"

#include "base/log.h"

#include <stdlib.h>

struct axi_link {
    struct axi_links *links;
    struct axi_stream *stream;
    struct axi_link *next;
    uint64_t number;
};

static struct axi_link **bucket_of(struct axi_links *links, uint64_t number)
{
    return &links->buckets[number % AXI_LINKS_BUCKETS];
}

static struct axi_link *find(struct axi_links *links, uint64_t number)
{
    struct axi_link *link = *bucket_of(links, number);

    while (link != NULL && link->number != number) {
        link = link->next;
    }
    return link;
}

static struct axi_link *add(struct axi_links *links)
{
    struct axi_link *link = calloc(1, sizeof(*link));

    if (link != NULL) {
        struct axi_link **bucket = bucket_of(links, ++links->last_number);

        *link = (struct axi_link){.links = links, .number = links->last_number, .next = *bucket};
        *bucket = link;
    }
    return link;
}

static void drop(struct axi_link *link)
{
    struct axi_link **at = bucket_of(link->links, link->number);

    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    free(link);
}

static void on_connected(void *context, struct axi_stream *stream)
{
    struct axi_link *link = context;

    link->links->handler->up(link->links->context, link->number, false, axi_stream_peer(stream));
}

static void on_received(void *context, struct axi_stream *stream, const uint8_t *bytes,
                        size_t count)
{
    struct axi_link *link = context;

    (void)stream;
    link->links->handler->bytes(link->links->context, link->number, bytes, count);
}

static void on_closed(void *context, struct axi_stream *stream, int error)
{
    struct axi_link *link = context;
    struct axi_links *links = link->links;
    uint64_t number = link->number;

    axi_log(AXI_LOG_INFO, "link-down", "link=%llu peer=%s error=%s", (unsigned long long)number,
            axi_stream_peer(stream), axi_error_name(error));
    drop(link);
    links->handler->down(links->context, number, error);
}

static const struct axi_stream_handler stream_handler = {
    .connected = on_connected, .received = on_received, .closed = on_closed};

int axi_links_connect(struct axi_links *links, const char *address, uint32_t timeout_ms,
                      uint64_t *ret_link)
{
    struct axi_link *link = add(links);

    if (link == NULL) {
        return -AXC_ENOMEM;
    }
    int r =
        axi_stream_connect(links->loop, address, timeout_ms, &stream_handler, link, &link->stream);

    if (r < 0) {
        drop(link);
        return r;
    }
    *ret_link = link->number;
    return 0;
}

void axi_links_accept(void *context, struct axi_stream *stream)
{
    struct axi_links *links = context;
    struct axi_link *link = add(links);

    if (link == NULL) {
        axi_stream_close(stream);
        return;
    }
    link->stream = stream;
    axi_stream_set_handler(stream, &stream_handler, link);
    links->handler->up(links->context, link->number, true, axi_stream_peer(stream));
}

void axi_links_send(struct axi_links *links, uint64_t number, const uint8_t *frame, size_t bytes)
{
    struct axi_link *link = find(links, number);

    if (link == NULL || link->stream == NULL) {
        return;
    }
    int r = axi_stream_send(link->stream, frame, bytes);

    if (r < 0) {
        axi_log(AXI_LOG_WARN, "link-send", "link=%llu error=%s", (unsigned long long)number,
                axi_error_name(r));
    }
    if (r == -AXC_EFULL || r == -AXC_ENOMEM) {
        axi_stream_abort(link->stream, r);
    }
}

void axi_links_close(struct axi_links *links, uint64_t number)
{
    struct axi_link *link = find(links, number);

    if (link != NULL) {
        axi_stream_close(link->stream);
        drop(link);
    }
}

void axi_links_close_all(struct axi_links *links)
{
    for (size_t i = 0; i < AXI_LINKS_BUCKETS; i++) {
        while (links->buckets[i] != NULL) {
            axi_links_close(links, links->buckets[i]->number);
        }
    }
}
