/*
 * folder.c: SQLite's write-ahead log shares memory between processes, which network file systems do not
 * keep coherent: a database there can be damaged, so it is refused before it is made.
 */
#include "db/folder.h"

#include "base/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FUSE_MAGIC = 0x65735546 };

static const char IGNORE[] = "*\n!config.toml\n";

static const struct {
    unsigned long magic;
    const char *name;
} remote_magic[] = {
    {0x6969, "NFS"},       {0x517B, "SMB"},      {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB2"},  {0x01021997, "9p"},
    {0x5346414F, "AFS"},   {0x6B414653, "AFS"},  {0x00C36400, "Ceph"}, {0x73757245, "Coda"},  {0x0BD00BD0, "Lustre"},
    {0x7461636F, "OCFS2"}, {0x01161970, "GFS2"}, {0x47504653, "GPFS"}, {0xAAD7AAEA, "PanFS"}, {0x564C, "NCP"},
};

/* File systems in user space that reach another machine; the others (overlays, NTFS, encryption) are local. */
static const char *const remote_fuse[] = {"fuse.sshfs",      "fuse.rclone",  "fuse.s3fs",      "fuse.glusterfs",
                                          "fuse.gvfsd-fuse", "fuse.davfs",   "fuse.davfs2",    "fuse.curlftpfs",
                                          "fuse.gcsfuse",    "fuse.goofys",  "fuse.ceph-fuse", "fuse.juicefs",
                                          "fuse.beegfs",     "fuse.moosefs", "fuse.mfs",       "fuse.seaweedfs"};

const char *
sy__folder_remote(unsigned long magic, const char *type)
{
    for (size_t i = 0; i < sizeof remote_magic / sizeof *remote_magic; i++)
        if (remote_magic[i].magic == magic) return remote_magic[i].name;
    if (magic != FUSE_MAGIC || !type) return NULL;
    for (size_t i = 0; i < sizeof remote_fuse / sizeof *remote_fuse; i++)
        if (strcmp(remote_fuse[i], type) == 0) return remote_fuse[i] + strlen("fuse.");
    return NULL;
}

/* One line of mountinfo: "id parent major:minor root point options [tags] - type source options". */
static bool
mount_type(char *line, const char *device, char *type, size_t bytes)
{
    char *word = line, *save = NULL;
    (void)strtok_r(word, " ", &save);
    (void)strtok_r(NULL, " ", &save);
    word = strtok_r(NULL, " ", &save);
    if (!word || strcmp(word, device) != 0) return false;
    while (word && strcmp(word, "-") != 0) word = strtok_r(NULL, " ", &save);
    word = word ? strtok_r(NULL, " ", &save) : NULL;
    (void)snprintf(type, bytes, "%s", word ? word : "");
    return word != NULL;
}

/* The type of the file system with the device number of `path`, "" when unknown. */
static void
type_of(const char *path, char *type, size_t bytes)
{
    struct stat st;
    char device[64], line[4096];
    type[0] = '\0';
    if (stat(path, &st) != 0) return;
    (void)snprintf(device, sizeof device, "%u:%u", major(st.st_dev), minor(st.st_dev));
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f) return;
    while (fgets(line, sizeof line, f) && !mount_type(line, device, type, bytes)) continue;
    (void)fclose(f);
}

int
sy__folder_check(const char *dir, sy__error *err)
{
    struct statfs fs;
    char type[64] = "";
    if (statfs(dir, &fs) != 0) return sy__error_errno(err, errno, "cannot look at %s", dir);
    unsigned long magic = (unsigned long)fs.f_type & 0xFFFFFFFFu;
    if (magic == FUSE_MAGIC) type_of(dir, type, sizeof type);
    const char *name = sy__folder_remote(magic, type);
    if (!name) return SY_OK;
    sy__error_set(err, SY_EIO, "%s is on a network file system (%s), where the database would be damaged", dir, name);
    sy__error_hint(err, "work on a local disk, or run Symphony on the machine that has the files");
    return SY_EIO;
}

static int
make_dir(const char *path, sy__error *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return SY_OK;
    int code = sy__error_errno(err, errno, "cannot make %s", path);
    if (code != SY_EDISKFULL)
        sy__error_hint(err, "the project must be writable: Symphony keeps its state in its .symphony folder");
    return code;
}

/* The new folder's name is on the disk, or all that is acknowledged in it may vanish with it. */
static int
keep_name(const char *dir, sy__error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/..", dir) >= PATH_MAX)
        return sy__error_set(err, SY_EIO, "the path is too long: %s", dir);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a folder; then there is nothing more to do. */
    int code =
        fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? SY_OK : sy__error_errno(err, errno, "cannot sync %s", path);
    if (fd >= 0) (void)close(fd);
    return code;
}

/* Written under another name first, so that two hosts that begin at once leave a whole file. */
static int
write_ignore(const char *dir, sy__error *err)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/.gitignore", dir);
    int m = snprintf(temporary, sizeof temporary, "%s/.gitignore.%ld", dir, (long)getpid());
    if (n >= PATH_MAX || m >= PATH_MAX) return sy__error_set(err, SY_EIO, "the path is too long: %s", dir);
    if (access(path, F_OK) == 0) return SY_OK;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t len = (ssize_t)strlen(IGNORE);
    bool done = fd >= 0 && write(fd, IGNORE, (size_t)len) == len && rename(temporary, path) == 0;
    int code = done ? SY_OK : sy__error_errno(err, errno, "cannot write %s", path);
    if (fd >= 0) (void)close(fd);
    if (!done) (void)unlink(temporary);
    return code;
}

int
sy__folder_make(const char *dir, sy__error *err)
{
    static const char *const parts[] = {"artifacts", "out", "inbox", "hosts", "backup"};
    char path[PATH_MAX];
    bool new = access(dir, F_OK) != 0;
    int code = make_dir(dir, err);
    SY__CRASH_POINT("folder.made");
    if (code == SY_OK) code = sy__folder_check(dir, err);
    if (code == SY_OK && new) code = keep_name(dir, err);
    if (code == SY_OK) code = write_ignore(dir, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && code == SY_OK; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", dir, parts[i]);
        code = n < PATH_MAX ? make_dir(path, err) : sy__error_set(err, SY_EIO, "the path is too long: %s", dir);
    }
    return code;
}
