/*
 * artifact_bench.c: storing and reading back, durable: a store counts as done when its files are synced and
 * its rows are committed and synced. Beside the figures stand limits of the machine, measured in the same run.
 */
#include "pit/artifact/artifact.h"

#include "bench/bench.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static sy__log quiet;
static sy__db *db;
static sy__artifacts *store;

static void
open_store(void)
{
    sy__error err = {0};
    sy__db_options o = {.alloc = &sy__alloc_default, .clock = &sy__clock_system, .log = &quiet, .dir = folder};
    bench_need(sy__db_open(&db, &o, &err) == SY_OK, err.message);
    bench_need(sy__artifacts_open(&store, db, &sy__alloc_default, &err) == SY_OK, err.message);
}

static void
close_store(void)
{
    sy__artifacts_close(store);
    sy__db_close(db);
}

static void
random_bytes(char *to, size_t size, uint64_t seed)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(to + i, &x, 8);
    }
}

/* Text of a source file's kind: packs to a third or a quarter. */
static void
text_bytes(char *to, size_t size, uint64_t seed)
{
    static const char *const words[] = {"static ", "int ", "return ", "value", "->", "count", " = ",  "(",
                                        ");\n",    "if (", "x",       "err",   ", ", "size",  "    ", "NULL"};
    for (size_t at = 0; at < size; seed = seed * 6364136223846793005u + 1442695040888963407u) {
        const char *word = words[seed >> 60];
        size_t len = strlen(word);
        if (len > size - at) len = size - at;
        memcpy(to + at, word, len);
        at += len;
    }
}

/* Seconds to write as much into one new file and to sync it. */
static double
one_file(const char *content, size_t bytes, int count)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/limit", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_need(fd >= 0, "cannot write");
    double start = bench_seconds();
    for (int i = 0; i < count; i++) bench_need(write(fd, content, bytes) == (ssize_t)bytes, "cannot write");
    bench_need(fsync(fd) == 0, "cannot sync");
    double seconds = bench_seconds() - start;
    (void)close(fd);
    (void)unlink(path);
    return seconds;
}

/* Everything put so far is on the disk. */
static void
make_durable(void)
{
    sy__error err = {0};
    bench_need(sy__artifacts_flush(store, &err) == SY_OK, err.message);
    bench_need(sy__db_wait(db, sy__db_now(db), true, &err) == SY_OK, err.message);
}

typedef struct job {
    const char *what;
    int count, distinct;
    size_t bytes;
    void (*fill)(char *to, size_t size, uint64_t seed);
    double store_asked, read_asked; /* as bench_print takes them */
    bool rate;                      /* print MB/s, else seconds */
    bool beside;                    /* the disk is its limit: measured just before and just after */
} job;

static void
print(const job *j, const char *verb, double seconds, double asked)
{
    char what[128];
    double mb = (double)j->count * (double)j->bytes / 1e6;
    (void)snprintf(what, sizeof what, "%s: %s", j->what, verb);
    bench_print("artifact", what, j->rate ? mb / seconds : seconds, j->rate ? "MB/s" : "s", asked);
}

static double
store_all(const job *j, char *content, char (*hashes)[SY__HASH_BYTES])
{
    double seconds = 0;
    int dedup = 0;
    for (int i = 0; i < j->count; i++) {
        sy__stored stored;
        sy__error err = {0};
        j->fill(content, j->bytes, (uint64_t)(i % j->distinct) + 1); /* not part of the time */
        double start = bench_seconds();
        bench_need(sy__artifact_put(store, SY__LEVEL_FULL, content, j->bytes, &stored, &err) == SY_OK, err.message);
        seconds += bench_seconds() - start;
        memcpy(hashes[i], stored.hash, SY__HASH_BYTES);
        dedup += stored.dedup;
    }
    double start = bench_seconds();
    make_durable();
    bench_need(dedup == j->count - j->distinct, "duplicates were not found");
    return seconds + bench_seconds() - start;
}

static double
read_all(const job *j, char (*hashes)[SY__HASH_BYTES])
{
    sy__buf out;
    sy__error err = {0};
    sy__buf_init(&out, &sy__alloc_default);
    double start = bench_seconds();
    for (int i = 0; i < j->count; i++) {
        sy__buf_reset(&out);
        bench_need(sy__artifact_get(store, hashes[i], &out, &err) == SY_OK, err.message);
        bench_need(out.len == j->bytes, "a content has another size");
    }
    double seconds = bench_seconds() - start;
    sy__buf_close(&out);
    return seconds;
}

static void
run_job(const job *j)
{
    char *content = malloc(j->bytes);
    char(*hashes)[SY__HASH_BYTES] = calloc((size_t)j->count, sizeof *hashes);
    bench_need(content && hashes, "no memory");
    random_bytes(content, j->bytes, 5);
    double disk = j->beside ? one_file(content, j->bytes, j->count) : 0;
    open_store();
    double stored = store_all(j, content, hashes);
    close_store();
    disk += j->beside ? one_file(content, j->bytes, j->count) : 0;
    open_store(); /* nothing is read from what the store still held in memory */
    double read = read_all(j, hashes);
    close_store();
    if (j->beside)
        bench_print("artifact", "limit: as much in one file, synced, just before and after",
                    2 * (double)j->count * (double)j->bytes / 1e6 / disk, "MB/s", 0);
    print(j, "stored, durable", stored, j->store_asked);
    print(j, "read back, verified", read, j->read_asked);
    free(content);
    free(hashes);
}

/* ---- a content larger than memory should be ---- */

static double
memory_mib(const char *field)
{
    FILE *in = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;
    bench_need(in != NULL, "no /proc");
    while (fgets(line, sizeof line, in))
        if (strncmp(line, field, strlen(field)) == 0) kb = strtod(line + strlen(field) + 1, NULL);
    (void)fclose(in);
    return kb / 1024;
}

/* The peak of memory counts from here. */
static double
reset_peak(void)
{
    FILE *out = fopen("/proc/self/clear_refs", "w");
    bench_need(out && fputs("5", out) >= 0 && fclose(out) == 0, "the peak of memory cannot be reset");
    return memory_mib("VmRSS:");
}

enum { MB = 1000000, MEGABYTES = 2000 };

static void
write_stream(char *chunk, sy__stored *stored)
{
    sy__artifact_writer *w;
    sy__error err = {0};
    bench_need(sy__artifact_writer_open(&w, store, SY__LEVEL_FULL, &err) == SY_OK, err.message);
    for (int i = 0; i < MEGABYTES; i++) {
        memcpy(chunk, &i, sizeof i);
        bench_need(sy__artifact_write(w, chunk, MB, &err) == SY_OK, err.message);
    }
    bench_need(sy__artifact_writer_close(w, stored, &err) == SY_OK, err.message);
    make_durable();
}

static void
read_stream(char *chunk, const char *hash)
{
    sy__artifact_reader *r;
    int64_t size, n, total = 0;
    sy__error err = {0};
    bench_need(sy__artifact_reader_open(&r, store, hash, &size, &err) == SY_OK, err.message);
    while ((n = sy__artifact_read(r, chunk, MB, &err)) > 0) total += n;
    bench_need(n == 0 && total == size, err.message);
    sy__artifact_reader_close(r);
}

static void
long_stream(void)
{
    char *chunk = malloc(MB);
    sy__stored stored;
    bench_need(chunk != NULL, "no memory");
    open_store();
    random_bytes(chunk, MB, 7);
    double before = reset_peak(), start = bench_seconds();
    write_stream(chunk, &stored);
    bench_print("artifact", "one stream of 2,000 MB: stored, durable", MEGABYTES / (bench_seconds() - start), "MB/s",
                0);
    start = bench_seconds();
    read_stream(chunk, stored.hash);
    bench_print("artifact", "one stream of 2,000 MB: read back, verified", MEGABYTES / (bench_seconds() - start),
                "MB/s", 0);
    bench_print("artifact", "one stream of 2,000 MB: growth of peak memory", memory_mib("VmHWM:") - before, "MiB", -16);
    close_store();
    free(chunk);
}

/* ---- limits of the machine ---- */

static void
limits(void)
{
    enum { BYTES = 1 << 20, ROUNDS = 200 };
    char *from = malloc(BYTES), *to = malloc(BYTES), path[300];
    unsigned char digest[32];
    bench_need(from && to, "no memory");
    random_bytes(from, BYTES, 3);
    double start = bench_seconds();
    for (int i = 0; i < ROUNDS; i++) {
        from[i] = (char)i;
        (void)EVP_Digest(from, BYTES, digest, NULL, EVP_sha256(), NULL);
    }
    bench_print("artifact", "limit: SHA-256", ROUNDS * (BYTES / 1e6) / (bench_seconds() - start), "MB/s", 0);
    start = bench_seconds();
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(to, from, BYTES);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
    bench_print("artifact", "limit: memcpy of 1 MiB", ROUNDS * (BYTES / 1e6) / (bench_seconds() - start), "MB/s", 0);
    bench_print("artifact", "limit: one file of 200 MiB, written and synced",
                ROUNDS * (BYTES / 1e6) / one_file(from, BYTES, ROUNDS), "MB/s", 0);
    (void)snprintf(path, sizeof path, "%s/limit", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bench_need(fd >= 0, "cannot write");
    start = bench_seconds();
    for (int i = 0; i < ROUNDS; i++) bench_need(pwrite(fd, from, 4096, 0) == 4096 && fdatasync(fd) == 0, "cannot sync");
    bench_print("artifact", "limit: fdatasync after 4 KiB", (bench_seconds() - start) / ROUNDS * 1e3, "ms", 0);
    (void)close(fd);
    (void)unlink(path);
    free(from);
    free(to);
}

static void
remove_all(void)
{
    char command[320];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    bench_need(system(command) == 0, "cannot remove the folder");
}

int
main(void)
{
    static const job jobs[] = {
        {"10,000 x 4 KiB of text, half duplicates", 10000, 5000, 4096, text_bytes, -0.6, -0.3, false, false},
        {"10,000 x 4 KiB incompressible, half duplicates", 10000, 5000, 4096, random_bytes, -0.6, -0.3, false, false},
        {"200 x 1 MiB incompressible", 200, 200, 1 << 20, random_bytes, 400, 800, true, true},
        {"200 x 1 MiB of text", 200, 200, 1 << 20, text_bytes, 0, 0, true, false},
        {"1,000 x 64 KiB incompressible, in the database", 1000, 1000, 64 << 10, random_bytes, 0, 0, true, false},
        {"1,000 x 65 KiB incompressible, in files", 1000, 1000, 65 << 10, random_bytes, 0, 0, true, false},
    };
    const char *base = getenv("SYMPHONY_BENCH_DIR");
    (void)snprintf(folder, sizeof folder, "%s/symphony-bench-XXXXXX", base ? base : "/var/tmp");
    bench_need(mkdtemp(folder) != NULL, "cannot make a folder");
    sy__log_init(&quiet, &sy__clock_system);
    limits();
    long_stream(); /* first, as memory that the others freed would hide what it needs */
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) run_job(&jobs[i]);
    sy__log_close(&quiet);
    remove_all();
    return 0;
}
