/*
 * fscage.h: the grants of an extension as rules of Landlock for its children.
 *
 * Landlock allows what lies below a folder and takes nothing away again, so a grant is taken apart into the folders and
 * files that it covers now: never more than granted, sometimes less. What appears later beside them is not covered.
 */
#ifndef SY_KIT_FSCAGE_H
#define SY_KIT_FSCAGE_H

#include "io/cage.h"
#include "kit/fsguard.h"

/* Allows in `cage` what `g` grants. Makes a granted folder "…/NAME/" + "**" to write in that does not exist. Any
 * thread. */
void sy__fscage_fill(const sy__fsguard *g, sy__cage *cage);

#endif
