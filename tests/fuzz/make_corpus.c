/* SPDX-License-Identifier: Apache-2.0 */
/* make_corpus CORPUS_DIR: writes the first inputs of the fuzz targets: correct ones, from which a
 * fuzzer finds the broken ones. Run by hand when a format changes. */
#include "base/bytes.h"
#include "core/boot_config.h"
#include "core/region.h"
#include "core/wire.h"
#include "image/oci.h"
#include "image/os_image.h"
#include "support/elf_maker.h"

#include <stdio.h>
#include <stdlib.h>

static void put_file(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void put_elfs(const char *folder)
{
    uint8_t file[ELF_FILE_BYTES];

    elf_maker(file, AXI_ISA_X86_64);
    put_file(folder, "elf/minimal-x86_64", file, sizeof(file));
    put_file(folder, "elf/truncated", file, sizeof(file) / 2);
    put_file(folder, "meta/in-elf", file, sizeof(file));
    put_file(folder, "meta/descriptor", file + ELF_NOTE + 20, AXI_META_BYTES);
    axi_put_le64(file + ELF_REL(1, R_OFFSET), ELF_IMAGE_BYTES - 4);
    put_file(folder, "elf/reloc-outside", file, sizeof(file));
    elf_maker(file, AXI_ISA_AARCH64);
    put_file(folder, "elf/minimal-aarch64", file, sizeof(file));
    axi_put_le32(file + ELF_PHDR(DATA, P_TYPE), 0);
    axi_put_le32(file + ELF_PHDR(DYNAMIC, P_TYPE), 0);
    put_file(folder, "elf/text-only", file, sizeof(file));
}

static void put_checkpoints(const char *folder)
{
    static _Alignas(AXI_REGION_ALIGN) uint8_t memory[1024];
    struct axi_checkpoint checkpoint = {.task_id = 1, .epoch = 2, .job = 3, .state_bytes = 40};
    const uint8_t state[40] = {1, 2, 3};
    uint8_t buffer[256];
    struct axi_region region;
    size_t bytes;

    if (axi_checkpoint_encode(&checkpoint, state, buffer, sizeof(buffer), &bytes) != 0 ||
        axi_region_init(&region, memory, sizeof(memory), 2, 40) != 0 ||
        axi_region_write(&region, &checkpoint, state) != 0 ||
        axi_region_write(&region, &checkpoint, state) != 0) {
        exit(1);
    }
    put_file(folder, "checkpoint/small", buffer, bytes);
    put_file(folder, "checkpoint/cut", buffer, bytes - 1);
    put_file(folder, "checkpoint/region", memory, axi_region_bytes(2, 40));
}

static void put_boot_configs(const char *folder)
{
    static struct axi_boot_config config;
    static uint8_t blob[1024];
    size_t bytes = 0;

    axi_boot_config_init(&config);
    config.task_count = 1;
    config.tasks[0] = (struct axi_boot_task){"first", 5, 1000, 10, (const uint8_t *)"\177ELF", 4};
    if (axi_boot_config_encode(&config, blob, sizeof(blob), &bytes) != 0) {
        exit(1);
    }
    put_file(folder, "boot_config/standalone", blob, bytes);
    axi_boot_config_init(&config);
    config.network = AXI_BOOT_NETWORK_DHCP;
    config.has_mac = true;
    config.node_id = 1;
    config.seed = 2;
    strcpy(config.name, "ecu1");
    strcpy(config.master, "10.0.2.2:7400");
    strcpy(config.advertise, "127.0.0.1:7402");
    strcpy(config.token, "secret");
    config.channel_count = 1;
    config.channels[0] = (struct axi_boot_channel){"speed", false, "udp:9000"};
    config.clock = AXI_BOOT_CLOCK_PTP;
    if (axi_boot_config_encode(&config, blob, sizeof(blob), &bytes) != 0) {
        exit(1);
    }
    put_file(folder, "boot_config/node", blob, bytes);
    put_file(folder, "boot_config/cut", blob, bytes - 9);
}

static void put_os_images(const char *folder)
{
    uint8_t kernel[128] = {0};
    uint8_t *packed = NULL;
    size_t bytes = 0;

    axi_put_le64(kernel + 16, 8192); /* image_size */
    memcpy(kernel + 56, "ARM\x64", 4);
    axi_put_le32(kernel + AXI_BOOT_IMAGE_AT_MAGIC, AXI_BOOT_IMAGE_MAGIC);
    axi_put_le32(kernel + AXI_BOOT_IMAGE_AT_VERSION, AXI_BOOT_IMAGE_VERSION);
    memcpy(kernel + AXI_BOOT_IMAGE_AT_BOARD, "virt", 4);
    put_file(folder, "os_image/kernel", kernel, sizeof(kernel));
    if (axi_os_image_pack(kernel, sizeof(kernel), kernel, sizeof(kernel), &packed, &bytes) != 0) {
        exit(1);
    }
    put_file(folder, "os_image/packed", packed, bytes);
    free(packed);
}

/* A stream of one frame of each type; the first byte is the piece size of fuzz_frames.c. */
static void put_frames(const char *folder)
{
    static uint8_t stream[1 << 16] = {3};
    static const union axi_wire_message message;
    size_t fill = 1;

    for (uint32_t type = 1; type < AXI_WIRE_TYPE_END; type++) {
        size_t bytes = 0;

        if (axi_wire_encode(type, &message, NULL, 0, stream + fill, sizeof(stream) - fill,
                            &bytes) == 0) {
            fill += bytes;
        }
    }
    put_file(folder, "frames/all-types-empty", stream, fill);
    put_file(folder, "frames/cut", stream, fill - 3);
}

static void put_hello(const char *folder)
{
    axi_Hello hello = {.protocol_min = 1, .protocol_max = 1, .cores = 2, .name = "node-a"};
    const uint8_t tail[40] = {7};
    axi_Chunk chunk = {0};
    uint8_t stream[512] = {0};
    size_t bytes = 0;
    size_t more = 0;

    if (axi_wire_encode(AXI_WIRE_HELLO, &hello, NULL, 0, stream + 1, 255, &bytes) != 0 ||
        axi_wire_encode(AXI_WIRE_CHUNK, &chunk, tail, sizeof(tail), stream + 1 + bytes, 255,
                        &more) != 0) {
        exit(1);
    }
    put_file(folder, "frames/hello-chunk", stream, 1 + bytes + more);
}

/* What a node tells a manager, and its answer to a read. */
static void put_manager_frames(const char *folder)
{
    axi_Notices notices = {
        .notices_count = 2,
        .notices = {{.task_id = 1, .epoch = 2, .job = 3, .bytes = 200, .write = 4},
                    {.task_id = 5, .epoch = 6, .job = 7, .step = 8, .bytes = 99, .write = 9}}};
    axi_SlotData data = {.request = 10, .total = 200, .newest = 11};
    const uint8_t tail[100] = {12};
    uint8_t stream[1024] = {9};
    size_t bytes = 0;
    size_t more = 0;

    if (axi_wire_encode(AXI_WIRE_NOTICES, &notices, NULL, 0, stream + 1, 511, &bytes) != 0 ||
        axi_wire_encode(AXI_WIRE_SLOT_DATA, &data, tail, sizeof(tail), stream + 1 + bytes, 511,
                        &more) != 0) {
        exit(1);
    }
    put_file(folder, "frames/notices-slot-data", stream, 1 + bytes + more);
}

/* Frames for fuzz_net: an ARP question, a connection that begins, says "hello" and ends, an echo.
 */
static void put_net(const char *folder)
{
    enum { HEAD = 3, FRAME = 64, FLAGS_AT = HEAD + 47, PROTOCOL_AT = HEAD + 23 };
    static const uint8_t tcp_flags[] = {0x02, 0x10, 0x18, 0x11};
    uint8_t arp[HEAD + FRAME] = {
        FRAME, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0,  0, 0, 1, 8, 6, 0, 1,  8, 0, 6, 4,
        0,     1, 2, 0,    0,    0,    0,    1,    10,   0, 2, 77, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15};
    uint8_t tcp[sizeof(tcp_flags)][HEAD + FRAME] = {{0}};
    uint8_t connection[sizeof(tcp_flags) + 1][HEAD + FRAME];

    put_file(folder, "net/arp", arp, sizeof(arp));
    for (size_t i = 0; i < sizeof(tcp_flags); i++) {
        static const uint8_t ip_head[] = {0x45, 0, 0, FRAME - 14, 0, 1, 0, 0, 64, 6};

        tcp[i][0] = FRAME;
        tcp[i][2] = 3; /* for the listening port, acknowledging what came last */
        memcpy(tcp[i] + HEAD + 14, ip_head, sizeof(ip_head));
        tcp[i][HEAD + 34] = 0x40; /* source port */
        tcp[i][HEAD + 46] = 5 << 4;
        tcp[i][HEAD + 48] = 0x20; /* window */
        tcp[i][FLAGS_AT] = tcp_flags[i];
        tcp[i][HEAD + 41] = i > 0; /* sequence number */
    }
    memcpy(connection, arp, sizeof(connection[0]));
    memcpy(connection[1], tcp, sizeof(tcp));
    put_file(folder, "net/connection", connection, sizeof(connection));
    tcp[0][PROTOCOL_AT] = 17;
    put_file(folder, "net/udp", tcp, sizeof(tcp[0]));
    tcp[0][PROTOCOL_AT] = 1;
    put_file(folder, "net/echo", tcp, sizeof(tcp[0]));
}

static void put_text(const char *folder, const char *name, char *text)
{
    if (text == NULL) {
        exit(1);
    }
    put_file(folder, name, text, strlen(text));
    free(text);
}

static void put_oci(const char *folder)
{
    struct axi_task_meta meta = elf_maker_meta();
    struct axi_oci_index index = {
        .count = 2, .entries = {{AXI_ISA_X86_64, {{{1}}, 700}}, {AXI_ISA_AARCH64, {{{2}}, 701}}}};
    struct axi_oci_manifest manifest = {{{{3}}, 300}, {{{4}}, 4000}};

    put_text(folder, "oci/layout", axi_oci_print_layout());
    put_text(folder, "oci/index", axi_oci_print_index(&index, "sample"));
    put_text(folder, "oci/manifest", axi_oci_print_manifest(&manifest, &meta));
    put_text(folder, "oci/config",
             axi_oci_print_config(AXI_ISA_X86_64, &manifest.elf.digest, &meta, "n u64 0 8\n"));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus CORPUS_DIR\n");
        return 2;
    }
    put_elfs(argv[1]);
    put_checkpoints(argv[1]);
    put_boot_configs(argv[1]);
    put_os_images(argv[1]);
    put_frames(argv[1]);
    put_manager_frames(argv[1]);
    put_hello(argv[1]);
    put_net(argv[1]);
    put_oci(argv[1]);
    return 0;
}
