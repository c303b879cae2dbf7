/* statements.h: the engine's prepared statements and the ids every row of it refers to. */
#ifndef SY_PIT_STATEMENTS_H
#define SY_PIT_STATEMENTS_H

/* Constant after sy__statements_new: any thread. */
typedef struct sy__statements {
    int task, run, pit, artifact, event_artifact, pit_artifact, handled, uncertain; /* numbers of sy__db_statement */
    char conductor[64], kit[64], host[64], host_version[64];    /* ids */
} sy__statements;

#endif
