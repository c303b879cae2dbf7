/* tar.c: dlopen with RTLD_NODELETE: libraries that libarchive brings keep state for as long as the process lives. */
#include "io/tar.h"

#include <dlfcn.h>
#include <string.h>

int
sy__tar_load(sy__tar *t, sy__error *err)
{
    t->library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!t->library) {
        int e = sy__error_set(err, SY_EIO, "packed files need libarchive, which cannot be loaded: %s", dlerror());
        sy__error_hint(err, "apt install libarchive13");
        return e;
    }
#define LOAD(name)                                                           \
    {                                                                        \
        void *at = dlsym(t->library, "archive_" #name);                      \
        if (!at) return sy__error_set(err, SY_EIO, "libarchive is too old"); \
        memcpy(&t->name, &at, sizeof at);                                    \
    }
    SY__TAR_FUNCTIONS(LOAD)
#undef LOAD
    return SY_OK;
}
