/* version.c: the version of the library, from the header's three numbers. */
#include "symphony.h"

#define SY__TEXT(x) #x
#define SY__VERSION(a, b, c) SY__TEXT(a) "." SY__TEXT(b) "." SY__TEXT(c)

const char *
sy_version(void)
{
    return SY__VERSION(SY_VERSION_MAJOR, SY_VERSION_MINOR, SY_VERSION_PATCH);
}
