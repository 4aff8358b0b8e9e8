/* Delays reads and listings, as a file system does that is slow or does not answer. For LD_PRELOAD.
 *   DELAY_US      microseconds
 *   DELAY_PATHS   only of these files and directories, with a newline between; of all files without
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

static int is_meant(const char *path) {
    const char *paths = getenv("DELAY_PATHS");
    if (!paths) return 1;
    size_t length = strlen(path);
    for (const char *at = paths; at; at = strchr(at, '\n')) {
        if (*at == '\n') at++;
        if (strncmp(at, path, length) == 0 && (at[length] == '\n' || at[length] == '\0')) return 1;
    }
    return 0;
}

static void delay(const char *path) {
    const char *microseconds = getenv("DELAY_US"), *most = getenv("DELAY_TIMES");
    if (!microseconds || !is_meant(path)) return;
    if (most && atomic_fetch_add(&times, 1) >= atol(most)) return;
    long us = atol(microseconds);
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0) {}
}

static void delay_file(int file) {
    char link[64], path[PATH_MAX + 1];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (length < 0) return;
    path[length] = '\0';
    delay(path);
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
    delay(path);
    return next(path);
}
