/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/oci/bundle.h"

#include "runax/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(struct axi_report *report, const char *what)
{
    return axi_report_set(report, -AXC_EBUNDLE, "config.json: %s", what);
}

static int read_process(const struct axi_json *root, struct axi_bundle *bundle)
{
    struct axi_json process;
    int rc = axi_json_object(root, "process", &process);
    if (rc != 0 || process.object == NULL) {
        return rc;
    }
    const json_t *args;
    size_t count;
    rc = axi_json_bool(&process, "terminal", &bundle->has_terminal);
    rc = rc != 0 ? rc : axi_json_array(&process, "args", 65536, &args, &count);
    if (rc != 0) {
        return rc;
    }
    const char *program = count > 0 ? json_string_value(json_array_get(args, 0)) : NULL;
    if (count > 0 && program == NULL) {
        return refuse(root->report, "process.args[0]: not a text");
    }
    if (program != NULL && strlen(program) < sizeof(bundle->program)) {
        (void)strcpy(bundle->program, program);
    }
    const json_t *score = json_object_get(process.object, "oomScoreAdj");
    if (score == NULL) {
        return 0;
    }
    if (!json_is_integer(score) || json_integer_value(score) < -1000 ||
        json_integer_value(score) > 1000) {
        return refuse(root->report, "process.oomScoreAdj: not in -1000..1000");
    }
    bundle->has_oom_score = true;
    bundle->oom_score = (int)json_integer_value(score);
    return 0;
}

static int read_linux(const struct axi_json *root, struct axi_bundle *bundle)
{
    struct axi_json linux_part;
    struct axi_json resources = {0};
    struct axi_json cpu = {0};
    struct axi_json memory = {0};
    char cpus[256] = "";
    int rc = axi_json_object(root, "linux", &linux_part);
    if (rc != 0 || linux_part.object == NULL) {
        return rc;
    }
    rc = axi_json_text(&linux_part, "cgroupsPath", false, bundle->cgroup, sizeof(bundle->cgroup));
    rc = rc != 0 ? rc : axi_json_object(&linux_part, "resources", &resources);
    rc = rc != 0 ? rc : axi_json_object(&resources, "cpu", &cpu);
    rc = rc != 0 ? rc : axi_json_object(&resources, "memory", &memory);
    rc = rc != 0 ? rc : axi_json_text(&cpu, "cpus", false, cpus, sizeof(cpus));
    if (rc != 0) {
        return rc;
    }
    if (axi_cpuset_parse(cpus, &bundle->cpus) != 0) {
        return refuse(root->report, "linux.resources.cpu.cpus: not a list of CPUs");
    }
    const json_t *limit = json_object_get(memory.object, "limit");
    if (limit != NULL && !json_is_integer(limit)) {
        return refuse(root->report, "linux.resources.memory.limit: not a number");
    }
    if (json_integer_value(limit) > 0) { /* -1: no limit */
        bundle->memory_limit = (uint64_t)json_integer_value(limit);
    }
    return 0;
}

static int read_objects(const struct axi_json *root, struct axi_bundle *bundle)
{
    struct axi_json annotations;
    struct axi_json hooks;
    struct axi_json vm;
    int rc = axi_json_object(root, "annotations", &annotations);
    rc = rc != 0 ? rc : axi_json_object(root, "hooks", &hooks);
    rc = rc != 0 ? rc : axi_json_object(root, "vm", &vm);
    if (rc != 0) {
        return rc;
    }
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)annotations.object, key, value) {
        if (!json_is_string(value)) {
            return refuse(root->report, "annotations: a value is not a text");
        }
    }
    bundle->annotations =
        annotations.object != NULL ? json_incref((json_t *)annotations.object) : json_object();
    bundle->hooks = json_incref((json_t *)hooks.object);
    bundle->vm = json_incref((json_t *)vm.object);
    return bundle->annotations != NULL ? 0 : -AXC_ENOMEM;
}

static int read_root(const struct axi_json *root, struct axi_bundle *bundle)
{
    struct axi_json object;
    char path[PATH_MAX] = "";
    int rc = axi_json_object(root, "root", &object);
    rc = rc != 0 ? rc : axi_json_text(&object, "path", object.object != NULL, path, sizeof(path));
    if (rc != 0) {
        return rc;
    }
    if (path[0] == '\0' && object.object != NULL) {
        return refuse(root->report, "root.path: is empty");
    }
    int n = path[0] == '/' || path[0] == '\0'
                ? snprintf(bundle->rootfs, sizeof(bundle->rootfs), "%s", path)
                : snprintf(bundle->rootfs, sizeof(bundle->rootfs), "%s/%s", bundle->path, path);
    return n < (int)sizeof(bundle->rootfs) ? 0 : refuse(root->report, "root.path: too long");
}

static int read_members(const struct axi_json *root, struct axi_bundle *bundle)
{
    int rc = axi_json_text(root, "ociVersion", true, bundle->version, sizeof(bundle->version));
    if (rc != 0) {
        return rc;
    }
    if (strncmp(bundle->version, "1.", 2) != 0) {
        return axi_report_set(root->report, -AXC_EBUNDLE,
                              "config.json: ociVersion \"%s\" is not supported (1.0 to 1.3 are)",
                              bundle->version);
    }
    rc = read_root(root, bundle);
    rc = rc != 0 ? rc : read_process(root, bundle);
    rc = rc != 0 ? rc : read_linux(root, bundle);
    return rc != 0 ? rc : read_objects(root, bundle);
}

int axi_bundle_parse(const char *text, size_t bytes, const char *folder,
                     struct axi_bundle *ret_bundle, struct axi_report *report)
{
    memset(ret_bundle, 0, sizeof(*ret_bundle));
    if (strlen(folder) >= sizeof(ret_bundle->path)) {
        return refuse(report, "the bundle's path is too long");
    }
    (void)strcpy(ret_bundle->path, folder);
    json_t *root;
    int rc = axi_json_parse(text, bytes, AXI_BUNDLE_BYTES_MAX, -AXC_EBUNDLE, report, &root);
    if (rc == 0) {
        struct axi_json json = {
            .object = root, .where = "config.json: ", .error = -AXC_EBUNDLE, .report = report};
        rc = read_members(&json, ret_bundle);
        json_decref(root);
    }
    if (rc != 0) {
        axi_bundle_deinit(ret_bundle);
    }
    return rc;
}

int axi_bundle_read_file(int fd, size_t bytes_max, char **ret_text, size_t *ret_bytes)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return -AXC_EBUNDLE_PATH;
    }
    if (info.st_size < 0 || (uint64_t)info.st_size > bytes_max) {
        return -AXC_EFULL;
    }
    size_t size = (size_t)info.st_size;
    char *text = malloc(size + 1);
    if (text == NULL) {
        return -AXC_ENOMEM;
    }
    size_t used = 0;
    while (used < size) {
        ssize_t n = pread(fd, text + used, size - used, (off_t)used);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            free(text);
            return -AXC_EIO;
        }
        used += (size_t)n;
    }
    text[used] = '\0';
    *ret_text = text;
    *ret_bytes = used;
    return 0;
}

int axi_bundle_read(const char *folder, struct axi_bundle *ret_bundle, struct axi_report *report)
{
    char path[PATH_MAX];
    char file[PATH_MAX + 16];
    if (realpath(folder, path) == NULL) {
        return axi_report_errno(report, "bundle %s", folder);
    }
    (void)snprintf(file, sizeof(file), "%s/config.json", path);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return axi_report_errno(report, "%s", file);
    }
    char *text;
    size_t bytes;
    int rc = axi_bundle_read_file(fd, AXI_BUNDLE_BYTES_MAX, &text, &bytes);
    (void)close(fd);
    if (rc != 0) {
        return axi_report_set(report, rc, "%s: %s", file, axi_error_text(rc));
    }
    rc = axi_bundle_parse(text, bytes, path, ret_bundle, report);
    free(text);
    return rc;
}

void axi_bundle_deinit(struct axi_bundle *bundle)
{
    json_decref(bundle->annotations);
    json_decref(bundle->hooks);
    json_decref(bundle->vm);
    bundle->annotations = bundle->hooks = bundle->vm = NULL;
}

const char *axi_bundle_annotation(const struct axi_bundle *bundle, const char *key)
{
    char name[96];
    (void)snprintf(name, sizeof(name), "dev.axcan.%s", key);
    return json_string_value(json_object_get(bundle->annotations, name));
}
