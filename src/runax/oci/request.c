/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/request.h"

#include "base/bytes.h"
#include "runax/bri/bri.h"
#include "runax/json.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_MEMORY_BYTES (UINT64_C(128) << 20)
#define RAM_FLAGS (AXI_MEMORY_READ | AXI_MEMORY_WRITE | AXI_MEMORY_EXECUTE | AXI_MEMORY_LOADABLE)

/* Opens a file below the root; symbolic links resolve inside it and never out of it. */
static int open_in_root(const struct axi_bundle *bundle, const char *path,
                        struct axi_report *report)
{
    if (bundle->rootfs[0] == '\0') {
        return axi_report_set(report, -AXC_EBUNDLE, "config.json: root.path is missing");
    }
    int root = open(bundle->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        return axi_report_errno(report, "root file system %s", bundle->rootfs);
    }
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    int number = errno;
    (void)close(root);
    errno = number;
    return fd >= 0 ? fd : axi_report_errno(report, "%s in the image's root file system", path);
}

static int check_image_file(struct axi_partition_image *image, struct axi_report *report)
{
    struct stat info;
    if (fstat(image->fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return axi_report_set(report, -AXC_EBUNDLE_PATH, "%s: not a regular file", image->path);
    }
    if (info.st_size == 0 || (uint64_t)info.st_size > AXI_PARTITION_IMAGE_BYTES_MAX) {
        return axi_report_set(report, -AXC_EBUNDLE_PATH, "%s: %lld bytes; 1 to 1 GiB are possible",
                              image->path, (long long)info.st_size);
    }
    image->bytes = (uint64_t)info.st_size;
    return 0;
}

/* What the file itself tells: ELF or raw, and the board of an Axcan OS image. */
static int read_header(const struct axi_partition *partition, struct axi_partition_image *image,
                       char *ret_board, struct axi_report *report)
{
    uint8_t head[96] = {0};
    if (pread(image->fd, head, sizeof(head), 0) < 4) {
        return axi_report_set(report, -AXC_EBUNDLE_PATH, "%s: too short for an image", image->path);
    }
    bool is_elf = memcmp(head, "\177ELF", 4) == 0;
    if (image->format == AXI_IMAGE_ELF && !is_elf) {
        return axi_report_set(report, -AXC_EBRI, "%s: said to be ELF, but is not", image->path);
    }
    image->format = is_elf ? AXI_IMAGE_ELF : AXI_IMAGE_RAW;
    if (memcmp(head + 56, "ARM\x64", 4) == 0 && memcmp(head + 64, "AXOS", 4) == 0) {
        if (!axi_range_ok(image->bytes, axi_get_le64(head + 72), axi_get_le32(head + 80))) {
            return axi_report_set(report, -AXC_EBUNDLE_PATH,
                                  "%s: truncated: %llu bytes, its header says more", image->path,
                                  (unsigned long long)image->bytes);
        }
        memcpy(ret_board, head + 88, 8);
        ret_board[8] = '\0';
        if (partition->board[0] != '\0' && strcmp(partition->board, ret_board) != 0) {
            return axi_report_set(report, -AXC_EBOARD, "%s is an image for board %s, not %s",
                                  image->path, ret_board, partition->board);
        }
    }
    return 0;
}

static int open_image(const struct axi_bundle *bundle, struct axi_partition *partition,
                      struct axi_partition_image *image, struct axi_report *report)
{
    char board[16] = "";
    image->fd = open_in_root(bundle, image->path, report);
    if (image->fd < 0) {
        int rc = image->fd;
        image->fd = -1;
        return rc;
    }
    int rc = check_image_file(image, report);
    rc = rc != 0 ? rc : read_header(partition, image, board, report);
    if (rc == 0 && board[0] != '\0' && partition->board[0] == '\0') {
        (void)strcpy(partition->board, board);
        (void)strcpy(partition->isa, "aarch64");
    }
    return rc;
}

static int read_bri(const struct axi_bundle *bundle, struct axi_partition *partition,
                    bool *ret_found, struct axi_report *report)
{
    const char *path = axi_bundle_annotation(bundle, "bri");
    bool is_named = path != NULL;
    struct axi_report why = {0};
    *ret_found = false;
    int fd = open_in_root(bundle, is_named ? path : AXI_BRI_PATH, &why);
    if (fd < 0) {
        if (fd == -AXC_ENOENT && !is_named) {
            return 0;
        }
        return axi_report_set(report, fd, "%s", axi_report_text(&why));
    }
    char *text = NULL;
    size_t bytes = 0;
    int rc = axi_bundle_read_file(fd, AXI_BRI_BYTES_MAX, &text, &bytes);
    (void)close(fd);
    if (rc != 0) {
        return axi_report_set(report, rc, "binary runtime information: %s", axi_error_text(rc));
    }
    struct axi_bri bri;
    rc = axi_bri_parse(text, bytes, &bri, &why);
    free(text);
    if (rc != 0) {
        return axi_report_set(report, rc, "%s: %s", is_named ? path : AXI_BRI_PATH,
                              axi_report_text(&why));
    }
    *partition = bri.partition;
    if (bri.hv_count == 1) {
        (void)strcpy(partition->hv, bri.hvs[0]);
    }
    *ret_found = true;
    return 0;
}

static void set_memory(struct axi_partition *partition, uint64_t bytes)
{
    if (partition->memory_count == 0) {
        partition->memory_count = 1;
        partition->memory[0] = (struct axi_memory){
            .pool = "ram", .host_address = AXI_ANY, .guest_address = AXI_ANY, .flags = RAM_FLAGS};
    }
    partition->memory[0].bytes = (bytes + 4095) & ~UINT64_C(4095);
}

static int take_hw_config(const struct axi_bundle *bundle, struct axi_partition *partition,
                          struct axi_report *report)
{
    struct axi_json vm = {
        .object = bundle->vm, .where = "vm.", .error = -AXC_EBUNDLE, .report = report};
    struct axi_json config;
    uint64_t memory = 0;
    const json_t *irqs;
    const json_t *iomems;
    size_t irq_count = 0;
    size_t iomem_count = 0;
    int rc = axi_json_object(&vm, "hwConfig", &config);
    rc = rc != 0 ? rc
                 : axi_json_u32(&config, "vcpus", false, 1, AXI_CPUS_MAX, &partition->cpu_count);
    rc = rc != 0 ? rc : axi_json_u64(&config, "memory", false, 4096, UINT64_C(1) << 40, &memory);
    rc = rc != 0 ? rc : axi_json_array(&config, "irqs", AXI_PARTITION_IRQS_MAX, &irqs, &irq_count);
    for (size_t i = 0; i < irq_count && rc == 0; i++) {
        json_int_t irq = json_integer_value(json_array_get(irqs, i));
        if (irq < 16 || irq > 1019) {
            return axi_report_set(report, -AXC_EBUNDLE, "vm.hwConfig.irqs[%zu]: not 16..1019", i);
        }
        partition->irqs[i] = (uint32_t)irq;
        partition->irq_count = (uint32_t)i + 1;
    }
    rc = rc != 0
             ? rc
             : axi_json_array(&config, "iomems", AXI_PARTITION_DEVICES_MAX, &iomems, &iomem_count);
    for (size_t i = 0; i < iomem_count && rc == 0; i++) {
        struct axi_json item;
        uint64_t host = 0;
        uint64_t guest = AXI_ANY;
        uint64_t pages = 0;
        rc = axi_json_item(&config, "iomems", iomems, i, &item);
        rc = rc != 0 ? rc : axi_json_u64(&item, "firstMFN", true, 0, UINT64_C(1) << 40, &host);
        rc = rc != 0 ? rc : axi_json_u64(&item, "firstGFN", false, 0, UINT64_C(1) << 40, &guest);
        rc = rc != 0 ? rc : axi_json_u64(&item, "nrMFNs", true, 1, UINT64_C(1) << 28, &pages);
        struct axi_device *device = &partition->devices[partition->device_count];
        if (rc != 0 || partition->device_count == AXI_PARTITION_DEVICES_MAX) {
            break;
        }
        partition->device_count++;
        (void)snprintf(device->name, sizeof(device->name), "iomem%zu", i);
        device->host_address = host << 12;
        device->guest_address = guest == AXI_ANY ? host << 12 : guest << 12;
        device->bytes = pages << 12;
    }
    if (rc == 0 && memory != 0) {
        set_memory(partition, memory);
    }
    return rc;
}

static int read_number(const struct axi_bundle *bundle, const char *key, uint64_t max,
                       uint64_t *ret_value, struct axi_report *report)
{
    const char *text = axi_bundle_annotation(bundle, key);
    uint64_t value;
    if (text == NULL) {
        return 0;
    }
    if (axi_parse_u64(text, &value) != 0 || value > max) {
        return axi_report_set(report, -AXC_EBUNDLE,
                              "annotation dev.axcan.%s: \"%s\" is no number up to %llu", key, text,
                              (unsigned long long)max);
    }
    *ret_value = value;
    return 0;
}

static int read_text(const struct axi_bundle *bundle, const char *key, char *ret_text, size_t size,
                     struct axi_report *report)
{
    const char *text = axi_bundle_annotation(bundle, key);
    if (text != NULL && strlen(text) >= size) {
        return axi_report_set(report, -AXC_EBUNDLE, "annotation dev.axcan.%s: too long", key);
    }
    if (text != NULL) {
        (void)strcpy(ret_text, text);
    }
    return 0;
}

/* dev.axcan.hv.KEY: handed to the backend as they are. */
static int take_options(const struct axi_bundle *bundle, struct axi_partition *partition,
                        struct axi_report *report)
{
    static const char PREFIX[] = "dev.axcan.hv.";
    const char *key;
    json_t *value;
    json_object_foreach (bundle->annotations, key, value) {
        if (strncmp(key, PREFIX, sizeof(PREFIX) - 1) != 0) {
            continue;
        }
        struct axi_partition_option *option = &partition->options[partition->option_count];
        const char *name = key + sizeof(PREFIX) - 1;
        if (partition->option_count == AXI_PARTITION_OPTIONS_MAX || strlen(name) == 0 ||
            strlen(name) >= sizeof(option->key) ||
            json_string_length(value) >= sizeof(option->value)) {
            return axi_report_set(report, -AXC_EBUNDLE, "annotation %s: too long or too many", key);
        }
        (void)strcpy(option->key, name);
        (void)strcpy(option->value, json_string_value(value));
        partition->option_count++;
    }
    return 0;
}

static int take_watch(const struct axi_bundle *bundle, struct axi_watch *watch,
                      struct axi_report *report)
{
    uint64_t heartbeat = watch->heartbeat_ms;
    uint64_t silence = watch->console_silence_ms;
    uint64_t start = watch->start_ms;
    uint64_t is_fatal = watch->is_fatal ? 1 : 0;
    int rc = read_number(bundle, "heartbeat-ms", UINT32_MAX, &heartbeat, report);
    rc = rc != 0 ? rc : read_number(bundle, "console-silence-ms", UINT32_MAX, &silence, report);
    rc = rc != 0 ? rc : read_number(bundle, "start-ms", UINT32_MAX, &start, report);
    rc = rc != 0 ? rc : read_number(bundle, "hung-is-fatal", 1, &is_fatal, report);
    *watch =
        (struct axi_watch){(uint32_t)heartbeat, (uint32_t)silence, (uint32_t)start, is_fatal != 0};
    return rc;
}

static int take_annotations(const struct axi_bundle *bundle, struct axi_partition *partition,
                            uint32_t *ret_grace_ms, struct axi_report *report)
{
    struct axi_partition_image *image = &partition->images[0];
    uint64_t cpus = partition->cpu_count;
    uint64_t memory = 0;
    uint64_t grace = AXI_STOP_GRACE_MS;
    char board[sizeof(partition->board)] = "";
    int rc = read_text(bundle, "hv", partition->hv, sizeof(partition->hv), report);
    rc = rc != 0 ? rc : read_text(bundle, "board", board, sizeof(board), report);
    rc = rc != 0 ? rc : read_text(bundle, "isa", partition->isa, sizeof(partition->isa), report);
    rc = rc != 0 ? rc : read_text(bundle, "image", image->path, sizeof(image->path), report);
    rc = rc != 0 ? rc
                 : read_number(bundle, "load-address", AXI_ANY - 1, &image->load_address, report);
    rc = rc != 0 ? rc : read_number(bundle, "entry", AXI_ANY - 1, &image->entry, report);
    rc = rc != 0 ? rc : read_number(bundle, "cpus", AXI_CPUS_MAX, &cpus, report);
    rc = rc != 0 ? rc : read_number(bundle, "memory", UINT64_C(1) << 40, &memory, report);
    rc = rc != 0 ? rc : read_number(bundle, "stop-grace-ms", 3600000, &grace, report);
    rc = rc != 0 ? rc : take_watch(bundle, &partition->watch, report);
    rc = rc != 0 ? rc : take_options(bundle, partition, report);
    if (rc != 0) {
        return rc;
    }
    if (board[0] != '\0') {
        (void)strcpy(partition->board, board);
    }
    partition->cpu_count = (uint32_t)cpus;
    *ret_grace_ms = (uint32_t)grace;
    if (memory != 0) {
        set_memory(partition, memory);
    }
    return 0;
}

/* Which file runs when neither binary runtime information nor an annotation says so. */
static int choose_image(const struct axi_bundle *bundle, struct axi_partition *partition,
                        struct axi_report *report)
{
    if (partition->images[0].path[0] == '\0' && bundle->program[0] != '\0') {
        (void)strcpy(partition->images[0].path, bundle->program);
    }
    if (partition->images[0].path[0] == '\0') {
        return axi_report_set(report, -AXC_EBUNDLE,
                              "nothing to run: neither /%s in the image, nor annotation "
                              "dev.axcan.image, nor process.args",
                              AXI_BRI_PATH);
    }
    partition->image_count = partition->image_count == 0 ? 1 : partition->image_count;
    return 0;
}

static int narrow(const struct axi_bundle *bundle, struct axi_partition *partition,
                  struct axi_report *report)
{
    uint64_t bytes = 0;
    if (partition->memory_count == 0) {
        set_memory(partition, DEFAULT_MEMORY_BYTES);
    }
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        bytes += partition->memory[i].bytes;
    }
    if (bundle->memory_limit != 0 && bytes > bundle->memory_limit) {
        return axi_report_set(
            report, -AXC_ERESOURCE_MEMORY,
            "the partition needs %llu bytes of memory, the container may have %llu",
            (unsigned long long)bytes, (unsigned long long)bundle->memory_limit);
    }
    uint32_t allowed = axi_cpuset_count(&bundle->cpus);
    if (allowed != 0 && allowed < partition->cpu_count) {
        return axi_report_set(report, -AXC_ERESOURCE_CPU,
                              "the partition needs %u CPUs, the container may have %u",
                              partition->cpu_count, allowed);
    }
    partition->cpus = bundle->cpus;
    return 0;
}

int axi_request_build(const struct axi_bundle *bundle, const char *id,
                      struct axi_partition *ret_partition, uint32_t *ret_grace_ms,
                      struct axi_report *report)
{
    struct axi_partition partition = {
        .cpu_count = 1, .console.kind = AXI_CONSOLE_DEFAULT, .watch.is_fatal = true};
    partition.images[0] =
        (struct axi_partition_image){.core = -1, .load_address = AXI_ANY, .entry = AXI_ANY};
    bool has_bri = false;
    int rc = read_bri(bundle, &partition, &has_bri, report);
    for (uint32_t i = 0; i < AXI_PARTITION_IMAGES_MAX; i++) {
        partition.images[i].fd = -1;
    }
    rc = rc != 0 ? rc : take_hw_config(bundle, &partition, report);
    rc = rc != 0 ? rc : take_annotations(bundle, &partition, ret_grace_ms, report);
    rc = rc != 0 ? rc : choose_image(bundle, &partition, report);
    for (uint32_t i = 0; i < partition.image_count && rc == 0; i++) {
        rc = open_image(bundle, &partition, &partition.images[i], report);
    }
    rc = rc != 0 ? rc : narrow(bundle, &partition, report);
    if (rc == 0 && partition.board[0] == '\0') {
        rc = axi_report_set(report, -AXC_EBRI,
                            "the image does not say for which board it is; annotation "
                            "dev.axcan.board does");
    }
    if (rc != 0) {
        axi_request_close(&partition);
        return rc;
    }
    (void)snprintf(partition.id, sizeof(partition.id), "%s", id);
    axi_partition_name(&partition);
    *ret_partition = partition;
    return 0;
}

void axi_request_close(struct axi_partition *partition)
{
    for (uint32_t i = 0; i < AXI_PARTITION_IMAGES_MAX; i++) {
        if (partition->images[i].fd >= 0) {
            (void)close(partition->images[i].fd);
            partition->images[i].fd = -1;
        }
    }
}
