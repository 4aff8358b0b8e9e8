"""What the real publisher makes of mapfiles: `esgpublish` up to its records, without quality checks and without a network.

Standard input has a JSON list of {"config": esg.yaml, "mapfile": path}; standard output has as many objects: the `id` of the dataset,
the `urls` of its files by their paths in the mapfile, and the `reference` URL that the publisher would give a reference file of its own; or
the `error` that ended it. Everything that decides these is esgcet's own code; what is put in its place is said below.
"""

import contextlib
import io
import json
import sys
import traceback
from pathlib import Path

from esgcet import pub_internal
from esgcet.project import generic_netcdf
from esgcet.project.cmip6 import cmip6
from esgcet.project.input4mips import input4mips
from esgcet.util.args import PublisherArgs


class Catalog:
    """Stands for a mapfile that was checked against vocabularies from the network."""

    def __init__(self, records: list[str]) -> None:
        first = records[0].split(" | ")
        self.dataset_id, self.version = first[0].rsplit(".v", 1)
        self.ncfiles = [line.split(" | ")[1] for line in records]


class Unchecked:
    @staticmethod
    def model_validate(line: str) -> str:
        return line


class NoGenerator:
    """Stands for the reading of chunks; where the reference goes was decided before."""

    def __init__(self, **_: object) -> None:
        pass

    def generate(self, *_: object) -> None:
        pass


def records_only(publisher: generic_netcdf.GenericPublisher) -> dict:
    """The steps of `workflow` that make records."""
    lines = publisher.mapfile()
    reference = publisher.kerchunk_generate()
    publisher.extract_method(lines)
    *files, dataset = publisher.mk_dataset(lines)
    by_name = {Path(line[1]).name: line[1] for line in lines}
    urls = {by_name[file["title"]]: url.split("|")[0] for file in files for url in file["url"] if url.endswith("|HTTPServer")}
    return {"id": dataset["instance_id"], "urls": urls, "reference": reference}


def run(case: dict) -> dict:
    sys.argv = ["esgpublish", "--map", case["mapfile"], "--config", case["config"]]
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            return pub_internal.PubRunner(pub_internal.publog).run(case["mapfile"], PublisherArgs())
    except BaseException as error:  # it ends by exit(), and raises BaseException
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


generic_netcdf.MapFileRecord = Unchecked
generic_netcdf.MapFileCatalog = Catalog
generic_netcdf.KerchunkGenerator = NoGenerator
for publisher in (generic_netcdf.GenericPublisher, cmip6, input4mips):
    publisher.workflow = records_only

json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
