#!/usr/bin/env python3
"""Makes `kerchunk.generation: true` in esg.yaml build stores with vzarr-publish: `vzarr_kerchunk.py ARGUMENTS OF ESGPUBLISH`.

esgcet 5.5 builds references itself where the settings say so. Its generator cannot just be replaced by another class: the caller
demands a single data root, takes no heed of `https_url`, and puts a bare address into the record, which makes a STAC item that no
schema accepts. So the step of the workflow around it is replaced. `kerchunk.backend` and `inline_threshold` then mean nothing;
`data_dir`, `format` and `filter_frequency` are read by vzarr-publish.

In a program of one's own: `import vzarr_kerchunk; vzarr_kerchunk.install("esg.yaml")`, before anything is published.
"""

import functools
from pathlib import Path
from typing import Any

from esgcet import pub_internal
from esgcet.project.generic_netcdf import GenericPublisher
from esgcet.util.args import PublisherArgs

import vzarr_stage


def install(config: str | None = None) -> None:
    """`config` is the publisher's settings; None for those that the arguments of this program name."""
    GenericPublisher.kerchunk_generate = lambda self: kerchunk_generate(self, config or PublisherArgs().get_args().cfg)
    GenericPublisher.index_pub = acknowledging(GenericPublisher.index_pub)


def kerchunk_generate(self: GenericPublisher, config: str) -> dict[str, Any] | str | None:
    """What esgcet puts into the Dataset record as `reference_file`: None for nothing."""
    self.vzarr_advertised = None
    if not (self.argdict.get("kerchunk") or {}).get("generation"):
        return None
    try:
        self.vzarr_advertised = vzarr_stage.build(Path(self.fullmap), Path(config), self.data_node)
    except Exception as error:  # nothing that goes wrong here is worth a publication
        self.publog.warning(f"{self.fullmap}: published without a virtual store: {vzarr_stage.reason(error)}")
        return None
    has_catalog = self.argdict.get("stac_config") or self.argdict.get("stac_api")
    # Stores of single variables, as of CMIP5, have keys of their own; there is no place for them here.
    return self.vzarr_advertised.attributes(has_catalog).get(vzarr_stage.ASSET)


def acknowledging(index_pub):
    """Where esgcet publishes a record, vzarr-publish is told that it was taken."""

    @functools.wraps(index_pub)
    def published(self: GenericPublisher, dataset_records: list[dict]) -> Any:
        taken = index_pub(self, dataset_records)
        advertised = getattr(self, "vzarr_advertised", None)
        if taken and advertised and not self.dry_run:
            vzarr_stage.acknowledge(advertised)
        return taken

    return published


if __name__ == "__main__":
    install()
    pub_internal.main()
