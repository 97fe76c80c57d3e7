/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the etcd backend share. */
#ifndef AXI_STORE_ETCD_INTERNAL_H
#define AXI_STORE_ETCD_INTERNAL_H

#include "store/etcd.h"
#include "store/etcd_json.h"

#include <curl/curl.h>

#define AXI_ETCD_ANSWER_MAX (64u * 1024u * 1024u)

struct axi_etcd_buffer {
    char *bytes;
    size_t count, room;
};

struct axi_etcd_watch;
struct axi_etcd_probe;

struct axi_store_etcd {
    struct axi_store base;
    struct axi_etcd_location location;
    size_t current; /* endpoint that answered last */
    CURL *request;
    struct curl_slist *headers;
    CURLM *multi; /* the watches' streams */
    struct axi_etcd_watch *watches;
    CURLM *probe_multi;            /* the members' probes */
    struct axi_etcd_probe *probes; /* one per endpoint; NULL: not begun */
};

/* POST to /v3/<path>. For a write only endpoints that nothing was sent to are passed over; then the
 * outcome is unknown (-AXC_ETIMEOUT). A read asks every endpoint before it gives up. Errors else as
 * axi_etcd_error; *ret_answer is a new reference. body is taken, NULL = no memory. */
AXC_MUST_USE int axi_etcd_call(struct axi_store_etcd *s, const char *path, json_t *body,
                               bool is_write, json_t **ret_answer);

/* The settings that requests and watches share; -AXC_EUNAVAILABLE when curl refuses. */
AXC_MUST_USE int axi_etcd_prepare(struct axi_store_etcd *s, CURL *easy, size_t endpoint,
                                  const char *path, struct axi_etcd_buffer *into);

/* "<prefix>/<key>" in base64; range_end: the end of the range of keys that start with it. A string,
 * NULL without memory. */
json_t *axi_etcd_key(const struct axi_store_etcd *s, const char *key);
json_t *axi_etcd_range_end(const struct axi_store_etcd *s, const char *prefix);

uint64_t axi_etcd_now_ms(void);

/* ---- etcd_watch.c ---- */
int axi_etcd_changes(struct axi_store *store, const char *prefix, uint64_t after,
                     axi_store_changed changed, void *context, uint64_t *ret_revision);
void axi_etcd_watches_free(struct axi_store_etcd *s);

/* ---- etcd_members.c ---- */
void axi_etcd_members(struct axi_store *store, struct axi_store_member members[]);
void axi_etcd_members_free(struct axi_store_etcd *s);

#endif
