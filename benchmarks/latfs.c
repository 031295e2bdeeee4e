/* latfs: a pass-through FUSE 3 filesystem that delays every metadata operation.
 *
 * Stands in for a network filesystem (Lustre, GPFS, NFS), where the metadata round trip and not the disk sets the
 * pace. Operations run concurrently, as they do against a real metadata server. Reads and writes are not delayed.
 *
 *   build:    make build/latfs
 *   mount:    LATFS_US=500 build/latfs [-f] [-o OPTIONS] SOURCE_DIR MOUNT_DIR
 *   unmount:  fusermount3 -u MOUNT_DIR
 *
 *   LATFS_US=N              delay in microseconds (500)
 *   LATFS_TTL=SECONDS       how long the kernel may cache names and attributes (0.0: each look-up is a round trip)
 *   LATFS_COUNTS=FILE       operations by kind, one "name count" a line, written on unmount and on SIGUSR1
 *   LATFS_NOLINK=ERROR      link(2) fails: EPERM (vfat), EXDEV, EMLINK, EOPNOTSUPP; 1 stands for EOPNOTSUPP
 *   LATFS_NORENAMEFLAGS=1   renameat2(2) with flags fails with EINVAL, as on Lustre and NFS
 *
 * The kernel checks permissions (default_permissions, and allow_other where root mounts), so
 * fs.protected_hardlinks acts here as it does on a real client. POSIX ACLs are not carried. A file that is open by
 * a name since unlinked can be read and written, but fstat(2) on it gives ESTALE.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define KINDS(X) \
    X(getattr) X(readlink) X(mknod) X(mkdir) X(unlink) X(rmdir) X(symlink) X(rename) X(link) X(chmod) X(chown) \
    X(truncate) X(utimens) X(create) X(open) X(readdir) X(statfs) X(fsync) X(getxattr) X(setxattr) X(listxattr) \
    X(removexattr) X(read) X(write)

#define AS_ENUM(name) OP_##name,
#define AS_NAME(name) #name,
enum kind { KINDS(AS_ENUM) KIND_COUNT };
static const char *const kind_names[] = { KINDS(AS_NAME) };

static atomic_ulong counts[KIND_COUNT];
static char *counts_path;
static struct timespec delay = { 0, 500 * 1000L };
static double cache_seconds;
static int link_error, rename_flags_refused, root_fd;

static void count(enum kind kind) { atomic_fetch_add(&counts[kind], 1); }
static void round_trip(enum kind kind) { count(kind); nanosleep(&delay, NULL); }
static const char *rel(const char *path) { return path[1] ? path + 1 : "."; }
static int result(long value) { return value == -1 ? -errno : (int)value; }

/* Written aside and renamed, so that whoever waits for the file reads a whole one. */
static void write_counts(void) {
    char *draft;
    if (!counts_path || asprintf(&draft, "%s.draft", counts_path) == -1) return;
    FILE *out = fopen(draft, "w");
    if (out) {
        for (int kind = 0; kind < KIND_COUNT; kind++) fprintf(out, "%s %lu\n", kind_names[kind], counts[kind]);
        if (fclose(out) || rename(draft, counts_path)) perror(counts_path);
    } else perror(draft);
    free(draft);
}

/* A thread of its own may use stdio, which a signal handler may not. */
static void *count_reporter(void *signals) {
    for (int number; !sigwait(signals, &number);) write_counts();
    return NULL;
}

static void *lat_init(struct fuse_conn_info *connection, struct fuse_config *config) {
    static sigset_t signals;
    pthread_t thread;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_create(&thread, NULL, count_reporter, &signals); /* here: threads do not survive going to the background */
    connection->want |= connection->capable & FUSE_CAP_CACHE_SYMLINKS; /* as the clients of Lustre and NFS do */
    connection->want &= ~(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO); /* attributes are a round trip each */
    connection->want &= ~FUSE_CAP_HANDLE_KILLPRIV; /* the kernel drops setuid on write: we write as root and would not */
    config->use_ino = 1;
    config->hard_remove = 1; /* no .fuse_hidden files: read and write go by descriptor */
    config->nullpath_ok = 1;
    config->entry_timeout = config->attr_timeout = config->negative_timeout = cache_seconds;
    return NULL;
}

static void lat_destroy(void *data) { (void)data; write_counts(); }

/* What root makes for a caller becomes the caller's; the group stays where a setgid directory gave its own. */
static int adopt(const char *path, int made) {
    if (made == -1) return -errno;
    struct fuse_context *caller = fuse_get_context();
    if (geteuid() != 0 || (caller->uid == 0 && caller->gid == 0)) return made;
    struct stat parent = { 0 };
    char *directory = strdup(rel(path)), *slash = strrchr(directory, '/');
    if (slash) *slash = 0;
    fstatat(root_fd, slash ? directory : ".", &parent, 0);
    free(directory);
    gid_t group = parent.st_mode & S_ISGID ? (gid_t)-1 : caller->gid;
    return fchownat(root_fd, rel(path), caller->uid, group, AT_SYMLINK_NOFOLLOW) == -1 ? -errno : made;
}

/* -- names and attributes -- */

static int lat_getattr(const char *path, struct stat *st, struct fuse_file_info *fi) {
    round_trip(OP_getattr);
    return result(fi ? fstat(fi->fh, st) : fstatat(root_fd, rel(path), st, AT_SYMLINK_NOFOLLOW));
}
static int lat_readlink(const char *path, char *buffer, size_t size) {
    round_trip(OP_readlink);
    ssize_t length = readlinkat(root_fd, rel(path), buffer, size - 1);
    if (length == -1) return -errno;
    buffer[length] = 0;
    return 0;
}
static int lat_mknod(const char *path, mode_t mode, dev_t device) { round_trip(OP_mknod); return adopt(path, mknodat(root_fd, rel(path), mode, device)); }
static int lat_mkdir(const char *path, mode_t mode) { round_trip(OP_mkdir); return adopt(path, mkdirat(root_fd, rel(path), mode)); }
static int lat_symlink(const char *target, const char *path) { round_trip(OP_symlink); return adopt(path, symlinkat(target, root_fd, rel(path))); }
static int lat_unlink(const char *path) { round_trip(OP_unlink); return result(unlinkat(root_fd, rel(path), 0)); }
static int lat_rmdir(const char *path) { round_trip(OP_rmdir); return result(unlinkat(root_fd, rel(path), AT_REMOVEDIR)); }
static int lat_link(const char *from, const char *to) { round_trip(OP_link); return link_error ? -link_error : result(linkat(root_fd, rel(from), root_fd, rel(to), 0)); }
static int lat_rename(const char *from, const char *to, unsigned flags) {
    round_trip(OP_rename);
    return flags && rename_flags_refused ? -EINVAL : result(renameat2(root_fd, rel(from), root_fd, rel(to), flags));
}
static int lat_chmod(const char *path, mode_t mode, struct fuse_file_info *fi) { round_trip(OP_chmod); return result(fi ? fchmod(fi->fh, mode) : fchmodat(root_fd, rel(path), mode, 0)); }
static int lat_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi) {
    round_trip(OP_chown);
    return result(fi ? fchown(fi->fh, uid, gid) : fchownat(root_fd, rel(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}
static int lat_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi) {
    round_trip(OP_utimens);
    return result(fi ? futimens(fi->fh, times) : utimensat(root_fd, rel(path), times, AT_SYMLINK_NOFOLLOW));
}
static int lat_statfs(const char *path, struct statvfs *st) { (void)path; round_trip(OP_statfs); return result(fstatvfs(root_fd, st)); }

/* -- files -- */

/* O_DIRECT would ask for an alignment that the buffers of libfuse do not have. */
static int open_file(const char *path, struct fuse_file_info *fi, int flags, mode_t mode) {
    int fd = openat(root_fd, rel(path), (fi->flags & ~O_DIRECT) | O_NOFOLLOW | flags, mode);
    fi->fh = fd;
    return fd;
}
static int lat_open(const char *path, struct fuse_file_info *fi) { round_trip(OP_open); return open_file(path, fi, 0, 0) == -1 ? -errno : 0; }
static int lat_create(const char *path, mode_t mode, struct fuse_file_info *fi) {
    round_trip(OP_create);
    int made = adopt(path, open_file(path, fi, O_CREAT, mode));
    return made < 0 ? made : 0;
}
static int lat_truncate(const char *path, off_t size, struct fuse_file_info *fi) {
    round_trip(OP_truncate);
    if (fi) return result(ftruncate(fi->fh, size));
    int fd = openat(root_fd, rel(path), O_WRONLY | O_NOFOLLOW);
    if (fd == -1) return -errno;
    int outcome = result(ftruncate(fd, size));
    close(fd);
    return outcome;
}
static int lat_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *fi) { (void)path; count(OP_read); return result(pread(fi->fh, buffer, size, offset)); }
static int lat_write(const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *fi) { (void)path; count(OP_write); return result(pwrite(fi->fh, data, size, offset)); }
static int lat_fallocate(const char *path, int mode, off_t offset, off_t size, struct fuse_file_info *fi) { (void)path; return result(fallocate(fi->fh, mode, offset, size)); }
static int lat_fsync(const char *path, int data_only, struct fuse_file_info *fi) { (void)path; round_trip(OP_fsync); return result(data_only ? fdatasync(fi->fh) : fsync(fi->fh)); }
static int lat_flush(const char *path, struct fuse_file_info *fi) { (void)path; return result(close(dup(fi->fh))); } /* close(2) may report EDQUOT */
static int lat_release(const char *path, struct fuse_file_info *fi) { (void)path; close(fi->fh); return 0; }

/* -- directories -- */

struct listing { DIR *stream; struct dirent *next; off_t offset; };

static int lat_opendir(const char *path, struct fuse_file_info *fi) {
    int fd = openat(root_fd, rel(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd == -1) return -errno;
    struct listing *listing = calloc(1, sizeof *listing);
    listing->stream = fdopendir(fd);
    fi->fh = (uintptr_t)listing;
    return 0;
}
/* A reply that carries names costs a round trip; the empty one that ends a listing does not (the server said so). */
static int lat_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi, enum fuse_readdir_flags flags) {
    (void)path; (void)flags;
    struct listing *listing = (struct listing *)(uintptr_t)fi->fh;
    if (offset != listing->offset) { offset ? seekdir(listing->stream, offset) : rewinddir(listing->stream); listing->next = NULL; listing->offset = offset; }
    for (int names = 0;; names++) {
        errno = 0;
        if (!listing->next && !(listing->next = readdir(listing->stream))) return -errno;
        if (!names) round_trip(OP_readdir);
        struct stat st = { .st_ino = listing->next->d_ino, .st_mode = DTTOIF(listing->next->d_type) };
        off_t after = telldir(listing->stream);
        if (fill(buffer, listing->next->d_name, &st, after, 0)) return 0; /* full: this name begins the next reply */
        listing->next = NULL;
        listing->offset = after;
    }
}
static int lat_fsyncdir(const char *path, int data_only, struct fuse_file_info *fi) { (void)path; (void)data_only; round_trip(OP_fsync); return result(fsync(dirfd(((struct listing *)(uintptr_t)fi->fh)->stream))); }
static int lat_releasedir(const char *path, struct fuse_file_info *fi) { (void)path; struct listing *listing = (struct listing *)(uintptr_t)fi->fh; closedir(listing->stream); free(listing); return 0; }

/* -- extended attributes: by path under /proc, the only way to name them from a directory descriptor -- */

/* The kernel asks for security.capability before each write(2): that must cost nothing, as on a client that caches it. */
static int not_carried(const char *name) { return !strncmp(name, "security.", 9) || !strncmp(name, "system.", 7); }
static char *real_path(const char *path) { char *real; return asprintf(&real, "/proc/self/fd/%d/%s", root_fd, rel(path)) == -1 ? NULL : real; }
#define ON_REAL_PATH(call) do { char *real = real_path(path); if (!real) return -ENOMEM; int outcome = result(call); free(real); return outcome; } while (0)

static int lat_getxattr(const char *path, const char *name, char *value, size_t size) {
    if (not_carried(name)) return -EOPNOTSUPP;
    round_trip(OP_getxattr);
    ON_REAL_PATH(lgetxattr(real, name, value, size));
}
static int lat_setxattr(const char *path, const char *name, const char *value, size_t size, int flags) {
    if (not_carried(name)) return -EOPNOTSUPP;
    round_trip(OP_setxattr);
    ON_REAL_PATH(lsetxattr(real, name, value, size, flags));
}
static int lat_listxattr(const char *path, char *list, size_t size) { round_trip(OP_listxattr); ON_REAL_PATH(llistxattr(real, list, size)); }
static int lat_removexattr(const char *path, const char *name) { round_trip(OP_removexattr); ON_REAL_PATH(lremovexattr(real, name)); }

static const struct fuse_operations operations = {
    .init = lat_init, .destroy = lat_destroy,
    .getattr = lat_getattr, .readlink = lat_readlink, .mknod = lat_mknod, .mkdir = lat_mkdir, .symlink = lat_symlink,
    .unlink = lat_unlink, .rmdir = lat_rmdir, .link = lat_link, .rename = lat_rename, .chmod = lat_chmod,
    .chown = lat_chown, .utimens = lat_utimens, .statfs = lat_statfs,
    .open = lat_open, .create = lat_create, .truncate = lat_truncate, .read = lat_read, .write = lat_write,
    .fallocate = lat_fallocate, .fsync = lat_fsync, .flush = lat_flush, .release = lat_release,
    .opendir = lat_opendir, .readdir = lat_readdir, .fsyncdir = lat_fsyncdir, .releasedir = lat_releasedir,
    .getxattr = lat_getxattr, .setxattr = lat_setxattr, .listxattr = lat_listxattr, .removexattr = lat_removexattr,
};

static int parse_link_error(const char *text) {
    static const struct { const char *text; int error; } known[] = {
        { "1", EOPNOTSUPP }, { "EOPNOTSUPP", EOPNOTSUPP }, { "EPERM", EPERM }, { "EXDEV", EXDEV }, { "EMLINK", EMLINK },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (!strcmp(text, known[i].text)) return known[i].error;
    fprintf(stderr, "latfs: LATFS_NOLINK=%s: not one of 1, EOPNOTSUPP, EPERM, EXDEV, EMLINK\n", text);
    exit(2);
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: latfs [-f] [-o OPTIONS] SOURCE_DIR MOUNT_DIR\n"); return 2; }
    const char *value;
    if ((value = getenv("LATFS_US"))) { long us = atol(value); delay = (struct timespec){ us / 1000000, us % 1000000 * 1000L }; }
    if ((value = getenv("LATFS_TTL"))) cache_seconds = atof(value);
    if ((value = getenv("LATFS_NOLINK"))) link_error = parse_link_error(value);
    rename_flags_refused = getenv("LATFS_NORENAMEFLAGS") != NULL;
    if ((value = getenv("LATFS_COUNTS"))) { /* absolute, as going to the background changes to "/" */
        char *here = *value == '/' ? strdup("") : getcwd(NULL, 0);
        if (!here || asprintf(&counts_path, "%s%s%s", here, *here ? "/" : "", value) == -1) { perror("LATFS_COUNTS"); return 1; }
        free(here);
    }
    root_fd = open(argv[argc - 2], O_RDONLY | O_DIRECTORY);
    if (root_fd == -1) { perror(argv[argc - 2]); return 1; }
    umask(0);                     /* the kernel has applied the caller's */
    prctl(PR_SET_TIMERSLACK, 1L); /* 50 us by default, on top of each delay */
    sigset_t signals;             /* blocked in all threads but the reporter, which waits for it */
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    for (int i = 0; i < argc; i++) if (i != argc - 2) fuse_opt_add_arg(&args, argv[i]);
    fuse_opt_add_arg(&args, geteuid() == 0 ? "-odefault_permissions,allow_other" : "-odefault_permissions");
#if FUSE_VERSION >= 312
    fuse_opt_add_arg(&args, "-omax_threads=64"); /* 10 by default: fewer than the clients we measure have in flight */
#endif
    return fuse_main(args.argc, args.argv, &operations, NULL);
}
