/* bounds.h: every limit of the C core that a user can meet, with its reason. Settings live in Lua.
 * Constants: any thread. */
#ifndef SY_BASE_BOUNDS_H
#define SY_BASE_BOUNDS_H

enum {
    SY_MAX_VALUE_BYTES = 16 << 20, /* one value; larger content is an artifact */
    SY_MAX_VALUE_DEPTH = 64,       /* nesting of a value */
    SY_MAX_SOURCE_BYTES = 1 << 20, /* one Lua source */
    SY_MAX_TASKS = 100000,         /* tasks written out in one melody */
    SY_MAX_EACH = 1000000,         /* children of each */
    SY_MAX_INLINE_BYTES = 8 << 10, /* JSON of a value kept in its row; larger goes to the artifact store */
    SY_MAX_QUEUE_CHANGES = 6000,   /* the writer's queue: beyond it no task starts */
    SY_MAX_QUEUE_BYTES = 64 << 20,
    SY_MAX_ISOLATES = 1000, /* live isolates of a host */
    SY_MAX_CELLS = 256,     /* of them in processes of their own */
    SY_MAX_CHILD_PROCESSES =
        8192,                     /* of the user, that a child process of an extension may bring about; root has none */
    SY_MAX_CHILD_FILE_GIB = 16,   /* of one file that it writes: a disk is not filled by one runaway loop */
    SY_MIN_STACK_BYTES = 1 << 20, /* of every thread that runs Lua */
};

#endif
