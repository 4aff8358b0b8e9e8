/* Stands between a program and the file system: preloaded (LD_PRELOAD), it records what is done, makes chosen calls fail, or kills the
 * process at one of them. Only $VZARR_SHIM_ROOT and paths below it count. See shim.py.
 *
 *   VZARR_SHIM_LOG=FILE             every call that succeeded, in the order of its effects: a line "OP\tPATH\tTARGET\tOFFSET\tLENGTH", and
 *                                   LENGTH bytes and a line end where something was written
 *   VZARR_SHIM_FAIL=OP,ERRNO,N,COUNT,PART  COUNT calls OP of paths that contain PART, from the Nth (from 1) on, fail; all from then on if
 *                                   COUNT is 0. The record has a line "fail" for each
 *   VZARR_SHIM_KILL=OP,N,PART       the process is killed in place of that call; OP "any" is every call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct rule {
    char op[16], part[512];
    int error;
    long from, count, seen;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static size_t root_length;
static int log_fd = -1;
static struct rule failure, death;

static long number(char **text) {
    char *field = strsep(text, ",");
    return field ? strtol(field, NULL, 10) : 0;
}

static void read_rule(struct rule *rule, const char *variable, int has_error) {
    const char *given = getenv(variable);
    if (!given) return;
    char *copy = strdup(given), *rest = copy;
    char *op = strsep(&rest, ",");
    snprintf(rule->op, sizeof rule->op, "%s", op ? op : "");
    rule->error = has_error ? (int)number(&rest) : 0;
    rule->from = number(&rest);
    rule->count = has_error ? number(&rest) : 0;
    snprintf(rule->part, sizeof rule->part, "%s", rest ? rest : "");
    free(copy);
}

__attribute__((constructor)) static void begin(void) {
    root = getenv("VZARR_SHIM_ROOT");
    root_length = root ? strlen(root) : 0;
    const char *log = getenv("VZARR_SHIM_LOG");
    if (log) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    read_rule(&failure, "VZARR_SHIM_FAIL", 1);
    read_rule(&death, "VZARR_SHIM_KILL", 0);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int counts(const char *path) {
    return root && path && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return counts(path);
}

/* The absolute path of `path`, whose directory is `at`. */
static int absolute(int at, const char *path, char *whole) {
    if (!path) return 0;
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
    } else {
        char base[PATH_MAX] = "";
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            path_of(at, base);
        }
        if (snprintf(whole, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
    }
    return counts(whole);
}

static int matches(struct rule *rule, const char *op, const char *path) {
    if (!rule->from || (strcmp(rule->op, op) && strcmp(rule->op, "any")) || !strstr(path, rule->part)) return 0;
    long seen = ++rule->seen;
    return seen >= rule->from && (!rule->count || seen < rule->from + rule->count);
}

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = syscall(SYS_write, log_fd, at, length);
        if (written <= 0) abort();
        at += written;
        length -= (size_t)written;
    }
}

static void note(const char *op, const char *path, const char *target, long long offset, const void *bytes, size_t length) {
    if (log_fd < 0) return;
    int before = errno;
    char line[2 * PATH_MAX + 128];
    int size = snprintf(line, sizeof line, "%s\t%s\t%s\t%lld\t%zu\n", op, path, target, offset, length);
    put(line, (size_t)size);
    if (length > 0) {
        put(bytes, length);
        put("\n", 1);
    }
    errno = before;
}

/* Before a call, with the lock held: whether it is to fail, with errno set. */
static int fails(const char *op, const char *path) {
    if (matches(&death, op, path)) {
        kill(getpid(), SIGKILL);
        pause();
    }
    if (!matches(&failure, op, path)) return 0;
    note("fail", path, op, 0, NULL, 0);
    errno = failure.error;
    return 1;
}

/* A call on one path that either fails or is made and noted. */
#define CALL(type, op, path, target, offset, call)           \
    do {                                                     \
        pthread_mutex_lock(&lock);                           \
        type result_ = -1;                                   \
        if (!fails(op, path)) {                              \
            result_ = (call);                                \
            if (result_ >= 0) note(op, path, target, offset, NULL, 0); \
        }                                                    \
        int error_ = errno;                                  \
        pthread_mutex_unlock(&lock);                         \
        errno = error_;                                      \
        return result_;                                      \
    } while (0)

static int opened(int at, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int (*real)(int, const char *, int, ...) = REAL(openat64);
    if (!absolute(at, path, whole) || !(flags & (O_CREAT | O_TRUNC))) return real(at, path, flags, mode);
    const char *op = "truncate";
    struct stat found;
    if (lstat(whole, &found) != 0) op = "create";
    else if (!(flags & O_TRUNC)) return real(at, path, flags, mode);
    CALL(int, op, whole, "", 0, real(at, path, flags, mode));
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                               \
    int name(const char *path, int flags, ...) { \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode_t mode = mode_of(flags, rest);      \
        va_end(rest);                            \
        return opened(AT_FDCWD, path, flags, mode); \
    }
#define OPENAT(name)                                     \
    int name(int at, const char *path, int flags, ...) { \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode_t mode = mode_of(flags, rest);              \
        va_end(rest);                                    \
        return opened(at, path, flags, mode);            \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

static ssize_t wrote(int fd, const void *bytes, size_t length, off64_t offset) {
    ssize_t (*write_)(int, const void *, size_t) = REAL(write);
    ssize_t (*pwrite_)(int, const void *, size_t, off64_t) = REAL(pwrite64);
    char path[PATH_MAX];
    if (!path_of(fd, path)) return offset < 0 ? write_(fd, bytes, length) : pwrite_(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    int failing = fails("write", path);
    int error = errno;
    /* A disk that fills takes a part first. */
    int part = failing && failure.count != 1 && failure.seen == failure.from && length > 1;
    if (!failing || part) {
        size_t taken = part ? length / 2 : length;
        written = offset < 0 ? write_(fd, bytes, taken) : pwrite_(fd, bytes, taken, offset);
        error = errno;
        if (written > 0) {
            off64_t at = offset < 0 ? lseek64(fd, 0, SEEK_CUR) - written : offset;
            note("write", path, "", at, bytes, (size_t)written);
        }
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) { return wrote(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return wrote(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return wrote(fd, bytes, length, offset); }

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(writev)(fd, pieces, count);
    /* One piece at a time is as good. */
    for (int i = 0; i < count; i++)
        if (pieces[i].iov_len > 0) return wrote(fd, pieces[i].iov_base, pieces[i].iov_len, -1);
    return 0;
}

static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat found;
    if (!path_of(fd, path) || fstat(fd, &found) != 0) return real(fd);
    const char *op = S_ISDIR(found.st_mode) ? "syncdir" : "sync";
    CALL(int, op, path, "", 0, real(fd));
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

static int resized(int fd, off64_t size) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(ftruncate64)(fd, size);
    CALL(int, "resize", path, "", size, REAL(ftruncate64)(fd, size));
}

int ftruncate(int fd, off_t size) { return resized(fd, size); }
int ftruncate64(int fd, off64_t size) { return resized(fd, size); }

static int renamed(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char old[PATH_MAX], new[PATH_MAX];
    int here = absolute(from_at, from, old), there = absolute(to_at, to, new);
    if (!here && !there) return REAL(renameat2)(from_at, from, to_at, to, flags);
    const char *op = flags & RENAME_EXCHANGE ? "exchange" : "rename";
    CALL(int, op, new, old, 0, REAL(renameat2)(from_at, from, to_at, to, flags));
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return renamed(a, from, b, to, flags); }

static int linked(int old_at, const char *old, int new_at, const char *new, int flags) {
    char from[PATH_MAX], to[PATH_MAX];
    absolute(old_at, old, from);
    if (!absolute(new_at, new, to)) return REAL(linkat)(old_at, old, new_at, new, flags);
    CALL(int, "link", to, from, 0, REAL(linkat)(old_at, old, new_at, new, flags));
}

int link(const char *old, const char *new) { return linked(AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int a, const char *old, int b, const char *new, int flags) { return linked(a, old, b, new, flags); }

static int unlinked(int at, const char *path, int flags) {
    char whole[PATH_MAX];
    if (!absolute(at, path, whole)) return REAL(unlinkat)(at, path, flags);
    CALL(int, "unlink", whole, "", 0, REAL(unlinkat)(at, path, flags));
}

int unlink(const char *path) { return unlinked(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlinked(at, path, flags); }
int rmdir(const char *path) { return unlinked(AT_FDCWD, path, AT_REMOVEDIR); }

static int made(int at, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    if (!absolute(at, path, whole)) return REAL(mkdirat)(at, path, mode);
    CALL(int, "mkdir", whole, "", 0, REAL(mkdirat)(at, path, mode));
}

int mkdir(const char *path, mode_t mode) { return made(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return made(at, path, mode); }
