/* toml.h: TOML 1.0 as values. The parser is toml++; no exception leaves this file. Any thread. */
#ifndef SY_IO_TOML_H
#define SY_IO_TOML_H

#ifdef __cplusplus
extern "C" {
#endif

#include "base/error.h"
#include "base/value.h"

enum { SY__TOML_MAX_BYTES = 1 << 20, SY__TOML_MAX_DOTS = 16 /* in one key */ };

/*
 * Appends the document, a map, to `value`, and to `lines` (NULL: not wanted) a map from the path of each key to
 * the line it stands on: {"capabilities.fs.read": 12, "contributes.on[1].glob": 30}. Items count from 1. Dates and
 * times become strings as written in ISO 8601. SY_EMANIFEST with err->line and the column in the message;
 * SY_ENOMEM.
 */
int sy__toml_parse(const char *text, size_t len, sy__vbuf *value, sy__vbuf *lines, sy__error *err);

#ifdef __cplusplus
}
#endif
#endif
