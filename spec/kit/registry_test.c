/* registry_test.c: extensions by name, counted. */
#include "kit/registry.h"

#include "failing_alloc.h"
#include "test.h"

static const char git[] =
    "{\"id\":\"0192\",\"version_id\":\"0193\",\"name\":\"git\",\"type\":\"operator\",\"max_parallel\":4,"
    "\"capabilities\":{\"process\":[\"git\"],\"fs\":{\"read\":[\"$PROJECT/**\"]}},"
    "\"operations\":{\"diff\":{\"effects\":\"read\",\"input\":{\"type\":\"object\",\"additionalProperties\":false}},"
    "\"commit\":{\"effects\":\"write\"},\"push\":{},\"status\":{\"effects\":\"none\",\"idempotent\":false,\"cache\":"
    "true,\"reads\":[\"$input.path\"]},\"log\":{\"effects\":\"read\",\"cache\":true}},"
    "\"sources\":{\"init.lua\":\"return {}\",\"lib/util.lua\":\"return 1\",\"pack/init.lua\":\"return 2\"}}";

static sy__value
parse(sy__vbuf *b, const char *json)
{
    sy__value v = {0};
    sy__error err = {0};
    sy__vbuf_init(b, &sy__alloc_default);
    CHECK_INT(sy__value_from_json(b, json, strlen(json), &err), SY_OK);
    CHECK_INT(sy__vbuf_done(b, &v), SY_OK);
    return v;
}

static int
add(sy__registry *r, const char *json, sy__error *err)
{
    sy__vbuf b;
    int status = sy__registry_add(r, parse(&b, json), "/tmp", err);
    sy__vbuf_close(&b);
    return status;
}

static void
finds_operations(void)
{
    sy__registry *r = NULL;
    sy__extension *e;
    const sy__operation *op;
    sy__error err = {0};
    CHECK_INT(sy__registry_new(&r, &sy__alloc_default), SY_OK);
    CHECK_INT(add(r, git, &err), SY_OK);
    CHECK_INT(add(r, "{\"name\":\"acme/textkit\",\"operations\":{\"a.b\":{}}}", &err), SY_OK);
    CHECK_INT(sy__registry_resolve(r, "git.diff", &e, &op, &err), SY_OK);
    CHECK_STR(e->id, "0192");
    CHECK_STR(op->name, "diff");
    CHECK_INT(op->effects, SY__EFFECT_READ);
    CHECK(op->idempotent && !op->cache && op->input && !op->output);
    CHECK_INT(e->max_parallel, 4);
    CHECK(sy__caps_process(e->caps, "git"));
    sy__extension_release(e);
    CHECK_INT(sy__registry_resolve(r, "git.push", &e, &op, &err), SY_OK);
    CHECK(op->effects == SY__EFFECT_EXTERNAL && !op->idempotent);
    sy__extension_release(e);
    CHECK_INT(sy__registry_resolve(r, "git.status", &e, &op, &err), SY_OK);
    CHECK(op->effects == SY__EFFECT_NONE && !op->idempotent && op->cache && op->reads);
    sy__extension_release(e);
    CHECK_INT(sy__registry_resolve(r, "git.log", &e, &op, &err), SY_OK);
    CHECK(!op->cache); /* what its programs read is not named */
    sy__extension_release(e);
    CHECK_INT(sy__registry_resolve(r, "acme/textkit.a.b", &e, &op, &err), SY_OK);
    sy__extension_release(e);
    sy__registry_free(r);
}

static void
says_what_is_unknown(void)
{
    sy__registry *r = NULL;
    sy__extension *e;
    const sy__operation *op;
    sy__error err = {0};
    CHECK_INT(sy__registry_new(&r, &sy__alloc_default), SY_OK);
    CHECK_INT(add(r, git, &err), SY_OK);
    CHECK_INT(sy__registry_resolve(r, "git.dif", &e, &op, &err), SY_EOPERATION);
    CHECK(e == NULL && op == NULL);
    CHECK_STR(err.message, "the extension `git` has no operation `dif`");
    CHECK_STR(err.hint, "did you mean `git.diff`?");
    CHECK_INT(sy__registry_resolve(r, "gti.diff", &e, &op, &err), SY_EOPERATION);
    CHECK_STR(err.hint, "did you mean `git.diff`?");
    CHECK_INT(sy__registry_resolve(r, "git", &e, &op, &err), SY_EOPERATION);
    CHECK_INT(sy__registry_resolve(r, "git.", &e, &op, NULL), SY_EOPERATION);
    sy__registry_free(r);
}

static bool
finds(sy__extension *e, const char *name, const char *path)
{
    const char *text = NULL, *chunk = "";
    size_t len;
    bool found = sy__extension_module(e, name, &text, &len, &chunk);
    return path ? found && strcmp(chunk, path) == 0 : !found;
}

static void
modules_of_packages_are_reached_by_who_names_them(void)
{
    static const char tool[] =
        "{\"name\":\"tool\",\"sources\":{\"init.lua\":\"\",\"util.lua\":\"\",\"@\":\"init.lua\\nacme/text\\n\","
        "\"@acme/text\":\"main.lua\\nacme/base\\n\",\"@acme/text/main.lua\":\"\",\"@acme/text/util.lua\":\"\","
        "\"@acme/base\":\"init.lua\\n\",\"@acme/base/init.lua\":\"\",\"@acme/base/deep/er.lua\":\"\"}}";
    sy__registry *r = NULL;
    sy__error err = {0};
    CHECK_INT(sy__registry_new(&r, &sy__alloc_default), SY_OK);
    CHECK_INT(add(r, tool, &err), SY_OK);
    sy__extension *e = sy__registry_get(r, "tool");
    CHECK(finds(e, "util", "util.lua"));
    CHECK(finds(e, "acme/text", "@acme/text/main.lua"));
    CHECK(finds(e, "acme/text.util", "@acme/text/util.lua"));
    CHECK(finds(e, "acme/text:util", "@acme/text/util.lua"));
    CHECK(finds(e, "acme/text:acme/base", "@acme/base/init.lua"));
    CHECK(finds(e, "acme/text:acme/base.deep.er", "@acme/base/deep/er.lua"));
    CHECK(finds(e, "acme/base", NULL)); /* not named by the tool itself */
    CHECK(finds(e, "acme/base:acme/text", NULL));
    CHECK(finds(e, "acme/base:util", NULL));
    CHECK(finds(e, "acme/te", NULL));
    CHECK(finds(e, "acme/text/main", NULL));
    CHECK(finds(e, "@acme", NULL));
    CHECK(finds(e, "acme/other:util", NULL));
    sy__extension_release(e);
    sy__registry_free(r);
}

static void
an_entry_outlives_its_replacement(void)
{
    sy__registry *r = NULL;
    sy__error err = {0};
    CHECK_INT(sy__registry_new(&r, &sy__alloc_default), SY_OK);
    CHECK_INT(add(r, git, &err), SY_OK);
    sy__extension *old = sy__registry_get(r, "git");
    CHECK_INT(add(r, "{\"name\":\"git\",\"id\":\"new\"}", &err), SY_OK);
    sy__extension *now = sy__registry_get(r, "git");
    CHECK_STR(old->id, "0192");
    CHECK_STR(now->id, "new");
    sy__registry_remove(r, "git");
    sy__registry_remove(r, "git");
    CHECK(sy__registry_get(r, "git") == NULL);
    sy__registry_free(r);
    CHECK_STR(old->operations[0].name, "commit");
    sy__extension_release(old);
    sy__extension_release(now);
}

static void
modules_stay_inside(void)
{
    sy__registry *r = NULL;
    sy__error err = {0};
    const char *source = NULL, *chunk = NULL;
    size_t len = 0;
    CHECK_INT(sy__registry_new(&r, &sy__alloc_default), SY_OK);
    CHECK_INT(add(r, git, &err), SY_OK);
    sy__extension *e = sy__registry_get(r, "git");
    CHECK(sy__extension_module(e, "lib.util", &source, &len, &chunk));
    CHECK_STR(source, "return 1");
    CHECK_STR(chunk, "lib/util.lua");
    CHECK(sy__extension_module(e, "pack", &source, &len, &chunk));
    CHECK_STR(chunk, "pack/init.lua");
    const char *const bad[] = {"", "nothing", "..", "lib..util", "../x", "./init", "lib/util", ".lib", "lib.", "a\\b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!sy__extension_module(e, bad[i], &source, &len, &chunk));
    sy__extension_release(e);
    sy__registry_free(r);
}

static void
bad_descriptions_are_refused(void)
{
    static const char *const bad[][2] = {
        {"{}", "an extension needs `name`"},
        {"{\"name\":7}", "`name` of an extension must be a string"},
        {"{\"name\":\"x\",\"operations\":{\"a\":{\"effects\":\"some\"}}}",
         "effects of `a` must be none, read, write or external"},
        {"{\"name\":\"x\",\"operations\":{\"a\":{\"input\":{\"tipe\":1}}}}",
         "input of `a`: schema: unknown keyword `tipe`"},
        {"{\"name\":\"x\",\"capabilities\":{\"proces\":[]}}", "there is no capability `proces`"},
        {"{\"name\":\"x\",\"sources\":{\"a\":1}}", "the source `a` must be a string"},
    };
    sy__registry *r = NULL;
    CHECK_INT(sy__registry_new(&r, &sy__alloc_default), SY_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sy__error err = {0};
        CHECK_INT(add(r, bad[i][0], &err), SY_EMANIFEST);
        CHECK_STR(err.message, bad[i][1]);
    }
    CHECK(sy__registry_get(r, "x") == NULL);
    sy__registry_free(r);
}

static void
a_failed_allocation_leaves_the_old_entry(void)
{
    sy__vbuf b;
    sy__value v = parse(&b, git);
    WITH_EACH_FAILURE(f, a, {
        sy__registry *r = NULL;
        sy__error err = {0};
        int status = sy__registry_new(&r, &a);
        if (!status) status = sy__registry_add(r, v, "/tmp", &err);
        CHECK_INT(status, f.failed ? SY_ENOMEM : SY_OK);
        if (r) {
            sy__extension *e = sy__registry_get(r, "git");
            CHECK((e != NULL) == (status == SY_OK));
            sy__extension_release(e);
        }
        sy__registry_free(r);
    });
    sy__vbuf_close(&b);
}

int
main(void)
{
    finds_operations();
    says_what_is_unknown();
    modules_of_packages_are_reached_by_who_names_them();
    an_entry_outlives_its_replacement();
    modules_stay_inside();
    bad_descriptions_are_refused();
    a_failed_allocation_leaves_the_old_entry();
    TEST_END();
}
