/*
 * loader.h: libraries that are loaded when the first use wants them: linking these, and what they bring, would cost
 * every start of the program some milliseconds.
 */
#ifndef SY_IO_LOADER_H
#define SY_IO_LOADER_H

#include "base/error.h"

typedef struct sy__library {
    const char *what;    /* "HTTP needs": who wants it */
    const char *name;    /* "libcurl", for people */
    const char *file;    /* "libcurl.so.4" */
    const char *package; /* "libcurl4": where it is */
    const char *prefix;  /* "curl_": of its functions */
} sy__library;

/* A function of the library and where its address goes. */
typedef struct sy__symbol {
    const char *name; /* without the prefix */
    void *to;         /* a pointer to a function pointer */
} sy__symbol;

/*
 * Fills `count` symbols. The library stays loaded as long as the process lives, for what it brings keeps state for so
 * long. SY_EIO names the package that is missing. Any thread.
 */
int sy__library_load(const sy__library *l, const sy__symbol *symbols, size_t count, sy__error *err);

#endif
