/* which.c: the search along PATH; relative folders in it are skipped, so a project cannot slip a program in. */
#include "io/which.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Program and package, where the names are not obvious or the program is one that extensions use. */
static const char *const packages[][2] = {
    {"bash", "bash"},
    {"busted", "lua-busted"},
    {"cargo", "cargo"},
    {"chromium", "chromium"},
    {"clang", "clang"},
    {"clang-format", "clang-format"},
    {"clang-tidy", "clang-tidy"},
    {"cmake", "cmake"},
    {"convert", "imagemagick"},
    {"cppcheck", "cppcheck"},
    {"ctags", "universal-ctags"},
    {"curl", "curl"},
    {"docker", "docker.io"},
    {"dot", "graphviz"},
    {"eslint", "eslint"},
    {"fdfind", "fd-find"},
    {"ffmpeg", "ffmpeg"},
    {"flake8", "flake8"},
    {"gcc", "gcc"},
    {"gdb", "gdb"},
    {"gh", "gh"},
    {"git", "git"},
    {"go", "golang-go"},
    {"jq", "jq"},
    {"lua5.4", "lua5.4"},
    {"luacheck", "lua-check"},
    {"luajit", "luajit"},
    {"make", "make"},
    {"minisign", "minisign"},
    {"mypy", "mypy"},
    {"ninja", "ninja-build"},
    {"node", "nodejs"},
    {"npm", "npm"},
    {"nvim", "neovim"},
    {"pandoc", "pandoc"},
    {"pdftotext", "poppler-utils"},
    {"perl", "perl"},
    {"php", "php-cli"},
    {"pocketsphinx_continuous", "pocketsphinx"},
    {"pyflakes3", "pyflakes3"},
    {"python3", "python3"},
    {"rg", "ripgrep"},
    {"ruby", "ruby"},
    {"shellcheck", "shellcheck"},
    {"sqlite3", "sqlite3"},
    {"tar", "tar"},
    {"tesseract", "tesseract-ocr"},
    {"unzip", "unzip"},
    {"valgrind", "valgrind"},
    {"xmllint", "libxml2-utils"},
    {"yamllint", "yamllint"},
    {"zip", "zip"},
    {"zstd", "zstd"},
};

const char *
sy__which_package(const char *name)
{
    const char *slash = strrchr(name, '/');
    if (slash) name = slash + 1;
    for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
        if (strcmp(packages[i][0], name) == 0) return packages[i][1];
    return NULL;
}

static int
usable(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) return errno == EACCES ? EACCES : ENOENT;
    if (!S_ISREG(st.st_mode)) return EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : EACCES;
}

/* One folder of the path, up to a colon or the end. */
static int
try_folder(const char *folder, size_t len, const char *name, char out[SY__PATH_BYTES])
{
    if (len == 0 || folder[0] != '/') return ENOENT;
    int n = snprintf(out, SY__PATH_BYTES, "%.*s/%s", (int)len, folder, name);
    return n < 0 || n >= SY__PATH_BYTES ? ENAMETOOLONG : usable(out);
}

int
sy__which(const char *name, const char *path, char out[SY__PATH_BYTES])
{
    int found = ENOENT;
    if (!*name) return ENOENT;
    if (strchr(name, '/')) {
        int n = snprintf(out, SY__PATH_BYTES, "%s", name);
        return n < 0 || n >= SY__PATH_BYTES ? ENAMETOOLONG : 0; /* relative to the child's folder: exec decides */
    }
    if (!path) path = getenv("PATH");
    if (!path || !*path) path = default_path;
    for (const char *end; *path; path = *end ? end + 1 : end) {
        end = strchrnul(path, ':');
        int e = try_folder(path, (size_t)(end - path), name, out);
        if (e == 0) return 0;
        if (e == EACCES) found = EACCES;
    }
    return found;
}

int
sy__which_error(const char *name, int errnum, sy__error *err)
{
    if (errnum == ENOENT) {
        const char *package = sy__which_package(name);
        (void)sy__error_set(err, SY_ENOTFOUND, "there is no program %s", name);
        if (package) sy__error_hint(err, "sudo apt-get install %s", package);
        return SY_ENOTFOUND;
    }
    if (errnum == EACCES)
        return sy__error_set(err, SY_EPROCESS, "cannot start %s: it is not executable for this user", name);
    sy__error why = {0};
    (void)sy__error_errno(&why, errnum, "cannot start %s", name);
    return sy__error_set(err, SY_EPROCESS, "%s", why.message);
}
