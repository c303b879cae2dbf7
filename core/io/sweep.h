/*
 * sweep.h: ending what a child left running, wherever it hid: sessions and groups of its own, adopted by init.
 *
 * A child carries a mark that all it starts inherit and none can take off: a limit on file locks, which Linux counts
 * no longer, set to a number of its own. Raising a hard limit needs a capability, lowering it a call that its filter
 * refuses. Any thread.
 */
#ifndef SY_IO_SWEEP_H
#define SY_IO_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A new mark; 0: this process carries one itself, and whoever marked it sweeps for both. */
uint64_t sy__mark_new(void);
/* Puts the mark on the calling process. Async-signal-safe. */
bool sy__mark_wear(uint64_t mark);
/*
 * Kills all processes with the mark, whose first had the id `since`, and waits until they have ended, for at most
 * `budget_ms`. How many there were; -1: some are left when the time was over. mark 0: nothing.
 */
int sy__sweep(uint64_t mark, pid_t since, int budget_ms);

#endif
