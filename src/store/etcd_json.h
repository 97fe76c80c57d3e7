/* SPDX-License-Identifier: Apache-2.0 */
/* What etcd's v3 JSON gateway says and wants to hear: numbers as strings, keys and values in
 * base64, absent members for zero. Nothing here trusts the bytes. Functions keep no pointer. */
#ifndef AXI_STORE_ETCD_JSON_H
#define AXI_STORE_ETCD_JSON_H

#include "store/store.h"

#include <jansson.h>

/* Base64 of RFC 4648 with padding; memory from malloc, NULL when there is none. */
char *axi_etcd_encode(const void *bytes, size_t count);
/* memory from malloc, followed by a NUL; -AXC_EIO when it is no base64. */
AXC_MUST_USE int axi_etcd_decode(const char *text, size_t text_bytes, char **ret_bytes,
                                 size_t *ret_count);

/* A whole answer: one JSON object, a new reference; -AXC_EIO. */
AXC_MUST_USE int axi_etcd_parse(const char *text, size_t text_bytes, json_t **ret_answer);
/* A member that is a number below 2^63; absent = 0. -AXC_EIO: something else. */
AXC_MUST_USE int axi_etcd_number(const json_t *object, const char *name, uint64_t *ret_number);
/* header.revision; 0 is none: -AXC_EIO. */
AXC_MUST_USE int axi_etcd_revision(const json_t *answer, uint64_t *ret_revision);

/* The error in an answer that is not 200: gRPC's "code" (5 not found, 3 invalid, 11 out of range,
 * 8 exhausted), as -AXC_ENOENT, -AXC_EINVALID, -AXC_ECOMPACTED, -AXC_EUNAVAILABLE (nothing was
 * changed) or -AXC_ETIMEOUT (unknown: any other). answer may be NULL. */
int axi_etcd_error(const json_t *answer);

/* One member of "kvs", or "kv" of an event. *ret_key: borrowed from *ret_raw_key (to be freed),
 * without "<prefix>/"; NULL when it is no key of ours. ret_value is to be cleared. */
AXC_MUST_USE int axi_etcd_kv(const json_t *kv, const char *prefix, char **ret_raw_key,
                             const char **ret_key, struct axi_store_value *ret_value);

/* An answer to range: visits its keys. last_key (may be NULL): the last one as etcd has it, from
 * malloc, NULL when there was none. Returns -AXC_EIO, -AXC_ENOMEM or what visit returned. */
AXC_MUST_USE int axi_etcd_visit(const json_t *answer, const char *prefix, axi_store_visit visit,
                                void *context, char **ret_last_key);

/* One line of a watch: reports the changes after *after and moves it on. *ret_is_compacted: the
 * history is gone. -AXC_EUNAVAILABLE: the watch has ended. -AXC_EIO, -AXC_ENOMEM. */
AXC_MUST_USE int axi_etcd_watch_line(const char *line, size_t line_bytes, const char *prefix,
                                     axi_store_changed changed, void *context, uint64_t *after,
                                     bool *ret_is_compacted);

#endif
