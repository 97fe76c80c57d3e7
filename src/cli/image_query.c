/* SPDX-License-Identifier: Apache-2.0 */
/* axcan image inspect, axcan image resolve. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/image_app.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *entry_to_json(const char *dir, const struct axi_app_entry *entry)
{
    char digest[AXI_DIGEST_TEXT_BYTES];
    struct axi_app_layers layers;
    struct axi_report report = {0};
    struct axi_bri bri;
    int r = axi_app_load(dir, entry, &layers);
    json_t *json = NULL;

    axi_digest_format(&entry->manifest.digest, digest);
    json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ref", entry->ref, "os", entry->os,
                     "architecture", entry->architecture, "variant", entry->variant, "board",
                     entry->board, "hypervisors", entry->hvs, "digest", digest);
    if (r == 0) {
        (void)json_object_set_new(json, "bytes", json_integer((json_int_t)layers.bytes));
        (void)json_object_set_new(json, "program", json_string(layers.program));
        r = axi_image_read_bri(&layers, &bri, &report);
        if (r == 0) {
            char *text = axi_bri_print(&bri);

            (void)json_object_set_new(json, "bri",
                                      text != NULL ? json_loads(text, 0, NULL) : json_null());
            free(text);
        } else if (r == -AXC_ENOENT && entry->board[0] == '\0') {
            r = 0; /* a container has none */
        }
        axi_app_unload(&layers);
    }
    (void)json_object_set_new(json, "error",
                              json_string(r == 0             ? ""
                                          : report.code != 0 ? axi_report_text(&report)
                                                             : axi_error_text(r)));
    return json;
}

static void print_entries(const json_t *entries)
{
    static const struct axi_column columns[] = {
        {"ENTRY", "ref", AXI_CELL_TEXT, false},
        {"OS", "os", AXI_CELL_TEXT, false},
        {"ARCH", "architecture", AXI_CELL_TEXT, false},
        {"BOARD", "board", AXI_CELL_TEXT, false},
        {"SIZE", "bytes", AXI_CELL_BYTES, false},
        {"PROGRAM", "program", AXI_CELL_TEXT, false},
        {"TASKS", "bri.tasks", AXI_CELL_LIST, false},
        {"DIGEST", "digest", AXI_CELL_TEXT, false},
        {"ERROR", "error", AXI_CELL_TEXT, false},
    };

    axi_print_table(stdout, columns, sizeof(columns) / sizeof(columns[0]), entries, 0, false, true);
}

int axi_image_inspect(int argc, char **argv)
{
    static struct axi_app_index index;
    const char *format_text = NULL;
    const char *path = NULL;
    size_t count = 0;
    enum axi_format format = AXI_FORMAT_TABLE;
    const struct axi_option options[] = {{"o", AXI_OPTION_TEXT, &format_text}};
    json_t *entries = NULL;
    char digest[AXI_DIGEST_TEXT_BYTES];
    bool is_good = true;
    int r = axi_options_parse("image inspect", argc, argv, options, 1, "APP", 1, 1, &path, &count);

    if (r == 0 && !axi_parse_format(format_text, &format)) {
        r = axi_cli_usage("image inspect", "-o: '%s' is none of json, yaml", format_text);
    }
    r = r != 0 ? r : axi_image_open_app("image inspect", path, &index);
    if (r != 0) {
        return r;
    }
    entries = json_array();
    for (uint32_t i = 0; i < index.count; i++) {
        json_t *entry = entry_to_json(path, &index.entries[i]);

        is_good = is_good && json_string_length(json_object_get(entry, "error")) == 0;
        (void)json_array_append_new(entries, entry);
    }
    axi_digest_format(&index.digest, digest);
    if (format == AXI_FORMAT_TABLE || format == AXI_FORMAT_WIDE || format == AXI_FORMAT_NAME) {
        (void)printf("application %s, index %s\n", index.name, digest);
        print_entries(entries);
    } else {
        json_t *document =
            json_pack("{s:s, s:s, s:O}", "name", index.name, "digest", digest, "entries", entries);

        (format == AXI_FORMAT_JSON ? axi_print_json : axi_print_yaml)(stdout, document);
        json_decref(document);
    }
    json_decref(entries);
    return is_good ? 0 : AXI_EXIT_FAILED;
}

/* "axcan-virt" is board virt, "linux-x86_64" the container of that architecture. */
static const struct axi_app_entry *entry_for_platform(const struct axi_app_index *index,
                                                      const char *platform)
{
    enum axi_isa isa = AXI_ISA_X86_64;

    if (strncmp(platform, "axcan-", 6) == 0) {
        return axi_image_for_board(index, platform + 6);
    }
    return strncmp(platform, "linux-", 6) == 0 && axi_isa_of_platform(platform, &isa) == 0
               ? axi_image_for_linux(index, axi_isa_oci_architecture(isa))
               : NULL;
}

/* The entry for a node of the cluster, by the platforms it declares, in its order. */
static int resolve_node(struct axi_client *client, const char *name,
                        const struct axi_app_index *index, const struct axi_app_entry **ret_entry)
{
    char path[128];
    char seen[128] = "";
    json_t *node = NULL;
    const json_t *platform = NULL;
    size_t i = 0;
    int r = axi_client_open(client);

    (void)snprintf(path, sizeof(path), "/v1/nodes/%.64s", name);
    r = r != 0 ? r : axi_client_call(client, "GET", path, NULL, &node);
    axi_client_close(client);
    if (r != 0) {
        return r;
    }
    *ret_entry = NULL;
    json_array_foreach (json_object_get(node, "platforms"), i, platform) {
        const char *text = json_string_value(platform);

        if (*ret_entry == NULL && text != NULL) {
            *ret_entry = entry_for_platform(index, text);
            (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), " %.32s", text);
        }
    }
    json_decref(node);
    return *ret_entry != NULL ? 0
                              : axi_cli_fail("image resolve",
                                             "nothing in it runs on %s (platforms:%s)", name, seen);
}

static int resolve_board(const char *board, const struct axi_app_index *index,
                         const struct axi_app_entry **ret_entry)
{
    char have[512] = "";

    *ret_entry = strncmp(board, "linux/", 6) == 0 ? axi_image_for_linux(index, board + 6)
                                                  : axi_image_for_board(index, board);
    if (*ret_entry != NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < index->count; i++) {
        const struct axi_app_entry *entry = &index->entries[i];
        size_t used = strlen(have);

        (void)snprintf(have + used, sizeof(have) - used, " %s%s",
                       entry->board[0] != '\0' ? entry->board : "linux/",
                       entry->board[0] != '\0' ? "" : entry->architecture);
    }
    return axi_cli_fail("image resolve", "nothing in it is for board %s; there are:%s", board,
                        have);
}

int axi_image_resolve(int argc, char **argv)
{
    static struct axi_app_index index;
    struct axi_client client;
    const struct axi_app_entry *entry = NULL;
    const char *board = NULL;
    const char *node = NULL;
    const char *name = NULL;
    const char *path = NULL;
    char digest[AXI_DIGEST_TEXT_BYTES];
    size_t count = 0;
    const struct axi_option options[] = {
        {"board", AXI_OPTION_TEXT, &board},
        {"node", AXI_OPTION_TEXT, &node},
        {"name", AXI_OPTION_TEXT, &name},
        AXI_CLIENT_OPTIONS(&client),
    };
    int r = 0;

    axi_client_init(&client, "image resolve");
    r = axi_options_parse("image resolve", argc, argv, options,
                          sizeof(options) / sizeof(options[0]), "APP", 1, 1, &path, &count);
    if (r == 0 && (board == NULL) == (node == NULL)) {
        r = axi_cli_usage("image resolve", "either --board BOARD (or linux/ARCHITECTURE) or --node "
                                           "NODE");
    }
    r = r != 0 ? r : axi_image_open_app("image resolve", path, &index);
    if (r == 0) {
        r = board != NULL ? resolve_board(board, &index, &entry)
                          : resolve_node(&client, node, &index, &entry);
    }
    if (r != 0) {
        return r;
    }
    axi_digest_format(&entry->manifest.digest, digest);
    (void)printf("%s@%s\n",
                 name != NULL            ? name
                 : index.name[0] != '\0' ? index.name
                                         : "app",
                 digest);
    return 0;
}
