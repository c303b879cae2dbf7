/*
 * limits.c: the allocator's cap, the two clocks and the poison.
 *
 * Reading a clock costs, so a count hook looks every 1,000 instructions, and C functions look after each 256 KiB
 * of work. The thread's CPU clock is a system call: since CPU time never runs ahead of the monotonic clock, one
 * reading tells before which moment no other is needed. With a watchdog the hook looks each time it is set. A single
 * instruction can be slow when it works on a large block (comparing or joining strings of megabytes), so while such
 * blocks live the hook comes more often.
 *
 * Lua asks twice for memory: after a refusal it collects and tries again. Only the second refusal in a row poisons.
 */
#include "kit/limits.h"
#include "kit/isolate_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    HOOK_COUNT = 1000,
    HOOK_COUNT_BIG = 100,
    BIG_BLOCK_BYTES = 1 << 20,
    COUNTED_BLOCK_BYTES = 4096, /* allocations from here on count as work: something fills them */
    LOOK_BYTES = 256 << 10,
    KERNEL_TICK_NS = 10000000, /* the most by which a signal of the watchdog is late */
    RESERVE_BYTES = 32 << 10,  /* above the cap once poisoned, for the error's text and the unwinding */
};

void
sy__limits_init(sy__limits *l, const sy__alloc *a, const sy__clock *clock, size_t cap_bytes, sy__watchdog *w)
{
    memset(l, 0, sizeof *l);
    l->alloc = a;
    l->clock = clock;
    l->cap_bytes = cap_bytes;
    l->watchdog = w && w->on ? w : NULL;
    l->hook_count = l->watchdog ? 0 : HOOK_COUNT;
    atomic_init(&l->request, 0);
}

/* Only the handler of a signal in this very thread can come between: no order is needed. */
static SY__UNCHECKED lua_State *
running(sy__limits *l)
{
    return atomic_load_explicit(&l->running, memory_order_relaxed);
}

void
sy__limits_switch(sy__limits *l, lua_State *co)
{
    atomic_store_explicit(&l->running, co, memory_order_relaxed);
}

/* ---- memory ---- */

static void
set_hook_count(sy__limits *l)
{
    int want = l->why ? 1 : l->watchdog ? 0 : l->big_blocks ? HOOK_COUNT_BIG : HOOK_COUNT;
    if (want == l->hook_count) return;
    l->hook_count = want;
    if (running(l)) sy__limits_sync(l, running(l));
}

static void
count_block(sy__limits *l, size_t old_bytes, size_t new_bytes)
{
    l->used_bytes += new_bytes - old_bytes;
    if (l->used_bytes > l->peak_bytes) l->peak_bytes = l->used_bytes;
    bool was = old_bytes >= BIG_BLOCK_BYTES, is = new_bytes >= BIG_BLOCK_BYTES;
    if (was == is) return;
    if (is)
        l->big_blocks++;
    else
        l->big_blocks--;
    set_hook_count(l);
}

static void *
refuse(sy__limits *l, const void *ptr, size_t bytes)
{
    bool again = l->refused_bytes == bytes && l->refused == ptr;
    l->refused = ptr;
    l->refused_bytes = bytes;
    if (again) sy__limits_poison(l, SY_EMEMORY);
    return NULL;
}

static void *
grow(sy__limits *l, void *ptr, size_t old_bytes, size_t new_bytes)
{
    size_t cap = l->cap_bytes + (l->why ? RESERVE_BYTES : 0), more = new_bytes - old_bytes;
    if (more > cap || l->used_bytes > cap - more) return refuse(l, ptr, new_bytes);
    /* Before the block moves: it may be the stack that the poison looks at for its place. */
    if (new_bytes >= COUNTED_BLOCK_BYTES) (void)sy__limits_charge(l, new_bytes);
    void *to = sy__realloc(l->alloc, ptr, new_bytes);
    if (!to) return refuse(l, ptr, new_bytes);
    l->refused_bytes = 0;
    count_block(l, old_bytes, new_bytes);
    return to;
}

void *
sy__limits_alloc(void *ud, void *ptr, size_t old_bytes, size_t new_bytes)
{
    sy__limits *l = ud;
    if (!ptr) old_bytes = 0; /* Lua passes the kind of object there */
    if (new_bytes > old_bytes) return grow(l, ptr, old_bytes, new_bytes);
    count_block(l, old_bytes, new_bytes);
    if (new_bytes == 0) {
        sy__free(l->alloc, ptr);
        return NULL;
    }
    void *to = sy__realloc(l->alloc, ptr, new_bytes);
    return to ? to : ptr; /* a shrink is never refused */
}

/* ---- time ---- */

static int64_t
system_mono_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
sy__limits_begin(sy__limits *l, int64_t cpu_ns, int64_t deadline_ns)
{
    l->cpu_limit_ns = cpu_ns;
    l->cpu_used_ns = 0;
    l->deadline_ns = deadline_ns;
    l->work_bytes = 0;
}

void
sy__limits_enter(sy__limits *l, lua_State *co)
{
    sy__limits_switch(l, co);
    l->slice_ns = system_mono_ns();
    l->slice_cpu_ns = -1;
    l->look_ns = 0;
    l->share_over = false;
    sy__limits_sync(l, co);
    if (!l->watchdog) return;
    l->slice_ticks = atomic_load_explicit(&l->watchdog->ticks, memory_order_relaxed);
    l->outer = atomic_exchange_explicit(&l->watchdog->limits, l, memory_order_relaxed);
}

/* What this slice has used. Until the first look the monotonic clock stands in for the CPU's; what a watchdog has not
 * counted was not computed. */
static int64_t
slice_used_ns(sy__limits *l, int64_t now_ns)
{
    if (l->slice_cpu_ns >= 0) return sy__thread_cpu_ns() - l->slice_cpu_ns;
    int64_t wall_ns = now_ns - l->slice_ns;
    if (!l->watchdog) return wall_ns;
    unsigned ticks = atomic_load_explicit(&l->watchdog->ticks, memory_order_relaxed) - l->slice_ticks;
    int64_t most_ns = ((int64_t)ticks + 1) * (SY__WATCHDOG_TICK_NS + KERNEL_TICK_NS);
    return wall_ns < most_ns ? wall_ns : most_ns;
}

void
sy__limits_leave(sy__limits *l)
{
    l->cpu_used_ns += slice_used_ns(l, system_mono_ns());
    if (l->watchdog) atomic_store_explicit(&l->watchdog->limits, l->outer, memory_order_relaxed);
    sy__limits_switch(l, NULL);
}

static void
look_at_cpu(sy__limits *l)
{
    int64_t now = system_mono_ns();
    l->share_over = l->share_ns && now - l->slice_ns > l->share_ns;
    if (now < l->look_ns) return;
    int64_t used = slice_used_ns(l, now);
    if (l->slice_cpu_ns < 0) l->slice_cpu_ns = sy__thread_cpu_ns() - used;
    int64_t left = l->cpu_limit_ns - l->cpu_used_ns - used;
    if (left <= 0) sy__limits_poison(l, SY_ETIMEOUT);
    l->look_ns = now + left;
}

int
sy__limits_look(sy__limits *l)
{
    l->work_bytes = 0;
    if (l->why || !running(l)) return l->why;
    int asked = atomic_load_explicit(&l->request, memory_order_relaxed);
    if (asked) sy__limits_poison(l, asked);
    if (!l->why && l->deadline_ns && sy__mono_ns(l->clock) >= l->deadline_ns) {
        l->late = true;
        sy__limits_poison(l, SY_ETIMEOUT);
    }
    look_at_cpu(l);
    return l->why;
}

int
sy__limits_charge(sy__limits *l, size_t bytes)
{
    if (bytes >= LOOK_BYTES - l->work_bytes) return sy__limits_look(l);
    l->work_bytes += bytes;
    return l->why;
}

/* ---- poison ---- */

static void
remember_place(sy__limits *l)
{
    lua_Debug at;
    lua_State *L = running(l);
    for (int level = 0; L && lua_getstack(L, level, &at); level++) {
        if (!lua_getinfo(L, "Sl", &at) || at.currentline <= 0) continue;
        const char *name = at.source + (*at.source == '@' || *at.source == '=');
        (void)snprintf(l->file, sizeof l->file, "%s", name);
        l->line = at.currentline;
        return;
    }
}

void
sy__limits_poison(sy__limits *l, int why)
{
    if (l->why) return;
    l->why = why;
    remember_place(l);
    set_hook_count(l);
}

void
sy__limits_request(sy__limits *l, int why)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&l->request, &none, why);
}

void
sy__limits_sentence(const sy__limits *l, char *out, size_t size)
{
    if (l->why == SY_EMEMORY) {
        (void)snprintf(out, size, "it needs more than the %zu KiB of memory it may use", l->cap_bytes >> 10);
    } else if (l->why == SY_ETIMEOUT && !l->late && l->cpu_limit_ns) {
        (void)snprintf(out, size, "it ran for more than %lld ms", (long long)(l->cpu_limit_ns / 1000000));
    } else {
        (void)snprintf(out, size, "%s", sy_strerror(l->why));
    }
}

int
sy__limits_raise(sy__limits *l, lua_State *L)
{
    char sentence[128];
    sy__limits_sync(l, L);
    sy__limits_sentence(l, sentence, sizeof sentence);
    lua_pushstring(L, sentence);
    return lua_error(L);
}

/* With a watchdog the hook was set for this once; it goes before the call steps aside. */
static void
on_count(lua_State *L, lua_Debug *at)
{
    (void)at;
    sy__isolate *iso = sy__isolate_of(L);
    sy__limits *l = &iso->limits;
    sy__limits_switch(l, L);
    if (sy__limits_look(l)) (void)sy__limits_raise(l, L);
    if (l->watchdog) lua_sethook(L, NULL, 0, 0);
    if (l->share_over && sy__isolate_step_aside(L)) (void)lua_yield(L, 0);
}

/* Never takes a hook away: it may be the watchdog's, which has not been seen yet. */
void
sy__limits_sync(sy__limits *l, lua_State *L)
{
    if (l->hook_count && lua_gethookcount(L) != l->hook_count) lua_sethook(L, on_count, LUA_MASKCOUNT, l->hook_count);
}

SY__UNCHECKED void
sy__limits_strike(sy__limits *l)
{
    lua_State *L = running(l);
    if (L) lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
}
