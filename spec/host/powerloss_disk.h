/*
 * powerloss_disk.h: what a disk may hold after the power went, made from a record of what was done to it.
 *
 * While a record is open, every write, sync, rename … below one folder is noted in order; the real folder is not
 * disturbed, and nothing is really synced. Afterwards an image can be made for any moment: what was synced before it
 * is there; each sector written since is there or not; each name made or removed since is there or not.
 *
 *     record ──► operations 0 … n ──► image(moment, seed) ──► a folder to open as if after the power loss
 *
 * The record hears of operations from powerloss_layer.c. Any thread may note; making an image is one thread's.
 */
#ifndef SY_SPEC_POWERLOSS_DISK_H
#define SY_SPEC_POWERLOSS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct disk disk;

/* A record of the folder `root` (an absolute path without links), whose present content counts as synced. */
disk *disk_new(const char *root);
void disk_free(disk *d);
/* Operations noted so far: what is acknowledged now must be in every image of this moment or a later one. */
size_t disk_now(disk *d);
/* A disk that acknowledges a sync and does not do it: the checks must find that out. */
void disk_lie(disk *d);
/* Fills the empty folder `to` with what may be there at `moment`. The same seed gives the same image. */
void disk_image(disk *d, size_t moment, uint64_t seed, const char *to);
/* A moment at random, more often just before or after a sync or a new name. */
size_t disk_moment(disk *d, uint64_t *random);
uint64_t disk_random(uint64_t *state);

/* ---- notes; paths are absolute, those outside `root` are ignored ---- */

void disk_made(disk *d, const char *path, bool folder);
void disk_wrote(disk *d, const char *path, uint64_t at, const void *bytes, size_t size);
void disk_cut_to(disk *d, const char *path, uint64_t size);
/* Everything noted before `begun` (disk_now when the sync began) is on the disk now. */
void disk_synced(disk *d, const char *path, bool folder, size_t begun);
void disk_renamed(disk *d, const char *from, const char *to);
void disk_removed(disk *d, const char *path);

/* ---- powerloss_layer.c: from now on `d` hears of what this process does; NULL: nobody does ---- */

void layer_tell(disk *d);

#endif
