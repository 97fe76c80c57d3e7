/* SPDX-License-Identifier: Apache-2.0 */
#include "master/telemetry_file.h"

#include "base/log.h"
#include "predict/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (64L << 20)
#define PATH_BYTES 4096

struct axi_telemetry_file {
    const char *path;
    FILE *file;
    bool has_failed;
};

static int open_file(struct axi_telemetry_file *t)
{
    t->file = fopen(t->path, "ae");
    if (t->file == NULL) {
        return errno == ENOENT ? -AXC_ENOENT : errno == EACCES ? -AXC_EPERM : -AXC_EIO;
    }
    (void)setvbuf(t->file, NULL, _IOLBF, 0);
    if (fseek(t->file, 0, SEEK_END) == 0 && ftell(t->file) == 0) {
        (void)fputs(AXI_TRACE_HEADER "\n", t->file);
    }
    return 0;
}

int axi_telemetry_file_new(const char *path, struct axi_telemetry_file **ret_file)
{
    struct axi_telemetry_file *t = calloc(1, sizeof(*t));
    int r = t != NULL ? 0 : -AXC_ENOMEM;

    if (r == 0) {
        t->path = path;
        r = open_file(t);
    }
    if (r != 0) {
        free(t);
        return r;
    }
    *ret_file = t;
    return 0;
}

static void rotate(struct axi_telemetry_file *t)
{
    char old[PATH_BYTES];

    (void)fclose(t->file);
    t->file = NULL;
    if ((size_t)snprintf(old, sizeof(old), "%s.1", t->path) >= sizeof(old) ||
        rename(t->path, old) != 0 || open_file(t) != 0) {
        axi_log(AXI_LOG_WARN, "telemetry-lost", "path=%s error=%s", t->path, strerror(errno));
        t->has_failed = true;
    }
}

void axi_telemetry_file_add(struct axi_telemetry_file *t, const char *node,
                            const struct axi_telemetry_sample *sample)
{
    if (t->file == NULL || node[0] == '\0' || strpbrk(node, ",\r\n") != NULL) {
        return;
    }
    int n = fprintf(t->file, "%llu,%s,%u,%u,%u,%llu\n", (unsigned long long)sample->master_ns, node,
                    sample->task_load_ppm, sample->cpu_load_ppm, sample->density_ppm,
                    (unsigned long long)sample->latency_ns);

    if (n < 0 && !t->has_failed) {
        axi_log(AXI_LOG_WARN, "telemetry-lost", "path=%s error=%s", t->path, strerror(errno));
        t->has_failed = true;
    }
    if (ftell(t->file) >= BYTES_MAX) {
        rotate(t);
    }
}

void axi_telemetry_file_free(struct axi_telemetry_file *t)
{
    if (t != NULL && t->file != NULL) {
        (void)fclose(t->file);
    }
    free(t);
}
