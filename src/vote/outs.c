/* SPDX-License-Identifier: Apache-2.0 */
#include "vote/outs.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#define QUEUE_RECORDS 1024u

struct queued {
    uint32_t out;
    uint32_t bytes;
    uint8_t value[AXC_VALUE_BYTES_MAX];
};

void axi_vote_outs_init(struct axi_vote_outs *outs)
{
    memset(outs, 0, sizeof(*outs));
    outs->wake_fd = -1;
    for (uint32_t i = 0; i <= AXI_VOTE_OUTS_MAX; i++) {
        outs->outs[i].sink.fd = -1;
    }
}

/* Service names have no colon, targets begin with one behind their kind. */
static const char *split(const char *text, char service[AXI_VOTE_SERVICE_BYTES])
{
    const char *equals = strchr(text, '=');
    const char *colon = strchr(text, ':');
    size_t length = equals != NULL ? (size_t)(equals - text) : 0;

    service[0] = '\0';
    if (equals == NULL || (colon != NULL && colon < equals)) {
        return text;
    }
    if (length == 0 || length >= AXI_VOTE_SERVICE_BYTES) {
        return NULL;
    }
    memcpy(service, text, length);
    service[length] = '\0';
    return equals + 1;
}

int axi_vote_outs_add(struct axi_vote_outs *outs, const char *text)
{
    struct axi_vote_out *out = &outs->outs[outs->count];
    char service[AXI_VOTE_SERVICE_BYTES];
    const char *target = split(text, service);

    if (target == NULL) {
        return -AXC_EINVALID;
    }
    if (outs->count == AXI_VOTE_OUTS_MAX) {
        return -AXC_EFULL;
    }
    int r = axi_sink_open(target, &out->sink);

    if (r == 0) {
        memcpy(out->service, service, sizeof(service));
        outs->count++;
    }
    return r;
}

static void drain(struct axi_vote_outs *outs)
{
    struct queued item;

    while (axi_ring_pop(&outs->queue, &item)) {
        if (axi_sink_put(&outs->outs[item.out].sink, NULL, item.value, item.bytes) < 0) {
            atomic_fetch_add(&outs->lost, 1);
        }
    }
}

static void *write_files(void *argument)
{
    struct axi_vote_outs *outs = argument;
    eventfd_t ignored;

    (void)prctl(PR_SET_NAME, "axcan-outs");
    while (!atomic_load(&outs->is_stopping)) {
        (void)eventfd_read(outs->wake_fd, &ignored);
        drain(outs);
    }
    drain(outs);
    return NULL;
}

static int open_history(struct axi_vote_outs *outs, const char *path)
{
    char text[4096 + 8];
    int length = snprintf(text, sizeof(text), "file:%s", path);

    if (length < 0 || (size_t)length >= sizeof(text)) {
        return -AXC_EINVALID;
    }
    outs->has_history = true;
    return axi_sink_open(text, &outs->outs[AXI_VOTE_OUTS_MAX].sink);
}

int axi_vote_outs_start(struct axi_vote_outs *outs, const char *history)
{
    sigset_t all;
    sigset_t former;
    int r = history != NULL ? open_history(outs, history) : 0;

    if (r < 0) {
        return r;
    }
    outs->memory = calloc(QUEUE_RECORDS, sizeof(struct queued));
    outs->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (outs->memory == NULL || outs->wake_fd < 0) {
        return -AXC_ENOMEM;
    }
    axi_ring_init(&outs->queue, outs->memory, sizeof(struct queued), QUEUE_RECORDS);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &former);
    outs->has_thread = pthread_create(&outs->thread, NULL, write_files, outs) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    return outs->has_thread ? 0 : -AXC_ENOMEM;
}

void axi_vote_outs_stop(struct axi_vote_outs *outs)
{
    if (outs->has_thread) {
        atomic_store(&outs->is_stopping, true);
        (void)eventfd_write(outs->wake_fd, 1);
        (void)pthread_join(outs->thread, NULL);
    }
    for (uint32_t i = 0; i <= AXI_VOTE_OUTS_MAX; i++) {
        axi_sink_close(&outs->outs[i].sink);
    }
    if (outs->wake_fd >= 0) {
        (void)close(outs->wake_fd);
    }
    free(outs->memory);
    axi_vote_outs_init(outs);
}

static void queue(struct axi_vote_outs *outs, uint32_t out, const void *value, uint32_t bytes)
{
    struct queued item = {.out = out, .bytes = bytes};

    memcpy(item.value, value, bytes);
    if (!axi_ring_push(&outs->queue, &item)) {
        atomic_fetch_add(&outs->lost, 1);
    }
    (void)eventfd_write(outs->wake_fd, 1);
}

void axi_vote_outs_put(struct axi_vote_outs *outs, const char *service,
                       const struct axi_stamp *stamp, const uint8_t *value, uint32_t bytes)
{
    for (uint32_t i = 0; i < outs->count; i++) {
        const struct axi_vote_out *out = &outs->outs[i];

        if (out->service[0] != '\0' && strcmp(out->service, service) != 0) {
            continue;
        }
        if (out->sink.is_udp) {
            (void)!axi_sink_put(&out->sink, stamp, value, bytes);
        } else {
            queue(outs, i, value, bytes);
        }
    }
}

void axi_vote_outs_verdict(struct axi_vote_outs *outs, const char *service,
                           const struct axi_vote_verdict *verdict)
{
    static const char *const names[] = {[AXI_VERDICT_AGREED] = "agreed",
                                        [AXI_VERDICT_FAILED] = "failed",
                                        [AXI_VERDICT_WRONG] = "wrong",
                                        [AXI_VERDICT_SILENT] = "silent"};
    char line[160];
    char task[32] = "null";

    if (!outs->has_history) {
        return;
    }
    if (verdict->task != 0) {
        (void)snprintf(task, sizeof(task), "\"%016" PRIx64 "\"", verdict->task);
    }
    int bytes =
        snprintf(line, sizeof(line),
                 "{\"service\":\"%s\",\"job\":%" PRIu64 ",\"verdict\":\"%s\",\"task\":%s}\n",
                 service, verdict->job, names[verdict->kind], task);

    queue(outs, AXI_VOTE_OUTS_MAX, line, (uint32_t)bytes);
}
