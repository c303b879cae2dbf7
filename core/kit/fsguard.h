/*
 * fsguard.h: which files an extension may open, and opening them.
 *
 * A grant is a glob below a root: the project, or the folder that an absolute grant starts with. `.symphony`
 * is closed to every grant, and `.git`, a Symphony.toml, and the project's `melodies` and `extensions` are
 * closed to writing, unless the grant itself has that name in it.
 *
 * Filled by one thread, then immutable: any thread may open.
 */
#ifndef SY_KIT_FSGUARD_H
#define SY_KIT_FSGUARD_H

#include "base/error.h"
#include "kit/caps.h"

typedef struct sy__root sy__root;
typedef struct sy__grant sy__grant;

typedef struct sy__fsguard {
    const sy__alloc *alloc;
    char *project; /* normal absolute path; NULL: none */
    sy__root *roots;
    size_t root_count;
    sy__grant *grants;
    size_t grant_count;
} sy__fsguard;

/* project_dir NULL: relative paths and $PROJECT are refused. */
int sy__fsguard_init(sy__fsguard *g, const sy__alloc *a, const char *project_dir, sy__error *err);
void sy__fsguard_close(sy__fsguard *g);
/* Adds "$PROJECT/…", "$HOME/…", "$CACHE/…", "$TMP/…", "/…" or a path relative to the project. SY_EMANIFEST. */
int sy__fsguard_grant(sy__fsguard *g, sy__access access, const char *text, sy__error *err);
/* As sy__caps_open and sy__caps_open_parent. */
int sy__fsguard_open(const sy__fsguard *g, sy__access access, const char *path, int flags, int mode, sy__error *err);
int sy__fsguard_open_parent(const sy__fsguard *g, sy__access access, const char *path, const char **name,
                            sy__error *err);
/* Whether there is any grant of this kind. */
bool sy__fsguard_has(const sy__fsguard *g, sy__access access);
/* Whether the path as text is granted; says nothing about links. */
bool sy__fsguard_allows(const sy__fsguard *g, sy__access access, const char *path);

#endif
