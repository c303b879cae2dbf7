/*
 * embed.c: writes files as C string literals, at build time.
 *
 *     embed OUTPUT ROOT LIST          a table of files, sorted by path, for core/host/embed.h
 *     embed --rows OUTPUT ROOT LIST   {"path", "bytes", size}, rows for an initialiser, nothing else
 *
 * LIST names one file a line, relative to ROOT. Runs on the building machine only and uses libc alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 10000, MAX_PATH = 4096, LINE_BYTES = 100 };

static void
die(const char *what, const char *which)
{
    (void)fprintf(stderr, "embed: %s: %s\n", what, which);
    exit(1);
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One byte, so that no escape can run into the byte behind it and no trigraph appears. */
static int
put_byte(FILE *out, int c)
{
    switch (c) {
    case '\n': return fprintf(out, "\\n");
    case '"': return fprintf(out, "\\\"");
    case '\\': return fprintf(out, "\\\\");
    case '?': return fprintf(out, "\\?");
    default: break;
    }
    if (c >= 32 && c < 127) return fprintf(out, "%c", c);
    return fprintf(out, "\\%03o", (unsigned)c);
}

/* The content as string literals of about one source line each; returns its size. */
static size_t
put_content(FILE *out, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in) die("cannot read", path);
    size_t size = 0;
    int column = 0, c;
    (void)fprintf(out, "\n     \"");
    while ((c = getc(in)) != EOF) {
        if (column > LINE_BYTES) {
            (void)fprintf(out, "\"\n     \"");
            column = 0;
        }
        column += put_byte(out, c);
        if (c == '\n') column = LINE_BYTES + 1;
        size++;
    }
    (void)fprintf(out, "\"");
    if (ferror(in)) die("cannot read", path);
    (void)fclose(in);
    return size;
}

static size_t
read_list(const char *path, char **files)
{
    FILE *in = fopen(path, "r");
    if (!in) die("cannot read", path);
    char line[MAX_PATH];
    size_t count = 0;
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (!line[0]) continue;
        if (count == MAX_FILES || !(files[count++] = strdup(line))) die("too many files", path);
    }
    (void)fclose(in);
    qsort(files, count, sizeof *files, by_path);
    return count;
}

static void
put_rows(FILE *out, const char *root, char **files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[2 * MAX_PATH];
        (void)snprintf(path, sizeof path, "%s/%s", root, files[i]);
        (void)fprintf(out, "    {\"%s\",", files[i]);
        size_t size = put_content(out, path);
        (void)fprintf(out, ", %zu},\n", size);
    }
}

int
main(int argc, char **argv)
{
    int rows = argc == 5 && strcmp(argv[1], "--rows") == 0;
    if (argc != 4 + rows) die("usage", "embed [--rows] OUTPUT ROOT LIST");
    const char *output = argv[1 + rows], *root = argv[2 + rows];
    char **files = calloc(MAX_FILES, sizeof *files);
    if (!files) die("no memory", output);
    size_t count = read_list(argv[3 + rows], files);
    FILE *out = fopen(output, "w");
    if (!out) die("cannot write", output);
    if (!rows) (void)fprintf(out, "#include \"host/embed.h\"\n\nconst sy__embedded sy__embedded_files[] = {\n");
    put_rows(out, root, files, count);
    /* An empty row ends the table, so that it is never empty. */
    if (!rows) (void)fprintf(out, "    {0, 0, 0},\n};\nconst size_t sy__embedded_count = %zu;\n", count);
    if (fclose(out) != 0) die("cannot write", output);
    for (size_t i = 0; i < count; i++) free(files[i]);
    free(files);
    return 0;
}
