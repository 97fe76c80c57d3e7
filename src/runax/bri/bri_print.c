/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/bri/bri.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

/* Numbers above 2^53 lose bits in other readers: addresses are written as texts. */
static void set_address(json_t *object, const char *key, uint64_t value, uint64_t absent)
{
    if (value != absent) {
        char text[24];
        (void)snprintf(text, sizeof(text), "0x%" PRIx64, value);
        (void)json_object_set_new(object, key, json_string(text));
    }
}

static void set_number(json_t *object, const char *key, uint64_t value, uint64_t absent)
{
    if (value != absent) {
        (void)json_object_set_new(object, key, json_integer((json_int_t)value));
    }
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text[0] != '\0') {
        (void)json_object_set_new(object, key, json_string(text));
    }
}

/* Only a list that is not empty. */
static void set_list(json_t *object, const char *key, json_t *list)
{
    if (json_array_size(list) != 0) {
        (void)json_object_set_new(object, key, list);
    } else {
        json_decref(list);
    }
}

static json_t *print_names(const char (*names)[16], uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

static json_t *print_memory(const struct axi_partition *partition)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        const struct axi_memory *memory = &partition->memory[i];
        json_t *item = json_object();
        (void)json_object_set_new(item, "pool", json_string(memory->pool));
        set_address(item, "address", memory->guest_address, AXI_ANY);
        set_address(item, "host_address", memory->host_address, AXI_ANY);
        set_number(item, "bytes", memory->bytes, 0);
        set_number(item, "align", memory->align, 0);
        (void)json_array_append_new(list, item);
    }
    return list;
}

static json_t *print_images(const struct axi_bri *bri)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < bri->partition.image_count; i++) {
        const struct axi_partition_image *image = &bri->partition.images[i];
        json_t *item = json_object();
        (void)json_object_set_new(item, "path", json_string(image->path));
        (void)json_object_set_new(item, "format",
                                  json_string(image->format == AXI_IMAGE_ELF ? "elf" : "raw"));
        set_address(item, "load", image->load_address, AXI_ANY);
        set_address(item, "entry", image->entry, AXI_ANY);
        set_text(item, "digest", bri->digests[i]);
        if (image->core >= 0) {
            (void)json_object_set_new(item, "core", json_integer(image->core));
        }
        (void)json_array_append_new(list, item);
    }
    return list;
}

static void print_console(const struct axi_partition_console *console, json_t *root)
{
    const char *kind = console->kind == AXI_CONSOLE_8250         ? "8250"
                       : console->kind == AXI_CONSOLE_PL011      ? "pl011"
                       : console->kind == AXI_CONSOLE_XUARTPS    ? "xuartps"
                       : console->kind == AXI_CONSOLE_HYPERVISOR ? "hypervisor"
                       : console->kind == AXI_CONSOLE_DEFAULT    ? "default"
                                                                 : "none";
    json_t *object = json_pack("{s:s}", "kind", kind);
    set_address(object, "address", console->address, 0);
    (void)json_object_set_new(root, "console", object);
}

static void print_parts(const struct axi_partition *partition, json_t *root)
{
    json_t *irqs = json_array();
    json_t *devices = json_array();
    json_t *cores = json_array();
    json_t *channels = json_array();
    for (uint32_t i = 0; i < partition->irq_count; i++) {
        (void)json_array_append_new(irqs, json_integer(partition->irqs[i]));
    }
    for (uint32_t i = 0; i < partition->device_count; i++) {
        (void)json_array_append_new(devices, json_string(partition->devices[i].name));
    }
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        (void)json_array_append_new(cores, json_string(partition->remote_cores[i].name));
    }
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        const struct axi_channel *channel = &partition->channels[i];
        json_t *item =
            json_pack("{s:s, s:I}", "name", channel->name, "bytes", (json_int_t)channel->bytes);
        set_address(item, "address", channel->guest_address, AXI_ANY);
        set_number(item, "device_id", channel->device_id, 0);
        set_address(item, "host_address", channel->host_address, AXI_ANY);
        set_number(item, "peers", channel->peers, 1);
        set_number(item, "protocol", channel->protocol, 0);
        (void)json_array_append_new(channels, item);
    }
    set_list(root, "irqs", irqs);
    set_list(root, "devices", devices);
    set_list(root, "remote_cores", cores);
    set_list(root, "channels", channels);
}

static void print_watch(const struct axi_watch *watch, json_t *root)
{
    json_t *object = json_object();
    set_number(object, "heartbeat_ms", watch->heartbeat_ms, 0);
    set_number(object, "console_silence_ms", watch->console_silence_ms, 0);
    set_number(object, "start_ms", watch->start_ms, 0);
    if (!watch->is_fatal) {
        (void)json_object_set_new(object, "fatal", json_false());
    }
    if (json_object_size(object) != 0) {
        (void)json_object_set_new(root, "watch", object);
    } else {
        json_decref(object);
    }
}

static json_t *print_tasks(const struct axi_bri *bri)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < bri->task_count; i++) {
        const struct axi_bri_task *task = &bri->tasks[i];
        json_t *item = json_pack("{s:s}", "name", task->name);
        set_text(item, "digest", task->digest);
        set_number(item, "period_us", task->period_us, 0);
        set_number(item, "deadline_us", task->deadline_us, 0);
        set_number(item, "wcet_ns", task->wcet_ns, 0);
        set_number(item, "state_bytes", task->state_bytes, 0);
        (void)json_array_append_new(list, item);
    }
    return list;
}

char *axi_bri_print(const struct axi_bri *bri)
{
    const struct axi_partition *partition = &bri->partition;
    json_t *root = json_pack("{s:i, s:s, s:s}", "version", (int)AXI_BRI_VERSION, "board",
                             partition->board, "isa", partition->isa);
    json_t *predicted = json_array();
    if (root == NULL || predicted == NULL) {
        json_decref(root);
        json_decref(predicted);
        return NULL;
    }
    set_list(root, "hypervisors", print_names(bri->hvs, bri->hv_count));
    set_list(root, "layouts", print_names(bri->layouts, bri->layout_count));
    set_number(root, "cpus", partition->cpu_count, 1);
    set_list(root, "memory", print_memory(partition));
    (void)json_object_set_new(root, "images", print_images(bri));
    print_console(&partition->console, root);
    print_parts(partition, root);
    print_watch(&partition->watch, root);
    if ((bri->predicted & AXI_PREDICTED_CPUS) != 0) {
        (void)json_array_append_new(predicted, json_string("cpus"));
    }
    if ((bri->predicted & AXI_PREDICTED_MEMORY) != 0) {
        (void)json_array_append_new(predicted, json_string("memory"));
    }
    set_list(root, "predicted", predicted);
    set_list(root, "tasks", print_tasks(bri));
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
    json_decref(root);
    return text;
}
