/* embed.c: looks files up in the generated table (embed_files.c), which is sorted by path. */
#include "host/embed.h"

#include <string.h>

size_t
sy__embedded_first(const char *prefix)
{
    size_t low = 0, high = sy__embedded_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(sy__embedded_files[middle].path, prefix) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const sy__embedded *
sy__embedded_find(const char *path)
{
    size_t i = sy__embedded_first(path);
    if (i == sy__embedded_count || strcmp(sy__embedded_files[i].path, path) != 0) return NULL;
    return &sy__embedded_files[i];
}

bool
sy__embedded_source(void *ud, const char *path, const char **data, size_t *size)
{
    (void)ud;
    const sy__embedded *file = sy__embedded_find(path);
    if (!file) return false;
    *data = file->data;
    *size = file->size;
    return true;
}
