/*
 * audit.h: what an extension does with what it was granted, and what it was refused, told to its call's services.
 *
 * Each place that asks caps.h whether something is allowed says here what the answer was. What was refused is always
 * told; what was allowed only where the isolate's options want it, and costs one comparison elsewhere. Contents and
 * secrets are never told. Thread of the isolate.
 */
#ifndef SY_KIT_AUDIT_H
#define SY_KIT_AUDIT_H

#include "kit/isolate.h"

/* What was used, as the manifest calls it. */
typedef enum sy__use {
    SY__USE_READ,
    SY__USE_WRITE,
    SY__USE_PROCESS,
    SY__USE_NET,
    SY__USE_ENV,
    SY__USE_SECRET,
    SY__USE_EDITOR,
} sy__use;

/* `what`: a program, "host:port", a name. While no call runs nothing is told. */
void sy__audit(const sy__isolate *iso, sy__use use, const char *what, bool allowed);
/* The same for a path, which is told relative to the project; `status` is what opening it gave. */
void sy__audit_path(const sy__isolate *iso, sy__access access, const char *path, int status);

#endif
