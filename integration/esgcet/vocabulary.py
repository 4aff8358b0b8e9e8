"""The controlled vocabulary of the published trees, as a local esgvoc database: `vocabulary.py`, with ESGVOC_HOME naming where.

esgvoc downloads its databases; here is one of the few terms that the trees are made of, through esgvoc's own tables, so that
esgmapfile and esgcet work as they do at a site. Prints the JSON schema that esgvoc generates from it, as ESGF's catalogues publish
such schemas: its rules about assets are esgvoc's, not ours. Runs in the environment of esgcet.
"""

import json

from esgvoc.apps.jsg.json_schema_generator import generate_json_schema
from esgvoc.core.db.connection import DBConnection
from esgvoc.core.db.models.mixins import TermKind
from esgvoc.core.db.models.project import PCollection, Project, PTerm, project_create_db
from esgvoc.core.service.user_state import UserState

# One that is published for CMIP6: https://esgf.github.io/stac-transaction-api/cmip6/v3.0.4/schema.json
VERSION = "v3.0.4"

TERMS = {
    "mip_era": "CMIP6",
    "activity_id": "CMIP",
    "institution_id": "MOHC",
    "source_id": "UKESM1-0-LL",
    "experiment_id": "historical",
    "table_id": "Amon",
    "grid_label": "gn",
}
PATTERNS = {
    "member_id": r"^r\d+i\d+p\d+f\d+$",
    "variable_id": r"^(tas|pr|ps|psl|huss|uas|vas|rlds|rsds|clt|ts|evspsbl|hfls|hfss|prw)$",
    "version": r"^v\d{8}$",
    "time_range": r"^\d{6}-\d{6}$",
}
DATASET = "mip_era activity_id institution_id source_id experiment_id member_id table_id variable_id grid_label".split()
FILE_NAME = "variable_id table_id source_id experiment_id member_id grid_label time_range".split()


def drs(kind: str, separator: str, parts: list[str], optional: str = "", **properties: str) -> dict:
    described = [{"source_collection": part, "is_required": part != optional} for part in parts]
    return {"type": kind, "separator": separator, "parts": described, "properties": properties or None}


# Properties of an item that are no terms: those that esgcet gives a CMIP6 dataset.
TEXTS = (
    "data_specs_version experiment frequency mip_era nominal_resolution pid product sub_experiment_id variable_cf_standard_name "
    "variable_long_name variable_units variant_label"
).split()
LISTS = "activity_id realm source_type".split()


def catalog() -> dict:
    properties = [
        {"source_collection": name, "catalog_field_value_type": "string", "is_required": True}
        for name in DATASET
        if name not in TEXTS + LISTS
    ]
    properties += [
        {"source_collection": None, "catalog_field_name": name, "catalog_field_value_type": kind, "is_required": False}
        for names, kind in ((TEXTS, "string"), (LISTS, "string_array"))
        for name in names
    ]
    named = {"name": "STAC", "url_template": "", "extensions": []}
    named["extensions"] = [{"name": "file", "version": "v2.1.0"}, {"name": "alternate-assets", "version": "v1.2.0"}]
    named |= {"regex_id": r"^CMIP6(\.[A-Za-z0-9-]+){8}\.v[0-9]{8}$", "regex_title": r"^CMIP6(\.[A-Za-z0-9-]+){8}$"}
    return {
        "version": VERSION,
        "catalog_properties": named,
        "dataset_properties": properties,
        "file_properties": [],
        "link_properties": [{"rel": "cite-as", "is_required": True}],
    }


def main() -> None:
    specs = {
        "project_id": "cmip6",
        "drs_name": "CMIP6",
        "description": "The terms of a made tree",
        "drs_specs": {
            "directory": drs("directory", "/", [*DATASET, "version"]),
            "dataset_id": drs("dataset_id", ".", [*DATASET, "version"], optional="version"),
            "file_name": drs(
                "file_name", "_", FILE_NAME, "time_range", file_name_extension_separator=".", file_name_extension="nc"
            ),
        },
        "catalog_specs": catalog(),
    }
    path = UserState.db_path("cmip6", VERSION)
    path.parent.mkdir(parents=True, exist_ok=True)
    project_create_db(path)
    kinds = ((TERMS, TermKind.PLAIN, "drs_name"), (PATTERNS, TermKind.PATTERN, "regex"))
    with DBConnection(path).create_session() as session:
        project = Project(id="cmip6", specs=specs, git_hash="0")
        session.add(project)
        for terms, kind, key in kinds:
            for name, value in terms.items():
                collection = PCollection(id=name, data_descriptor_id=name, context={}, project=project, term_kind=kind)
                session.add(PTerm(id=name, specs={"id": name, "type": name, key: value}, kind=kind, collection=collection))
        session.commit()
    UserState.load().set_active("cmip6", VERSION, source="local")
    print(json.dumps(generate_json_schema("cmip6")))


if __name__ == "__main__":
    main()
