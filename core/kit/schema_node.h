/*
 * schema_node.h: a compiled schema, as schema_compile.c makes it and schema.c checks with it.
 *
 * Each (sub)schema is a node. Nodes, lists and NUL-terminated texts lie in chunks of one arena; names,
 * constants and defaults are slices of a copy of the schema's value. Everything is freed at once.
 * Written by the thread that compiles; read by any thread afterwards.
 */
#ifndef SY_KIT_SCHEMA_NODE_H
#define SY_KIT_SCHEMA_NODE_H

#include "kit/schema.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Kinds of values as a mask. An integer fits ANY_INT and ANY_NUM. */
enum {
    SY__T_NULL = 1,
    SY__T_BOOL = 2,
    SY__T_INT = 4,
    SY__T_NUM = 8,
    SY__T_STR = 16,
    SY__T_ARRAY = 32,
    SY__T_MAP = 64,
};

typedef struct sy__node sy__node;

/* A declared or required field. */
typedef struct sy__field {
    const char *key;
    size_t len;
    sy__node *node; /* NULL: only required, not declared */
    bool required;
} sy__field;

typedef struct sy__node_list {
    sy__node **at;
    size_t count;
} sy__node_list;

typedef struct sy__regex {
    pcre2_code *code;
    const char *text; /* as written, NUL-terminated */
    sy__node *node;   /* of patternProperties; else NULL */
} sy__regex;

struct sy__node {
    sy__node *next; /* all nodes of the schema */
    unsigned types; /* allowed kinds; 0: all */
    bool never;     /* the schema `false` */
    bool unique;
    sy__node *ref;
    sy__field *fields; /* sorted by key */
    size_t field_count, required_count;
    sy__node *additional; /* NULL: anything */
    sy__regex *patterns;
    size_t pattern_count;
    sy__node_list prefix;
    sy__node *items;
    sy__node_list any, one, all;
    sy__node *not_;
    sy__value def, konst, enums; /* data NULL: not given */
    sy__value least, most, above, below, multiple;
    int64_t min_length, max_length, min_items, max_items, min_fields, max_fields; /* -1: no limit */
    sy__regex pattern;                                                            /* code NULL: none */
};

typedef struct sy__chunk sy__chunk;

struct sy__schema {
    const sy__alloc *alloc;
    sy__blob *source;
    sy__chunk *chunks;
    pcre2_general_context *pcre;
    sy__node *nodes, *root;
    sy__field *defs; /* of #/$defs; node and key used */
    size_t def_count;
    bool has_defaults, has_arrays, has_patterns;
};

/* The name of a mask of kinds, as in "expected a string or an array". */
const char *sy__types_text(unsigned types, char *out, size_t size);

#endif
