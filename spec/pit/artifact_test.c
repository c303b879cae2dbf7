/* artifact_test.c: contents by hash: stored once, verified, durable in order, readable from everywhere. */
#include "pit/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { LARGE = 300000 };

static void
says_the_hash(void)
{
    char hash[SY__HASH_BYTES];
    sy__hash_of("", 0, hash);
    CHECK_STR(hash, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sy__hash_of("abc", 3, hash);
    CHECK_STR(hash, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* Sizes around every limit, packable and not; read at once, after the commit, and by a host opened later. */
static void
gives_back_what_was_put(void)
{
    static const size_t sizes[] = {0, 1, 63, 64, 4096, 65535, 65536, 65537, 262144, 262145, 1 << 20};
    enum { N = sizeof sizes / sizeof *sizes };
    static char bytes[2 * N][1 << 20];
    sy__stored stored[2 * N];
    store s;
    store_init(&s);
    for (int i = 0; i < 2 * N; i++) {
        size_t size = sizes[i / 2];
        if (i % 2)
            store_random(bytes[i], size, (uint64_t)i);
        else
            memset(bytes[i], 'a' + i, size);
        stored[i] = store_put(&s, bytes[i], size);
        CHECK_INT(stored[i].size, size);
        if (i % 2) CHECK_INT(stored[i].stored_size, size);
        if (i % 2 == 0 && size >= 4096) CHECK(stored[i].stored_size < (int64_t)size / 8);
        CHECK_INT(stored[i].dedup, i == 1); /* nothing twice but the empty content */
        CHECK_INT(store_has(&s, stored[i].hash, bytes[i], size), SY_OK);
    }
    store_settle(&s);
    for (int i = 0; i < 2 * N; i++) CHECK_INT(store_has(&s, stored[i].hash, bytes[i], sizes[i / 2]), SY_OK);
    store_close(&s);
    store_open(&s);
    for (int i = 0; i < 2 * N; i++) {
        CHECK_INT(store_has(&s, stored[i].hash, bytes[i], sizes[i / 2]), SY_OK);
        CHECK_INT(sy__artifact_verify(s.artifacts, stored[i].hash, NULL), SY_OK);
    }
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM blob WHERE content IS NULL"), 8);
    store_close(&s);
    store_remove(&s);
}

static void
refuses_unknown_hashes(void)
{
    static const char *const bad[] = {"",
                                      "sha256:",
                                      "abc",
                                      "sha256:../../../../etc/passwd",
                                      "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
                                      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550"};
    store s;
    store_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(store_has(&s, bad[i], "", 0), SY_ENOTFOUND);
        CHECK_INT(sy__artifact_verify(s.artifacts, bad[i], NULL), SY_ENOTFOUND);
    }
    char hash[SY__HASH_BYTES];
    sy__hash_of("never put", 9, hash);
    sy__error err = {0};
    sy__buf out;
    sy__buf_init(&out, &sy__alloc_default);
    CHECK_INT(sy__artifact_get(s.artifacts, hash, &out, &err), SY_ENOTFOUND);
    CHECK(strstr(err.message, hash) != NULL);
    CHECK_INT(sy__artifact_get(s.artifacts, NULL, &out, &err), SY_ENOTFOUND);
    sy__buf_close(&out);
    store_close(&s);
    store_remove(&s);
}

static void
stores_equal_bytes_once(void)
{
    static char large[LARGE];
    store a, b;
    store_init(&a);
    store_random(large, sizeof large, 5);
    sy__stored one = store_put(&a, "the same", 8), two = store_put(&a, "the same", 8);
    CHECK(!one.dedup && two.dedup);
    CHECK_STR(one.hash, two.hash);
    one = store_put(&a, large, sizeof large);
    two = store_put(&a, large, sizeof large); /* before any flush */
    CHECK(!one.dedup && two.dedup);
    CHECK_INT(two.stored_size, sizeof large);
    store_settle(&a);
    CHECK(store_put(&a, "the same", 8).dedup);
    CHECK(store_put(&a, large, sizeof large).dedup);
    b = a; /* another host on the same folder */
    store_open(&b);
    CHECK(store_put(&b, "the same", 8).dedup);
    CHECK(store_put(&b, large, sizeof large).dedup);
    CHECK_INT(store_sql_int(&a, "SELECT count(*) FROM blob"), 2);
    store_close(&b);
    store_close(&a);
    store_remove(&a);
}

/* A put of something that was last used long ago says so, for gc. */
static void
touches_what_is_used_again(void)
{
    static char large[LARGE];
    store s;
    store_init(&s);
    store_random(large, sizeof large, 6);
    sy__stored small = store_put(&s, "again", 5), big = store_put(&s, large, sizeof large);
    store_settle(&s);
    (void)store_sql_int(&s, "UPDATE blob SET last_used_at = '2020-01-01T00:00:00.000Z'");
    atomic_store(&s.ahead_ms, 5 * HOUR);
    CHECK(store_put(&s, "again", 5).dedup);
    CHECK(store_put(&s, large, sizeof large).dedup);
    store_settle(&s);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM blob WHERE last_used_at > '2021'"), 2);
    char path[400];
    struct stat st;
    store_path(&s, big.hash, "", path);
    CHECK_INT(stat(path, &st), 0);
    CHECK((int64_t)st.st_mtime > sy__wall_ms(&sy__clock_system) / 1000 + 4 * 3600);
    CHECK_INT(store_has(&s, small.hash, "again", 5), SY_OK);
    store_close(&s);
    store_remove(&s);
}

/* ---- damage ---- */

static void
flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char c = 0;
    CHECK(fd >= 0);
    CHECK(pread(fd, &c, 1, at) == 1);
    c = (char)(c ^ 1);
    CHECK(pwrite(fd, &c, 1, at) == 1);
    (void)close(fd);
}

typedef struct told {
    int count;
    char context[256];
} told;

static void
tell(void *ud, const sy__pit_record *r)
{
    told *t = ud;
    t->count++;
    (void)snprintf(t->context, sizeof t->context, "%s %s", r->operation_type, r->context);
}

static void
is_damaged(store *s, const char *hash)
{
    sy__buf out;
    sy__error err = {0};
    sy__buf_init(&out, &sy__alloc_default);
    CHECK_INT(sy__artifact_get(s->artifacts, hash, &out, &err), SY_EDAMAGED);
    CHECK(strstr(err.message, hash) != NULL);
    CHECK(err.hint[0] != '\0');
    CHECK_INT(out.len, 0);
    CHECK_INT(sy__artifact_verify(s->artifacts, hash, NULL), SY_EDAMAGED);
    sy__buf_close(&out);
}

/* Each damage is found by reading, told to the engine, and repaired by storing the content again. */
static void
finds_damage_and_repairs_it(void)
{
    static char noise[LARGE], text[LARGE];
    char path[400];
    told t = {0};
    store s;
    store_init(&s);
    sy__artifacts_set_record(s.artifacts, tell, &t);
    store_random(noise, sizeof noise, 8);
    for (size_t i = 0; i < sizeof text; i++) text[i] = "abcdefgh"[i * i % 7];
    sy__stored raw = store_put(&s, noise, sizeof noise), packed = store_put(&s, text, sizeof text);
    sy__stored small = store_put(&s, "small content", 13), small_packed = store_put(&s, text, 10000);
    store_settle(&s);

    store_path(&s, raw.hash, "", path);
    flip(path, 1000);
    is_damaged(&s, raw.hash);
    CHECK(strstr(t.context, "artifact_storage {\"action\":\"verify_failed\"") != NULL);
    CHECK(strstr(t.context, raw.hash) != NULL);
    CHECK_INT(truncate(path, 1000), 0);
    is_damaged(&s, raw.hash);
    CHECK(!store_put(&s, noise, sizeof noise).dedup); /* the length tells */
    store_settle(&s);
    CHECK_INT(store_has(&s, raw.hash, noise, sizeof noise), SY_OK);
    CHECK_INT(unlink(path), 0);
    is_damaged(&s, raw.hash);
    CHECK(!store_put(&s, noise, sizeof noise).dedup);
    store_settle(&s);
    CHECK_INT(store_has(&s, raw.hash, noise, sizeof noise), SY_OK);

    store_path(&s, packed.hash, ".zst", path);
    flip(path, packed.stored_size / 2);
    is_damaged(&s, packed.hash);
    CHECK_INT(truncate(path, packed.stored_size / 2), 0);
    is_damaged(&s, packed.hash);

    CHECK_INT(
        store_sql_int(&s, "UPDATE blob SET content = x'00112233445566778899aabbcc' WHERE hash = '%s'", small.hash), 0);
    is_damaged(&s, small.hash);
    CHECK(!store_put(&s, "small content", 13).dedup);
    CHECK_INT(store_has(&s, small.hash, "small content", 13), SY_OK);
    store_settle(&s);
    CHECK_INT(store_has(&s, small.hash, "small content", 13), SY_OK);
    CHECK_INT(
        store_sql_int(&s, "UPDATE blob SET content = substr(content, 1, 20) WHERE hash = '%s'", small_packed.hash), 0);
    is_damaged(&s, small_packed.hash);
    CHECK(!store_put(&s, text, 10000).dedup);
    store_settle(&s);
    CHECK_INT(store_has(&s, small_packed.hash, text, 10000), SY_OK);
    CHECK(t.count >= 8);
    store_close(&s);
    store_remove(&s);
}

/* ---- order of durability ---- */

static int
files_in_tmp(store *s)
{
    char path[300];
    int n = 0;
    (void)snprintf(path, sizeof path, "%s/artifacts/tmp", s->dir);
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (const struct dirent *e; dir && (e = readdir(dir));) n += e->d_name[0] != '.';
    if (dir) (void)closedir(dir);
    return n;
}

/* A row of a large content appears only after the flush, when the file has its name. */
static void
rows_come_after_files(void)
{
    static char large[LARGE];
    char path[400];
    store s;
    store_init(&s);
    store_random(large, sizeof large, 9);
    sy__stored big = store_put(&s, large, sizeof large);
    store_path(&s, big.hash, "", path);
    CHECK_INT(files_in_tmp(&s), 1);
    CHECK(access(path, F_OK) != 0);
    CHECK_INT(sy__db_wait(s.db, sy__db_now(s.db), false, NULL), SY_OK);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM blob"), 0);
    CHECK_INT(store_has(&s, big.hash, large, sizeof large), SY_OK);
    store_settle(&s);
    CHECK_INT(files_in_tmp(&s), 0);
    CHECK(access(path, F_OK) == 0);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM blob"), 1);
    store_close(&s);
    store_remove(&s);
}

/* Killed between writing and renaming: nothing refers to the file, and the next host removes it. */
static void
a_killed_host_leaves_nothing(void)
{
    static char large[LARGE];
    char hash[SY__HASH_BYTES];
    store s;
    store_init(&s);
    store_close(&s);
    store_random(large, sizeof large, 10);
    sy__hash_of(large, sizeof large, hash);
    pid_t child = fork();
    if (child == 0) {
        store_open(&s);
        (void)store_put(&s, large, sizeof large);
        (void)store_put(&s, "committed", 9);
        sy__artifact_writer *w;
        (void)sy__artifact_writer_open(&w, s.artifacts, SY__LEVEL_FULL, NULL);
        (void)sy__artifact_write(w, large, 100000, NULL);
        (void)sy__db_wait(s.db, sy__db_now(s.db), true, NULL);
        (void)kill(getpid(), SIGKILL);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_INT(files_in_tmp(&s), 2);
    store_open(&s);
    CHECK_INT(files_in_tmp(&s), 0);
    CHECK_INT(store_has(&s, hash, large, sizeof large), SY_ENOTFOUND);
    sy__hash_of("committed", 9, hash);
    CHECK_INT(store_has(&s, hash, "committed", 9), SY_OK);
    CHECK(!store_put(&s, large, sizeof large).dedup);
    store_close(&s);
    store_remove(&s);
}

/* A second host must not take the temporary files of a living one for left-overs. */
static void
leaves_living_hosts_alone(void)
{
    static char large[LARGE];
    store a, b;
    store_init(&a);
    store_random(large, sizeof large, 11);
    sy__stored big = store_put(&a, large, sizeof large);
    b = a;
    store_open(&b);
    CHECK_INT(files_in_tmp(&a), 1);
    store_settle(&a);
    CHECK_INT(store_has(&b, big.hash, large, sizeof large), SY_OK);
    store_close(&b);
    store_close(&a);
    store_remove(&a);
}

/* ---- streams ---- */

static void
streams_any_size(void)
{
    static const size_t sizes[] = {0, 10, 65536, 65537, 5000000};
    static char bytes[5000000], got[5000000];
    store s;
    store_init(&s);
    for (int i = 0; i < 10; i++) {
        size_t size = sizes[i / 2];
        sy__artifact_writer *w;
        sy__artifact_reader *r;
        sy__stored stored;
        char hash[SY__HASH_BYTES];
        int64_t told_size = -1, n, total = 0;
        if (i % 2)
            store_random(bytes, size, (uint64_t)i);
        else
            memset(bytes, i, size);
        CHECK_INT(sy__artifact_writer_open(&w, s.artifacts, SY__LEVEL_PROCESS, NULL), SY_OK);
        for (size_t at = 0, step; at < size; at += step) {
            step = at * 3 / 2 + 1000 < size - at ? at * 3 / 2 + 1000 : size - at;
            CHECK_INT(sy__artifact_write(w, bytes + at, step, NULL), SY_OK);
        }
        CHECK_INT(sy__artifact_writer_close(w, &stored, NULL), SY_OK);
        sy__hash_of(bytes, size, hash);
        CHECK_STR(stored.hash, hash);
        CHECK_INT(stored.size, size);
        CHECK(size < 1000000 || i % 2 || stored.stored_size < 10000);
        CHECK(store_put(&s, bytes, size).dedup);
        CHECK_INT(sy__artifact_reader_open(&r, s.artifacts, hash, &told_size, NULL), SY_OK);
        CHECK_INT(told_size, size);
        while ((n = sy__artifact_read(r, got + total, 77777 < size - (size_t)total ? 77777 : size - (size_t)total + 1,
                                      NULL)) > 0)
            total += n;
        CHECK_INT(n, 0);
        CHECK_INT(total, size);
        CHECK_INT(sy__artifact_read(r, got, 10, NULL), 0);
        CHECK(memcmp(bytes, got, size) == 0);
        sy__artifact_reader_close(r);
    }
    store_close(&s);
    store_remove(&s);
}

static void
throws_a_stream_away(void)
{
    static char bytes[LARGE];
    store s;
    sy__artifact_writer *w;
    store_init(&s);
    CHECK_INT(sy__artifact_writer_open(&w, s.artifacts, SY__LEVEL_PROCESS, NULL), SY_OK);
    CHECK_INT(sy__artifact_write(w, bytes, sizeof bytes, NULL), SY_OK);
    CHECK_INT(files_in_tmp(&s), 1);
    CHECK_INT(sy__artifact_writer_close(w, NULL, NULL), SY_OK);
    CHECK_INT(files_in_tmp(&s), 0);
    store_close(&s);
    store_remove(&s);
}

static void
a_damaged_stream_ends_with_an_error(void)
{
    static char bytes[1000000], got[100000];
    char path[400];
    store s;
    sy__artifact_reader *r;
    int64_t size, n;
    store_init(&s);
    store_random(bytes, sizeof bytes, 12);
    sy__stored big = store_put(&s, bytes, sizeof bytes);
    store_settle(&s);
    store_path(&s, big.hash, "", path);
    flip(path, 999999);
    CHECK_INT(sy__artifact_reader_open(&r, s.artifacts, big.hash, &size, NULL), SY_OK);
    do n = sy__artifact_read(r, got, sizeof got, NULL);
    while (n > 0);
    CHECK_INT(n, SY_EDAMAGED);
    CHECK_INT(sy__artifact_read(r, got, sizeof got, NULL), SY_EDAMAGED);
    sy__artifact_reader_close(r);
    store_close(&s);
    store_remove(&s);
}

static long
memory_kb(const char *field)
{
    FILE *in = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    while (in && fgets(line, sizeof line, in))
        if (strncmp(line, field, strlen(field)) == 0) kb = strtol(line + strlen(field) + 1, NULL, 10);
    if (in) (void)fclose(in);
    return kb;
}

/* 100 MB in and out need a few MB of memory. */
static void
a_long_stream_needs_little_memory(void)
{
    enum { MB = 1000000, MEGABYTES = 100 };
    static char chunk[MB];
    store s;
    sy__artifact_writer *w;
    sy__artifact_reader *r;
    sy__stored stored;
    int64_t size, n, total = 0;
    store_init(&s);
    FILE *reset = fopen("/proc/self/clear_refs", "w");
    bool can = reset && fputs("5", reset) >= 0; /* the peak counts from here */
    if (reset) can = fclose(reset) == 0 && can;
    long before = memory_kb("VmRSS:");
    CHECK_INT(sy__artifact_writer_open(&w, s.artifacts, SY__LEVEL_PROCESS, NULL), SY_OK);
    store_random(chunk, sizeof chunk, 13);
    for (int i = 0; i < MEGABYTES; i++) {
        memcpy(chunk, &i, sizeof i);
        CHECK_INT(sy__artifact_write(w, chunk, MB, NULL), SY_OK);
    }
    CHECK_INT(sy__artifact_writer_close(w, &stored, NULL), SY_OK);
    CHECK_INT(stored.size, (int64_t)MB * MEGABYTES);
    store_settle(&s);
    CHECK_INT(sy__artifact_reader_open(&r, s.artifacts, stored.hash, &size, NULL), SY_OK);
    while ((n = sy__artifact_read(r, chunk, MB, NULL)) > 0) total += n;
    CHECK_INT(n, 0);
    CHECK_INT(total, size);
    sy__artifact_reader_close(r);
    if (can) CHECK(memory_kb("VmHWM:") - before < 24 * 1024);
    store_close(&s);
    store_remove(&s);
}

/* ---- failure ---- */

/* An allocator that fails every now and then. */
typedef struct poor {
    atomic_int calls;
    int every;
} poor;

static void *
poor_alloc(void *ud, void *ptr, size_t bytes)
{
    poor *p = ud;
    if (bytes == 0) {
        free(ptr);
        return NULL;
    }
    int n = atomic_fetch_add(&p->calls, 1);
    return p->every && n % p->every == p->every - 1 ? NULL : realloc(ptr, bytes);
}

static void
survives_no_memory(void)
{
    static char large[LARGE];
    store s;
    poor p = {.every = 0};
    const sy__alloc a = {poor_alloc, &p};
    sy__artifacts *poor_store;
    int failures = 0;
    store_init(&s);
    CHECK_INT(sy__artifacts_open(&poor_store, s.db, &a, NULL), SY_OK);
    for (int every = 2; every < 12; every++) {
        p.every = every;
        for (int i = 0; i < 20; i++) {
            size_t size = i % 2 ? 1000 : sizeof large;
            sy__stored stored;
            sy__buf out;
            store_random(large, size, (uint64_t)(100 * every + i));
            sy__buf_init(&out, &sy__alloc_default);
            int rc = sy__artifact_put(poor_store, SY__LEVEL_PROCESS, large, size, &stored, NULL);
            if (rc == SY_OK) {
                rc = sy__artifact_get(poor_store, stored.hash, &out, NULL);
                if (rc == SY_OK) CHECK(out.len == size && memcmp(out.data, large, size) == 0);
            }
            CHECK(rc == SY_OK || rc == SY_ENOMEM);
            failures += rc != SY_OK;
            sy__buf_close(&out);
        }
    }
    CHECK(failures > 0);
    p.every = 0;
    CHECK_INT(sy__artifacts_flush(poor_store, NULL), SY_OK);
    sy__artifacts_close(poor_store);
    CHECK_INT(files_in_tmp(&s), 0);
    store_close(&s);
    store_remove(&s);
}

static void
a_folder_that_cannot_be_written(void)
{
    static char large[LARGE];
    store s;
    sy__error err = {0};
    sy__stored stored;
    char command[400];
    store_init(&s);
    store_random(large, sizeof large, 14);
    (void)snprintf(command, sizeof command, "rm -r '%s/artifacts/tmp'", s.dir);
    CHECK_INT(system(command), 0);
    CHECK_INT(sy__artifact_put(s.artifacts, SY__LEVEL_FULL, large, sizeof large, &stored, &err), SY_EIO);
    CHECK(err.message[0] != '\0');
    CHECK_INT(store_has(&s, stored.hash, large, sizeof large), SY_ENOTFOUND);
    store_close(&s);
    store_remove(&s);
}

/* ---- threads ---- */

enum { THREADS = 4, CONTENTS = 60, ROUNDS = 300 };

typedef struct worker {
    store *store;
    int number;
    long wrong, fresh;
} worker;

static size_t
content_of(int number, char *to)
{
    size_t size = number % 6 == 0 ? 70000 + (size_t)number * 10 : 200 + (size_t)number * 37;
    store_random(to, size, (uint64_t)number + 1000);
    return size;
}

static void *
work(void *arg)
{
    worker *w = arg;
    char *bytes = malloc(80000);
    unsigned dice = 77u * (unsigned)(w->number + 1);
    for (int i = 0; i < ROUNDS && bytes; i++) {
        sy__stored stored;
        dice = dice * 1664525u + 1013904223u;
        size_t size = content_of((int)(dice >> 16) % CONTENTS, bytes);
        w->wrong += sy__artifact_put(w->store->artifacts, SY__LEVEL_PROCESS, bytes, size, &stored, NULL) != SY_OK;
        w->fresh += !stored.dedup;
        w->wrong += store_has(w->store, stored.hash, bytes, size) != SY_OK;
        if (i % 16 == 0) w->wrong += sy__artifacts_flush(w->store->artifacts, NULL) != SY_OK;
    }
    free(bytes);
    return NULL;
}

static void
many_threads_put_and_get(void)
{
    store s;
    pthread_t threads[THREADS];
    worker workers[THREADS];
    long fresh = 0;
    store_init(&s);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.store = &s, .number = i};
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        CHECK_INT(workers[i].wrong, 0);
        fresh += workers[i].fresh;
    }
    store_settle(&s);
    CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM blob"), CONTENTS);
    CHECK(fresh >= CONTENTS && fresh < CONTENTS + 40); /* a race may store one twice, and it is still one row */
    CHECK_INT(files_in_tmp(&s), 0);
    store_close(&s);
    store_remove(&s);
}

int
main(void)
{
    says_the_hash();
    gives_back_what_was_put();
    refuses_unknown_hashes();
    stores_equal_bytes_once();
    touches_what_is_used_again();
    finds_damage_and_repairs_it();
    rows_come_after_files();
    a_killed_host_leaves_nothing();
    leaves_living_hosts_alone();
    streams_any_size();
    throws_a_stream_away();
    a_damaged_stream_ends_with_an_error();
    a_long_stream_needs_little_memory();
    survives_no_memory();
    a_folder_that_cannot_be_written();
    many_threads_put_and_get();
    TEST_END();
}
