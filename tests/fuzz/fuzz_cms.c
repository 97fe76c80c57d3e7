/* SPDX-License-Identifier: Apache-2.0 */
/* What a node, a peer or the master may say to a checkpoint manager. The first byte says who
 * speaks; headers and checksums are repaired, which no fuzzer guesses. The manager lives on from
 * input to input and must never crash, nor keep a link that broke the rules. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "cms/manager.h"
#include "core/wire.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static uint64_t now_ns = 1000000000;
static uint64_t next_link;
static uint64_t draws;

static uint64_t now(void *context)
{
    (void)context;
    return now_ns;
}

static uint64_t random64(void *context)
{
    (void)context;
    return ++draws % 64; /* requests that an input can name */
}

static int port_connect(void *context, const char *address, uint64_t *ret_link)
{
    (void)context;
    (void)address;
    *ret_link = ++next_link;
    return 0;
}

static void port_send(void *context, uint64_t link, const uint8_t *frame, size_t bytes)
{
    (void)context;
    (void)link;
    FUZZ_CHECK(bytes >= AXI_WIRE_HEADER_BYTES && frame[0] == 'A');
}

static void port_close(void *context, uint64_t link)
{
    (void)context;
    (void)link;
}

static int get_blob(void *context, const uint8_t digest[32], uint8_t **ret_bytes, size_t *ret_size)
{
    (void)context;
    (void)digest;
    (void)ret_bytes;
    (void)ret_size;
    return -AXC_ENOENT;
}

static struct axi_cms *make(void)
{
    const struct axi_store_sqlite_options store = {.path = ":memory:", .is_volatile = 1};
    const struct axi_checkpoints_options checkpoints = {
        .path = ":memory:", .is_inline = true, .is_volatile = true};
    const struct axi_cms_port port = {.now_local_ns = now,
                                      .random64 = random64,
                                      .connect = port_connect,
                                      .send = port_send,
                                      .close = port_close,
                                      .get_blob = get_blob};
    struct axi_cms_config config = {
        .manager_id = 1, .boot_id = 1, .name = "c", .master_address = "m"};
    struct axi_cms *cms = NULL;

    FUZZ_CHECK(axi_store_sqlite_new(&store, &config.store) == 0);
    FUZZ_CHECK(axi_checkpoints_new(&checkpoints, &config.checkpoints) == 0);
    FUZZ_CHECK(axi_cms_new(&config, &port, &cms) == 0);
    return cms;
}

static void repair(uint8_t *data, size_t size)
{
    while (size >= AXI_WIRE_HEADER_BYTES) {
        size_t room = size - AXI_WIRE_HEADER_BYTES;
        size_t body = axi_get_le16(data + 6) % (AXI_WIRE_BODY_BYTES_MAX + 1);
        size_t tail = axi_get_le32(data + 8) % (AXI_WIRE_TAIL_BYTES_MAX + 1);

        body = body < room ? body : room;
        tail = tail < room - body ? tail : room - body;
        memcpy(data, "AX\x01\x00", 4);
        axi_put_le16(data + 4, (uint16_t)(axi_get_le16(data + 4) % AXI_WIRE_TYPE_END));
        axi_put_le16(data + 6, (uint16_t)body);
        axi_put_le32(data + 8, (uint32_t)tail);
        axi_put_le32(data + 12, axi_crc32c(axi_crc32c(0, data, 12), data + AXI_WIRE_HEADER_BYTES,
                                           body + tail));
        data += AXI_WIRE_HEADER_BYTES + body + tail;
        size -= AXI_WIRE_HEADER_BYTES + body + tail;
    }
}

static void greet(struct axi_cms *cms, uint64_t link, uint8_t who)
{
    axi_ManagerHello node = {.protocol_min = 1, .protocol_max = 1, .node_id = 2, .boot_id = 3};
    axi_PeerManagerHello peer = {.protocol_min = 1, .protocol_max = 1, .manager_id = 7};
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    if (who % 3 == 0) { /* nobody yet */
        return;
    }
    FUZZ_CHECK(axi_wire_encode(who % 3 == 1 ? AXI_WIRE_MANAGER_HELLO : AXI_WIRE_PEER_MANAGER_HELLO,
                               who % 3 == 1 ? (void *)&node : (void *)&peer, NULL, 0, frame,
                               sizeof(frame), &bytes) == 0);
    axi_cms_link_bytes(cms, link, frame, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct axi_cms *cms;
    uint64_t link = ++next_link;
    uint8_t *copy;

    if (size < 2) {
        return 0;
    }
    cms = cms != NULL ? cms : make();
    copy = malloc(size - 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    repair(copy, size - 1);
    axi_cms_link_up(cms, link, true, "fuzz");
    greet(cms, link, data[0]);
    axi_cms_link_bytes(cms, link, copy, size - 1);
    now_ns += 20000000;
    (void)axi_cms_tick(cms);
    axi_cms_link_down(cms, link, 0);
    json_decref(axi_cms_status(cms));
    free(copy);
    return 0;
}
