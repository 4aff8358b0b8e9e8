/* Counts the preads of a program, and makes each last longer, as on a parallel file system. To preload:
 *   LD_PRELOAD=reads.so READS_TO=FILE [READ_DELAY_US=500 [READ_DELAY_OF=.nc] [IGNORE_ADVICE=1]] PROGRAM
 * writes "calls bytes" to FILE at the end, and delays reads of all files, or of those whose names end so. Only pread counts: libhdf5 and this project read files with nothing else, and Python
 * loads its modules without. Of reads announced by posix_fadvise(POSIX_FADV_WILLNEED), the delay runs from the announcement on, as
 * where the system starts them all at once; with IGNORE_ADVICE, from the read on, as on a file system that does not listen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ANNOUNCED 4096 /* announcements remembered by each thread; enough for all of one level of a chunk index */

struct announcement {
    int fd;
    off_t start, end;
    int64_t ready;
};

static atomic_long calls, bytes;
static int64_t delay; /* ns */
static const char *delayed_of;
static int listens;
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_fadvise)(int, off_t, off_t, int);
static _Thread_local struct announcement announced[ANNOUNCED];
static _Thread_local unsigned announcements;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void wait_until(int64_t when)
{
    struct timespec time = {when / 1000000000, when % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

__attribute__((constructor)) static void start(void)
{
    const char *us = getenv("READ_DELAY_US");
    delay = us ? (int64_t)(atof(us) * 1000) : 0;
    delayed_of = getenv("READ_DELAY_OF");
    listens = delay && !getenv("IGNORE_ADVICE");
    real_pread = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread64");
    real_fadvise = (int (*)(int, off_t, off_t, int))dlsym(RTLD_NEXT, "posix_fadvise64");
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("READS_TO");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld %ld\n", atomic_load(&calls), atomic_load(&bytes));
        fclose(file);
    }
}

/* When a read of these bytes is done: now and the delay, or earlier if they were announced. */
static int64_t ready(int fd, size_t count, off_t offset)
{
    unsigned kept = announcements < ANNOUNCED ? announcements : ANNOUNCED;
    for (unsigned i = 0; i < kept; i++) {
        struct announcement *one = &announced[i];
        if (one->fd == fd && one->start <= offset && offset + (off_t)count <= one->end)
            return one->ready;
    }
    return now() + delay;
}

static int is_delayed(int fd)
{
    if (!delay || !delayed_of)
        return delay != 0;
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path);
    size_t end = strlen(delayed_of);
    return length >= (ssize_t)end && memcmp(path + length - end, delayed_of, end) == 0;
}

ssize_t pread64(int fd, void *buffer, size_t count, off_t offset)
{
    if (is_delayed(fd))
        wait_until(ready(fd, count, offset));
    ssize_t got = real_pread(fd, buffer, count, offset);
    atomic_fetch_add(&calls, 1);
    atomic_fetch_add(&bytes, got > 0 ? got : 0);
    return got;
}

ssize_t pread(int fd, void *buffer, size_t count, off_t offset) { return pread64(fd, buffer, count, offset); }

int posix_fadvise64(int fd, off_t offset, off_t len, int advice)
{
    if (listens && advice == POSIX_FADV_WILLNEED)
        announced[announcements++ % ANNOUNCED] = (struct announcement){fd, offset, offset + len, now() + delay};
    return real_fadvise(fd, offset, len, advice);
}

int posix_fadvise(int fd, off_t offset, off_t len, int advice) { return posix_fadvise64(fd, offset, len, advice); }

/* Forgets what was announced of a file: its number may be used again. */
int close(int fd)
{
    static int (*real_close)(int);
    if (!real_close)
        real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
    unsigned kept = announcements < ANNOUNCED ? announcements : ANNOUNCED;
    for (unsigned i = 0; i < kept; i++)
        if (announced[i].fd == fd)
            announced[i].fd = -1;
    return real_close(fd);
}
