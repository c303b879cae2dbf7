/*
 * keyring.h: the desktop's keyring, over the Secret Service of freedesktop.org, when one runs and is open.
 *
 * Nothing is linked for it and nothing is started: without a session bus, or with a keyring that is locked, there is
 * none. Items are told apart by the folder of the person's secrets and the name. Values go over the session bus of
 * this user unencrypted, as that bus is nobody else's. Every function ends within 2 s. Any thread.
 */
#ifndef SY_IO_KEYRING_H
#define SY_IO_KEYRING_H

#include "io/secret.h"

/* SY_OK: values can be kept. SY_ENOTFOUND: there is none; SY_EPERM: it is locked; SY_ETIMEOUT, SY_EIO. */
int sy__keyring_check(sy__error *err);
/* These fail as that does; SY_ENOTFOUND also: there is no such item. */
int sy__keyring_put(const char *dir, const sy__secret *s, sy__error *err);
int sy__keyring_get(const char *dir, const char *name, sy__secret **out, sy__error *err);
int sy__keyring_remove(const char *dir, const char *name, sy__error *err);

#endif
