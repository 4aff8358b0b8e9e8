//! Damaged copies of small files: indexing them ends in an index or an error, never in a panic,
//! and soon.
//!
//! Files are made here with libnetcdf; the damage is the same at every run.

#![cfg(feature = "netcdf")]
#![allow(clippy::unwrap_used, reason = "allowed in tests, also in the functions they share")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use netcdf::{FileMut, Options};
use vzarr_publish::index::index;

const COPIES: usize = 1500;
/// Enough for a debug build on a busy machine; a runaway takes longer than anyone waits.
const SOON: Duration = Duration::from_secs(5);

/// Numbers that look like chance (xorshift64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 1).unwrap() % bound
    }
}

/// A few bytes of `file` changed, or its end cut off.
fn damaged(file: &[u8], noise: &mut Noise) -> Vec<u8> {
    let mut copy = file.to_vec();
    for _ in 0..=noise.below(3) {
        let at = noise.below(copy.len());
        match noise.below(6) {
            0 => copy[at] ^= 1 << noise.below(8),
            1 => copy[at] = 0,
            2 => copy[at] = 0xff,
            3 => copy[at] = u8::try_from(noise.below(256)).unwrap(),
            // A length or an address of 64 bits.
            4 => copy.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0xff),
            _ => copy.truncate(at.max(1)),
        }
    }
    copy
}

fn write(path: &Path, options: Options) -> Vec<u8> {
    let is_chunked = options.contains(Options::NETCDF4);
    let mut file = netcdf::create_with(path, options).unwrap();
    fill(&mut file, is_chunked).unwrap();
    file.close().unwrap();
    fs::read(path).unwrap()
}

fn fill(file: &mut FileMut, is_chunked: bool) -> netcdf::Result<()> {
    file.add_unlimited_dimension("time")?;
    file.add_dimension("lat", 3)?;
    for number in 0..12 {
        // More than an object header holds, so that some lie in a fractal heap.
        file.add_attribute(&format!("attribute_{number}"), "text ".repeat(number))?;
    }
    let mut time = file.add_variable::<f64>("time", &["time"])?;
    time.put_attribute("units", "days since 1850-01-01")?;
    let mut tas = file.add_variable::<f32>("tas", &["time", "lat"])?;
    if is_chunked {
        tas.set_chunking(&[1, 3])?;
        tas.set_compression(1, true)?;
    }
    tas.put_attribute("units", "K")?;
    file.enddef()?;
    file.variable_mut("time").unwrap().put_values(&[15.5, 45.0, 74.5, 105.0], ..4)?;
    file.variable_mut("tas").unwrap().put_values(&[280.0f32; 12], (..4, ..))
}

fn assert_survived(options: Options) {
    let directory = tempfile::tempdir().unwrap();
    let file = write(&directory.path().join("tas.nc"), options);
    assert!(index(&file).is_ok(), "the file itself must be readable");
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut refused = 0;
    for _ in 0..COPIES {
        let copy = damaged(&file, &mut noise);
        let start = Instant::now();
        refused += usize::from(index(&copy).is_err());
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    assert!(refused > COPIES / 20, "only {refused} of {COPIES} damaged copies were noticed");
}

#[test]
fn damaged_netcdf4() {
    assert_survived(Options::NETCDF4);
}

#[test]
fn damaged_classic() {
    assert_survived(Options::empty());
}

#[test]
fn damaged_64bit_data() {
    assert_survived(Options::_64BIT_DATA);
}
