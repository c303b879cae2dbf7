/*
 * cage_rules.c: a list of what is refused, because programs of all kinds run here and the kernel grows calls faster
 * than lists of what is allowed. Files are Landlock's; this is what reaches around files.
 *
 *     the machine        mounts, modules, clocks, keys, namespaces, tracing, io_uring, bpf
 *     other processes    their memory, descriptors and limits; typing into a terminal (TIOCSTI)
 *     sockets            all kinds but those that the options name; pairs are free
 *     the mark           RLIMIT_LOCKS, by which sy__sweep finds what a child left running
 *     rights of files    chmod and its kin, unless some files may be written: Landlock does not look at them
 */
#include "io/cage_rules.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum {
    ANY_NAMESPACE =
        CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS,
    SOCKET_KIND = 0xf, /* of the second argument, without its flags */
    ASKS_PERSONALITY = -1,
    PROTO_SMC = 256, /* no name in the C library */
};

/* clone3 keeps its flags in memory, where no filter looks: its absence makes the C library use clone. */
static const sy__syscall_rule machine[] = {
    {.number = SYS_clone3, .verdict = SY__ABSENT},
    {.number = SYS_clone,
     .test = SY__IF_NONE_OF,
     .value = ANY_NAMESPACE,
     .verdict = SY__ALLOW,
     .otherwise = SY__REFUSE},
    {.number = SYS_unshare,
     .test = SY__IF_NONE_OF,
     .value = ANY_NAMESPACE,
     .verdict = SY__ALLOW,
     .otherwise = SY__REFUSE},
    {.number = SYS_personality, .test = SY__IF_EQUAL, .verdict = SY__ALLOW, .otherwise = SY__NEXT},
    {.number = SYS_personality,
     .test = SY__IF_EQUAL,
     .value = (uint32_t)ASKS_PERSONALITY,
     .verdict = SY__ALLOW,
     .otherwise = SY__REFUSE},
    {.number = SYS_io_uring_setup, .verdict = SY__ABSENT},
    {.number = SYS_io_uring_enter, .verdict = SY__ABSENT},
    {.number = SYS_io_uring_register, .verdict = SY__ABSENT},
    {.number = SYS_setns, .verdict = SY__REFUSE},
    {.number = SYS_mount, .verdict = SY__REFUSE},
    {.number = SYS_umount2, .verdict = SY__REFUSE},
    {.number = SYS_fsopen, .verdict = SY__REFUSE},
    {.number = SYS_fsmount, .verdict = SY__REFUSE},
    {.number = SYS_fsconfig, .verdict = SY__REFUSE},
    {.number = SYS_fspick, .verdict = SY__REFUSE},
    {.number = SYS_open_tree, .verdict = SY__REFUSE},
    {.number = SYS_move_mount, .verdict = SY__REFUSE},
    {.number = SYS_mount_setattr, .verdict = SY__REFUSE},
    {.number = SYS_pivot_root, .verdict = SY__REFUSE},
    {.number = SYS_chroot, .verdict = SY__REFUSE},
    {.number = SYS_swapon, .verdict = SY__REFUSE},
    {.number = SYS_swapoff, .verdict = SY__REFUSE},
    {.number = SYS_reboot, .verdict = SY__REFUSE},
    {.number = SYS_kexec_load, .verdict = SY__REFUSE},
#ifdef SYS_kexec_file_load
    {.number = SYS_kexec_file_load, .verdict = SY__REFUSE},
#endif
    {.number = SYS_init_module, .verdict = SY__REFUSE},
    {.number = SYS_finit_module, .verdict = SY__REFUSE},
    {.number = SYS_delete_module, .verdict = SY__REFUSE},
    {.number = SYS_acct, .verdict = SY__REFUSE},
    {.number = SYS_quotactl, .verdict = SY__REFUSE},
    {.number = SYS_syslog, .verdict = SY__REFUSE},
    {.number = SYS_settimeofday, .verdict = SY__REFUSE},
    {.number = SYS_clock_settime, .verdict = SY__REFUSE},
    {.number = SYS_clock_adjtime, .verdict = SY__REFUSE},
    {.number = SYS_adjtimex, .verdict = SY__REFUSE},
    {.number = SYS_sethostname, .verdict = SY__REFUSE},
    {.number = SYS_setdomainname, .verdict = SY__REFUSE},
#ifdef SYS_ioperm
    {.number = SYS_ioperm, .verdict = SY__REFUSE},
    {.number = SYS_iopl, .verdict = SY__REFUSE},
#endif
    {.number = SYS_bpf, .verdict = SY__REFUSE},
    {.number = SYS_perf_event_open, .verdict = SY__REFUSE},
    {.number = SYS_userfaultfd, .verdict = SY__REFUSE},
    {.number = SYS_fanotify_init, .verdict = SY__REFUSE},
    {.number = SYS_add_key, .verdict = SY__REFUSE},
    {.number = SYS_request_key, .verdict = SY__REFUSE},
    {.number = SYS_keyctl, .verdict = SY__REFUSE},
    {.number = SYS_open_by_handle_at, .verdict = SY__REFUSE},
};

static const sy__syscall_rule others[] = {
    {.number = SYS_ptrace, .verdict = SY__REFUSE},
    {.number = SYS_process_vm_readv, .verdict = SY__REFUSE},
    {.number = SYS_process_vm_writev, .verdict = SY__REFUSE},
    {.number = SYS_process_madvise, .verdict = SY__REFUSE},
    {.number = SYS_kcmp, .verdict = SY__REFUSE},
    {.number = SYS_pidfd_getfd, .verdict = SY__REFUSE},
    {.number = SYS_ioctl,
     .test = SY__IF_EQUAL,
     .argument = 1,
     .value = TIOCSTI,
     .verdict = SY__REFUSE,
     .otherwise = SY__NEXT},
    {.number = SYS_ioctl,
     .test = SY__IF_EQUAL,
     .argument = 1,
     .value = TIOCLINUX,
     .verdict = SY__REFUSE,
     .otherwise = SY__ALLOW},
    {.number = SYS_setrlimit,
     .test = SY__IF_EQUAL,
     .value = RLIMIT_LOCKS,
     .verdict = SY__REFUSE,
     .otherwise = SY__ALLOW},
    {.number = SYS_prlimit64,
     .test = SY__IF_EQUAL,
     .argument = 1,
     .value = RLIMIT_LOCKS,
     .verdict = SY__REFUSE,
     .otherwise = SY__NEXT},
    {.number = SYS_prlimit64, .test = SY__IF_EQUAL, .verdict = SY__ALLOW, .otherwise = SY__REFUSE},
};

/* Calls that are younger than the headers of some systems; their numbers are the same everywhere. */
enum { NR_FCHMODAT2 = 452, NR_SETXATTRAT = 463, NR_REMOVEXATTRAT = 466, NR_FILE_SETATTR = 469 };

static const sy__syscall_rule rights[] = {
#ifdef SYS_chmod
    {.number = SYS_chmod, .verdict = SY__REFUSE},        {.number = SYS_chown, .verdict = SY__REFUSE},
    {.number = SYS_lchown, .verdict = SY__REFUSE},
#endif
    {.number = SYS_fchmodat, .verdict = SY__REFUSE},     {.number = NR_FCHMODAT2, .verdict = SY__REFUSE},
    {.number = SYS_fchownat, .verdict = SY__REFUSE},     {.number = SYS_setxattr, .verdict = SY__REFUSE},
    {.number = SYS_lsetxattr, .verdict = SY__REFUSE},    {.number = NR_SETXATTRAT, .verdict = SY__REFUSE},
    {.number = SYS_removexattr, .verdict = SY__REFUSE},  {.number = SYS_lremovexattr, .verdict = SY__REFUSE},
    {.number = NR_REMOVEXATTRAT, .verdict = SY__REFUSE}, {.number = NR_FILE_SETATTR, .verdict = SY__REFUSE},
};

/* Landlock looks at truncation from ABI 3 on. */
static const sy__syscall_rule truncation[] = {
    {.number = SYS_truncate, .verdict = SY__DENY},
#ifdef SYS_open
    {.number = SYS_open,
     .test = SY__IF_EQUAL,
     .argument = 1,
     .mask = O_TRUNC | O_ACCMODE,
     .value = O_TRUNC | O_RDONLY,
     .verdict = SY__DENY,
     .otherwise = SY__ALLOW},
#endif
    {.number = SYS_openat,
     .test = SY__IF_EQUAL,
     .argument = 2,
     .mask = O_TRUNC | O_ACCMODE,
     .value = O_TRUNC | O_RDONLY,
     .verdict = SY__DENY,
     .otherwise = SY__ALLOW},
    {.number = SYS_openat2, .verdict = SY__ABSENT},
};

/* ---- sockets ---- */

/* A rule on the family (0), kind (1) or protocol (2) of a new socket. */
static void
on_socket(sy__filter *f, int argument, uint32_t value, sy__verdict verdict, sy__verdict otherwise)
{
    sy__syscall_rule r = {.number = SYS_socket,
                          .test = SY__IF_EQUAL,
                          .argument = argument,
                          .value = value,
                          .mask = argument == 1 ? SOCKET_KIND : 0,
                          .verdict = verdict,
                          .otherwise = otherwise};
    sy__filter_add(f, &r, 1);
}

/* Landlock's ports are those of TCP proper: what else could carry a stream is refused, and so is a connection that
 * begins with its first bytes. */
static void
keep_to_tcp(sy__filter *f)
{
    static const uint32_t streams[] = {IPPROTO_MPTCP, IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_UDPLITE, PROTO_SMC};
    static const int senders[][2] = {{SYS_sendto, 3}, {SYS_sendmsg, 2}, {SYS_sendmmsg, 3}};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) on_socket(f, 2, streams[i], SY__DENY, SY__NEXT);
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        sy__syscall_rule r = {.number = senders[i][0],
                              .test = SY__IF_NONE_OF,
                              .argument = senders[i][1],
                              .value = MSG_FASTOPEN,
                              .verdict = SY__ALLOW,
                              .otherwise = SY__DENY};
        sy__filter_add(f, &r, 1);
    }
}

static void
add_sockets(sy__filter *f, const sy__cage_options *o, int abi)
{
    bool net = o->any_net || (o->ports[0] && abi >= 4);
    if (o->unix_sockets) on_socket(f, 0, AF_UNIX, SY__ALLOW, SY__NEXT);
    if (net) {
        on_socket(f, 0, AF_NETLINK, SY__ALLOW, SY__NEXT); /* the C library asks which addresses there are */
        on_socket(f, 1, SOCK_RAW, SY__DENY, SY__NEXT);
        on_socket(f, 1, SOCK_PACKET, SY__DENY, SY__NEXT);
        if (!o->any_net) keep_to_tcp(f);
        if (!o->any_net && !o->datagrams) on_socket(f, 1, SOCK_DGRAM, SY__DENY, SY__NEXT);
        on_socket(f, 0, AF_INET, SY__ALLOW, SY__NEXT);
        on_socket(f, 0, AF_INET6, SY__ALLOW, SY__NEXT);
    }
    sy__syscall_rule rest = {.number = SYS_socket, .verdict = SY__DENY};
    sy__filter_add(f, &rest, 1);
}

#define ADD(f, list) sy__filter_add(f, list, sizeof(list) / sizeof *(list))

int
sy__cage_rules(sy__filter *f, const sy__cage_options *o, int abi)
{
    sy__filter_begin(f);
    ADD(f, machine);
    ADD(f, others);
    if (abi < 3) ADD(f, truncation);
    if (!o->changes) ADD(f, rights);
    add_sockets(f, o, abi);
    return sy__filter_end(f, SY__ALLOW);
}
