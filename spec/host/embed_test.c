/* The embedded files: sorted, found by exact path, whole, and without the specs. */
#include "host/embed.h"

#include "test.h"

static void
test_order(void)
{
    CHECK(sy__embedded_count > 0);
    for (size_t i = 0; i < sy__embedded_count; i++) {
        const sy__embedded *file = &sy__embedded_files[i];
        CHECK(i == 0 || strcmp(file[-1].path, file->path) < 0);
        CHECK_INT(file->data[file->size], 0);
        CHECK(!strstr(file->path, "/spec/"));
        CHECK(sy__embedded_find(file->path) == file);
    }
}

static void
test_find(void)
{
    CHECK(!sy__embedded_find(""));
    CHECK(!sy__embedded_find("lua"));
    CHECK(!sy__embedded_find("lua/cli/main.lu"));
    CHECK(!sy__embedded_find("zzz"));
    const sy__embedded *file = sy__embedded_find("lua/cli/main.lua");
    CHECK(file != NULL);
    const char *data = NULL;
    size_t size = 0;
    CHECK(sy__embedded_source(NULL, "lua/cli/main.lua", &data, &size));
    CHECK(file && data == file->data && size == file->size);
    CHECK(!sy__embedded_source(NULL, "lua/cli/none.lua", &data, &size));
}

static void
test_prefix(void)
{
    CHECK_INT(sy__embedded_first(""), 0);
    CHECK_INT(sy__embedded_first("zzz"), sy__embedded_count);
    size_t i = sy__embedded_first("lua/cli/"), count = 0;
    for (; i < sy__embedded_count && strncmp(sy__embedded_files[i].path, "lua/cli/", 8) == 0; i++) count++;
    CHECK(count > 0);
    CHECK(i == sy__embedded_count || strcmp(sy__embedded_files[i].path, "lua/cli/") > 0);
}

/* The bytes are those of the tree, when the test knows where it is. */
static void
test_content(void)
{
    const char *root = getenv("SYMPHONY_ROOT");
    for (size_t i = 0; root && i < sy__embedded_count; i++) {
        const sy__embedded *file = &sy__embedded_files[i];
        char path[4096], *bytes = calloc(1, file->size + 2);
        (void)snprintf(path, sizeof path, "%s/%s", root, file->path);
        FILE *in = fopen(path, "rb");
        CHECK(in && bytes);
        if (in && bytes) {
            CHECK_INT(fread(bytes, 1, file->size + 1, in), file->size);
            CHECK(memcmp(bytes, file->data, file->size) == 0);
        }
        if (in) (void)fclose(in);
        free(bytes);
    }
}

int
main(void)
{
    test_order();
    test_find();
    test_prefix();
    test_content();
    TEST_END();
}
