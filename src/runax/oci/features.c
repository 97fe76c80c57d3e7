/* SPDX-License-Identifier: Apache-2.0 */
/* features and spec: what engines ask about the runtime itself. */
#include "runax/oci/verbs.h"

#include "runax/bri/bri.h"
#include "runax/hv/hv.h"
#include "runax/oci/create.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Annotations that choose what runs and with which parts of the machine. */
static const char *const UNSAFE[] = {"dev.axcan.bri", "dev.axcan.image", "dev.axcan.hv",
                                     "dev.axcan.hv.", "dev.axcan.cpus",  "dev.axcan.memory"};

static json_t *describe_hypervisors(const struct axi_platform *platform)
{
    json_t *list = json_object();
    for (size_t i = 0; axi_hvs[i] != NULL; i++) {
        struct axi_report why = {0};
        int rc = axi_hvs[i]->probe(platform, NULL, &why);
        (void)json_object_set_new(list, axi_hvs[i]->name,
                                  json_string(rc == 0 ? "available" : axi_report_text(&why)));
    }
    return list;
}

int axi_verb_features(const struct axi_oci_options *options, struct axi_report *report)
{
    struct axi_platform platform;
    int rc = axi_oci_read_platform(options, &platform, report);
    if (rc != 0) {
        return rc;
    }
    json_t *unsafe = json_array();
    for (size_t i = 0; i < sizeof(UNSAFE) / sizeof(UNSAFE[0]); i++) {
        (void)json_array_append_new(unsafe, json_string(UNSAFE[i]));
    }
    json_t *root = json_pack(
        "{ss ss s[ssssss] s[] s{s[] s[] s{sb sb sb sb} s{sb} s{sb} s{sb}} s{ss ss so} so}",
        "ociVersionMin", "1.0.0", "ociVersionMax", "1.3.0", "hooks", "prestart", "createRuntime",
        "createContainer", "startContainer", "poststart", "poststop", "mountOptions", "linux",
        "namespaces", "capabilities", "cgroup", "v1", 1, "v2", 1, "systemd", 0, "systemdUser", 0,
        "seccomp", "enabled", 0, "apparmor", "enabled", 0, "selinux", "enabled", 0, "annotations",
        "dev.axcan.runax.version", AXI_VERSION, "dev.axcan.runax.bri", AXI_BRI_PATH,
        "dev.axcan.runax.hypervisors", describe_hypervisors(&platform),
        "potentiallyUnsafeConfigAnnotations", unsafe);
    if (root == NULL) {
        return axi_report_set(report, -AXC_ENOMEM, "out of memory");
    }
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(root);
    return 0;
}

static const char SPEC[] = "{\n"
                           "  \"ociVersion\": \"1.2.0\",\n"
                           "  \"root\": {\"path\": \"rootfs\", \"readonly\": true},\n"
                           "  \"process\": {\n"
                           "    \"terminal\": false,\n"
                           "    \"cwd\": \"/\",\n"
                           "    \"user\": {\"uid\": 0, \"gid\": 0},\n"
                           "    \"args\": [\"/boot/os.img\"]\n"
                           "  },\n"
                           "  \"annotations\": {\n"
                           "    \"dev.axcan.board\": \"virt\",\n"
                           "    \"dev.axcan.memory\": \"134217728\",\n"
                           "    \"dev.axcan.stop-grace-ms\": \"2000\"\n"
                           "  },\n"
                           "  \"linux\": {\"namespaces\": []}\n"
                           "}\n";

int axi_verb_spec(const struct axi_oci_options *options, struct axi_report *report)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/config.json",
                   options->bundle != NULL ? options->bundle : ".");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return axi_report_errno(report, "%s", path);
    }
    bool is_written = write(fd, SPEC, sizeof(SPEC) - 1) == (ssize_t)sizeof(SPEC) - 1;
    return close(fd) == 0 && is_written ? 0 : axi_report_errno(report, "%s", path);
}
