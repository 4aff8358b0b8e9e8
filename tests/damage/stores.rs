//! Manifests that are broken, as `verify` sees them.

use std::fs;

use super::tree::Tree;
use super::{Case, case};

/// A store whose manifest is changed by `spoil`.
fn manifest(name: &'static str, spoil: impl Fn(String) -> Vec<u8> + Send + Sync + 'static) -> Case {
    case(name, move |told| {
        let tree = Tree::of(&["tas"]);
        tree.scan(&[]).exits(0);
        let path = tree.dataset("tas").manifest();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, spoil(text)).unwrap();
        told.run(&tree, &["verify", "--all"]);
    })
}

/// A store with `with` in the place of `what`.
fn changed(name: &'static str, what: &'static str, with: &'static str) -> Case {
    manifest(name, move |text| {
        assert!(text.contains(what), "{what} in {text}");
        text.replacen(what, with, 1).into_bytes()
    })
}

pub fn cases() -> Vec<Case> {
    vec![
        manifest("verify: empty manifest", |_| Vec::new()),
        manifest("verify: web page for a manifest", |_| b"<html>\x1b[2J</html>".to_vec()),
        manifest("verify: manifest cut off", |text| text.as_bytes()[..text.len() / 2].to_vec()),
        manifest("verify: manifest that is not UTF-8", |_| b"{\"version\": \"\xff\"}".to_vec()),
        manifest("verify: manifest nested a hundred thousand times", |_| vec![b'['; 100_000]),
        manifest("verify: manifest that is a list", |_| b"[]".to_vec()),
        manifest("verify: manifest of nothing", |_| b"{}".to_vec()),
        manifest("verify: references that are none", |_| {
            b"{\"version\":1,\"refs\":{\"a\":7}}".to_vec()
        }),
        manifest("verify: reference with a negative place", |_| {
            b"{\"version\":1,\"refs\":{\"a\":[\"x\",-1,1]}}".to_vec()
        }),
        manifest("verify: name with escapes of terminals", |_| {
            b"{\"version\":1,\"refs\":{\"\\u001b[2J/zarr.json\":\"{}\",\"zarr.json\":\"{}\"}}"
                .to_vec()
        }),
        changed("verify: type of Zarr that is none", "float32", "float3\\u001b2"),
        changed(
            "verify: shape beyond all memory",
            "\\\"shape\\\":[",
            "\\\"shape\\\":[99999999999,",
        ),
        changed("verify: codec that is none", "\\\"bytes\\\"", "\\\"by\\u001btes\\\""),
        changed("verify: value that is no base64", "base64:", "base64:%%%"),
        case("verify: file that is shorter", |told| {
            let tree = Tree::of(&["tas"]);
            tree.scan(&[]).exits(0);
            let path = tree.dataset("tas").file(6, 6);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
            told.run(&tree, &["verify", "--all"]);
        }),
        case("verify: file that is gone", |told| {
            let tree = Tree::of(&["tas"]);
            tree.scan(&[]).exits(0);
            fs::remove_file(tree.dataset("tas").file(6, 6)).unwrap();
            told.run(&tree, &["verify", "--all"]);
        }),
    ]
}
