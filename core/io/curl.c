/* curl.c: where libcurl is, for loader.h. */
#include "io/curl.h"

#include "io/loader.h"

static const sy__library library = {"HTTP needs", "libcurl", "libcurl.so.4", "libcurl4", "curl_"};

int
sy__curl_load(sy__curl *c, sy__error *err)
{
#define SYMBOL(name) {#name, &c->name},
    const sy__symbol symbols[] = {SY__CURL_FUNCTIONS(SYMBOL)};
#undef SYMBOL
    int code = sy__library_load(&library, symbols, sizeof symbols / sizeof *symbols, err);
    c->loaded = code == SY_OK;
    return code;
}
