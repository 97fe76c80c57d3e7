/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a journal entry. */
#include "runax/resource/journal.h"

#include "base/crc32c.h"
#include "runax/codec.h"

enum { MAGIC = 0x4a525841, /* "AXRJ" */ VERSION = 1, HEADER_BYTES = 16 };

static void walk_memory(struct axi_codec *codec, struct axi_partition *partition)
{
    axi_codec_count(codec, &partition->memory_count, AXI_PARTITION_MEMORY_MAX);
    for (uint32_t i = 0; i < partition->memory_count; i++) {
        struct axi_memory *memory = &partition->memory[i];
        axi_codec_text(codec, memory->pool, sizeof(memory->pool));
        axi_codec_u64(codec, &memory->host_address);
        axi_codec_u64(codec, &memory->guest_address);
        axi_codec_u64(codec, &memory->bytes);
        axi_codec_u64(codec, &memory->align);
        axi_codec_u32(codec, &memory->flags);
    }
}

static void walk_channels(struct axi_codec *codec, struct axi_partition *partition)
{
    axi_codec_count(codec, &partition->channel_count, AXI_PARTITION_CHANNELS_MAX);
    for (uint32_t i = 0; i < partition->channel_count; i++) {
        struct axi_channel *channel = &partition->channels[i];
        axi_codec_text(codec, channel->name, sizeof(channel->name));
        axi_codec_u64(codec, &channel->host_address);
        axi_codec_u64(codec, &channel->guest_address);
        axi_codec_u64(codec, &channel->bytes);
        axi_codec_u32(codec, &channel->device_id);
        axi_codec_u32(codec, &channel->peers);
        axi_codec_u16(codec, &channel->protocol);
        axi_codec_u16(codec, &channel->pci_bdf);
        axi_codec_u64(codec, &channel->irq);
    }
}

static void walk_devices(struct axi_codec *codec, struct axi_partition *partition)
{
    axi_codec_count(codec, &partition->irq_count, AXI_PARTITION_IRQS_MAX);
    for (uint32_t i = 0; i < partition->irq_count; i++) {
        axi_codec_u32(codec, &partition->irqs[i]);
    }
    axi_codec_count(codec, &partition->device_count, AXI_PARTITION_DEVICES_MAX);
    for (uint32_t i = 0; i < partition->device_count; i++) {
        struct axi_device *device = &partition->devices[i];
        axi_codec_text(codec, device->name, sizeof(device->name));
        axi_codec_text(codec, device->path, sizeof(device->path));
        axi_codec_u64(codec, &device->host_address);
        axi_codec_u64(codec, &device->guest_address);
        axi_codec_u64(codec, &device->bytes);
        axi_codec_count(codec, &device->stream_id_count, 4);
        for (uint32_t k = 0; k < 4; k++) {
            axi_codec_u32(codec, &device->irqs[k]);
            axi_codec_u32(codec, &device->stream_ids[k]);
        }
    }
    axi_codec_count(codec, &partition->remote_core_count, AXI_PARTITION_REMOTE_CORES_MAX);
    for (uint32_t i = 0; i < partition->remote_core_count; i++) {
        struct axi_remote_core *core = &partition->remote_cores[i];
        axi_codec_text(codec, core->name, sizeof(core->name));
        axi_codec_text(codec, core->compatible, sizeof(core->compatible));
        axi_codec_u32(codec, &core->id);
    }
}

static void walk_images(struct axi_codec *codec, struct axi_partition *partition)
{
    axi_codec_count(codec, &partition->image_count, AXI_PARTITION_IMAGES_MAX);
    for (uint32_t i = 0; i < partition->image_count; i++) {
        struct axi_partition_image *image = &partition->images[i];
        uint32_t core = (uint32_t)image->core;
        axi_codec_text(codec, image->path, sizeof(image->path));
        axi_codec_u64(codec, &image->bytes);
        axi_codec_u32(codec, &image->format);
        axi_codec_u32(codec, &core);
        axi_codec_u64(codec, &image->load_address);
        axi_codec_u64(codec, &image->entry);
        image->core = (int32_t)core;
        image->fd = -1;
    }
    axi_codec_count(codec, &partition->option_count, AXI_PARTITION_OPTIONS_MAX);
    for (uint32_t i = 0; i < partition->option_count; i++) {
        struct axi_partition_option *option = &partition->options[i];
        axi_codec_text(codec, option->key, sizeof(option->key));
        axi_codec_text(codec, option->value, sizeof(option->value));
    }
}

static void walk_partition(struct axi_codec *codec, struct axi_partition *partition)
{
    axi_codec_text(codec, partition->id, sizeof(partition->id));
    axi_codec_text(codec, partition->name, sizeof(partition->name));
    axi_codec_text(codec, partition->board, sizeof(partition->board));
    axi_codec_text(codec, partition->isa, sizeof(partition->isa));
    axi_codec_text(codec, partition->hv, sizeof(partition->hv));
    axi_codec_u32(codec, &partition->cpu_count);
    for (uint32_t i = 0; i < AXI_CPUS_MAX / 64; i++) {
        axi_codec_u64(codec, &partition->cpus.bits[i]);
    }
    walk_memory(codec, partition);
    walk_channels(codec, partition);
    walk_devices(codec, partition);
    walk_images(codec, partition);
    axi_codec_u32(codec, &partition->console.kind);
    axi_codec_u64(codec, &partition->console.address);
    axi_codec_u64(codec, &partition->console.bytes);
    axi_codec_u32(codec, &partition->console.irq);
    uint8_t is_fatal = partition->watch.is_fatal;
    axi_codec_u32(codec, &partition->watch.heartbeat_ms);
    axi_codec_u32(codec, &partition->watch.console_silence_ms);
    axi_codec_u32(codec, &partition->watch.start_ms);
    axi_codec_u8(codec, &is_fatal);
    partition->watch.is_fatal = is_fatal != 0;
}

static void walk_entry(struct axi_codec *codec, struct axi_journal_entry *entry)
{
    axi_codec_u32(codec, &entry->state);
    axi_codec_u32(codec, &entry->owner.pid);
    axi_codec_u64(codec, &entry->owner.start);
    axi_codec_u64(codec, &entry->owner.boot_id);
    axi_codec_text(codec, entry->state_root, sizeof(entry->state_root));
    walk_partition(codec, &entry->partition);
}

int axi_journal_encode(const struct axi_journal_entry *entry, uint8_t *bytes, size_t capacity)
{
    if (capacity < HEADER_BYTES) {
        return -AXC_EJOURNAL;
    }
    struct axi_journal_entry copy = *entry;
    struct axi_codec codec = {
        .bytes = bytes, .capacity = capacity, .used = HEADER_BYTES, .is_writing = true};
    walk_entry(&codec, &copy);
    if (codec.is_bad) {
        return -AXC_EJOURNAL;
    }
    axi_put_le32(bytes, MAGIC);
    axi_put_le32(bytes + 4, VERSION);
    axi_put_le32(bytes + 8, (uint32_t)codec.used);
    axi_put_le32(bytes + 12, axi_crc32c(0, bytes + HEADER_BYTES, codec.used - HEADER_BYTES));
    return (int)codec.used;
}

int axi_journal_decode(const uint8_t *bytes, size_t length, struct axi_journal_entry *ret_entry)
{
    if (length < HEADER_BYTES || axi_get_le32(bytes) != MAGIC ||
        axi_get_le32(bytes + 4) != VERSION || axi_get_le32(bytes + 8) != length ||
        axi_get_le32(bytes + 12) != axi_crc32c(0, bytes + HEADER_BYTES, length - HEADER_BYTES)) {
        return -AXC_EJOURNAL;
    }
    struct axi_journal_entry entry = {0};
    struct axi_codec codec = {
        .bytes = (uint8_t *)bytes, .capacity = length, .used = HEADER_BYTES}; /* reads only */
    walk_entry(&codec, &entry);
    if (codec.is_bad || codec.used != length || entry.state < AXI_JOURNAL_PENDING ||
        entry.state > AXI_JOURNAL_RECLAIMING) {
        return -AXC_EJOURNAL;
    }
    *ret_entry = entry;
    return 0;
}
