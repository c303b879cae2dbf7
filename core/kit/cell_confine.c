/*
 * cell_confine.c: what a cell gives up before it sees the first byte of an extension.
 *
 *   memory     as much address space as it has now, twice what the extension may use, and room for frames
 *   files      none can be opened: no descriptors left, none written, and Landlock without a single path
 *   processes  none can be started, traced or signalled
 *   kernel     a list of calls that computing and one open socket need; anything else ends the process
 *
 * What a library would do at its first use (reading a time zone, seeding from a device, loading a configuration) is
 * done before. A call that is worth a name ends the process through a handler that tells it to the host; the rest ends
 * it in the kernel. In a build with sanitizers memory is not limited, and the calls of their runtime are let through.
 */
#include "io/confine.h"
#include "kit/cell_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { FRAME_ROOM_BYTES = 48 << 20 };

void
sy__cell_prepare(void)
{
    unsigned char byte;
    char text[64];
    struct tm tm;
    time_t now = time(NULL);
    tzset();
    (void)localtime_r(&now, &tm);
    (void)strftime(text, sizeof text, "%c %Z", &tm);
    json_object_seed(0);
    if (sodium_init() >= 0) randombytes_buf(&byte, 1);
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    (void)EVP_Digest("", 0, (unsigned char[EVP_MAX_MD_SIZE]){0}, NULL, EVP_sha256(), NULL);
}

/* ---- resources ---- */

static int64_t
own_bytes(void)
{
    char text[64];
    long pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n <= 0) return -1;
    text[n] = '\0';
    for (const char *p = text; *p >= '0' && *p <= '9'; p++) pages = pages * 10 + (*p - '0');
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int
limit(__rlimit_resource_t what, rlim_t most)
{
    const struct rlimit r = {most, most};
    return setrlimit(what, &r) == 0 ? 0 : errno;
}

static int
limit_resources(size_t memory_bytes, sy__error *err)
{
    int why = limit(RLIMIT_CORE, 0);
    int64_t own = own_bytes();
    if (own < 0) return sy__error_errno(err, errno, "its memory cannot be measured: /proc is needed");
    if (!why && !SANITIZED) why = limit(RLIMIT_AS, (rlim_t)own + 2 * memory_bytes + FRAME_ROOM_BYTES);
    if (!why) why = limit(RLIMIT_FSIZE, 0);
    if (!why) why = limit(RLIMIT_NPROC, 0);
    if (!why) why = limit(RLIMIT_MEMLOCK, 0);
    if (!why) why = limit(RLIMIT_MSGQUEUE, 0);
    return why ? sy__error_errno(err, why, "its resources cannot be limited") : SY_OK;
}

/* ---- system calls ---- */

#define ALLOWED(name)                              \
    {                                              \
        .number = SYS_##name, .verdict = SY__ALLOW \
    }
/* Memory, but no new code: an allocator of code (PCRE2's) is told that there is none, and does without. */
#define NO_CODE(name)                                                                                          \
    {                                                                                                          \
        .number = SYS_##name, .test = SY__IF_NONE_OF, .argument = 2, .value = PROT_EXEC, .verdict = SY__ALLOW, \
        .otherwise = SY__REFUSE                                                                                \
    }

static const sy__syscall_rule rules[] = {
    ALLOWED(read),
    ALLOWED(write),
    ALLOWED(futex),
    NO_CODE(mmap),
    NO_CODE(mprotect),
    ALLOWED(munmap),
    ALLOWED(mremap),
    ALLOWED(madvise),
    ALLOWED(brk),
    ALLOWED(clock_gettime),
    ALLOWED(clock_getres),
    ALLOWED(gettimeofday),
    ALLOWED(getrandom),
    ALLOWED(getpid),
    ALLOWED(gettid),
    ALLOWED(sched_yield),
    ALLOWED(restart_syscall),
    ALLOWED(rt_sigreturn),
    ALLOWED(rt_sigprocmask),
    ALLOWED(exit),
    ALLOWED(exit_group),
#ifdef SYS_time
    ALLOWED(time),
#endif
};

static const sy__syscall_rule sanitizer_rules[] = {ALLOWED(sigaltstack), ALLOWED(rt_sigaction), ALLOWED(pipe2),
                                                   ALLOWED(close)};

#define NAMED(name)       \
    {                     \
        SYS_##name, #name \
    }

/* What is worth a name when an extension tries it. */
static const struct {
    int number;
    const char *name;
} named_calls[] = {
    NAMED(openat),
    NAMED(openat2),
    NAMED(socket),
    NAMED(socketpair),
    NAMED(connect),
    NAMED(bind),
    NAMED(sendmsg),
    NAMED(recvmsg),
    NAMED(sendto),
    NAMED(execve),
    NAMED(execveat),
    NAMED(clone),
    NAMED(clone3),
    NAMED(kill),
    NAMED(tkill),
    NAMED(tgkill),
    NAMED(ptrace),
    NAMED(process_vm_readv),
    NAMED(process_vm_writev),
    NAMED(pidfd_open),
    NAMED(unlinkat),
    NAMED(renameat2),
    NAMED(mount),
    NAMED(ioctl),
    NAMED(prctl),
    NAMED(io_uring_setup),
    NAMED(bpf),
    NAMED(memfd_create),
    NAMED(setrlimit),
    NAMED(prlimit64),
    NAMED(dup),
    NAMED(dup3),
    NAMED(fcntl),
    NAMED(newfstatat),
    NAMED(statx),
#ifdef SYS_open
    NAMED(open),
    NAMED(fork),
    NAMED(vfork),
    NAMED(unlink),
    NAMED(rename),
    NAMED(stat),
    NAMED(pipe),
#endif
};

const char *
sy__cell_call_name(int number)
{
    for (size_t i = 0; i < sizeof named_calls / sizeof *named_calls; i++)
        if (named_calls[i].number == number) return named_calls[i].name;
    return NULL;
}

static void
add_named(sy__filter *f)
{
    for (size_t i = 0; i < sizeof named_calls / sizeof *named_calls; i++) {
        const sy__syscall_rule rule = {.number = named_calls[i].number, .verdict = SY__TRAP};
        sy__filter_add(f, &rule, 1);
    }
}

/* SIGSYS: the call has not happened. Tells which it was, byte by byte as sy__frame_add would. */
static void
on_violation(int signum, siginfo_t *info, void *context)
{
    char bytes[SY__FRAME_HEAD + 9] = {SY__FROM_VIOLATION, 0, 0, 0, 9};
    (void)signum, (void)context;
    bytes[SY__FRAME_HEAD] = SY__INT;
    for (int i = 0; i < 4; i++) bytes[SY__FRAME_HEAD + 1 + i] = (char)((unsigned)info->si_syscall >> (8 * i));
    (void)!write(SY__CELL_FD, bytes, sizeof bytes);
    _exit(SY__CELL_REFUSED);
}

static int
limit_calls(sy__error *err)
{
    static const struct sigaction action = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};
    sy__filter f;
    sy__filter_begin(&f);
    if (SANITIZED) sy__filter_add(&f, sanitizer_rules, sizeof sanitizer_rules / sizeof *sanitizer_rules);
    sy__filter_add(&f, rules, sizeof rules / sizeof *rules);
    add_named(&f);
    int why = sigaction(SIGSYS, &action, NULL) == 0 ? sy__filter_end(&f, SY__KILL) : errno;
    if (!why) why = sy__filter_enter(&f);
    return why ? sy__error_errno(err, why, "its system calls cannot be limited: the kernel needs seccomp filters")
               : SY_OK;
}

/* ---- all of it ---- */

/* Landlock where there is one: seccomp alone refuses every call that opens a path. */
static int
limit_paths(int *landlock, sy__error *err)
{
    *landlock = sy__land_abi();
    if (!*landlock) return SY_OK;
    int ruleset = sy__land_new(err);
    if (ruleset < 0) return ruleset;
    int why = sy__land_enter(ruleset);
    (void)close(ruleset);
    return why ? sy__error_errno(err, why, "Landlock cannot be entered") : SY_OK;
}

int
sy__cell_confine(size_t memory_bytes, int *landlock, sy__error *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return sy__error_errno(err, errno, "privileges cannot be given up");
    int rc = limit_resources(memory_bytes, err);
    if (rc == SY_OK) rc = limit_paths(landlock, err);
    if (rc) return rc;
    int why = limit(RLIMIT_NOFILE, SANITIZED ? 16 : 0); /* the ruleset was the last descriptor */
    return why ? sy__error_errno(err, why, "its descriptors cannot be limited") : limit_calls(err);
}
