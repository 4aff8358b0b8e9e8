/* Runs a program and tells what it took:
 *   timed FILE PROGRAM [ARGUMENT...]
 * writes "seconds seconds_of_processor peak_kB" to FILE and ends as the program did, with 128 and its number after a signal. Linux
 * counts the memory of the process that starts a program towards that program's peak: here next to none, of Python 20 MB. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "usage: timed FILE PROGRAM [ARGUMENT...]\n"), 2;
    FILE *file = fopen(argv[1], "w");
    if (!file)
        return perror(argv[1]), 2;
    struct timespec start, end;
    struct rusage used;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0)
        return perror(argv[2]), 2;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double wall = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    fprintf(file, "%.6f %.6f %ld\n", wall, cpu, used.ru_maxrss);
    fclose(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
