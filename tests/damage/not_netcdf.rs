//! Files that are no NetCDF, whatever they are called.

use super::{Case, file};

pub fn cases() -> Vec<Case> {
    vec![
        file("empty file", Vec::new),
        file("web page", || b"<!DOCTYPE html><html><body>404 Not Found</body></html>".to_vec()),
        file("gzip file", || b"\x1f\x8b\x08\0\0\0\0\0\0\x03CDF\x01".to_vec()),
        file("zip file", || b"PK\x03\x04\x14\0\0\0\x08\0".to_vec()),
        file("text", || b"This directory has moved.\n".to_vec()),
        file("pointer of git-lfs", || {
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
                .to_vec()
        }),
        file("tar file", || {
            let mut tar = vec![0; 1024];
            tar[..6].copy_from_slice(b"tas.nc");
            tar[257..265].copy_from_slice(b"ustar  \0");
            tar
        }),
        file("GRIB file", || b"GRIB\0\0\0\x02\0\0\0\0\0\0\0\x64".to_vec()),
        file("HDF4 file", || b"\x0e\x03\x13\x01\0\0\0\0".to_vec()),
        file("zeros", || vec![0; 4096]),
        file("half a signature of NetCDF classic", || b"CD".to_vec()),
        file("half a signature of HDF5", || b"\x89HDF".to_vec()),
        file("signature of HDF5 that a transfer as text changed", || {
            b"\x89HDF\n\x1a\n\x02\x08\x08\0".to_vec()
        }),
    ]
}
