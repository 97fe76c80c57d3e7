/* SPDX-License-Identifier: Apache-2.0 */
/* What a member of etcd may answer: every reading function sees any bytes. */
#include "fuzz/fuzz.h"
#include "store/etcd.h"
#include "store/etcd_json.h"

#include <stdlib.h>
#include <string.h>

static int see(void *context, const char *key, const struct axi_store_value *value)
{
    (void)context;
    FUZZ_CHECK(strlen(key) <= AXI_STORE_KEY_MAX && value->revision > 0);
    FUZZ_CHECK(value->bytes[value->value_bytes] == '\0');
    return 0;
}

static void see_change(void *context, const struct axi_store_change *change)
{
    const uint64_t *after = context;

    FUZZ_CHECK(change->revision > *after);
    FUZZ_CHECK(change->is_deleted == (change->value == NULL));
}

static void read_location(const uint8_t *data, size_t size)
{
    struct axi_etcd_location location;
    char reason[AXI_STORE_REASON_BYTES];
    char text[512];

    size = size < sizeof(text) ? size : sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    (void)!axi_etcd_location_parse(text, &location, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    json_t *answer = NULL;
    uint64_t number = 0;
    const uint64_t seen = 3;
    uint64_t after = seen;
    bool is_compacted = false;
    char *last_key = NULL;
    char *bytes = NULL;
    size_t count = 0;

    read_location(data, size);
    if (axi_etcd_decode(text, size, &bytes, &count) == 0) {
        free(bytes);
    }
    (void)!axi_etcd_watch_line(text, size, "p", see_change, (void *)(uintptr_t)&seen, &after,
                               &is_compacted);
    if (axi_etcd_parse(text, size, &answer) == 0) {
        (void)!axi_etcd_revision(answer, &number);
        (void)!axi_etcd_number(answer, "ID", &number);
        (void)axi_etcd_error(answer);
        (void)!axi_etcd_visit(answer, "p", see, NULL, &last_key);
        free(last_key);
        json_decref(answer);
    }
    return 0;
}
