/* Delays reads, listings and syncs, as a file system does that is slow or does not answer. For LD_PRELOAD.
 *   DELAYS        a line each: microseconds, a space, and a path: of a file for reads, of a directory for listings, of a
 *                 directory with a slash behind it for syncs of its files
 *   DELAY_TIMES   only so many times; always without
 * Build: cc -shared -fPIC -o delay.so delay.c -ldl
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_long times = 0;

/* How long is meant for the first `length` bytes of `path`. */
static long microseconds(const char *path, size_t length) {
    const char *at = getenv("DELAYS");
    while (at && *at) {
        char *name;
        long us = strtol(at, &name, 10);
        if (*name == ' ') name++;
        if (strncmp(name, path, length) == 0 && (name[length] == '\n' || name[length] == '\0')) return us;
        at = strchr(at, '\n');
        if (at) at++;
    }
    return 0;
}

static void delay(long us) {
    const char *most = getenv("DELAY_TIMES");
    if (us <= 0 || (most && atomic_fetch_add(&times, 1) >= atol(most))) return;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0) {}
}

static int path_of(int file, char path[PATH_MAX + 1]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX);
    path[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static void delay_file(int file) {
    char path[PATH_MAX + 1];
    if (path_of(file, path)) delay(microseconds(path, strlen(path)));
}

static void delay_sync(int file) {
    char path[PATH_MAX + 1];
    if (!path_of(file, path)) return;
    delay(microseconds(path, strrchr(path, '/') + 1 - path));
}

#define NEXT(name) static __typeof__(&(name)) next; if (!next) next = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name)

ssize_t pread64(int file, void *buffer, size_t length, off64_t offset) {
    NEXT(pread64);
    delay_file(file);
    return next(file, buffer, length, offset);
}

ssize_t pread(int file, void *buffer, size_t length, off_t offset) {
    NEXT(pread);
    delay_file(file);
    return next(file, buffer, length, offset);
}

DIR *opendir(const char *path) {
    NEXT(opendir);
    delay(microseconds(path, strlen(path)));
    return next(path);
}

int fsync(int file) {
    NEXT(fsync);
    delay_sync(file);
    return next(file);
}
