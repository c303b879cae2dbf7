/* folder.c: the entries of a folder as records of a kind, a name and a NUL. */
#include "kit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char
sy__folder_kind(mode_t mode)
{
    return S_ISREG(mode) ? 'f' : S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : 'o';
}

static char
kind_of(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    switch (entry->d_type) {
    case DT_REG: return 'f';
    case DT_DIR: return 'd';
    case DT_LNK: return 'l';
    case DT_UNKNOWN: break;
    default: return 'o';
    }
    return fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? sy__folder_kind(st.st_mode) : 'o';
}

int
sy__folder_read(int fd, sy__buf *to, sy__error *err)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int why = errno;
        (void)close(fd);
        return sy__error_errno(err, why, "cannot list a folder");
    }
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        sy__buf_addc(to, kind_of(dir, entry));
        sy__buf_add(to, name, strlen(name) + 1);
        errno = 0;
    }
    int why = errno;
    (void)closedir(dir);
    if (why) return sy__error_errno(err, why, "cannot list a folder");
    return to->failed ? sy__error_set(err, SY_ENOMEM, "no memory to list a folder") : SY_OK;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1);
}

int
sy__folder_sorted(const sy__buf *records, const sy__alloc *a, void (*each)(void *ud, const char *record), void *ud)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < records->len; i++) count += records->data[i] == '\0';
    const char **at = sy__malloc(a, (count + 1) * sizeof *at);
    if (!at) return SY_ENOMEM;
    for (const char *p = records->data; n < count; p += strlen(p) + 1) at[n++] = p;
    qsort(at, count, sizeof *at, by_name);
    for (size_t i = 0; i < count; i++) each(ud, at[i]);
    sy__free(a, at);
    return SY_OK;
}
