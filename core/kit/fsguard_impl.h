/* fsguard_impl.h: the grants of an fsguard, for the files of core/kit that walk them. Immutable: any thread. */
#ifndef SY_KIT_FSGUARD_IMPL_H
#define SY_KIT_FSGUARD_IMPL_H

#include "kit/fsguard.h"

struct sy__root {
    char *path; /* normal */
    int fd;     /* O_PATH; -1: did not exist yet */
};

struct sy__grant {
    size_t root;
    sy__access access;
    char *pattern; /* below the root */
    char *text;    /* absolute, for the names in it */
};

#endif
