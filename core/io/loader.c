/* loader.c: dlopen with RTLD_NODELETE. */
#include "io/loader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int
sy__library_load(const sy__library *l, const sy__symbol *symbols, size_t count, sy__error *err)
{
    char name[64];
    void *library = dlopen(l->file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        (void)sy__error_set(err, SY_EIO, "%s %s, which cannot be loaded: %s", l->what, l->name, dlerror());
        sy__error_hint(err, "apt install %s", l->package);
        return SY_EIO;
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "%s%s", l->prefix, symbols[i].name);
        void *at = dlsym(library, name);
        if (!at) return sy__error_set(err, SY_EIO, "%s is too old", l->name);
        memcpy(symbols[i].to, &at, sizeof at);
    }
    return SY_OK;
}
