/* fuzz_main.c: runs a fuzz target over files and over the files of folders, in place of libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ran;

static int
run_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    struct stat st;
    if (!in || fstat(fileno(in), &st) != 0) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        if (in) (void)fclose(in);
        return 1;
    }
    /* Exactly as much memory as there is input, so that a sanitizer sees one byte too far. */
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    int failed = !data || fread(data, 1, size, in) != size;
    if (!failed) (void)LLVMFuzzerTestOneInput(data, size);
    ran += !failed;
    free(data);
    (void)fclose(in);
    return failed;
}

static int
run_path(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int failed = 0;
    if (!dir) return run_file(path);
    while ((entry = readdir(dir))) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        failed |= run_file(name);
    }
    (void)closedir(dir);
    return failed;
}

int
main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= run_path(argv[i]);
    (void)printf("%d inputs\n", ran);
    return failed || ran == 0;
}
