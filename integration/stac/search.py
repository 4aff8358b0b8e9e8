"""What pystac-client finds: `search.py API`, with the arguments of its search as JSON on standard input; prints a list of items."""

import json
import sys

from pystac_client import Client

search = Client.open(sys.argv[1]).search(**json.load(sys.stdin))
json.dump(list(search.items_as_dicts()), sys.stdout)
