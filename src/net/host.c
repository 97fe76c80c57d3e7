/* SPDX-License-Identifier: Apache-2.0 */
#include "net/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int error_of(int number)
{
    switch (number) {
    case ENOENT:
        return -AXC_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return -AXC_EPERM;
    case ENOSPC:
        return -AXC_EFULL;
    case EEXIST:
        return -AXC_EEXIST;
    default:
        return -AXC_EIO;
    }
}

static void write_line(enum axi_log_level level, const char *id, const char *format,
                       va_list arguments)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm utc;
    char line[1024];
    char when[24];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    int used = snprintf(line, sizeof(line), "%s.%03ldZ %s %s ", when, now.tv_nsec / 1000000,
                        names[level], id);
    int more = vsnprintf(line + used, sizeof(line) - (size_t)used, format, arguments);
    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);

    if (length > sizeof(line) - 2) {
        length = sizeof(line) - 2;
    }
    line[length] = '\n';
    (void)!write(STDERR_FILENO, line, length + 1);
}

void axi_host_log_to_stderr(enum axi_log_level max_level)
{
    axi_log_set_sink(write_line, max_level);
}

static int read_open(int fd, char *text, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t n = read(fd, text + used, size - used);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_of(errno);
        }
        if (n == 0) {
            break;
        }
        used += (size_t)n;
    }
    if (used == size) {
        return -AXC_EFULL;
    }
    text[used] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

int axi_host_read_line(const char *path, char *ret_text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return error_of(errno);
    }
    int r = read_open(fd, ret_text, size);

    (void)close(fd);
    return r;
}

int axi_host_read_token(const char *path, char ret_token[AXI_TOKEN_BYTES])
{
    char text[AXI_TOKEN_BYTES + 1];
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return error_of(errno);
    }
    int r = fstat(fd, &about) < 0 ? error_of(errno) : 0;

    if (r == 0 && (about.st_mode & 077) != 0) {
        r = -AXC_EPERM;
    }
    if (r == 0) {
        r = read_open(fd, text, sizeof(text));
    }
    (void)close(fd);
    if (r == -AXC_EFULL || (r == 0 && (text[0] == '\0' || strlen(text) >= AXI_TOKEN_BYTES))) {
        return -AXC_EINVALID;
    }
    if (r == 0) {
        memcpy(ret_token, text, strlen(text) + 1);
    }
    return r;
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_of(errno);
        }
        text += n;
        length -= (size_t)n;
    }
    return fsync(fd) < 0 ? error_of(errno) : 0;
}

int axi_host_write_file(const char *path, const char *text)
{
    char temporary[4096];

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        return -AXC_EINVALID;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0) {
        return error_of(errno);
    }
    int r = write_all(fd, text, strlen(text));

    (void)close(fd);
    if (r == 0 && rename(temporary, path) < 0) {
        r = error_of(errno);
    }
    return r;
}

int axi_host_make_directory(const char *path)
{
    char part[4096];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part)) {
        return -AXC_EINVALID;
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST) {
            return error_of(errno);
        }
        part[i] = path[i];
    }
    return 0;
}

int axi_host_token_matches(const char *expected, const char *given)
{
    size_t expected_length = strlen(expected);
    size_t given_length = strlen(given);
    unsigned difference = expected_length != given_length;

    for (size_t i = 0; i < given_length; i++) {
        difference |= (unsigned char)given[i] ^
                      (unsigned char)expected[expected_length > 0 ? i % expected_length : 0];
    }
    return difference == 0;
}

void axi_host_raise_priority(void)
{
    (void)setpriority(PRIO_PROCESS, 0, -15); /* of this thread, as Linux has it */
}

uint64_t axi_host_random(void)
{
    uint64_t value = 0;

    while (value == 0) {
        (void)!getrandom(&value, sizeof(value), 0);
    }
    return value;
}

uint64_t axi_host_clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

int axi_host_read_identity(const char *path, uint64_t *ret_id)
{
    char text[32];
    unsigned b[6];
    uint64_t id = 0;
    int r = axi_host_read_line(path, text, sizeof(text));

    if (r == -AXC_ENOENT) {
        uint64_t fresh = axi_host_random();

        (void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
                       (unsigned)((fresh & 0xfc) | 0x02), (unsigned)(fresh >> 8 & 0xff),
                       (unsigned)(fresh >> 16 & 0xff), (unsigned)(fresh >> 24 & 0xff),
                       (unsigned)(fresh >> 32 & 0xff), (unsigned)(fresh >> 40 & 0xff));
        r = axi_host_write_file(path, text);
    }
    if (r == 0 &&
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6) {
        r = -AXC_EINVALID;
    }
    for (size_t i = 0; i < 6 && r == 0; i++) {
        id = id << 8 | b[i];
    }
    if (r == 0) {
        *ret_id = id;
    }
    return r;
}

uint64_t axi_host_machine_id(void)
{
    unsigned long long high = 0;
    unsigned long long low = 0;
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    char text[64];

    if (axi_host_read_line("/proc/sys/kernel/random/boot_id", text, sizeof(text)) < 0 ||
        sscanf(text, "%8llx-%4x-%4x-%4x-%12llx", &high, &a, &b, &c, &low) != 5) {
        return 0;
    }
    return (high << 32 | (uint64_t)a << 16 | b) ^ ((uint64_t)c << 48 | low);
}
