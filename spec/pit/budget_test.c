/*
 * budget_test.c: reservations up a chain, who waits and who is refused, and the property that matters: at every
 * moment settled + reserved <= limit, an overshoot of at most one reserve, and nothing reserved at the end.
 */
#include "pit/budget/budget.h"

#include "test.h"

static sy__ledger ledger;

static sy__budget
account(sy__budget *parent, int64_t usd, int64_t tokens, int64_t cpu)
{
    sy__budget b = {.parent = parent, .name = "test", .limits = sy__budget_limits_none()};
    b.limits.of[SY__UNIT_USD] = usd;
    b.limits.of[SY__UNIT_TOKENS] = tokens;
    b.limits.of[SY__UNIT_CPU] = cpu;
    return b;
}

static sy__hold
hold(sy__budget *b, int64_t usd, int64_t tokens, int64_t cpu)
{
    return (sy__hold){.budget = b,
                      .need = {{usd > 0 ? usd : 0, tokens, cpu}},
                      .uses = (usd >= 0 ? 1u : 0u) | (tokens > 0 ? 2u : 0u) | (cpu > 0 ? 4u : 0u)};
}

static sy__amounts
usd(int64_t n)
{
    return (sy__amounts){{n}};
}

static size_t
length(const sy__hold *list)
{
    size_t n = 0;
    for (; list; list = list->next) n++;
    return n;
}

static void
all_accounts_of_a_chain_are_charged_or_none(void)
{
    sy__budget run = account(NULL, 100, -1, -1), task = account(&run, 60, -1, -1);
    sy__hold a = hold(&task, 50, 0, 0), b = hold(&task, 60, 0, 0), c = hold(&run, 60, 0, 0);
    sy__amounts charge = usd(20);
    CHECK_INT(sy__ledger_reserve(&ledger, &a), SY__ADMITTED);
    CHECK(run.reserved.of[0] == 50 && task.reserved.of[0] == 50);
    CHECK_INT(sy__ledger_reserve(&ledger, &b), SY__MUST_WAIT);
    CHECK(b.at == &task && b.unit == SY__UNIT_USD && run.reserved.of[0] == 50);
    CHECK_INT(sy__ledger_reserve(&ledger, &c), SY__MUST_WAIT);
    CHECK(c.at == &run && task.reserved.of[0] == 50);
    CHECK(sy__ledger_settle(&ledger, &a, &charge) == NULL);
    CHECK(run.settled.of[0] == 20 && task.settled.of[0] == 20 && run.reserved.of[0] == 0 && task.reserved.of[0] == 0);
    CHECK_INT(sy__ledger_reserve(&ledger, &b), SY__BREACH);
    CHECK(b.at == &task);
    CHECK_INT(sy__ledger_reserve(&ledger, &c), SY__ADMITTED);
    CHECK(sy__ledger_settle(&ledger, &c, &charge) == NULL);
    CHECK(sy__ledger_settle(&ledger, &c, &charge) == NULL); /* twice is once */
    CHECK_INT(run.settled.of[0], 40);
}

static void
who_waits_is_let_in_in_order_by_a_settlement(void)
{
    sy__budget run = account(NULL, 100, -1, -1);
    sy__hold first = hold(&run, 80, 0, 0), second = hold(&run, 70, 0, 0), third = hold(&run, 10, 0, 0);
    sy__hold free_one = hold(&run, -1, 0, 0);
    sy__amounts charge = usd(10), nothing = usd(0);
    CHECK_INT(sy__ledger_wait(&ledger, &first), SY__ADMITTED);
    CHECK_INT(sy__ledger_wait(&ledger, &second), SY__MUST_WAIT);
    CHECK_INT(sy__ledger_wait(&ledger, &third), SY__MUST_WAIT);   /* nobody overtakes */
    CHECK_INT(sy__ledger_wait(&ledger, &free_one), SY__ADMITTED); /* but who uses no money does not wait for it */
    sy__hold *list = sy__ledger_settle(&ledger, &first, &charge);
    CHECK(list == &second && second.held && second.next == NULL);
    CHECK(third.waits);
    list = sy__ledger_settle(&ledger, &second, &nothing);
    CHECK(list == &third && third.held && length(list) == 1);
    CHECK(sy__ledger_settle(&ledger, &third, &nothing) == NULL);
    (void)sy__ledger_settle(&ledger, &free_one, &nothing);
    CHECK(ledger.waiting == NULL && run.head == NULL && run.tail == NULL && run.reserved.of[0] == 0);
}

static void
a_charge_above_the_reserve_ends_the_waiting_of_what_can_never_fit(void)
{
    sy__budget run = account(NULL, 100, -1, -1);
    sy__hold first = hold(&run, 60, 0, 0), second = hold(&run, 60, 0, 0);
    sy__amounts charge = usd(110);
    CHECK_INT(sy__ledger_wait(&ledger, &first), SY__ADMITTED);
    CHECK_INT(sy__ledger_wait(&ledger, &second), SY__MUST_WAIT);
    sy__hold *list = sy__ledger_settle(&ledger, &first, &charge);
    CHECK(list == &second && !second.held && !second.waits);
    CHECK_INT(sy__ledger_wait(&ledger, &second), SY__BREACH);
    CHECK_INT(run.settled.of[0], 110);
    sy__hold nothing = hold(&run, 0, 0, 0);
    CHECK_INT(sy__ledger_reserve(&ledger, &nothing), SY__BREACH); /* it could charge */
}

static void
what_a_call_reports_ends_it_where_its_budget_is_passed(void)
{
    sy__unit unit = SY__UNITS;
    sy__budget run = account(NULL, 100, 1000, -1), task = account(&run, 30, -1, -1);
    task.own = true;
    sy__hold a = hold(&task, 20, 0, 0), b = hold(&run, 30, 0, 0);
    sy__amounts ten = usd(10), eleven = usd(11), forty = usd(40);
    CHECK_INT(sy__ledger_reserve(&ledger, &a), SY__ADMITTED);
    CHECK_INT(sy__ledger_reserve(&ledger, &b), SY__ADMITTED);
    CHECK(sy__ledger_report(&ledger, &a, &ten, &unit) == NULL);
    CHECK_INT(task.reserved.of[0], 20);
    CHECK(sy__ledger_report(&ledger, &a, &eleven, &unit) == NULL); /* above its reserve, within its budget */
    CHECK(task.reserved.of[0] == 21 && run.reserved.of[0] == 51);
    CHECK(sy__ledger_report(&ledger, &a, &ten, &unit) == &task && unit == SY__UNIT_USD);
    CHECK(sy__ledger_report(&ledger, &b, &forty, &unit) == NULL); /* 40 of 30: the run has 71 of 100 */
    CHECK(sy__ledger_report(&ledger, &b, &forty, &unit) == &run); /* 80 of 30, and 111 of 100 */
    (void)sy__ledger_settle(&ledger, &a, &a.charged);
    (void)sy__ledger_settle(&ledger, &b, &b.charged);
    CHECK(run.settled.of[0] == 111 && run.reserved.of[0] == 0 && task.settled.of[0] == 31);
}

static void
cpu_time_is_cut_to_what_is_left(void)
{
    sy__budget run = account(NULL, -1, -1, 500);
    sy__hold a = hold(&run, -1, 0, 400), b = hold(&run, -1, 0, 400), c = hold(&run, -1, 0, 400);
    sy__amounts used = {{0, 0, 300}};
    CHECK_INT(sy__ledger_wait(&ledger, &a), SY__ADMITTED);
    CHECK_INT(sy__ledger_wait(&ledger, &b), SY__MUST_WAIT);
    CHECK(sy__ledger_settle(&ledger, &a, &used) == &b);
    CHECK_INT(b.reserved.of[SY__UNIT_CPU], 200);
    used.of[SY__UNIT_CPU] = 200;
    (void)sy__ledger_settle(&ledger, &b, &used);
    CHECK_INT(sy__ledger_wait(&ledger, &c), SY__BREACH);
    CHECK(c.at == &run && c.unit == SY__UNIT_CPU);
}

static bool
is(void *ud, sy__hold *h)
{
    return ud == h;
}

static void
who_is_withdrawn_lets_those_behind_it_in(void)
{
    sy__budget run = account(NULL, 100, -1, -1);
    sy__hold first = hold(&run, 30, 0, 0), big = hold(&run, 90, 0, 0), small = hold(&run, 10, 0, 0);
    sy__amounts nothing = usd(0);
    CHECK_INT(sy__ledger_wait(&ledger, &first), SY__ADMITTED);
    CHECK_INT(sy__ledger_wait(&ledger, &big), SY__MUST_WAIT);
    CHECK_INT(sy__ledger_wait(&ledger, &small), SY__MUST_WAIT);
    sy__hold *list = sy__ledger_withdraw(&ledger, is, &big);
    CHECK(list == &big && big.next == &small && small.next == NULL);
    CHECK(!big.held && small.held && ledger.waiting == NULL);
    (void)sy__ledger_settle(&ledger, &first, &nothing);
    (void)sy__ledger_settle(&ledger, &small, &nothing);
    CHECK_INT(run.reserved.of[0], 0);
}

static void
what_was_used_before_counts(void)
{
    sy__budget run = account(NULL, 100, -1, -1), sub = account(&run, 50, -1, -1);
    sy__amounts used = usd(30), more = usd(60), settled, reserved;
    sy__ledger_charge(&ledger, &sub, &used);
    sy__ledger_open(&ledger, &run, &more);
    sy__ledger_look(&ledger, &run, &settled, &reserved);
    CHECK(settled.of[0] == 90 && reserved.of[0] == 0 && sub.settled.of[0] == 30);
    sy__hold h = hold(&sub, 11, 0, 0);
    CHECK_INT(sy__ledger_reserve(&ledger, &h), SY__BREACH);
    CHECK(h.at == &run);
}

static void
the_nearest_deadline_of_a_chain_counts(void)
{
    sy__budget run = account(NULL, 1, -1, -1), sub = account(&run, -1, 5, -1), task = account(&sub, -1, -1, -1);
    CHECK(sy__budget_deadline(&task) == NULL);
    run.ends_ns = 50, sub.ends_ns = 70;
    CHECK(sy__budget_deadline(&task) == &run);
    CHECK(sy__budget_limiting(&task, SY__UNIT_USD) == &run && sy__budget_limiting(&task, SY__UNIT_TOKENS) == &sub);
    CHECK(sy__budget_limiting(&task, SY__UNIT_CPU) == NULL && sy__budget_limiting(&task, SY__UNIT_WALL) == NULL);
    CHECK(sy__budget_limited(&run.limits) && !sy__budget_limited(&task.limits));
}

/* ---- the property: random trees of accounts, calls that fail, are cancelled and charge what they like ---- */

static uint64_t state;

static int64_t
below(int64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state % (uint64_t)n);
}

enum { ACCOUNTS = 12, CALLS = 60 };

typedef struct world {
    sy__budget accounts[ACCOUNTS];
    sy__hold calls[CALLS];
    int phase[CALLS]; /* 0 to come, 1 waits, 2 runs, 3 over */
    int64_t spent[CALLS];
    int64_t greed; /* a call charges up to this many hundredths of its reserve */
    size_t refused, done, withdrawn;
} world;

static void
make_world(world *w)
{
    *w = (world){.greed = below(3) == 0 ? 200 : 100};
    for (int i = 0; i < ACCOUNTS; i++) {
        sy__budget *parent = i ? &w->accounts[below(i)] : NULL;
        w->accounts[i] = account(parent, below(3) ? 200 + below(2000) : -1, below(3) ? 500 + below(9000) : -1,
                                 below(3) ? 300 + below(3000) : -1);
    }
    for (int i = 0; i < CALLS; i++)
        w->calls[i] = hold(&w->accounts[below(ACCOUNTS)], below(5) ? below(300) : -1, below(2) * below(900),
                           below(2) * (1 + below(400)));
}

static int64_t
largest_reserve(const world *w, const sy__budget *b, int unit)
{
    int64_t most = 0;
    for (int i = 0; i < CALLS; i++)
        for (const sy__budget *at = w->calls[i].budget; at; at = at->parent)
            if (at == b && w->calls[i].need.of[unit] > most) most = w->calls[i].need.of[unit];
    return most;
}

static void
check_world(const world *w)
{
    for (int i = 0; i < ACCOUNTS; i++)
        for (int u = 0; u < SY__UNITS; u++) {
            const sy__budget *b = &w->accounts[i];
            if (b->limits.of[u] < 0) continue;
            int64_t all = b->settled.of[u] + b->reserved.of[u];
            bool honest = u == SY__UNIT_CPU || w->greed == 100;
            CHECK(b->settled.of[u] >= 0 && b->reserved.of[u] >= 0);
            CHECK(all <= b->limits.of[u] + (honest ? 0 : largest_reserve(w, b, u)));
        }
}

static void
resumed(world *w, sy__hold *list)
{
    for (sy__hold *next; list; list = next) {
        next = list->next;
        int i = (int)(list - w->calls);
        if (list->held) {
            w->phase[i] = 2;
        } else {
            CHECK_INT(sy__ledger_reserve(&ledger, list), SY__BREACH);
            w->phase[i] = 3;
            w->refused++;
        }
    }
}

static bool
same_account(void *ud, sy__hold *h)
{
    return h->budget == ud;
}

/* The calls of one account are cancelled: those that run are charged for what they did, those that wait leave. */
static void
cancel(world *w, sy__budget *b)
{
    sy__hold *list = sy__ledger_withdraw(&ledger, same_account, b);
    for (sy__hold *h = list; h; h = h->next) {
        if (h->held || h->budget != b) continue;
        w->phase[h - w->calls] = 3;
        w->withdrawn++;
    }
    for (sy__hold *next; list; list = next) {
        next = list->next;
        if (!list->held && list->budget == b) continue;
        list->next = NULL;
        resumed(w, list);
    }
}

static void
step(world *w, int i)
{
    sy__hold *h = &w->calls[i];
    sy__unit unit;
    if (w->phase[i] == 0) {
        sy__admission how = sy__ledger_wait(&ledger, h);
        w->phase[i] = how == SY__ADMITTED ? 2 : how == SY__MUST_WAIT ? 1 : 3;
        w->refused += how == SY__BREACH;
    } else if (w->phase[i] == 2) {
        sy__amounts used = {{0}};
        for (int u = 0; u < SY__UNITS; u++) {
            if (!(h->uses & 1u << u)) continue;
            int64_t most = u == SY__UNIT_CPU ? h->reserved.of[u] : h->need.of[u] * w->greed / 100;
            used.of[u] = below(most - h->charged.of[u] + 1);
        }
        if (below(2)) { /* it says so while it runs, and goes on */
            used.of[SY__UNIT_CPU] = 0;
            const sy__budget *over = sy__ledger_report(&ledger, h, &used, &unit);
            CHECK(!over);
            return;
        }
        for (int u = 0; u < SY__UNIT_CPU; u++) used.of[u] += h->charged.of[u];
        w->phase[i] = 3; /* done, failed or cancelled: the charge counts */
        w->done++;
        resumed(w, sy__ledger_settle(&ledger, h, &used));
    }
}

static void
nothing_overshoots_and_nothing_leaks(void)
{
    static world w;
    size_t done = 0, refused = 0, withdrawn = 0;
    for (uint64_t seed = 1; seed <= 250; seed++) {
        state = seed * 0x9e3779b97f4a7c15u;
        make_world(&w);
        for (int round = 0; round < 4000 && w.done + w.refused + w.withdrawn < CALLS; round++) {
            step(&w, (int)below(CALLS));
            if (below(200) == 0) cancel(&w, &w.accounts[below(ACCOUNTS)]);
            check_world(&w);
        }
        CHECK_INT(w.done + w.refused + w.withdrawn, CALLS);
        CHECK(ledger.waiting == NULL);
        for (int i = 0; i < ACCOUNTS; i++) {
            CHECK(w.accounts[i].head == NULL);
            for (int u = 0; u < SY__UNITS; u++) CHECK_INT(w.accounts[i].reserved.of[u], 0);
        }
        done += w.done, refused += w.refused, withdrawn += w.withdrawn;
        if (test_failures) {
            (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
            return;
        }
    }
    CHECK(done > 1000 && refused > 1000 && withdrawn > 100);
    (void)printf("%zu calls ended, %zu were refused, %zu cancelled while they waited\n", done, refused, withdrawn);
}

int
main(void)
{
    sy__ledger_init(&ledger);
    all_accounts_of_a_chain_are_charged_or_none();
    who_waits_is_let_in_in_order_by_a_settlement();
    a_charge_above_the_reserve_ends_the_waiting_of_what_can_never_fit();
    what_a_call_reports_ends_it_where_its_budget_is_passed();
    cpu_time_is_cut_to_what_is_left();
    who_is_withdrawn_lets_those_behind_it_in();
    what_was_used_before_counts();
    the_nearest_deadline_of_a_chain_counts();
    nothing_overshoots_and_nothing_leaks();
    sy__ledger_close(&ledger);
    TEST_END();
}
