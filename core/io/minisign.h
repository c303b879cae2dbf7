/*
 * minisign.h: keys and detached signatures in the format of minisign: ed25519 over the BLAKE2b-512 of a file, and over
 * the signature with its trusted comment.
 *
 * Files are texts that the caller read and writes. Secret keys may be encrypted with a password (scrypt); what was
 * decrypted is wiped before a function returns. Any thread; sizes are in bytes.
 */
#ifndef SY_IO_MINISIGN_H
#define SY_IO_MINISIGN_H

#include "base/buf.h"
#include "base/error.h"

enum { SY__MINISIGN_ID_BYTES = 17, SY__MINISIGN_COMMENT_BYTES = 1024 };

/* Makes a key pair and appends its two files. `password` NULL: the secret key is not encrypted. SY_ENOMEM. */
int sy__minisign_keypair(const char *password, sy__buf *public_file, sy__buf *secret_file, sy__error *err);
/* Whether a secret key needs a password. SY_EFILE: it is no secret key. */
int sy__minisign_encrypted(const char *secret_file, bool *encrypted, sy__error *err);
/*
 * Signs what is read from `fd` to its end and appends the signature's file. `comment` is signed as well, one line.
 * SY_EFILE, SY_EPERM (wrong password), SY_EUSAGE (comment), SY_ENOMEM, SY_EIO.
 */
int sy__minisign_sign(const char *secret_file, const char *password, int fd, const char *comment, sy__buf *out,
                      sy__error *err);
/*
 * Checks the signature of what is read from `fd` and appends its trusted comment. SY_EFILE: a file is none of
 * minisign's; SY_ETRUST: another key, or not the signature of this.
 */
int sy__minisign_verify(const char *public_file, const char *signature_file, int fd, sy__buf *comment, sy__error *err);
/* The id of a public key or of a signature's key, 16 hex digits as minisign shows them. SY_EFILE. */
int sy__minisign_id(const char *file, char id[SY__MINISIGN_ID_BYTES], sy__error *err);

#endif
