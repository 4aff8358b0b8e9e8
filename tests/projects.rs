//! The schema and the documentation of project files are those of the type that reads them, and the files
//! of the program itself are the proof.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "allowed in tests, also in the functions they share"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vzarr_publish::drs::Drs;

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(path("schemas/project.schema.json")).unwrap()).unwrap()
}

fn built_in() -> Vec<PathBuf> {
    let entries = fs::read_dir(path("src/drs/projects")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Why `value` does not satisfy `rule`, a schema made of the few keywords that ours has.
fn violation(value: &Value, rule: &Value, schema: &Value) -> Option<String> {
    for keyword in rule.as_object().unwrap().keys() {
        let known = [
            "$ref",
            "$defs",
            "$schema",
            "$id",
            "title",
            "description",
            "type",
            "enum",
            "required",
            "properties",
            "additionalProperties",
            "items",
        ];
        assert!(known.contains(&keyword.as_str()), "`{keyword}` is not checked here");
    }
    if let Some(reference) = rule.get("$ref") {
        let target = schema.pointer(&reference.as_str().unwrap()[1..]).unwrap();
        return violation(value, target, schema);
    }
    if let Some(allowed) = rule.get("enum") {
        let is_one = allowed.as_array().unwrap().contains(value);
        return (!is_one).then(|| format!("{value} is not one of {allowed}"));
    }
    let has_type = match rule["type"].as_str().unwrap() {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type `{other}` is not checked here"),
    };
    if !has_type {
        return Some(format!("{value} is not of type {}", rule["type"]));
    }
    let mut items = value.as_array().into_iter().flatten();
    if let Some(found) = items.find_map(|item| violation(item, &rule["items"], schema)) {
        return Some(found);
    }
    let members = value.as_object().into_iter().flatten();
    for (name, member) in members {
        match rule.get("properties").and_then(|known| known.get(name)) {
            Some(rule) => {
                if let Some(found) = violation(member, rule, schema) {
                    return Some(format!("{name}: {found}"));
                }
            }
            None if rule["additionalProperties"].is_object() => {
                let found = violation(member, &rule["additionalProperties"], schema);
                if found.is_some() {
                    return found;
                }
            }
            None => return Some(format!("`{name}` is unknown")),
        }
    }
    let mut required = rule.get("required").and_then(Value::as_array).into_iter().flatten();
    let missing = required.find(|name| value.get(name.as_str().unwrap()).is_none());
    missing.map(|name| format!("{name} is missing"))
}

/// What the program says of a project file of `text`.
fn refusal(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("it.yaml");
    fs::write(&file, text).unwrap();
    let error =
        Drs::builtin().unwrap().with_project_files(std::slice::from_ref(&file)).unwrap_err();
    assert_eq!(error.path(), Some(file.as_path()));
    assert!(error.hint().is_some());
    error.message().to_owned()
}

/// The fields that the type has: an unknown one is refused with all that are known.
fn fields(text: &str) -> BTreeSet<String> {
    let message = refusal(text);
    let (_, expected) =
        message.split_once("expected one of ").unwrap_or_else(|| panic!("{message}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_project_file_satisfies_the_schema() {
    let schema = schema();
    let files = built_in();
    assert!(files.len() >= 17);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let document: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(violation(&document, &schema, &schema), None, "{}", file.display());
        let name = document["name"].as_str().unwrap();
        assert_eq!(file.file_stem().unwrap().to_str(), Some(name));
        // It is also what `builtin` has.
        Drs::builtin().unwrap().only(&[name]).unwrap();
        Drs::builtin().unwrap().with_project_files(&[file]).unwrap();
    }
    let wrong: Value = serde_yaml::from_str("{name: x, directory: x}").unwrap();
    assert!(violation(&wrong, &schema, &schema).is_some());
}

#[test]
fn the_schema_and_the_documentation_have_every_field() {
    let schema = schema();
    let names = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect();
    let known: BTreeSet<String> = names(&schema["properties"]);
    assert_eq!(known, fields("name: x\nno_such_field: y\n"));
    let derived = &schema["properties"]["derived"]["additionalProperties"]["properties"];
    let of_derived: BTreeSet<String> = names(derived);
    assert_eq!(of_derived, fields("name: x\nderived: {a: {no_such_field: y}}\n"));
    let documentation = fs::read_to_string(path("docs/projects.md")).unwrap();
    for field in &known {
        assert!(documentation.contains(&format!("\n| `{field}` | ")), "`{field}` is not explained");
    }
    for field in &of_derived {
        assert!(documentation.contains(&format!("`{field}`")), "`{field}` is not explained");
    }
}

#[test]
fn the_example_of_the_documentation_works() {
    let documentation = fs::read_to_string(path("docs/projects.md")).unwrap();
    let example = documentation.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("MYMIP.yaml"), example).unwrap();
    let own = [directory.path().to_owned()];
    let drs = Drs::builtin().unwrap().with_project_files(&own).unwrap();
    let dataset = drs.dataset(Path::new("/data/MYMIP/I/M/tas/v20200101")).unwrap();
    assert_eq!(dataset.instance_id(), "MYMIP.I.M.tas.v20200101");
}

#[test]
fn mistakes_name_the_file_the_field_and_a_way_out() {
    let said = refusal("name: x\ndirectory: [a, version]\nversion: vN\nvalues: {}\n");
    assert_eq!(said, "project file of `x`: `values` has none for `a`, the first of `directory`");
    let said = refusal("name: x\ndirectory: tas\n");
    assert!(
        said.contains("directory: invalid type: string \"tas\"") && said.contains("line 2"),
        "{said}"
    );
    assert!(refusal("name: x\n").contains("missing field `directory`"));
    assert!(refusal("name: x\ndirectory: [").contains("line"));
    let drs = Drs::builtin().unwrap();
    let absent = drs.with_project_files(&["/nonexistent.yaml".into()]).unwrap_err();
    assert_eq!(absent.path(), Some(Path::new("/nonexistent.yaml")));
    let empty = tempfile::tempdir().unwrap();
    let error = Drs::builtin().unwrap().with_project_files(&[empty.path().into()]).unwrap_err();
    assert!(error.message().contains("no project file"));
    let twice = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(path("src/drs/projects/E3SM.yaml")).unwrap();
    for name in ["a.yaml", "b.yml"] {
        fs::write(twice.path().join(name), &text).unwrap();
    }
    let error = Drs::builtin().unwrap().with_project_files(&[twice.path().into()]).unwrap_err();
    assert!(error.message().contains("`E3SM`") && error.path().unwrap().ends_with("b.yml"));
}
