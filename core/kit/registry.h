/*
 * registry.h: the extensions and operations a host can call, as C needs them on the happy path.
 * Lua (lua/kit) reads, checks and resolves manifests and fills this; stage threads look up in it.
 * An entry is immutable and counted: a run that started with one keeps it when it is replaced.
 */
#ifndef SY_KIT_REGISTRY_H
#define SY_KIT_REGISTRY_H

#include "kit/caps.h"
#include "kit/schema.h"

typedef enum sy__effects { SY__EFFECT_NONE, SY__EFFECT_READ, SY__EFFECT_WRITE, SY__EFFECT_EXTERNAL } sy__effects;

typedef struct sy__operation {
    char *name; /* "diff" */
    sy__effects effects;
    bool idempotent;
    bool cache;           /* declared, and what its child processes read is named */
    sy__blob *reads;      /* what they read: an array of globs and "$input.…"; NULL: nothing is named */
    bool spends;          /* it may cost money or tokens */
    bool estimates;       /* its code may have a function that says how much */
    int64_t estimate_usd; /* at most, in millionths; negative: not declared */
    int64_t estimate_tokens;
    sy__schema *input; /* NULL: anything */
    sy__schema *output;
} sy__operation;

/* One file of an extension, or an embedded one. */
typedef struct sy__source {
    char *path; /* relative to the extension, "init.lua" */
    char *text;
    size_t len;
} sy__source;

typedef struct sy__extension {
    char *id;         /* extension.id */
    char *version_id; /* extension_version.id */
    char *code_hash;  /* of its files and manifest, "sha256:…"; "": unknown */
    char *name;       /* "git", "acme/textkit" */
    char *type;       /* instrument | operator | motif */
    char *entry;      /* "init.lua" */
    sy__caps *caps;
    sy__operation *operations;
    size_t operation_count;
    sy__source *sources; /* read when it was added: a folder swapped under a running host harms nobody */
    size_t source_count;
    int64_t max_parallel;  /* 0: no limit of its own */
    bool instrument;       /* by its type: each of its models is a player of its own */
    bool player;           /* its calls are watched: it promises something, or is an instrument */
    double max_error_rate; /* what it promises; negative: nothing */
    int64_t p95_ms;        /* … negative: nothing */
    bool own_process;      /* it came from elsewhere: its code runs in processes of its own (isolate.h), and without
                            * Landlock it starts no other */
    const sy__alloc *alloc;
    int refs; /* atomic */
} sy__extension;

typedef struct sy__registry sy__registry;

/* An empty registry; freeing lets go of its extensions. SY_ENOMEM. */
int sy__registry_new(sy__registry **out, const sy__alloc *a);
void sy__registry_free(sy__registry *r);
/*
 * Adds or replaces an extension from a value: {id, version_id, code_hash, name, type, entry, capabilities, operations:
 * {NAME:{effects, idempotent, cache, reads, spends, estimates, estimate:{usd, tokens}, input, output}},
 * sources:{PATH:TEXT}, max_parallel, isolation: "in-process" (also when there is none) or "process",
 * player:{max_error_rate, p95_ms}}. Any thread.
 */
int sy__registry_add(sy__registry *r, sy__value description, const char *project_dir, sy__error *err);
void sy__registry_remove(sy__registry *r, const char *name);
/* Holds and returns the extension of "git" or "acme/textkit", NULL: unknown. Release it. Any thread. */
sy__extension *sy__registry_get(sy__registry *r, const char *name);
/* Splits "git.diff": holds and returns the extension and finds the operation. SY_EOPERATION. */
int sy__registry_resolve(sy__registry *r, const char *operation, sy__extension **ext, const sy__operation **op,
                         sy__error *err);
sy__extension *sy__extension_hold(sy__extension *e);
void sy__extension_release(sy__extension *e);
/*
 * A module by require name, as sy__module_fn with ud = extension: "lib.util" → lib/util.lua; "acme/textkit" and
 * "acme/textkit.lib" of a package it depends on; "acme/textkit:NAME" as that package itself requires NAME. Sources of
 * packages lie under "@acme/textkit/"; "@acme/textkit", and "@" for the extension, say what may be required: a line
 * with the entry, then one for each package that is depended on.
 */
bool sy__extension_module(void *ud, const char *name, const char **source, size_t *len, const char **chunk_name);

#endif
