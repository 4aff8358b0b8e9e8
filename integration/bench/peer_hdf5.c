/* Reads with libhdf5 what the index reader reads: the place of every chunk of every dataset, its type, shape, fill value and
 * filters, and the value of every attribute. Takes the options of reader_bench and prints the same.
 *
 *   peer_hdf5 metadata|index [--seconds 0.3] [--passes N] FILE...
 *
 * `index` reads the values of small variables too, as a scan does. The functions are declared by hand: the library is the one
 * within the h5py wheel, since that of Debian 12 (1.10.8) has no H5Dchunk_iter. Chunks are only collected, neither sorted nor
 * checked, REFERENCE_LIST is not read, and of coordinates over 64 KiB no values, which a scan reads: all in favour of libhdf5. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int64_t hid_t;
typedef int herr_t;
typedef uint64_t hsize_t, haddr_t;
enum { RDONLY = 0, DEFAULT = 0, ALL = 0, BY_NAME = 0, NATIVE_ORDER = 2, IS_DATASET = 5, CHUNKED = 2, ASCENDING = 1 };
#define SMALL 65536 /* as in src/index/mod.rs */

extern herr_t H5open(void), H5get_libversion(unsigned *, unsigned *, unsigned *);
extern hid_t H5Fopen(const char *, unsigned, hid_t), H5Oopen(hid_t, const char *, hid_t), H5Aopen(hid_t, const char *, hid_t);
extern hid_t H5Aget_type(hid_t), H5Aget_space(hid_t), H5Dget_type(hid_t), H5Dget_space(hid_t), H5Dget_create_plist(hid_t);
extern hid_t H5Tget_native_type(hid_t, int);
extern herr_t H5Fclose(hid_t), H5Oclose(hid_t), H5Aclose(hid_t), H5Tclose(hid_t), H5Sclose(hid_t), H5Pclose(hid_t);
extern herr_t H5Literate2(hid_t, int, int, hsize_t *, herr_t (*)(hid_t, const char *, const void *, void *), void *);
extern herr_t H5Aiterate2(hid_t, int, int, hsize_t *, herr_t (*)(hid_t, const char *, const void *, void *), void *);
extern herr_t H5Dchunk_iter(hid_t, hid_t, int (*)(const hsize_t *, unsigned, haddr_t, hsize_t, void *), void *);
extern herr_t H5Aread(hid_t, hid_t, void *), H5Dread(hid_t, hid_t, hid_t, hid_t, hid_t, void *);
extern herr_t H5Treclaim(hid_t, hid_t, hid_t, void *), H5Pget_fill_value(hid_t, hid_t, void *);
extern int H5Iget_type(hid_t), H5Pget_layout(hid_t), H5Pget_nfilters(hid_t), H5Pget_chunk(hid_t, int, hsize_t *);
extern int H5Sget_simple_extent_ndims(hid_t), H5Sget_simple_extent_dims(hid_t, hsize_t *, hsize_t *);
extern int H5Pget_filter2(hid_t, unsigned, unsigned *, size_t *, unsigned *, size_t, char *, unsigned *);
extern int64_t H5Sget_simple_extent_npoints(hid_t);
extern size_t H5Tget_size(hid_t);
extern haddr_t H5Dget_offset(hid_t);
extern hsize_t H5Dget_storage_size(hid_t);

struct found {
    uint64_t *chunks; /* of one dataset: offset, size, filter mask and place, one after the other */
    size_t count, room, all_chunks;
    int rank, with_values;
};

static void die(const char *what)
{
    fprintf(stderr, "peer_hdf5: %s\n", what);
    exit(1);
}

static hid_t ok(hid_t id, const char *what)
{
    if (id < 0)
        die(what);
    return id;
}

static void *room(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        die("out of memory");
    return memory;
}

static int on_chunk(const hsize_t *place, unsigned mask, haddr_t offset, hsize_t size, void *data)
{
    struct found *found = data;
    size_t words = found->rank + 3;
    if ((found->count + 1) * words > found->room) {
        found->room = found->room ? 2 * found->room : 4096;
        found->chunks = realloc(found->chunks, found->room * sizeof *found->chunks);
        if (!found->chunks)
            die("out of memory");
    }
    uint64_t *chunk = found->chunks + found->count++ * words;
    chunk[0] = offset, chunk[1] = size, chunk[2] = mask;
    memcpy(chunk + 3, place, found->rank * sizeof *place);
    return 0;
}

static herr_t on_attribute(hid_t object, const char *name, const void *info, void *data)
{
    (void)info, (void)data;
    if (strcmp(name, "REFERENCE_LIST") == 0)
        return 0;
    hid_t attribute = ok(H5Aopen(object, name, DEFAULT), "H5Aopen"), stored = ok(H5Aget_type(attribute), "H5Aget_type");
    hid_t type = ok(H5Tget_native_type(stored, ASCENDING), "H5Tget_native_type");
    hid_t space = ok(H5Aget_space(attribute), "H5Aget_space");
    void *value = room(H5Sget_simple_extent_npoints(space) * H5Tget_size(type));
    ok(H5Aread(attribute, type, value), "H5Aread");
    H5Treclaim(type, space, DEFAULT, value);
    free(value);
    H5Sclose(space), H5Tclose(type), H5Tclose(stored), H5Aclose(attribute);
    return 0;
}

static void read_filters(hid_t properties)
{
    int count = H5Pget_nfilters(properties);
    for (int i = 0; i < count; i++) {
        unsigned flags, values[16], config;
        size_t values_count = 16;
        char name[64];
        ok(H5Pget_filter2(properties, i, &flags, &values_count, values, sizeof name, name, &config), "H5Pget_filter2");
    }
}

static void read_dataset(hid_t dataset, struct found *found)
{
    hid_t stored = ok(H5Dget_type(dataset), "H5Dget_type"), space = ok(H5Dget_space(dataset), "H5Dget_space");
    hid_t type = ok(H5Tget_native_type(stored, ASCENDING), "H5Tget_native_type");
    hid_t properties = ok(H5Dget_create_plist(dataset), "H5Dget_create_plist");
    hsize_t shape[32], maximum[32], chunk_shape[32];
    char fill[256];
    found->rank = H5Sget_simple_extent_dims(space, shape, maximum);
    size_t size = H5Tget_size(type), bytes = H5Sget_simple_extent_npoints(space) * size;
    if (size <= sizeof fill)
        H5Pget_fill_value(properties, type, fill);
    read_filters(properties);
    found->count = 0;
    if (H5Pget_layout(properties) == CHUNKED) {
        H5Pget_chunk(properties, 32, chunk_shape);
        ok(H5Dchunk_iter(dataset, DEFAULT, on_chunk, found), "H5Dchunk_iter");
        found->all_chunks += found->count;
    } else {
        on_chunk(shape, 0, H5Dget_offset(dataset), H5Dget_storage_size(dataset), found);
    }
    if (found->with_values && bytes <= SMALL) {
        void *values = room(bytes);
        ok(H5Dread(dataset, type, ALL, ALL, DEFAULT, values), "H5Dread");
        H5Treclaim(type, space, DEFAULT, values);
        free(values);
    }
    H5Pclose(properties), H5Tclose(type), H5Sclose(space), H5Tclose(stored);
}

static herr_t on_link(hid_t group, const char *name, const void *info, void *data)
{
    (void)info;
    hid_t object = ok(H5Oopen(group, name, DEFAULT), "H5Oopen");
    if (H5Iget_type(object) == IS_DATASET)
        read_dataset(object, data);
    ok(H5Aiterate2(object, BY_NAME, NATIVE_ORDER, NULL, on_attribute, NULL), "H5Aiterate2");
    H5Oclose(object);
    return 0;
}

static void pass(char **files, int count, struct found *found)
{
    found->all_chunks = 0;
    for (int i = 0; i < count; i++) {
        hid_t file = ok(H5Fopen(files[i], RDONLY, DEFAULT), files[i]);
        ok(H5Aiterate2(file, BY_NAME, NATIVE_ORDER, NULL, on_attribute, NULL), "H5Aiterate2");
        ok(H5Literate2(file, BY_NAME, NATIVE_ORDER, NULL, on_link, found), "H5Literate2");
        ok(H5Fclose(file), "H5Fclose");
    }
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    unsigned version[3];
    H5open();
    H5get_libversion(&version[0], &version[1], &version[2]);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%u.%u.%u\n", version[0], version[1], version[2]);
        return 0;
    }
    double seconds = 0.3;
    long passes = 0;
    int first = 2;
    for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2)
        if (strcmp(argv[first], "--seconds") == 0)
            seconds = atof(argv[first + 1]);
        else if (strcmp(argv[first], "--passes") == 0)
            passes = atol(argv[first + 1]);
    if (first >= argc)
        die("usage: peer_hdf5 metadata|index [--seconds S] [--passes N] FILE...");
    struct found found = {.with_values = strcmp(argv[1], "index") == 0};
    if (!passes)
        pass(argv + first, argc - first, &found);
    double start = seconds_of(CLOCK_MONOTONIC), start_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), end = start;
    printf("{\"walls\": [");
    for (long done = 0; passes ? done < passes : end - start < seconds; done++) {
        double before = seconds_of(CLOCK_MONOTONIC);
        pass(argv + first, argc - first, &found);
        end = seconds_of(CLOCK_MONOTONIC);
        printf("%s%.9f", done ? ", " : "", end - before);
    }
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start_cpu;
    printf("], \"cpu\": %.9f, \"chunks\": %zu}\n", cpu, found.all_chunks);
    return 0;
}
