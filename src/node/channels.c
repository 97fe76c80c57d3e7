/* SPDX-License-Identifier: Apache-2.0 */
#include "node/channels.h"

#include "net/sink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_MS 10
#define QUEUE_RECORDS 256u

struct axi_channel {
    char name[AXC_NAME_BYTES];
    bool is_output;
    struct axi_sink target; /* output */
    /* input */
    bool is_udp, is_stamped;
    int fd;
    struct axi_gate gate;              /* stamped */
    uint8_t last[AXC_VALUE_BYTES_MAX]; /* file: only a change is a new value */
    uint32_t last_bytes;
};

#define TO_ADDRESS UINT32_MAX

struct queued {
    struct axi_stamp stamp;
    struct sockaddr_in to;
    uint32_t channel; /* or TO_ADDRESS */
    uint32_t bytes;
    uint8_t value[AXC_VALUE_BYTES_MAX];
};

static int open_udp_input(const char *port_text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned long port = strtoul(port_text, NULL, 10);
    int fd = -1;

    if (port == 0 || port > 65535) {
        return -AXC_EINVALID;
    }
    address.sin_port = htons((uint16_t)port);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd < 0 ? -AXC_EIO : fd;
}

static int open_input(struct axi_channel *channel, const char *target)
{
    int fd = -AXC_EINVALID;

    if (channel->is_udp) {
        fd = open_udp_input(strchr(target, ':') + 1);
    } else if (strncmp(target, "file:", 5) == 0) {
        fd = open(target + 5, O_RDONLY | O_CLOEXEC);
        fd = fd < 0 ? -AXC_EIO : fd;
    }
    channel->fd = fd;
    return fd < 0 ? fd : 0;
}

static int open_channel(struct axi_channel *channel, const struct axi_channel_config *config)
{
    const char *target = config->target;

    memcpy(channel->name, config->name, sizeof(channel->name));
    channel->name[AXC_NAME_BYTES - 1] = '\0';
    channel->is_output = config->is_output;
    if (config->is_output) {
        return axi_sink_open(target, &channel->target);
    }
    channel->is_stamped = strncmp(target, "node:", 5) == 0;
    channel->is_udp = channel->is_stamped || strncmp(target, "udp:", 4) == 0;
    return open_input(channel, target);
}

/* A stamped value that is damaged, stale or known is dropped. */
static void take_stamped(struct axi_channels *channels, struct axi_channel *channel,
                         const uint8_t *datagram, size_t count)
{
    struct axi_stamp stamp;
    const uint8_t *value = NULL;
    uint32_t bytes = 0;

    if (axi_stamp_decode(datagram, count, &stamp, &value, &bytes) == 0 &&
        axi_gate_admit(&channel->gate, &stamp)) {
        (void)axi_values_write(channels->inputs, channel->name, value, bytes);
    }
}

static void read_udp(struct axi_channels *channels, struct axi_channel *channel)
{
    uint8_t value[AXI_STAMP_BYTES + AXC_VALUE_BYTES_MAX];
    size_t room = channel->is_stamped ? sizeof(value) : AXC_VALUE_BYTES_MAX;
    ssize_t n;

    while ((n = recv(channel->fd, value, room, MSG_DONTWAIT | MSG_TRUNC)) >= 0) {
        if ((size_t)n <= room && channel->is_stamped) {
            take_stamped(channels, channel, value, (size_t)n);
        } else if ((size_t)n <= room) {
            (void)axi_values_write(channels->inputs, channel->name, value, (uint32_t)n);
        }
    }
}

static void read_file(struct axi_channels *channels, struct axi_channel *channel)
{
    uint8_t value[AXC_VALUE_BYTES_MAX];
    ssize_t n = pread(channel->fd, value, sizeof(value), 0);

    if (n <= 0 ||
        ((uint32_t)n == channel->last_bytes && memcmp(value, channel->last, (size_t)n) == 0)) {
        return;
    }
    memcpy(channel->last, value, (size_t)n);
    channel->last_bytes = (uint32_t)n;
    (void)axi_values_write(channels->inputs, channel->name, value, (uint32_t)n);
}

static void read_inputs(struct axi_channels *channels)
{
    for (uint32_t i = 0; i < channels->count; i++) {
        struct axi_channel *channel = &channels->channels[i];

        if (!channel->is_output && channel->is_udp) {
            read_udp(channels, channel);
        } else if (!channel->is_output) {
            read_file(channels, channel);
        }
    }
}

static void write_outputs(struct axi_channels *channels)
{
    struct queued item;

    while (axi_ring_pop(&channels->queue, &item)) {
        if (item.channel == TO_ADDRESS) {
            axi_sink_send_to(channels->send_fd, &item.to, &item.stamp, item.value, item.bytes);
        } else if (axi_sink_put(&channels->channels[item.channel].target, &item.stamp, item.value,
                                item.bytes) < 0) {
            atomic_fetch_add(&channels->lost, 1); /* an actuator that does not take it */
        }
    }
}

static void *channels_main(void *argument)
{
    struct axi_channels *channels = argument;
    struct pollfd wake = {.fd = channels->wake_fd, .events = POLLIN};
    bool has_input = false;
    eventfd_t ignored;

    (void)prctl(PR_SET_NAME, "axcan-channels");
    for (uint32_t i = 0; i < channels->count; i++) {
        has_input = has_input || !channels->channels[i].is_output;
    }
    while (!atomic_load(&channels->is_stopping)) {
        read_inputs(channels);
        (void)poll(&wake, 1, has_input ? POLL_MS : -1);
        (void)eventfd_read(channels->wake_fd, &ignored);
        write_outputs(channels);
    }
    return NULL;
}

static int start_thread(struct axi_channels *channels)
{
    sigset_t all;
    sigset_t former;
    int r;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &former);
    r = pthread_create(&channels->thread, NULL, channels_main, channels);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    channels->has_thread = r == 0;
    return r == 0 ? 0 : -AXC_ENOMEM;
}

int axi_channels_start(struct axi_channels *channels, const struct axi_channel_config *configs,
                       uint32_t count, struct axi_value_table *inputs)
{
    int r = 0;

    memset(channels, 0, sizeof(*channels));
    channels->wake_fd = channels->send_fd = -1;
    channels->inputs = inputs;
    channels->channels = calloc(count + 1, sizeof(struct axi_channel)); /* never nothing */
    channels->queue_memory = calloc(QUEUE_RECORDS, sizeof(struct queued));
    channels->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    channels->send_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (channels->channels == NULL || channels->queue_memory == NULL || channels->wake_fd < 0 ||
        channels->send_fd < 0) {
        axi_channels_stop(channels);
        return -AXC_ENOMEM;
    }
    axi_ring_init(&channels->queue, channels->queue_memory, sizeof(struct queued), QUEUE_RECORDS);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        channels->channels[i].fd = channels->channels[i].target.fd = -1;
        channels->count = i + 1;
        r = open_channel(&channels->channels[i], &configs[i]);
    }
    r = r < 0 ? r : start_thread(channels);
    if (r < 0) {
        axi_channels_stop(channels);
    }
    return r;
}

void axi_channels_stop(struct axi_channels *channels)
{
    if (channels->has_thread) {
        atomic_store(&channels->is_stopping, true);
        (void)eventfd_write(channels->wake_fd, 1);
        (void)pthread_join(channels->thread, NULL);
    }
    for (uint32_t i = 0; i < channels->count; i++) {
        if (channels->channels[i].fd >= 0) {
            (void)close(channels->channels[i].fd);
        }
        axi_sink_close(&channels->channels[i].target);
    }
    if (channels->wake_fd >= 0) {
        (void)close(channels->wake_fd);
    }
    if (channels->send_fd >= 0) {
        (void)close(channels->send_fd);
    }
    free(channels->channels);
    free(channels->queue_memory);
    memset(channels, 0, sizeof(*channels));
    channels->wake_fd = channels->send_fd = -1;
}

static void queue(struct axi_channels *channels, struct queued *item, const void *value,
                  uint32_t bytes)
{
    item->bytes = bytes;
    memcpy(item->value, value, bytes);
    if (!axi_ring_push(&channels->queue, item)) {
        atomic_fetch_add(&channels->lost, 1);
    }
    (void)eventfd_write(channels->wake_fd, 1);
}

void axi_channels_send(struct axi_channels *channels, const struct axi_stamp *stamp,
                       const struct sockaddr_in *to, const void *value, uint32_t bytes)
{
    struct queued item = {.stamp = *stamp, .to = *to, .channel = TO_ADDRESS};

    queue(channels, &item, value, bytes);
}

void axi_channels_output(struct axi_channels *channels, const struct axi_stamp *stamp,
                         const char *name, const void *value, uint32_t bytes)
{
    struct queued item = {.stamp = *stamp};

    for (item.channel = 0; item.channel < channels->count; item.channel++) {
        const struct axi_channel *channel = &channels->channels[item.channel];

        if (channel->is_output && strncmp(channel->name, name, AXC_NAME_BYTES) == 0) {
            queue(channels, &item, value, bytes);
            return;
        }
    }
}
