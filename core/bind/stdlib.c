/* stdlib.c: what is pure exists everywhere; what touches the world, in extensions only. */
#include "bind/stdlib.h"

#include "bind/flow_run.h"
#include "bind/http.h"
#include "bind/process.h"

enum {
    EXTENSION = 1u << SY__PROFILE_EXTENSION,
    PURE = EXTENSION | 1u << SY__PROFILE_MELODY | 1u << SY__PROFILE_EXPR,
};

const sy__isolate_module sy__stdlib_modules[] = {
    {"fs", sy__open_fs, EXTENSION | SY__HOSTED},
    {"flow_run", sy__open_flow_run, 1u << SY__PROFILE_MELODY},
    {"hash", sy__open_hash, PURE},
    {"http", sy__open_http, EXTENSION | SY__HOSTED},
    {"json", sy__open_json, PURE},
    {"log", sy__open_log, EXTENSION},
    {"process", sy__open_process, EXTENSION | SY__HOSTED},
    {"re", sy__open_re, PURE},
    {"schema", sy__open_schema, PURE},
    {"text", sy__open_text, PURE},
    {"time", sy__open_time, EXTENSION | SY__HOSTED},
    {"toml", sy__open_toml, PURE},
    {NULL, NULL, 0},
};
