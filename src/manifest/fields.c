/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/fields.h"

#include "manifest/spec.h"

const char *const axi_kind_names[] = {"Service", "Node", "Policy", NULL};
const char *const axi_mode_choices[] = {"single", "at-least-one", "2oo2", "tmr", NULL};
const char *const axi_assurance_choices[] = {"shared", "realtime", "isolated", "partition", NULL};
const char *const axi_state_choices[] = {"carry", "map", "restart", NULL};
const char *const axi_compare_choices[] = {"exact", "f32", "f64", NULL};

static const char *const service_kind[] = {"Service", NULL};
static const char *const node_kind[] = {"Node", NULL};
static const char *const policy_kind[] = {"Policy", NULL};

#define PLATFORM_BYTES_MAX 23 /* AXC_PLATFORM_BYTES with its NUL */
#define NAME_BYTES_MAX 31
#define LABEL_VALUE_BYTES_MAX 31
#define YEAR_S 31536000.0

#define OBJECT .type = AXI_FIELD_OBJECT, .unit = ""
#define KIND(list) .type = AXI_FIELD_CHOICE, .choices = (list), .is_required = true, .unit = ""
#define CHOICE(list, value)                                                                        \
    .type = AXI_FIELD_CHOICE, .choices = (list), .fallback = (value), .unit = ""
#define BOOLEAN(value) .type = AXI_FIELD_BOOLEAN, .fallback = (value), .unit = ""
#define INTEGER(low, high, value)                                                                  \
    .type = AXI_FIELD_INTEGER, .min = (low), .max = (high), .fallback = (value)
#define NUMBER(low, high, value)                                                                   \
    .type = AXI_FIELD_NUMBER, .min = (low), .max = (high), .fallback = (value)
#define NAME(name_rule, bytes)                                                                     \
    .type = AXI_FIELD_NAME, .rule = (name_rule), .text_max = (bytes), .unit = ""
#define LABELS                                                                                     \
    .type = AXI_FIELD_LABELS, .rule = AXI_NAME_NODE, .text_max = LABEL_VALUE_BYTES_MAX,            \
    .count_max = AXI_SERVICE_LABELS_MAX, .fallback = "{}", .unit = ""
#define REVISION                                                                                   \
    INTEGER(1, 9007199254740991.0, NULL),                                                          \
        .unit = "",                                                                                \
        .doc = "The revision that was read before editing; refused when the object has changed "   \
               "since. Absent: not compared.",                                                     \
        .example = "17"

const struct axi_field axi_fields[] = {
    {"service", OBJECT, .doc = "A task that is kept running as declared, with its replicas.",
     .example = "{kind: Service, name: brake, image: brake.axi}"},
    {"service.kind", KIND(service_kind), .doc = "Which kind of object this is.",
     .example = "Service"},
    {"service.name", NAME(AXI_NAME_TASK, AXI_SERVICE_NAME_BYTES - 1), .is_required = true,
     .doc = "Name of the service; its replicas are the tasks NAME-1, NAME-2 and so on.",
     .example = "brake"},
    {"service.revision", REVISION},
    {"service.image", .type = AXI_FIELD_IMAGE, .is_required = true, .unit = "",
     .doc = "Image of the replicas: its name or digest at the master, or a file FILE.axi beside "
            "the manifest, which 'axcan apply' uploads.",
     .example = "brake.axi"},
    {"service.variants", .type = AXI_FIELD_IMAGES, .count_max = AXI_SERVICE_IMAGES_MAX - 1,
     .fallback = "[]", .unit = "",
     .doc = "Other images that do the same, made differently: replicas take them in turn when "
            "they are to differ in image.",
     .example = "[brake-b.axi]"},
    {"service.mode", CHOICE(axi_mode_choices, "\"single\""),
     .doc = "single: one replica, its state survives by checkpoints. at-least-one: several, one "
            "output is enough. 2oo2: two, outputs only where both agree. tmr: three, two must "
            "agree.",
     .example = "tmr"},
    {"service.replicas", INTEGER(1, AXI_SERVICE_REPLICAS_MAX, NULL), .unit = "",
     .fallback_text = "1, 2, 2 and 3 in the order of the modes",
     .doc = "Replicas that run. Only at-least-one leaves a choice.", .example = "3"},
    {"service.minimum", INTEGER(0, AXI_SERVICE_REPLICAS_MAX, NULL), .unit = "",
     .fallback_text = "0, 1, 2 and 2 in the order of the modes",
     .doc = "Replicas that no update and no move may go below.", .example = "2"},
    {"service.criticality", INTEGER(0, 15, "0"), .unit = "",
     .doc = "Higher goes first when replicas are placed, and may displace lower.", .example = "12"},
    {"service.preemptible", BOOLEAN("false"),
     .doc = "Replicas above minimum may be taken away while a more critical service has no other "
            "place; they come back when it has.",
     .example = "true"},
    {"service.assurance", CHOICE(axi_assurance_choices, "\"shared\""),
     .doc = "The least a node must offer: shared: an ordinary process; realtime: real-time "
            "scheduling; isolated: processors of its own; partition: a machine or partition of "
            "its own.",
     .example = "realtime"},
    {"service.diversity", OBJECT,
     .doc = "What the replicas differ in. Two never share a node, whatever stands here.",
     .example = "{platform: true, required: true}"},
    {"service.diversity.platform", BOOLEAN("false"), .doc = "They run on different platforms.",
     .example = "true"},
    {"service.diversity.isa", BOOLEAN("false"), .doc = "They run on different instruction sets.",
     .example = "true"},
    {"service.diversity.image", BOOLEAN("false"),
     .doc = "They run different images: image and variants.", .example = "true"},
    {"service.diversity.required", BOOLEAN("false"),
     .doc = "Rather run fewer than place two alike; else they differ as far as possible.",
     .example = "true"},
    {"service.failure_per_hour", NUMBER(0, 1, "0"), .unit = "1/h",
     .doc = "Largest probability per hour that the service fails, by the figures of nodes and "
            "platforms. 0: no target.",
     .example = "1.0e-7"},
    {"service.survive_node_loss", BOOLEAN("false"),
     .doc = "Place so that after the loss of any one node everything still finds a place.",
     .example = "true"},
    {"service.movable", BOOLEAN("true"),
     .doc = "Replicas may be migrated to make room or for a better spread.", .example = "false"},
    {"service.latency_max_ms", NUMBER(0, 3600000, "0"), .unit = "ms",
     .doc = "Largest one-way network latency of a node. 0: any.", .example = "2"},
    {"service.labels", LABELS, .doc = "Labels that a node must have.", .example = "{zone: front}"},
    {"service.prefer", LABELS,
     .doc = "Labels that make a node better; a replica that runs elsewhere comes back when there "
            "is room.",
     .example = "{rack: a}"},
    {"service.nodes", .type = AXI_FIELD_NAMES, .rule = AXI_NAME_NODE, .text_max = NAME_BYTES_MAX,
     .count_max = AXI_SERVICE_NODES_MAX, .fallback = "[]", .unit = "",
     .doc = "Only these nodes may be used. Empty: all.", .example = "[node1, node2, ecu1]"},
    {"service.degraded", OBJECT, .fallback_text = "absent: not allowed",
     .doc = "Allows less than declared while no node fits the whole.",
     .example = "{image: brake-simple.axi, assurance: shared}"},
    {"service.degraded.image", .type = AXI_FIELD_IMAGE, .fallback_text = "the service's image",
     .unit = "", .doc = "Image that runs instead.", .example = "brake-simple.axi"},
    {"service.degraded.assurance", CHOICE(axi_assurance_choices, "\"shared\""),
     .doc = "Least assurance instead of the service's; not above it.", .example = "shared"},
    {"service.degraded.state", CHOICE(axi_state_choices, "\"map\""),
     .doc = "What becomes of the state, both ways: see update.state.", .example = "restart"},
    {"service.degraded.after_s", NUMBER(0, YEAR_S, "5"), .unit = "s",
     .doc = "So long the service is short of a replica first.", .example = "2"},
    {"service.output", OBJECT, .doc = "How the outputs of the replicas are compared.",
     .example = "{compare: f64, tolerance: 0.001}"},
    {"service.output.voter", NAME(AXI_NAME_NODE, NAME_BYTES_MAX), .fallback_text = "any",
     .doc = "Name of the voter that compares.", .example = "brake-actuator"},
    {"service.output.compare", CHOICE(axi_compare_choices, "\"exact\""),
     .doc = "exact: equal bytes. f32, f64: arrays of such numbers that differ by at most "
            "tolerance.",
     .example = "f64"},
    {"service.output.tolerance", NUMBER(0, 1e300, "0"), .unit = "",
     .doc = "Largest difference of two numbers that agree.", .example = "0.001"},
    {"service.output.wait_ms", NUMBER(0, 3600000, "0"), .unit = "ms",
     .doc = "A replica without an output so long after the job's deadline is silent. 0: one "
            "period.",
     .example = "20"},
    {"service.output.bad_limit", INTEGER(1, 1000000, "3"), .unit = "jobs",
     .doc = "So many wrong or silent jobs in a row, and the replica is replaced.", .example = "5"},
    {"service.update", OBJECT, .doc = "How a changed declaration is rolled out.",
     .example = "{good_jobs: 100, timeout_s: 30}"},
    {"service.update.surge", INTEGER(0, 1, "1"), .unit = "",
     .doc = "1: the new replica is started beside the old ones. 0: it takes the place of one, as "
            "far as minimum allows.",
     .example = "0"},
    {"service.update.good_jobs", INTEGER(1, 1000000, "20"), .unit = "jobs",
     .doc = "A new replica is ready after so many good jobs in a row.", .example = "100"},
    {"service.update.misses_max", INTEGER(0, 1000000, "0"), .unit = "jobs",
     .doc = "Deadline misses a new replica may have before it is ready; more, and the update is "
            "reverted.",
     .example = "2"},
    {"service.update.timeout_s", NUMBER(1, YEAR_S, "60"), .unit = "s",
     .doc = "A new replica that is not ready by then ends the update: it is reverted.",
     .example = "30"},
    {"service.update.state", CHOICE(axi_state_choices, "\"carry\""),
     .doc = "carry: a new replica goes on with the old state; the schemas must be equal. map: "
            "fields of equal path and type are taken over, the others begin at zero. restart: all "
            "begins at zero.",
     .example = "map"},
    {"service.update.paused", BOOLEAN("false"), .doc = "No round of an update begins.",
     .example = "true"},
    {"service.jobs", INTEGER(0, 9007199254740991.0, "0"), .unit = "jobs",
     .doc = "Each replica ends after so many jobs. 0: as the image says.", .example = "1000"},
    {"service.backlog_max", INTEGER(0, 1000000, "0"), .unit = "jobs",
     .doc = "Releases that may be late at once. 0: as many as a node takes by default.",
     .example = "50"},
    {"service.wcet_us", .type = AXI_FIELD_NUMBERS, .rule = AXI_NAME_NODE,
     .text_max = PLATFORM_BYTES_MAX, .count_max = AXI_SERVICE_WCETS_MAX, .min = 1,
     .max = 4294967295.0, .fallback = "{}", .unit = "us",
     .doc = "Worst-case execution time by platform, instead of the image's.",
     .example = "{linux-x86_64: 800}"},

    {"node", OBJECT, .doc = "What the operator says of a node; the node may be away.",
     .example = "{kind: Node, name: node1, labels: {zone: front}}"},
    {"node.kind", KIND(node_kind), .doc = "Which kind of object this is.", .example = "Node"},
    {"node.name", NAME(AXI_NAME_NODE, NAME_BYTES_MAX), .is_required = true,
     .doc = "The name the node joins with.", .example = "node1"},
    {"node.revision", REVISION},
    {"node.labels", LABELS, .doc = "What services' labels and prefer compare with.",
     .example = "{zone: front, rack: a}"},
    {"node.platform", NAME(AXI_NAME_NODE, PLATFORM_BYTES_MAX), .fallback_text = "whatever it says",
     .doc = "A platform the node must offer; used by services only while it does.",
     .example = "linux-x86_64"},
    {"node.assurance", CHOICE(axi_assurance_choices, "\"partition\""),
     .doc = "The node counts as at most this, whatever it says.", .example = "shared"},
    {"node.latency_ms", NUMBER(0, 3600000, "0"), .unit = "ms",
     .doc = "One-way network latency to the rest. 0: as the node says.", .example = "0.5"},
    {"node.failure_per_hour", NUMBER(0, 1, "0"), .unit = "1/h",
     .doc = "Probability per hour that the node fails as a whole.", .example = "1.0e-4"},
    {"node.wrong_per_hour", NUMBER(0, 1, "0"), .unit = "1/h",
     .doc = "Probability per hour that it delivers wrong values in time.", .example = "1.0e-6"},
    {"node.cordoned", BOOLEAN("false"),
     .doc = "Nothing new is placed there; 'axcan cordon' and 'axcan uncordon' set it, too.",
     .example = "true"},

    {"policy", OBJECT, .doc = "Rules for the whole cluster; there is one.",
     .example = "{kind: Policy, rebalance: {enabled: true}}"},
    {"policy.kind", KIND(policy_kind), .doc = "Which kind of object this is.", .example = "Policy"},
    {"policy.name", NAME(AXI_NAME_TASK, NAME_BYTES_MAX), .fallback = "\"cluster\"",
     .doc = "Always cluster.", .example = "cluster"},
    {"policy.revision", REVISION},
    {"policy.rebalance", OBJECT, .doc = "Moves before a predicted overload.",
     .example = "{enabled: true, high_percent: 80}"},
    {"policy.rebalance.enabled", BOOLEAN("false"), .doc = "Whether the master moves by itself.",
     .example = "true"},
    {"policy.rebalance.high_percent", NUMBER(1, 100, "85"), .unit = "%",
     .doc = "A node whose predicted load is above this loses tasks.", .example = "80"},
    {"policy.rebalance.low_percent", NUMBER(0, 99, "70"), .unit = "%",
     .doc = "Until it is below this; tasks go only to nodes that stay below.", .example = "60"},
    {"policy.rebalance.horizon_s", NUMBER(0.1, 3600, "10"), .unit = "s",
     .doc = "How far ahead the load is predicted.", .example = "30"},
    {"policy.rebalance.cooldown_s", NUMBER(0, 86400, "30"), .unit = "s",
     .doc = "After a move, a node and a task are left alone so long.", .example = "60"},
    {"policy.flapping", OBJECT, .doc = "When a node is not trusted any more.",
     .example = "{window_s: 60, limit: 3}"},
    {"policy.flapping.window_s", NUMBER(1, 86400, "60"), .unit = "s",
     .doc = "Losses of a node are counted over this time.", .example = "120"},
    {"policy.flapping.limit", INTEGER(1, 1000, "3"), .unit = "",
     .doc = "A node lost so many times within the window gets nothing until the window is over.",
     .example = "5"},
    {"policy.partitions", OBJECT, .doc = "Partitions that the master has started on demand.",
     .example = "{idle_s: 300}"},
    {"policy.partitions.idle_s", NUMBER(0.1, 86400, "60"), .unit = "s",
     .doc = "One that had no task for so long is taken away.", .example = "300"},
    {"policy.partitions.start_s", NUMBER(1, 3600, "60"), .unit = "s",
     .doc = "One that has not joined after so long has failed; another host is tried.",
     .example = "20"},
    {"policy.platforms", .type = AXI_FIELD_OBJECTS, .rule = AXI_NAME_NODE,
     .text_max = PLATFORM_BYTES_MAX, .count_max = 8, .fallback = "{}", .unit = "",
     .doc = "Failures that hit all nodes of a platform at once, by platform.",
     .example = "{linux-x86_64: {failure_per_hour: 1.0e-6}}"},
    {"policy.platforms.*", OBJECT, .doc = "One platform.", .example = "{failure_per_hour: 1.0e-6}"},
    {"policy.platforms.*.failure_per_hour", NUMBER(0, 1, "0"), .unit = "1/h",
     .doc = "Probability per hour that the platform fails everywhere.", .example = "1.0e-6"},
};

const size_t axi_field_count = sizeof(axi_fields) / sizeof(axi_fields[0]);
