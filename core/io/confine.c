/*
 * confine.c: a filter is a list of small blocks, one a rule, in the order given:
 *
 *     is it this number? ── no ──▶ next block
 *     yes: return the verdict, or load the argument, compare, return one of two
 *
 * The compiled form is classic BPF, whose jumps reach 255 steps: blocks are short, so that none is near that. A filter
 * by hand needs no library in every process of ours, and a reader can check it against the rules line by line.
 */
#include "io/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- seccomp ---- */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#else
#define OUR_ARCH 0
_Static_assert(OUR_ARCH, "say which AUDIT_ARCH_… this machine has");
#endif

enum { X32_BIT = 0x40000000, LONGEST_BLOCK = 7 };

static void
step(sy__filter *f, unsigned code, uint32_t k, unsigned yes, unsigned no)
{
    f->steps[f->count++] = (struct sock_filter){.code = (uint16_t)code, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = k};
}

static void
give(sy__filter *f, sy__verdict verdict)
{
    static const uint32_t values[] = {
        [SY__ALLOW] = SECCOMP_RET_ALLOW,         [SY__REFUSE] = SECCOMP_RET_ERRNO | EPERM,
        [SY__DENY] = SECCOMP_RET_ERRNO | EACCES, [SY__ABSENT] = SECCOMP_RET_ERRNO | ENOSYS,
        [SY__TRAP] = SECCOMP_RET_TRAP,           [SY__KILL] = SECCOMP_RET_KILL_PROCESS};
    step(f, BPF_RET | BPF_K, values[verdict], 0, 0);
}

static void
load_number(sy__filter *f)
{
    step(f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

void
sy__filter_begin(sy__filter *f)
{
    f->count = 0;
    step(f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    step(f, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    give(f, SY__KILL);
    load_number(f);
    step(f, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    give(f, SY__KILL);
}

/* The low half of an argument lies first on the little-endian machines named above. A block that does not decide
 * loads the number again for the next one. */
static void
add_tested(sy__filter *f, const sy__syscall_rule *r)
{
    uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (size_t)r->argument);
    bool equal = r->test == SY__IF_EQUAL;
    step(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->number, 0, 5);
    step(f, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
    step(f, BPF_ALU | BPF_AND | BPF_K, equal && r->mask ? r->mask : UINT32_MAX, 0, 0);
    step(f, BPF_JMP | (equal ? BPF_JEQ : BPF_JSET) | BPF_K, r->value, equal ? 0 : 1, equal ? 1 : 0);
    give(f, r->verdict);
    if (r->otherwise == SY__NEXT)
        load_number(f);
    else
        give(f, r->otherwise);
}

void
sy__filter_add(sy__filter *f, const sy__syscall_rule *rules, size_t count)
{
    for (const sy__syscall_rule *r = rules; r < rules + count; r++) {
        if (f->count + LONGEST_BLOCK >= SY__FILTER_STEPS) {
            f->count = SY__FILTER_STEPS;
            return;
        }
        if (r->test != SY__ALWAYS) {
            add_tested(f, r);
            continue;
        }
        step(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->number, 0, 1);
        give(f, r->verdict);
    }
}

int
sy__filter_end(sy__filter *f, sy__verdict rest)
{
    if (f->count >= SY__FILTER_STEPS) return SY_EINVAL;
    give(f, rest);
    return SY_OK;
}

int
sy__filter_enter(const sy__filter *f)
{
    struct sock_fprog program = {.len = f->count, .filter = (struct sock_filter *)(uintptr_t)f->steps};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}

bool
sy__filter_works(void)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* ---- Landlock ---- */

/* The headers of the system may be older than its kernel: what later ABIs added. */
struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};
struct port_attr {
    uint64_t allowed_access, port;
};

enum {
    FS_ABI_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    NET_ABI_4 = 3,          /* bind and connect of TCP */
    NET_CONNECT = 2,
    RULE_NET_PORT = 2,
    SCOPE_ABI_6 = 3, /* abstract unix sockets, signals */
};

enum {
    FS_EXECUTE = 1,
    FS_WRITE_FILE = 2,
    FS_READ_FILE = 4,
    FS_READ_DIR = 8,
    ON_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV
};

int
sy__land_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
#ifdef SYMPHONY_CRASH_POINTS
    const char *less = getenv("SYMPHONY_TEST_LANDLOCK");
    if (less && atoi(less) < abi) abi = atoi(less);
#endif
    return abi > 0 ? (int)abi : 0;
}

static uint64_t
fs_of(int abi)
{
    return (uint64_t)(FS_ABI_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
                      (abi >= 5 ? FS_IOCTL_DEV : 0));
}

int
sy__land_new_leaving(unsigned leave, sy__error *err)
{
    int abi = sy__land_abi();
    if (!abi) return sy__error_set(err, SY_EPERM, "this kernel has no Landlock");
    struct ruleset_attr attr = {.handled_access_fs = fs_of(abi),
                                .handled_access_net = abi >= 4 && !(leave & SY__LAND_ANY_TCP) ? NET_ABI_4 : 0,
                                .scoped = abi >= 6 ? SCOPE_ABI_6 : 0};
    size_t size = abi >= 6 ? sizeof attr : abi >= 4 ? offsetof(struct ruleset_attr, scoped) : sizeof(uint64_t);
    long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    return fd >= 0 ? (int)fd : sy__error_errno(err, errno, "no Landlock ruleset could be made");
}

int
sy__land_new(sy__error *err)
{
    return sy__land_new_leaving(0, err);
}

int
sy__land_allow(int ruleset, int path_fd, int access)
{
    uint64_t all = fs_of(sy__land_abi()), wanted = 0;
    struct stat st;
    if (access & SY__LAND_READ) wanted |= FS_READ_FILE | FS_READ_DIR;
    if (access & SY__LAND_RUN) wanted |= FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
    if (access & SY__LAND_WRITE) wanted |= all & ~(uint64_t)(FS_EXECUTE | FS_READ_FILE | FS_READ_DIR);
    if (access & SY__LAND_LIST) wanted |= FS_READ_DIR;
    if (fstat(path_fd, &st) != 0) return errno;
    if (!S_ISDIR(st.st_mode)) wanted &= ON_FILES;
    struct landlock_path_beneath_attr rule = {.allowed_access = wanted & all, .parent_fd = path_fd};
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : errno;
}

int
sy__land_allow_port(int ruleset, int port)
{
    struct port_attr rule = {.allowed_access = NET_CONNECT, .port = (uint64_t)port};
    return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == 0 ? 0 : errno;
}

int
sy__land_enter(int ruleset)
{
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
}
