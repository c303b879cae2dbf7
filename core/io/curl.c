/* curl.c: dlopen with RTLD_NODELETE: libraries that libcurl brings keep state for as long as the process lives. */
#include "io/curl.h"

#include <dlfcn.h>
#include <string.h>

int
sy__curl_load(sy__curl *c, sy__error *err)
{
    c->library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!c->library) {
        int e = sy__error_set(err, SY_EIO, "HTTP needs libcurl, which cannot be loaded: %s", dlerror());
        sy__error_hint(err, "apt install libcurl4");
        return e;
    }
#define LOAD(name)                                                        \
    {                                                                     \
        void *at = dlsym(c->library, "curl_" #name);                      \
        if (!at) return sy__error_set(err, SY_EIO, "libcurl is too old"); \
        memcpy(&c->name, &at, sizeof at);                                 \
    }
    SY__CURL_FUNCTIONS(LOAD)
#undef LOAD
    return SY_OK;
}
