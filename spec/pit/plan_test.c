/* plan_test.c: definitions that are refused, and the edges of those that are not. */
#include "pit/plan/plan.h"

#include "test.h"

static sy__registry *registry;

static sy__value
parse(sy__vbuf *b, const char *json)
{
    sy__value v = {0};
    sy__error err = {0};
    sy__vbuf_init(b, &sy__alloc_default);
    if (sy__value_from_json(b, json, strlen(json), &err) || sy__vbuf_done(b, &v)) {
        (void)fprintf(stderr, "%s: %s\n", json, err.message);
        exit(2);
    }
    return v;
}

/* Compiles; *plan and *dag are to be freed. */
static int
compile(const char *json, sy__plan **plan, sy__dag **dag, sy__error *err)
{
    sy__vbuf b;
    int status = sy__plan_new(plan, dag, &sy__alloc_default, parse(&b, json), registry, err);
    sy__vbuf_close(&b);
    return status;
}

static void
refuses(const char *json, int code, const char *word, const char *task)
{
    sy__plan *plan;
    sy__dag *dag;
    sy__error err = {0};
    CHECK_INT(compile(json, &plan, &dag, &err), code);
    CHECK(plan == NULL && dag == NULL);
    if (!strstr(err.message, word)) (void)fprintf(stderr, "\"%s\" lacks \"%s\"\n", err.message, word);
    CHECK(strstr(err.message, word) != NULL);
    CHECK_STR(err.task, task);
}

#define OP "\"operation\":\"t.echo\",\"extension\":\"t\""

static void
refuses_what_cannot_run(void)
{
    refuses("{}", SY_EMELODY, "without tasks", "");
    refuses("{\"tasks\":{}}", SY_EMELODY, "without tasks", "");
    refuses("{\"tasks\":[{" OP "}]}", SY_EMELODY, "without a key", "");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP "},{\"key\":\"a\"," OP "}]}", SY_EMELODY, "same key", "a");
    refuses("{\"tasks\":[{\"key\":\"a\",\"operation\":\"t\"}]}", SY_EMELODY, "extension.operation", "a");
    refuses("{\"tasks\":[{\"key\":\"a\",\"operation\":\"t.nothing\",\"extension\":\"t\"}]}", SY_EOPERATION, "nothing",
            "a");
    refuses("{\"tasks\":[{\"key\":\"a\",\"verb\":\"dance\"," OP "}]}", SY_EMELODY, "verb", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"input\":{\"$ref\":[\"b\"]}}]}", SY_EMELODY, "`b`", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"input\":{\"$ref\":[\"a\"],\"edge\":\"wet\"}}]}", SY_EMELODY,
            "hard, soft", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"options\":{\"after\":[\"b\"]}}]}", SY_EMELODY, "`after`", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"options\":{\"timeout_ms\":-1}}]}", SY_EMELODY, "below zero", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"options\":{\"timeout_ms\":9000000000000000000}}]}", SY_EMELODY,
            "hundred years", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"options\":{\"retry\":{\"jitter\":1e300}}}]}", SY_EMELODY, "jitter",
            "a");
    refuses("{\"tasks\":[{\"key\":\"a\",\"verb\":\"now\"}]}", SY_EMELODY, "calls of a flow", "a");
    refuses("{\"tasks\":[{\"key\":\"a/1\"," OP "}]}", SY_EMELODY, "without `/`", "");
    refuses("{\"tasks\":[{\"key\":\"a\\u0000b\"," OP "}]}", SY_EMELODY, "one line", "");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"options\":{\"retry\":{\"max\":1,\"on\":[\"sadness\"]}}}]}", SY_EMELODY,
            "error codes", "a");
    refuses("{\"tasks\":[{\"key\":\"a\"," OP ",\"options\":{\"when\":{\"lua\":\"true\",\"uses\":[\"b\"]}}}]}",
            SY_EMELODY, "`uses`", "a");
}

static void
names_the_circle(void)
{
    sy__plan *plan;
    sy__dag *dag;
    sy__error err = {0};
    CHECK_INT(compile("{\"source\":\"m.lua\",\"tasks\":[{\"key\":\"a\",\"line\":3," OP ",\"input\":{\"$ref\":[\"b\"]}},"
                      "{\"key\":\"b\",\"line\":4," OP ",\"input\":{\"$ref\":[\"a\"]}}]}",
                      &plan, &dag, &err),
              SY_ECYCLE);
    CHECK(strstr(err.message, "a") && strstr(err.message, "→") && strstr(err.message, "b"));
    CHECK_STR(err.file, "m.lua");
    CHECK(err.line == 3 || err.line == 4);
}

static bool
has_edge(const sy__dag *dag, uint32_t from, uint32_t to, sy__edge_kind kind)
{
    for (size_t i = 0; i < sy__dag_edges(dag); i++) {
        uint32_t f, t;
        sy__edge_kind k;
        sy__dag_edge_at(dag, i, &f, &t, &k);
        if (f == from && t == to && k == kind) return true;
    }
    return false;
}

static void
edges_come_from_references_words_and_after(void)
{
    sy__plan *plan;
    sy__dag *dag;
    sy__error err = {0};
    CHECK_INT(
        compile("{\"tasks\":[{\"key\":\"a\"," OP "},{\"key\":\"path\"," OP "},"
                "{\"key\":\"b\"," OP
                ",\"input\":[{\"$ref\":[\"a\"],\"edge\":\"soft\"}],\"options\":{\"when\":\"a.n > 1\"}},"
                "{\"key\":\"c\"," OP
                ",\"options\":{\"after\":[\"b\"],\"when\":{\"lua\":\"function() return path.n end\",\"uses\":[]}}},"
                "{\"key\":\"d\"," OP ",\"options\":{\"edge\":\"optional\"},\"input\":{\"$ref\":[\"c\"]}}]}",
                &plan, &dag, &err),
        SY_OK);
    CHECK(has_edge(dag, 0, 2, SY__EDGE_SOFT));
    CHECK(!has_edge(dag, 0, 2, SY__EDGE_HARD)); /* `when` mentions a task that a reference made weaker */
    CHECK(has_edge(dag, 2, 3, SY__EDGE_HARD));
    CHECK(!has_edge(dag, 1, 3, SY__EDGE_HARD)); /* `uses` says that `path` is another word */
    CHECK(has_edge(dag, 3, 4, SY__EDGE_OPTIONAL));
    CHECK_INT(sy__plan_find(plan, "d", 1), 4);
    CHECK_INT(sy__plan_find(plan, "e", 1), -1);
    sy__plan_free(plan);
    sy__dag_free(dag);
}

int
main(void)
{
    sy__vbuf b;
    sy__error err = {0};
    CHECK_INT(sy__registry_new(&registry, &sy__alloc_default), SY_OK);
    CHECK_INT(
        sy__registry_add(
            registry,
            parse(&b, "{\"id\":\"t\",\"version_id\":\"1\",\"name\":\"t\",\"type\":\"operator\",\"entry\":\"init.lua\","
                      "\"capabilities\":{},\"operations\":{\"echo\":{\"effects\":\"none\",\"idempotent\":true}},"
                      "\"sources\":{\"init.lua\":\"return {}\"}}"),
            "/tmp", &err),
        SY_OK);
    sy__vbuf_close(&b);
    refuses_what_cannot_run();
    names_the_circle();
    edges_come_from_references_words_and_after();
    sy__registry_free(registry);
    TEST_END();
}
