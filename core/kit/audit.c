/* audit.c: uses of capabilities on their way to the services of the running call. */
#include "kit/audit.h"

#include "kit/beneath.h"

static const char *const names[] = {"fs.read", "fs.write", "process", "net", "env", "secrets", "editor"};

/* The call that is told; NULL: none is. */
static const sy__call *
listener(const sy__isolate *iso, bool allowed)
{
    if (allowed && !sy__isolate_options_of(iso)->audit) return NULL;
    const sy__call *call = sy__isolate_call_now(iso);
    return call && call->services && call->services->audit ? call : NULL;
}

void
sy__audit(const sy__isolate *iso, sy__use use, const char *what, bool allowed)
{
    const sy__call *call = listener(iso, allowed);
    if (call) call->services->audit(call->ud, names[use], what, allowed);
}

void
sy__audit_path(const sy__isolate *iso, sy__access access, const char *path, int status)
{
    bool allowed = status != SY_EPERM;
    const sy__call *call = listener(iso, allowed);
    if (!call) return;
    const char *project = sy__caps_project_dir(sy__isolate_caps(iso));
    const char *use = names[access == SY__WRITE ? SY__USE_WRITE : SY__USE_READ];
    sy__buf whole;
    sy__buf_init(&whole, sy__isolate_options_of(iso)->alloc);
    bool normal = sy__path_normal(&whole, *project ? project : NULL, path);
    const char *text = normal ? sy__buf_cstr(&whole) : NULL;
    const char *below = text && *project ? sy__path_below(project, text) : NULL;
    if (below) text = *below ? below : ".";
    call->services->audit(call->ud, use, text ? text : path, allowed);
    sy__buf_close(&whole);
}
