/*
 * confine_test.c: a process under a filter and a ruleset can do what the rules say and nothing else. Each case runs in
 * a child that confines itself, tries one thing, and tells by its end what happened.
 */
#include "io/confine.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DONE = 0, REFUSED = 7 };

static sy__filter filter;

/* Ends like the child did: its exit code, or 100 and the signal. */
static int
outcome(int (*attempt)(void), int ruleset)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (ruleset >= 0 && sy__land_enter(ruleset) != 0) _exit(99);
        if (filter.count && sy__filter_enter(&filter) != 0) _exit(98);
        _exit(attempt());
    }
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int
asks_who_it_is(void)
{
    return syscall(SYS_getppid) > 0 ? DONE : 1;
}

static int
opens_a_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 ? DONE : errno == EPERM ? REFUSED : 1;
}

static int
opens_a_local_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? DONE : 1;
}

static int
maps_code(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED ? DONE : errno == EPERM ? REFUSED : 1;
}

static int
maps_memory(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED ? DONE : 1;
}

static int
reads_a_file(void)
{
    int fd = open("/etc/passwd", O_RDONLY);
    return fd >= 0 ? DONE : errno == EACCES ? REFUSED : 1;
}

static int
reads_this_folder(void)
{
    int fd = open("/usr", O_RDONLY | O_DIRECTORY);
    return fd >= 0 ? DONE : errno == EACCES ? REFUSED : 1;
}

static int
writes_below_it(void)
{
    int fd = open("/usr/symphony-confine-test", O_WRONLY | O_CREAT, 0600);
    return fd >= 0 ? DONE : errno == EACCES ? REFUSED : 1;
}

static int
signals_its_parent(void)
{
    return kill(getppid(), 0) == 0 ? DONE : errno == EPERM ? REFUSED : 1;
}

static void
a_filter_keeps_to_its_rules(void)
{
    static const sy__syscall_rule rules[] = {
        {.number = SYS_socket, .test = SY__IF_EQUAL, .value = AF_UNIX, .verdict = SY__ALLOW, .otherwise = SY__REFUSE},
        {.number = SYS_mmap,
         .test = SY__IF_NONE_OF,
         .argument = 2,
         .value = PROT_EXEC,
         .verdict = SY__ALLOW,
         .otherwise = SY__REFUSE},
        {.number = SYS_getppid, .verdict = SY__KILL},
    };
    sy__filter_begin(&filter);
    sy__filter_add(&filter, rules, sizeof rules / sizeof *rules);
    CHECK_INT(sy__filter_end(&filter, SY__ALLOW), SY_OK);
    CHECK_INT(outcome(opens_a_socket, -1), REFUSED);
    CHECK_INT(outcome(opens_a_local_socket, -1), DONE);
    CHECK_INT(outcome(maps_code, -1), REFUSED);
    CHECK_INT(outcome(maps_memory, -1), DONE);
    CHECK_INT(outcome(asks_who_it_is, -1), 100 + SIGSYS);
    filter.count = 0;
    CHECK_INT(outcome(asks_who_it_is, -1), DONE);
    CHECK_INT(outcome(maps_code, -1), DONE);
}

static void
too_many_rules_are_refused(void)
{
    static sy__syscall_rule many[SY__FILTER_STEPS];
    sy__filter_begin(&filter);
    sy__filter_add(&filter, many, SY__FILTER_STEPS);
    CHECK_INT(sy__filter_end(&filter, SY__ALLOW), SY_EINVAL);
    filter.count = 0;
}

static void
a_ruleset_refuses_what_it_does_not_allow(void)
{
    sy__error err = {0};
    if (!sy__land_abi()) {
        CHECK_INT(sy__land_new(&err), SY_EPERM);
        return;
    }
    int none = sy__land_new(&err), usr = sy__land_new(&err), fd = open("/usr", O_PATH | O_CLOEXEC);
    CHECK(none >= 0 && usr >= 0 && fd >= 0);
    CHECK_INT(outcome(reads_a_file, none), REFUSED);
    CHECK_INT(outcome(reads_this_folder, none), REFUSED);
    CHECK_INT(sy__land_allow(usr, fd, SY__LAND_READ), 0);
    CHECK_INT(outcome(reads_this_folder, usr), DONE);
    CHECK_INT(outcome(writes_below_it, usr), REFUSED);
    CHECK_INT(outcome(reads_a_file, usr), REFUSED);
    if (sy__land_abi() >= 6) CHECK_INT(outcome(signals_its_parent, none), REFUSED);
    CHECK_INT(outcome(signals_its_parent, -1), DONE);
    CHECK_INT(outcome(reads_a_file, -1), DONE);
    (void)close(none);
    (void)close(usr);
    (void)close(fd);
}

int
main(void)
{
    CHECK(sy__filter_works());
    a_filter_keeps_to_its_rules();
    too_many_rules_are_refused();
    a_ruleset_refuses_what_it_does_not_allow();
    TEST_END();
}
