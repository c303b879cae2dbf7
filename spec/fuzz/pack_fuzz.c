/* pack_fuzz.c: any bytes as a packed file: read to the end or refused, within its limits. Input: the file. */
#include "io/pack.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sy__pack_limits limits = {
    .entries = 16, .entry_bytes = 1 << 16, .total_bytes = 1 << 18, .ratio = 1000, .free_bytes = 1 << 16};

static void
read_file(const char *path)
{
    sy__pack_reader *r = NULL;
    const char *name = NULL;
    int64_t bytes, n, total = 0;
    int entries = 0;
    char piece[4096];
    if (sy__pack_reader_open(&r, &sy__alloc_default, path, &limits, NULL)) return;
    while (sy__pack_next(r, &name, &bytes, NULL) == 1) {
        if (!sy__pack_name(name) || bytes > limits.entry_bytes || ++entries > limits.entries) abort();
        while ((n = sy__pack_read(r, piece, sizeof piece, NULL)) > 0) total += n;
        if (n < 0) break;
    }
    if (total > limits.total_bytes + (int64_t)sizeof piece) abort();
    sy__pack_reader_close(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("pack", MFD_CLOEXEC);
    if (fd < 0) return 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) read_file(path);
    (void)close(fd);
    return 0;
}
