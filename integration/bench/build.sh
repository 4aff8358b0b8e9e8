# Builds what the benchmarks run; to be sourced by `run` and `reader`. Sets VZARR_PUBLISH, VZARR_PUBLISH_ALL, READER_BENCH, PEER_HDF5, READS and
# TIMED.
# libhdf5 is the one within the h5py wheel: that of Debian 12 is too old to list chunks in one pass, and any machine has this one.
# shellcheck shell=bash
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$bench/../.." && pwd)
target=${CARGO_TARGET_DIR:-$repository/target}
export READER_BENCH=${READER_BENCH:-$target/release/reader_bench} PEER_HDF5=$target/bench/peer_hdf5 READS=$target/bench/reads.so
export TIMED=$target/bench/timed

build_peers() {
    local libhdf5
    libhdf5=$(echo "$bench"/.venv/lib/python3.*/site-packages/h5py.libs/libhdf5-*.so*)
    mkdir -p "$target/bench"
    cc -O2 -shared -fPIC -o "$READS" "$bench/reads.c" -ldl
    cc -O2 -o "$TIMED" "$bench/timed.c"
    cc -O2 -o "$PEER_HDF5" "$bench/peer_hdf5.c" "$libhdf5" -Wl,-rpath,"$(dirname "$libhdf5")" -Wl,--allow-shlib-undefined
}

# One that READER_BENCH already names stays as it is.
build_reader() {
    [ "$READER_BENCH" != "$target/release/reader_bench" ] ||
        cargo build --release --locked --quiet --manifest-path "$bench/reader_bench/Cargo.toml" --target-dir "$target"
}

build_tool() {
    if [ -z "${VZARR_PUBLISH-}" ]; then
        (cd "$repository" && cargo build --release --locked --quiet)
        export VZARR_PUBLISH=$target/release/vzarr-publish
    fi
}

# What releases are; the other is built after it, into the same place.
build_tool_with_all_forms() {
    if [ -z "${VZARR_PUBLISH_ALL-}" ]; then
        export VZARR_PUBLISH_ALL=$target/bench/vzarr-publish-all
        (cd "$repository" && cargo build --release --locked --quiet --features icechunk)
        mkdir -p "$target/bench"
        cp "$target/release/vzarr-publish" "$VZARR_PUBLISH_ALL"
    fi
}
