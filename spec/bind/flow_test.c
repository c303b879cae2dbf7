/* flow_test.c: whole runs where something is scarce: keys, rates, many runs at once, dedupe ids. */
#include "bind/runs.h"

#include "pit/engine_impl.h"

/* Starts a run of one map over 1 … count with these options (JSON, ' for ") and run options. */
static sy__run_info
start_map(const char *operation, int count, const char *options, const char *run_options, int64_t parallel)
{
    sy__vbuf b, more, none;
    sy__buf text;
    sy__error err = {0};
    sy__run_info info = {0};
    sy__run_request q = {.durability = SY__LEVEL_PROCESS, .parallel = parallel};
    sy__buf_init(&text, &sy__alloc_default);
    sy__buf_addf(&text,
                 "{\"format\":1,\"name\":\"map\",\"tasks\":[{\"key\":\"m\",\"verb\":\"each\",\"operation\":\"t.%s\","
                 "\"extension\":\"t\",\"options\":%s,\"list\":[",
                 operation, J(options));
    for (int i = 1; i <= count; i++) sy__buf_addf(&text, "%s{\"n\":%d,\"s\":30}", i > 1 ? "," : "", i);
    sy__buf_adds(&text, "]}]}");
    sy__vbuf_init(&b, &sy__alloc_default);
    sy__vbuf_init(&more, &sy__alloc_default);
    sy__vbuf_init(&none, &sy__alloc_default);
    sy__vbuf_map(&none);
    sy__vbuf_end(&none);
    (void)sy__vbuf_done(&none, &q.params);
    if (sy__value_from_json(&b, text.data, text.len, &err) || sy__vbuf_done(&b, &q.definition)) die("map", &err);
    const char *json = J(run_options);
    if (sy__value_from_json(&more, json, strlen(json), &err) || sy__vbuf_done(&more, &q.options)) die("options", &err);
    if (sy__engine_start(sy__project_engine(project), &q, &info, &err)) die("start", &err);
    sy__vbuf_close(&b);
    sy__vbuf_close(&more);
    sy__vbuf_close(&none);
    sy__buf_close(&text);
    return info;
}

static size_t
gates(void)
{
    sy__engine *e = sy__project_engine(project);
    (void)pthread_mutex_lock(&e->gates_lock);
    size_t n = e->gates.count;
    (void)pthread_mutex_unlock(&e->gates_lock);
    return n;
}

/* How many rows of the run's tasks, or of decisions about them, satisfy a condition. */
static long
count(const sy__run_info *info, const char *condition)
{
    char expression[400];
    (void)snprintf(expression, sizeof expression,
                   "(SELECT count(*) FROM task t LEFT JOIN pit_operation p ON p.task_id = t.id"
                   " AND p.operation_type = 'arbitration' WHERE t.pipeline_orchestration_id = ?1 AND %s)",
                   condition);
    return strtol(ask(info, expression, NULL), NULL, 10);
}

static void
ten_thousand_wait_at_one_key(void)
{
    sy__run_info info = start_map("echo", 10000, "{'key':'one','max_parallel':10000}", "{}", 20000);
    finish(&info);
    CHECK_STR(info.status, "completed");
    CHECK_INT(count(&info, "t.parent_task_id IS NOT NULL AND t.position IS NOT NULL AND t.outcome = 'ok'"), 10000);
    CHECK(count(&info, "p.operation_context ->> '$.waited_at' = 'key one'") > 9000);
    CHECK_INT(gates(), 0);
}

static void
ten_thousand_keys_are_freed(void)
{
    sy__run_info info = start_map("echo", 10000, "{'key':'k{item.n}'}", "{}", 0);
    finish(&info);
    CHECK_STR(info.status, "completed");
    CHECK_INT(count(&info, "p.operation_context ->> '$.waited_at' LIKE 'key %'"), 0);
    CHECK_INT(gates(), 0);
}

static void
a_hundred_runs_at_once_all_end(void)
{
    enum { RUNS = 100 };
    static sy__run_info infos[RUNS];
    for (int i = 0; i < RUNS; i++) infos[i] = start_map("echo", 50, "{'key':'{item.n}'}", "{}", 0);
    for (int i = 0; i < RUNS; i++) {
        finish(&infos[i]);
        CHECK_STR(infos[i].status, "completed");
    }
    CHECK_INT(gates(), 0);
}

static void
a_run_of_many_tasks_does_not_delay_one_of_three(void)
{
    sy__run_info big = start_map("echo", 30000, "{}", "{}", 0),
                 small = run(
                     J("'tasks':["
                       "{'key':'a'," OP("echo") "},"
                                                "{'key':'b'," OP("echo") ",'options':{'after':['a']}},"
                                                                         "{'key':'c'," OP(
                                                                             "echo") ",'options':{'after':['b']}}]"));
    CHECK_STR(small.status, "completed");
    (void)sy__engine_info(sy__project_engine(project), big.id, &big);
    CHECK_STR(big.status, "running");
    finish(&big);
    CHECK_STR(big.status, "completed");
}

static bool
counts(void *ud, sy__job *job)
{
    (void)job;
    ++*(size_t *)ud;
    return false;
}

/* Until so many jobs are ready or wait. */
static void
wait_for_jobs(size_t many)
{
    size_t n = 0;
    for (int i = 0; i < 3000 && n < many; i++) {
        n = 0;
        (void)sy__arbiter_withdraw(sy__project_engine(project)->arbiter, counts, &n);
        if (n < many) (void)sy__project_step(project, 10);
    }
    CHECK_INT(n, many);
}

/* Where a place is scarce the shares follow the weights: the run that came later, and weighs more, ends first. */
static void
a_heavier_run_gets_more_turns(void)
{
    static const char options[] = "{'key':'scarce','max_parallel':2000}";
    sy__run_info holder = start_map("rest", 1, "{'key':'scarce'}", "{}", 0);
    for (int i = 0; i < 3000 && strcmp(ask(&holder, "task_status", "m/1"), "executing") != 0; i++)
        (void)sy__project_step(project, 10);
    sy__run_info light = start_map("echo", 2000, options, "{}", 4000);
    sy__run_info heavy = start_map("echo", 2000, options, "{'weight':50}", 4000);
    wait_for_jobs(4000);
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), holder.id, NULL), SY_OK);
    finish(&holder);
    CHECK_STR(holder.status, "cancelled");
    finish(&heavy);
    finish(&light);
    CHECK_STR(heavy.status, "completed");
    CHECK_STR(light.status, "completed");
    CHECK(strcmp(ask(&heavy, "completed_at || '' ", NULL), "") != 0);
    char ended[64];
    (void)snprintf(ended, sizeof ended, "%s",
                   ask(&heavy,
                       "(SELECT max(completed_at) FROM task WHERE position > 0 AND"
                       " pipeline_orchestration_id = ?1)",
                       NULL));
    long before = count(&light, "t.position > 0"), after;
    char condition[128];
    (void)snprintf(condition, sizeof condition, "t.position > 0 AND t.completed_at <= '%s'", ended);
    after = count(&light, condition);
    CHECK_INT(before, 2000);
    CHECK(after < 500); /* 2,000 / 50 by the weights, and what the clock's milliseconds blur */
    CHECK(count(&heavy, "p.operation_context ->> '$.weight' = 50") > 0);
}

static void
a_blocked_key_delays_no_other(void)
{
    /* The first child holds its key for 30 s; the second waits behind it; the third has a key of its own. */
    sy__run_info info =
        start_at(J("'tasks':[{'key':'m','verb':'each'," OP(
                     "rest") ",'list':["
                             "{'k':'a','s':30},{'k':'a','s':30},{'k':'b','s':0.001}],'options':{'key':'{item.k}'}}]"),
                 SY__LEVEL_PROCESS, 0);
    for (int i = 0; i < 3000 && strcmp(ask(&info, "outcome", "m/3"), "ok") != 0; i++)
        (void)sy__project_step(project, 10);
    CHECK_STR(ask(&info, "outcome", "m/3"), "ok");
    CHECK_STR(ask(&info, "task_status", "m/1"), "executing");
    CHECK_STR(ask(&info, "task_status", "m/2"), "");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), info.id, NULL), SY_OK);
    finish(&info);
    CHECK_STR(info.status, "cancelled");
    CHECK_INT(gates(), 0);
}

static void
a_rate_that_is_used_up_refuses_after_the_queue_timeout(void)
{
    sy__run_info info = start_map("echo", 3,
                                  "{'rate':{'count':1,'per_ms':3600000,'burst':2},'queue_timeout_ms':20,"
                                  "'on_error':'skip'}",
                                  "{}", 0);
    finish(&info);
    CHECK_STR(info.status, "completed");
    CHECK_INT(count(&info, "t.position IS NOT NULL AND t.outcome = 'ok'"), 2);
    CHECK_STR(ask(&info, "outcome", "m/3"), "timeout");
    CHECK_INT(count(&info, "p.operation_context ->> '$.decision' = 'refused'"
                           " AND p.operation_context ->> '$.waited_at' LIKE 'rate %.m'"),
              1);
    CHECK_INT(gates(), 1); /* the bucket is not full again for an hour */
}

static void
a_key_may_let_several_in(void)
{
    sy__run_info info = start_map("rest", 3, "{'key':{'name':'pair','limit':2}}", "{}", 0);
    for (int i = 0; i < 3000 && strcmp(ask(&info, "task_status", "m/2"), "executing") != 0; i++)
        (void)sy__project_step(project, 10);
    CHECK_STR(ask(&info, "task_status", "m/1"), "executing");
    CHECK_STR(ask(&info, "task_status", "m/2"), "executing");
    CHECK_STR(ask(&info, "task_status", "m/3"), "");
    CHECK_INT(sy__engine_cancel(sy__project_engine(project), info.id, NULL), SY_OK);
    finish(&info);
}

static void
a_dedupe_id_stands_for_one_run(void)
{
    sy__run_info first = start_map("echo", 3, "{}", "{'dedupe':'nightly'}", 0);
    sy__run_info again = start_map("echo", 3, "{}", "{'dedupe':'nightly'}", 0);
    CHECK(!first.existing && again.existing);
    CHECK_STR(again.id, first.id);
    finish(&first);
    again = start_map("echo", 3, "{}", "{'dedupe':'nightly'}", 0);
    CHECK(again.existing && again.number == first.number);
    CHECK_STR(again.status, "completed");
    sy__run_info failed = start_map("fail", 1, "{}", "{'dedupe':'other'}", 0);
    CHECK(!failed.existing);
    finish(&failed);
    CHECK_STR(failed.status, "failed");
    again = start_map("echo", 1, "{}", "{'dedupe':'other'}", 0);
    CHECK(!again.existing);
    finish(&again);
}

int
main(void)
{
    begin_tests();
    ten_thousand_wait_at_one_key();
    ten_thousand_keys_are_freed();
    a_hundred_runs_at_once_all_end();
    a_run_of_many_tasks_does_not_delay_one_of_three();
    a_heavier_run_gets_more_turns();
    a_blocked_key_delays_no_other();
    a_key_may_let_several_in();
    a_dedupe_id_stands_for_one_run();
    a_rate_that_is_used_up_refuses_after_the_queue_timeout();
    end_tests();
    TEST_END();
}
