/* SPDX-License-Identifier: Apache-2.0 */
/* The store on etcd 3.4 or newer, by its v3 JSON gateway over HTTP (docs/formats/cluster-store.md).
 * Every call is one round trip to one member; a member that does not answer is passed over. A
 * leader's death costs the calls under way up to the cluster's election time. */
#ifndef AXI_STORE_ETCD_H
#define AXI_STORE_ETCD_H

#include "store/store.h"

#define AXI_ETCD_ENDPOINTS_MAX AXI_STORE_MEMBERS_MAX

struct axi_etcd_location {
    char endpoints[AXI_ETCD_ENDPOINTS_MAX][128]; /* HOST:PORT */
    size_t endpoint_count;
    char prefix[64]; /* every key of ours is "<prefix>/<key>" */
    bool is_tls;
    char ca[256], certificate[256], key[256]; /* files; "" = the system's authorities, none, none */
    uint32_t timeout_ms;                      /* of one write, or of asking one member for a read */
};

/* "etcd://HOST:PORT[,HOST:PORT...][/PREFIX]" or "etcds://...[?ca=FILE][&cert=FILE&key=FILE]
 * [&timeout_ms=N]" (also without TLS; 100 to 60000, default 1000). An error names what is wrong in
 * ret_reason (AXI_STORE_REASON_BYTES). */
AXC_MUST_USE int axi_etcd_location_parse(const char *text, struct axi_etcd_location *ret_location,
                                         char *ret_reason);

/* Does not connect: the first call does. -AXC_ENOMEM. */
AXC_MUST_USE int axi_store_etcd_new(const struct axi_etcd_location *location,
                                    struct axi_store **ret_store);

#endif
