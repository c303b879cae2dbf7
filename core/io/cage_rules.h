/* cage_rules.h: the system calls that a child in a cage may not make: internal to core/io. Any thread. */
#ifndef SY_IO_CAGE_RULES_H
#define SY_IO_CAGE_RULES_H

#include "io/cage.h"

/* Compiles the filter. `abi`: of Landlock; what it cannot hold is refused here. SY_EINVAL: too many rules. */
int sy__cage_rules(sy__filter *f, const sy__cage_options *o, int abi);

#endif
