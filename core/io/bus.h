/*
 * bus.h: a little of D-Bus, for the keyring: calls on the session bus of this user, one at a time.
 *
 * Everything that waits ends at the deadline. What is sent and what comes lie in memory as a secret's (secret.h).
 * Messages are little-endian and short. A failed write or read of a value makes all later ones nothing, so a caller
 * checks once. One thread.
 */
#ifndef SY_IO_BUS_H
#define SY_IO_BUS_H

#include "base/error.h"

typedef struct sy__bus sy__bus;

/* Connects and says hello. SY_ENOTFOUND: there is no bus; SY_ETIMEOUT, SY_EIO, SY_EPERM (not this user's), SY_ENOMEM.
 * `deadline_ms` is monotonic. */
int sy__bus_open(sy__bus **out, const sy__alloc *a, int64_t deadline_ms, sy__error *err);
/* NULL is legal. */
void sy__bus_close(sy__bus *b);

/* The arguments of the next call, in order. An array is ended with what beginning it gave; the elements of one of
 * structs or of pairs begin with sy__bus_put_struct. */
void sy__bus_put_u32(sy__bus *b, uint32_t n);
void sy__bus_put_text(sy__bus *b, const char *text);      /* a string or an object path */
void sy__bus_put_signature(sy__bus *b, const char *text); /* also before the value of a variant */
void sy__bus_put_bytes(sy__bus *b, const char *bytes, size_t len);
void sy__bus_put_bool(sy__bus *b, bool on);
void sy__bus_put_struct(sy__bus *b);
size_t sy__bus_put_array(sy__bus *b, bool of_structs);
void sy__bus_end_array(sy__bus *b, size_t begun, bool of_structs);

typedef struct sy__bus_target {
    const char *name, *path, *interface, *member;
} sy__bus_target;

/* Calls with what was put, whose types `signature` names ("" for none); the answer is there to be read. A failure that
 * the other side names is SY_ENOTFOUND when nobody is there, else SY_EIO. Nobody is started for it. */
int sy__bus_call(sy__bus *b, const sy__bus_target *to, const char *signature, sy__error *err);

/* The parts of the answer, in order; 0 and "" after a failure. Texts are borrowed until the next call. */
uint32_t sy__bus_get_u32(sy__bus *b);
const char *sy__bus_get_text(sy__bus *b);
const char *sy__bus_get_signature(sy__bus *b);
const char *sy__bus_get_bytes(sy__bus *b, size_t *len);
void sy__bus_get_struct(sy__bus *b);
/* Where the array that begins here ends, for sy__bus_more. */
size_t sy__bus_get_array(sy__bus *b);
bool sy__bus_more(const sy__bus *b, size_t end);
/* Whether all of it could be read. */
bool sy__bus_ok(const sy__bus *b);

#endif
