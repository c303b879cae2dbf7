/* tar.c: where libarchive is, for loader.h. */
#include "io/tar.h"

#include "io/loader.h"

static const sy__library library = {"packed files need", "libarchive", "libarchive.so.13", "libarchive13", "archive_"};

int
sy__tar_load(sy__tar *t, sy__error *err)
{
#define SYMBOL(name) {#name, &t->name},
    const sy__symbol symbols[] = {SY__TAR_FUNCTIONS(SYMBOL)};
#undef SYMBOL
    return sy__library_load(&library, symbols, sizeof symbols / sizeof *symbols, err);
}
