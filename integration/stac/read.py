"""Reads the static catalogue at the path given with pystac, as a client would, validates each document by the STAC specification's
own schemas, which pystac brings along, and prints the items' assets as JSON. The schemas of extensions are on the web, and not asked for.
"""

import json
import sys

from pystac import Catalog
from pystac.validation import validate_dict

catalog = Catalog.from_file(sys.argv[1])
for document in [catalog, *catalog.get_children(), *catalog.get_items(recursive=True)]:
    validate_dict(document.to_dict(), extensions=[])
found = {}
for item in catalog.get_items(recursive=True):
    assert item.get_collection() is not None and item.get_root() is catalog, item.id
    found[item.id] = {key: asset.href for key, asset in item.assets.items()}
json.dump(found, sys.stdout)
