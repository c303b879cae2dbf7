/* watch_test.c: what changes below a folder is told, wherever below, and what begins with a dot is not. */
#include "io/watch.h"

#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/symphony-watch-XXXXXX";

static const char *
below(const char *name)
{
    static char path[4][256];
    static int at;
    at = (at + 1) % 4;
    (void)snprintf(path[at], sizeof path[at], "%s/%s", root, name);
    return path[at];
}

static void
put(const char *name)
{
    int fd = open(below(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1);
    (void)close(fd);
}

static bool
has(const sy__buf *paths, const char *name)
{
    for (size_t i = 0; i < paths->len; i += strlen(paths->data + i) + 1)
        if (strcmp(paths->data + i, name) == 0) return true;
    return false;
}

/* Waits until `name` is told. */
static bool
told(sy__file_watch *w, const char *name)
{
    sy__buf paths;
    sy__error err = {0};
    sy__buf_init(&paths, &sy__alloc_default);
    for (int i = 0; i < 100 && !has(&paths, name); i++) CHECK_INT(sy__file_watch_wait(w, 100, &paths, &err), 0);
    bool found = has(&paths, name);
    sy__buf_close(&paths);
    return found;
}

static void
silent(sy__file_watch *w)
{
    sy__buf paths;
    sy__error err = {0};
    sy__buf_init(&paths, &sy__alloc_default);
    CHECK_INT(sy__file_watch_wait(w, 0, &paths, &err), 0);
    CHECK_INT((int)paths.len, 0);
    sy__buf_close(&paths);
}

static void
changes_are_told(void)
{
    sy__file_watch *w = NULL;
    sy__error err = {0};
    CHECK_INT(sy__file_watch_new(&w, &sy__alloc_default, root, &err), 0);
    silent(w);
    put("a.lua");
    CHECK(told(w, "a.lua"));
    put("sub/b.lua");
    CHECK(told(w, "sub/b.lua"));
    CHECK_INT(mkdir(below("later"), 0700), 0);
    put("later/c.lua");
    CHECK(told(w, "later/c.lua"));
    put("later/d.lua");
    CHECK(told(w, "later/d.lua"));
    CHECK_INT(rename(below("a.lua"), below("later/e.lua")), 0);
    CHECK(told(w, "later/e.lua"));
    CHECK_INT(unlink(below("later/e.lua")), 0);
    CHECK(told(w, "later/e.lua"));
    put(".hidden");
    put(".git/x");
    silent(w);
    sy__file_watch_free(w);
    sy__file_watch_free(NULL);
}

static void
what_is_no_folder_is_refused(void)
{
    sy__file_watch *w = NULL;
    sy__error err = {0};
    CHECK_INT(sy__file_watch_new(&w, &sy__alloc_default, below("gone"), &err), SY_ENOTFOUND);
    CHECK(w == NULL);
}

int
main(void)
{
    char command[300];
    CHECK(mkdtemp(root) != NULL);
    CHECK(mkdir(below("sub"), 0700) == 0 && mkdir(below(".git"), 0700) == 0);
    changes_are_told();
    what_is_no_folder_is_refused();
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    TEST_END();
}
