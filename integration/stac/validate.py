"""Reads an item on standard input with pystac and validates it by the STAC specification's own schemas, which pystac brings along;
prints what is wrong. The schemas of extensions are on the web, and not asked for here.
"""

import json
import sys

from pystac import Item
from pystac.validation import validate_dict

item = json.load(sys.stdin)
try:
    validate_dict(item, extensions=[])
    Item.from_dict(item)
except Exception as error:  # whatever pystac stumbles over is what a client of the catalogue would stumble over
    print(f"{type(error).__name__}: {error}")
