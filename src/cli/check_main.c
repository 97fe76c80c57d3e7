/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: axcan-check [OPTION]... HISTORY...\n"
    "Judges what instances did, from the history files of all nodes of one cluster: that every "
    "job\n"
    "ran exactly once and no superseded epoch acted, with --image also that every digest is that "
    "of\n"
    "an unmigrated reference run, which executes the image's code on this machine.\n"
    "  --image TASKID=FILE    reference of a task: image directory or ELF file; id in hexadecimal\n"
    "  --refused TASKID       a task that was refused and must never have run\n"
    "  --clock-bound-us N     largest error of a node's master time (default 1000)\n"
    "  --grid                 releases must lie on r + kT in master time, on whatever node\n"
    "  --torn                 histories may lack their last records\n"
    "  --strict               lost, dropped or unseen jobs and digests not judged fail too\n"
    "  -o, --output text|json\n"
    "  -h, --help\n"
    "Exit code: 0 all right, 1 an invariant is broken, 2 usage or unreadable file.\n";

static bool take_image(struct axi_check_request *request, char *text)
{
    char *equals = strchr(text, '=');
    char *end = NULL;

    if (equals == NULL || request->image_count == AXI_CHECK_IMAGES_MAX) {
        return false;
    }
    *equals = '\0';
    request->images[request->image_count].task_id = strtoull(text, &end, 16);
    request->images[request->image_count++].path = equals + 1;
    return end != text && *end == '\0';
}

static bool take(struct axi_check_request *request, int option)
{
    char *end = NULL;

    switch (option) {
    case 'i':
        return take_image(request, optarg);
    case 'r':
        if (request->refused_count == AXI_CHECK_IMAGES_MAX) {
            return false;
        }
        request->refused[request->refused_count++] = strtoull(optarg, &end, 16);
        return end != optarg && *end == '\0';
    case 'b':
        request->bound_ns = strtoull(optarg, &end, 10) * 1000;
        return end != optarg && *end == '\0';
    case 'g':
        request->is_grid = true;
        return true;
    case 't':
        request->is_torn = true;
        return true;
    case 's':
        request->is_strict = true;
        return true;
    case 'o':
        request->is_json = strcmp(optarg, "json") == 0;
        return request->is_json || strcmp(optarg, "text") == 0;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"image", required_argument, NULL, 'i'},
                                          {"refused", required_argument, NULL, 'r'},
                                          {"clock-bound-us", required_argument, NULL, 'b'},
                                          {"grid", no_argument, NULL, 'g'},
                                          {"torn", no_argument, NULL, 't'},
                                          {"strict", no_argument, NULL, 's'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    static struct axi_check_request request = {.bound_ns = 1000000};

    for (int c = 0; (c = getopt_long(argc, argv, "o:h", names, NULL)) != -1;) {
        if (c == 'h') {
            (void)fputs(help, stdout);
            return 0;
        }
        if (!take(&request, c)) {
            (void)fputs("axcan-check: bad arguments; see axcan-check --help\n", stderr);
            return 2;
        }
    }
    for (; optind < argc && request.file_count < AXI_CHECK_FILES_MAX; optind++) {
        request.files[request.file_count++] = argv[optind];
    }
    if (request.file_count == 0) {
        (void)fputs("axcan-check: no history file given; see axcan-check --help\n", stderr);
        return 2;
    }
    return axi_check_run(&request);
}
