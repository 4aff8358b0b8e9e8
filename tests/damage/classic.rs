//! Damaged files of NetCDF classic.

use super::netcdf::{File, Values, Variable};
use super::tree::monthly;
use super::{Case, file};

/// A good file, changed by `spoil` while it can still be named what is changed.
fn spoiled(name: &'static str, spoil: fn(&mut File)) -> Case {
    file(name, move || {
        let mut file = monthly("tas", 0, 6);
        spoil(&mut file);
        file.bytes()
    })
}

/// A good file, the first bytes after `find` overwritten with `put`.
fn patched(name: &'static str, find: &'static [u8], skip: usize, put: &'static [u8]) -> Case {
    file(name, move || {
        let mut bytes = monthly("tas", 0, 6).bytes();
        let at = bytes.windows(find.len()).position(|window| window == find).unwrap();
        let at = at + find.len() + skip;
        bytes[at..at + put.len()].copy_from_slice(put);
        bytes
    })
}

/// A good file, cut off behind `find` and `rest` more bytes.
fn cut(name: &'static str, find: &'static [u8], rest: usize) -> Case {
    file(name, move || {
        let mut bytes = monthly("tas", 0, 6).bytes();
        let at = bytes.windows(find.len()).position(|window| window == find).unwrap();
        bytes.truncate(at + find.len() + rest);
        bytes
    })
}

fn called(name: &'static str, variable: &'static str) -> Case {
    file(name, move || {
        let mut file = monthly("tas", 0, 6);
        file.variables.push(Variable {
            name: variable.to_owned(),
            dimensions: vec!["lat"],
            attributes: vec![],
            values: Values::Doubles(vec![1.0, 2.0]),
        });
        file.bytes()
    })
}

pub fn cases() -> Vec<Case> {
    vec![
        cut("classic: cut off behind the signature", b"CDF\x01", 0),
        cut("classic: cut off in the list of dimensions", b"\0\0\0\x0a", 6),
        cut("classic: cut off in a name", b"Conven", 0),
        cut("classic: cut off in an attribute", b"Conventions\0\0\0\0\x02", 5),
        cut("classic: cut off in the list of variables", b"time_bnds", 40),
        file("classic: the last byte is missing", || {
            let mut bytes = monthly("tas", 0, 6).bytes();
            bytes.pop();
            bytes
        }),
        file("classic: cut off in a record", || {
            let mut bytes = monthly("tas", 0, 6).bytes();
            bytes.truncate(bytes.len() - 100);
            bytes
        }),
        patched("classic: version 9", b"CDF", 0, &[9]),
        patched("classic: number of records that is still streaming", b"CDF\x01", 0, &[0xff; 4]),
        patched("classic: far too many records", b"CDF\x01", 0, &[0x7f, 0xff, 0xff, 0xff]),
        patched("classic: fewer records than the times tell", b"CDF\x01", 0, &[0, 0, 0, 2]),
        patched("classic: unknown tag of a list", b"CDF\x01\0\0\0\x06\0\0\0", 0, &[77]),
        patched(
            "classic: absurd number of dimensions",
            b"CDF\x01\0\0\0\x06\0\0\0\x0a",
            0,
            &[0x7f, 0xff, 0xff, 0xff],
        ),
        patched(
            "classic: absurd length of a name",
            b"CDF\x01\0\0\0\x06\0\0\0\x0a\0\0\0\x04",
            0,
            &[0xff, 0xff, 0xff, 0xff],
        ),
        patched(
            "classic: absurd length of a dimension",
            b"\0\0\0\x03lat\0",
            0,
            &[0x7f, 0xff, 0xff, 0xff],
        ),
        patched("classic: two record dimensions", b"\0\0\0\x03lat\0", 0, &[0; 4]),
        patched("classic: unknown type of an attribute", b"Conventions\0", 3, &[99]),
        patched(
            "classic: absurd number of values",
            b"Conventions\0\0\0\0\x02",
            0,
            &[0x7f, 0xff, 0xff, 0xff],
        ),
        patched("classic: unknown type of a variable", b"degrees_east\0\0\0", 0, &[99]),
        patched(
            "classic: dimension that is not there",
            b"\0\0\0\x06height\0\0\0\0\0\0",
            0,
            &[0, 0, 0, 1, 0, 0, 0, 99],
        ),
        patched(
            "classic: data outside the file",
            b"degrees_east\0\0\0\x06",
            4,
            &[0x7f, 0xff, 0xff, 0xff],
        ),
        patched("classic: data in the header", b"degrees_east\0\0\0\x06", 4, &[0, 0, 0, 8]),
        patched("classic: a dimension twice", b"\0\0\0\x03lat\0\0\0\0\x02", 4, b"lat"),
        spoiled("classic: a variable twice", |file| "lat".clone_into(&mut file.variables[3].name)),
        spoiled("classic: record dimension that is not the first", |file| {
            file.variables[5].dimensions = vec!["lat", "lon", "time"];
        }),
        spoiled("classic: units of time that are none", |file| {
            file.variables[0].attributes[0].1 = Values::Text("days since \u{1b}[2J the\nbeginning");
        }),
        spoiled("classic: unknown calendar", |file| {
            file.variables[0].attributes[1].1 = Values::Text("\u{1b}]0;mine\u{7}");
        }),
        spoiled("classic: times that do not increase", |file| {
            file.variables[0].values = Values::Doubles(vec![15.0, 45.0, 75.0, 75.0, 135.0, 165.0]);
        }),
        spoiled("classic: times that are no numbers", |file| {
            file.variables[0].values =
                Values::Doubles(vec![15.0, f64::NAN, 75.0, 105.0, f64::INFINITY, 165.0]);
        }),
        spoiled("classic: times far beyond any calendar", |file| {
            file.variables[0].values =
                Values::Doubles(vec![1e300, 2e300, 3e300, 4e300, 5e300, 6e300]);
        }),
        called("classic: name of a variable with a line break", "a\nb"),
        called(
            "classic: name of a variable with escapes of terminals",
            "\u{1b}[31mred\u{1b}[0m\u{7}",
        ),
        called("classic: name of a variable with a slash", "a/b"),
        called("classic: name of a variable that leads up", ".."),
        called("classic: empty name of a variable", ""),
        called("classic: name of a variable as documents of Zarr have", "zarr.json"),
        called("classic: name of a variable written right to left", "\u{202e}sat"),
        file("classic: long name of a variable, of another type in the second", || {
            let mut file = monthly("tas", 0, 6);
            file.variables.push(Variable {
                name: format!("{}/", "long_".repeat(4000)),
                dimensions: vec!["lat"],
                attributes: vec![],
                values: Values::Doubles(vec![1.0, 2.0]),
            });
            file.bytes()
        }),
        file("classic: name of a variable that is not UTF-8", || {
            let mut bytes = monthly("tas", 0, 6).bytes();
            let at = bytes.windows(6).position(|window| window == b"height").unwrap();
            bytes[at..at + 6].copy_from_slice(b"h\xff\xfeght");
            bytes
        }),
    ]
}
