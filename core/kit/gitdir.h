/* gitdir.h: the repository that a project belongs to, where its folder does not hold it: a worktree of a repository
 * elsewhere, a submodule, a folder within a larger repository. Any thread. */
#ifndef SY_KIT_GITDIR_H
#define SY_KIT_GITDIR_H

#include "io/cage.h"
#include "kit/fsguard.h"

/* Allows a granted git to read that repository's own files, and nothing else of the folders around. Only for an
 * extension that may read all of the project. */
void sy__gitdir_allow(const sy__fsguard *g, sy__cage *cage);

#endif
