/* SPDX-License-Identifier: Apache-2.0 */
#include "runax/hv/jailhouse/cell_command.h"

#include "runax/hv/jailhouse/cell.h"

#include <stdlib.h>
#include <string.h>

#define FILES_MAX 32

struct arguments {
    const char *layout; /* NULL: what the file looks like */
    const char *files[FILES_MAX];
    int file_count;
};

struct loaded {
    struct axi_cell cell;
    enum axi_cell_layout layout;
};

static int usage(struct axi_report *report)
{
    return axi_report_set(report, -AXC_EINVALID,
                          "usage: runax cell dump|check|diff [--layout siemens14|bu13|omnivisor14|"
                          "omnivisor2025] FILE...");
}

static int read_arguments(int argc, char *const *argv, struct arguments *ret_arguments,
                          struct axi_report *report)
{
    struct arguments arguments = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--layout") == 0 && i + 1 < argc) {
            arguments.layout = argv[++i];
        } else if (argv[i][0] == '-' || arguments.file_count == FILES_MAX) {
            return usage(report);
        } else {
            arguments.files[arguments.file_count++] = argv[i];
        }
    }
    *ret_arguments = arguments;
    return arguments.file_count != 0 ? 0 : usage(report);
}

static int read_bytes(const char *path, uint8_t *bytes, size_t capacity, size_t *ret_length,
                      struct axi_report *report)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return axi_report_errno(report, "%s", path);
    }
    size_t length = fread(bytes, 1, capacity, file);
    bool has_failed = ferror(file) != 0;
    bool has_more = !has_failed && fgetc(file) != EOF;
    (void)fclose(file);
    if (has_failed || has_more) {
        return axi_report_set(report, has_failed ? -AXC_EIO : -AXC_ECELL, "%s: %s", path,
                              has_failed ? "cannot be read" : "more than 64 KiB");
    }
    *ret_length = length;
    return 0;
}

static int guess_layout(const uint8_t *bytes, size_t length, enum axi_cell_layout *ret_layout,
                        struct axi_report *report)
{
    unsigned layouts = axi_cell_layouts_of(bytes, length);
    if (layouts == 0) {
        return axi_report_set(report, -AXC_ECELL, "no cell configuration of any known layout");
    }
    if ((layouts & (layouts - 1)) != 0) {
        return axi_report_set(report, -AXC_ECELL,
                              "consistent as more than one layout: say which by --layout");
    }
    *ret_layout = (enum axi_cell_layout)__builtin_ctz(layouts);
    return 0;
}

static int load(const struct arguments *arguments, int index, struct loaded *ret_loaded,
                struct axi_report *report)
{
    static uint8_t bytes[AXI_CELL_BYTES_MAX]; /* a command line tool: one at a time */
    size_t length = 0;
    struct axi_report why = {0};
    int rc = read_bytes(arguments->files[index], bytes, sizeof(bytes), &length, report);
    if (rc != 0) {
        return rc;
    }
    if (arguments->layout == NULL) {
        rc = guess_layout(bytes, length, &ret_loaded->layout, &why);
    } else if (axi_cell_layout_find(arguments->layout, &ret_loaded->layout) != 0) {
        return usage(report);
    }
    rc = rc != 0 ? rc : axi_cell_read(bytes, length, ret_loaded->layout, &ret_loaded->cell, &why);
    if (rc != 0) {
        (void)axi_report_set(report, rc, "%s: %s", arguments->files[index], axi_report_text(&why));
    }
    return rc;
}

static int dump(const struct arguments *arguments, FILE *out, struct axi_report *report)
{
    struct loaded loaded;
    int rc = load(arguments, 0, &loaded, report);
    if (rc == 0) {
        axi_cell_print(&loaded.cell, loaded.layout, out);
    }
    return rc;
}

static int check(const struct arguments *arguments, FILE *out, struct axi_report *report)
{
    struct axi_report why = {0};
    struct loaded *cells = calloc(FILES_MAX, sizeof(*cells));
    int rc = cells == NULL ? axi_report_set(report, -AXC_ENOMEM, "out of memory") : 0;
    for (int i = 0; i < arguments->file_count && rc == 0; i++) {
        rc = load(arguments, i, &cells[i], report);
        if (rc == 0 && axi_cell_check(&cells[i].cell, &why) != 0) {
            rc = 1;
            (void)axi_report_set(report, -AXC_ECELL, "%s: %s", arguments->files[i], why.text);
        }
        for (int k = 0; k < i && rc == 0; k++) {
            rc = axi_cell_check_pair(&cells[k].cell, &cells[i].cell, report) != 0;
        }
        if (rc == 0) {
            (void)fprintf(out, "%s: %s, %zu bytes, ok\n", arguments->files[i],
                          axi_cell_layout_name(cells[i].layout),
                          axi_cell_bytes(&cells[i].cell, cells[i].layout));
        }
    }
    free(cells);
    return rc;
}

/* Both as text, line by line: the n-th line of a key stands against the n-th of the other file. */
static int print_differences(char *a, char *b, FILE *out)
{
    int differences = 0;
    char *rest_a = NULL;
    char *rest_b = NULL;
    char *line_a = strtok_r(a, "\n", &rest_a);
    char *line_b = strtok_r(b, "\n", &rest_b);
    while (line_a != NULL || line_b != NULL) {
        size_t key_a = line_a != NULL ? strcspn(line_a, ":") : 0;
        size_t key_b = line_b != NULL ? strcspn(line_b, ":") : 0;
        bool is_same_key = line_a != NULL && line_b != NULL && key_a == key_b &&
                           memcmp(line_a, line_b, key_a) == 0;
        bool is_in_rest_b = !is_same_key && line_a != NULL && line_b != NULL && rest_b != NULL &&
                            memmem(rest_b, strlen(rest_b), line_a, key_a + 1) != NULL;
        if (!is_same_key || strcmp(line_a, line_b) != 0) {
            differences++;
            if (line_a != NULL && !is_in_rest_b) {
                (void)fprintf(out, "- %s\n", line_a);
            }
            if (line_b != NULL && (is_same_key || is_in_rest_b || line_a == NULL)) {
                (void)fprintf(out, "+ %s\n", line_b);
            }
        }
        bool takes_a = is_same_key || (line_a != NULL && !is_in_rest_b);
        bool takes_b = is_same_key || is_in_rest_b || line_a == NULL;
        line_a = takes_a ? strtok_r(NULL, "\n", &rest_a) : line_a;
        line_b = takes_b ? strtok_r(NULL, "\n", &rest_b) : line_b;
    }
    return differences;
}

static char *to_text(const struct loaded *loaded)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    if (file == NULL) {
        return NULL;
    }
    axi_cell_print(&loaded->cell, loaded->layout, file);
    return fclose(file) == 0 ? text : NULL;
}

static int diff(const struct arguments *arguments, FILE *out, struct axi_report *report)
{
    if (arguments->file_count != 2) {
        return usage(report);
    }
    struct loaded loaded;
    char *texts[2] = {NULL, NULL};
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = load(arguments, i, &loaded, report);
        texts[i] = rc == 0 ? to_text(&loaded) : NULL;
        if (rc == 0 && texts[i] == NULL) {
            rc = axi_report_set(report, -AXC_ENOMEM, "out of memory");
        }
    }
    if (rc == 0) {
        rc = print_differences(texts[0], texts[1], out) != 0;
    }
    free(texts[0]);
    free(texts[1]);
    return rc;
}

int axi_cell_command(int argc, char *const *argv, FILE *out, struct axi_report *report)
{
    struct arguments arguments;
    int rc = argc < 1 ? usage(report) : read_arguments(argc, argv, &arguments, report);
    if (rc != 0) {
        return rc;
    }
    if (strcmp(argv[0], "dump") == 0 && arguments.file_count == 1) {
        return dump(&arguments, out, report);
    }
    if (strcmp(argv[0], "check") == 0) {
        return check(&arguments, out, report);
    }
    return strcmp(argv[0], "diff") == 0 ? diff(&arguments, out, report) : usage(report);
}
