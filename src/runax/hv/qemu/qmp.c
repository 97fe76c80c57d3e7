/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/qemu/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 4096u

void axi_qmp_init(struct axi_qmp *qmp, int fd, axi_qmp_event *on_event, void *context)
{
    *qmp = (struct axi_qmp){.fd = fd, .on_event = on_event, .context = context};
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
}

void axi_qmp_deinit(struct axi_qmp *qmp)
{
    free(qmp->line);
    if (qmp->fd >= 0) {
        (void)close(qmp->fd);
    }
    *qmp = (struct axi_qmp){.fd = -1, .is_closed = true};
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads what is there. False: nothing new. */
static bool fill(struct axi_qmp *qmp)
{
    if (qmp->is_closed) {
        return false;
    }
    if (qmp->room - qmp->used < READ_BYTES) {
        size_t room = qmp->room + 2 * READ_BYTES;
        char *line = room <= AXI_QMP_LINE_MAX ? realloc(qmp->line, room) : NULL;
        if (line == NULL) {
            qmp->is_closed = true;
            return false;
        }
        qmp->line = line;
        qmp->room = room;
    }
    ssize_t n = recv(qmp->fd, qmp->line + qmp->used, qmp->room - qmp->used, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        qmp->is_closed = true;
    }
    if (n <= 0) {
        return false;
    }
    qmp->used += (size_t)n;
    return true;
}

/* The next whole message, or NULL. Owned by the caller. */
static json_t *take_message(struct axi_qmp *qmp)
{
    char *end = qmp->used == 0 ? NULL : memchr(qmp->line, '\n', qmp->used);
    if (end == NULL) {
        return NULL;
    }
    size_t bytes = (size_t)(end - qmp->line) + 1;
    json_t *message = json_loadb(qmp->line, bytes, 0, NULL);
    qmp->used -= bytes;
    memmove(qmp->line, qmp->line + bytes, qmp->used);
    if (!json_is_object(message)) {
        json_decref(message);
        qmp->is_closed = true;
        return NULL;
    }
    return message;
}

/* True when it was an event (and is used up). */
static bool deliver_event(const struct axi_qmp *qmp, json_t *message)
{
    const char *name = json_string_value(json_object_get(message, "event"));
    if (name == NULL) {
        return false;
    }
    qmp->on_event(qmp->context, name, json_object_get(message, "data"));
    json_decref(message);
    return true;
}

/* An answer nobody waits for (any more). */
static void drop_answer(const struct axi_qmp *qmp, json_t *message)
{
    const json_t *error = json_object_get(message, "error");
    if (error != NULL) {
        qmp->on_event(qmp->context, AXI_QMP_REFUSED, error);
    }
    json_decref(message);
}

/* The next message that is no event. */
static int wait_message(struct axi_qmp *qmp, int timeout_ms, struct axi_report *report,
                        json_t **ret_message)
{
    int64_t end = now_ms() + timeout_ms;
    for (;;) {
        json_t *message = take_message(qmp);
        if (message != NULL) {
            if (!deliver_event(qmp, message)) {
                *ret_message = message;
                return 0;
            }
            continue;
        }
        if (fill(qmp)) {
            continue;
        }
        if (qmp->is_closed) {
            return axi_report_set(report, -AXC_EUNAVAILABLE, "QEMU has closed its control socket");
        }
        int64_t left = end - now_ms();
        struct pollfd poll_fd = {.fd = qmp->fd, .events = POLLIN};
        if (left <= 0 || (poll(&poll_fd, 1, (int)left) == 0)) {
            return axi_report_set(report, -AXC_ETIMEOUT, "QEMU has not answered within %d ms",
                                  timeout_ms);
        }
    }
}

int axi_qmp_open(struct axi_qmp *qmp, int timeout_ms, struct axi_report *report)
{
    json_t *greeting = NULL;
    int rc = wait_message(qmp, timeout_ms, report, &greeting);
    if (rc != 0) {
        return rc;
    }
    bool is_qmp = json_is_object(json_object_get(greeting, "QMP"));
    json_decref(greeting);
    if (!is_qmp) {
        return axi_report_set(report, -AXC_EHV_FAILED, "QEMU did not greet as QMP does");
    }
    return axi_qmp_call(qmp, "qmp_capabilities", NULL, timeout_ms, report, NULL);
}

/* Commands are far shorter than a socket's buffer, and only one is under way. */
static int send_text(struct axi_qmp *qmp, const char *text, int passed_fd,
                     struct axi_report *report)
{
    struct iovec io = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
    if (passed_fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof(int));
    }
    if (sendmsg(qmp->fd, &message, MSG_NOSIGNAL) != (ssize_t)io.iov_len) {
        return axi_report_set(report, -AXC_EHV_FAILED, "QEMU takes no commands any more: %s",
                              strerror(errno));
    }
    return 0;
}

static int judge_answer(const char *command, json_t *message, struct axi_report *report,
                        json_t **ret_answer)
{
    json_t *answer = json_object_get(message, "return");
    if (answer == NULL) {
        const json_t *error = json_object_get(message, "error");
        const char *text = json_string_value(json_object_get(error, "desc"));
        return axi_report_set(report, -AXC_EHV_FAILED, "QEMU refuses %s: %s", command,
                              text != NULL ? text : "no reason given");
    }
    if (ret_answer != NULL) {
        *ret_answer = json_incref(answer);
    }
    return 0;
}

static int send_command(struct axi_qmp *qmp, const char *command, json_t *arguments, int passed_fd,
                        struct axi_report *report)
{
    json_t *request = json_pack("{s:s, s:I, s:o*}", "execute", command, "id", ++qmp->last_id,
                                "arguments", arguments);
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (text == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "no memory for a QEMU command");
    }
    int rc = send_text(qmp, text, passed_fd, report);
    free(text);
    return rc;
}

static int call(struct axi_qmp *qmp, const char *command, json_t *arguments, int passed_fd,
                int timeout_ms, struct axi_report *report, json_t **ret_answer)
{
    int rc = send_command(qmp, command, arguments, passed_fd, report);
    while (rc == 0) {
        json_t *message = NULL;
        rc = wait_message(qmp, timeout_ms, report, &message);
        if (rc == 0 && json_integer_value(json_object_get(message, "id")) == qmp->last_id) {
            rc = judge_answer(command, message, report, ret_answer);
            json_decref(message);
            return rc;
        }
        if (rc == 0) {
            drop_answer(qmp, message);
        }
    }
    return rc;
}

int axi_qmp_call(struct axi_qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
                 struct axi_report *report, json_t **ret_answer)
{
    return call(qmp, command, arguments, -1, timeout_ms, report, ret_answer);
}

int axi_qmp_send(struct axi_qmp *qmp, const char *command, struct axi_report *report)
{
    return send_command(qmp, command, NULL, -1, report);
}

int axi_qmp_send_fd(struct axi_qmp *qmp, int fd, const char *name, int timeout_ms,
                    struct axi_report *report)
{
    return call(qmp, "getfd", json_pack("{s:s}", "fdname", name), fd, timeout_ms, report, NULL);
}

/* First what came together with an answer. */
void axi_qmp_dispatch(struct axi_qmp *qmp)
{
    do {
        json_t *message = NULL;
        while ((message = take_message(qmp)) != NULL) {
            if (!deliver_event(qmp, message)) {
                drop_answer(qmp, message);
            }
        }
    } while (fill(qmp));
}
