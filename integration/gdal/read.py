"""Reads all arrays of many stores through GDAL and says what it got. Run once for all stores, see tests/test_other_readers.py.

Input and output are those of `javascript/read.mjs`. The shape is that of GDAL's raster: bands, rows, columns; what has one dimension is a
row, and what has more than three has the last two in each band.
"""

import base64
import json
import sys
import warnings

import rasterio

READINGS = {
    "V2": "/vsikerchunk_json_ref/{%s}",
    "V3 alone": "/vsikerchunk_json_ref/{%s}",
    "Parquet": "/vsikerchunk_parquet_ref/{%s}",
}


def read(reading: str, location: str, variable: str, dimensions: int) -> dict[str, object]:
    if location.startswith("http"):
        location = f"/vsicurl/{location}"
    # Left to itself, GDAL takes a longitude for columns, wherever it stands.
    order = {"DIM_X": dimensions - 1, "DIM_Y": dimensions - 2} if dimensions > 1 else {}
    try:
        with rasterio.open(f'ZARR:"{READINGS[reading] % location}":/{variable}', **order) as array:
            data = array.read()
    except Exception as error:
        return {"error": said(error)}
    return {"shape": data.shape, "type": data.dtype.name, "bytes": base64.b64encode(data.tobytes()).decode()}


def said(error: BaseException) -> str:
    cause = f": {said(error.__cause__)}" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{cause}"


def main() -> None:
    # Most arrays have no place on the Earth that GDAL knows of.
    warnings.simplefilter("ignore")
    found = {}
    for store in json.load(sys.stdin):
        variables = {name: read(store["reading"], store["location"], name, count) for name, count in store["variables"].items()}
        found.setdefault(store["name"], {})[store["reading"]] = variables
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
