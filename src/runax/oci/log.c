/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void axi_oci_time(char ret_text[40])
{
    struct timespec now;
    struct tm parts;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(ret_text, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(ret_text + used, 40 - used, ".%09ldZ", now.tv_nsec);
}

static char *print_line(const char *format, const char *level, const char *text)
{
    char now[40];
    axi_oci_time(now);
    json_t *message = json_string(text);
    if (message == NULL) { /* not UTF-8 */
        message = json_string("message in no valid encoding");
    }
    char *quoted = json_dumps(message, JSON_ENCODE_ANY);
    json_decref(message);
    char *line = NULL;
    const char *shape = strcmp(format, "json") == 0
                            ? "{\"level\":\"%s\",\"msg\":%s,\"time\":\"%s\"}\n"
                            : "level=%s msg=%s time=\"%s\"\n";
    if (quoted == NULL || asprintf(&line, shape, level, quoted, now) < 0) {
        line = NULL;
    }
    free(quoted);
    return line;
}

void axi_oci_log(const struct axi_oci_options *options, const char *level, const char *text)
{
    if (strcmp(level, "debug") == 0 && !options->is_debug) {
        return;
    }
    if (options->log != NULL) {
        char *line = print_line(options->log_format, level, text);
        int fd = open(options->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
        if (fd >= 0 && line != NULL) {
            ssize_t written = write(fd, line, strlen(line));
            (void)written; /* nowhere else to say it */
        }
        if (fd >= 0) {
            (void)close(fd);
        }
        free(line);
    }
    if (options->log == NULL || strcmp(level, "error") == 0) {
        (void)dprintf(STDERR_FILENO, "runax: %s\n", text);
    }
}
