/* statements.h: the engine's prepared statements and the ids every row of it refers to. */
#ifndef SY_PIT_STATEMENTS_H
#define SY_PIT_STATEMENTS_H

/* Constant after sy__statements_new: any thread. */
typedef struct sy__statements {
    int task, run, pit, artifact, event_artifact, pit_artifact, handled, uncertain, quality, compensated,
        left;                                                                       /* of sy__db_statement */
    int history, metrics, kit_state, queue, rest, rest_shown, broken, broken_shown; /* state.c */
    int cache_key, cache_entry, cache_used, cache_drop, file_hash;                  /* cache_rows.c */
    int pit_of_hash;                                                                /* chore.c */
    int stream;                                                                     /* stream.c */
    char conductor[64], kit[64], host[64], host_version[64];                        /* ids */
} sy__statements;

#endif
