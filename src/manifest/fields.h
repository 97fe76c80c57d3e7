/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of all fields of manifests: checks, defaults, JSON schema, `axcan explain` and the
 * tables of docs/orchestration.md come from it. A path begins with the kind in small letters; "*"
 * stands for any member of a map. Static data; any thread. */
#ifndef AXI_MANIFEST_FIELDS_H
#define AXI_MANIFEST_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#define AXI_FIELD_DEPTH_MAX 4u

enum axi_field_type {
    AXI_FIELD_OBJECT = 0, /* its members are fields of their own */
    AXI_FIELD_NAME,       /* text of the pattern `choices` stands for below */
    AXI_FIELD_IMAGE,      /* reference, digest, or a file FILE.axi */
    AXI_FIELD_CHOICE,     /* one of `choices` */
    AXI_FIELD_BOOLEAN,
    AXI_FIELD_INTEGER,
    AXI_FIELD_NUMBER,
    AXI_FIELD_NAMES,   /* list of names */
    AXI_FIELD_IMAGES,  /* list of images */
    AXI_FIELD_LABELS,  /* map of name to name */
    AXI_FIELD_NUMBERS, /* map of name to integer */
    AXI_FIELD_OBJECTS, /* map of name to objects: the field "path.*" */
};

/* What a name may be made of. */
enum axi_name_rule {
    AXI_NAME_TASK = 0, /* [a-z][a-z0-9-]* */
    AXI_NAME_NODE,     /* [A-Za-z0-9][A-Za-z0-9._-]*, also platforms and values of labels */
};

struct axi_field {
    const char *path;
    enum axi_field_type type;
    enum axi_name_rule rule;    /* NAME, NAMES */
    const char *const *choices; /* CHOICE: ends with NULL */
    double min, max;            /* INTEGER, NUMBER, NUMBERS: the value, both allowed */
    size_t text_max;            /* NAME, NAMES, values of LABELS: bytes */
    size_t count_max;           /* NAMES, IMAGES, LABELS, NUMBERS, OBJECTS: members */
    const char *fallback;       /* default as JSON; NULL = the field is required or may be absent */
    const char *fallback_text;  /* the default in words, where it depends on other fields */
    bool is_required;
    const char *unit; /* "" or "ms", "s", "%", "us", "1/h", "jobs" */
    const char *doc;
    const char *example; /* YAML of the value */
};

extern const struct axi_field axi_fields[];
extern const size_t axi_field_count;

extern const char *const axi_kind_names[]; /* "Service", "Node", "Policy", NULL */
extern const char *const axi_mode_choices[];
extern const char *const axi_assurance_choices[];
extern const char *const axi_state_choices[];
extern const char *const axi_compare_choices[];

/* Index of text in a list that ends with NULL, or -1. */
int axi_choice_find(const char *const *choices, const char *text);

/* By path; NULL when there is none. */
const struct axi_field *axi_field_find(const char *path);
/* The member `name` of the object `parent`; of a map of objects: "*". NULL when there is none. */
const struct axi_field *axi_field_member(const struct axi_field *parent, const char *name);
/* The next member of parent after `last` (NULL: the first); NULL at the end. In table order. */
const struct axi_field *axi_field_next(const struct axi_field *parent,
                                       const struct axi_field *last);
const char *axi_field_name(const struct axi_field *field); /* the last part of its path */

/* The choice (list ends with NULL) that looks most like text, or NULL when none does. */
const char *axi_hint_choice(const char *const *choices, const char *text);
/* The same among the members of parent, and among the paths of the whole table. */
const char *axi_hint_member(const struct axi_field *parent, const char *text);
const char *axi_hint_path(const char *text);

/* "an integer from 1 to 16", "one of single, tmr", ...; cut off at size. */
void axi_field_expected(const struct axi_field *field, char *ret_text, size_t size);

#endif
