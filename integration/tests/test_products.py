"""Files of every HDF5 feature, made on the fly (`products.py`): does `inspect` show what libhdf5 and libnetcdf read, bit for bit, and
refuse by name what it does not know?"""

import re
from collections import Counter
from pathlib import Path

import pytest

import products
import witness
from publisher import Publisher

# Said of every comparison, which is made in a process of its own.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

PRODUCTS = products.all_products()
# What Python has no decoder for, and what `inspect` does not show.
UNDECODED = {"filter 4", "filter 5", "filter 6", "filter 32008", "text of any length", "compact"}


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.id)
def test_product(product: products.Product, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    product.write(path)
    judgement = witness.judge(vzarr_publish.binary, path)
    if product.refused:
        # Where no library reads it either, that is as good.
        assert judgement.outcome in (witness.REFUSED, witness.BOTH_REFUSE), judgement
        assert re.search(product.refused, " ".join(judgement.said)), judgement
        assert judgement.code == "unsupported"
        return
    assert judgement.outcome == witness.RIGHT, judgement
    assert judgement.compared or judgement.passed_over, judgement
    assert set(judgement.passed_over) <= UNDECODED, judgement
    if product.index:
        assert set(judgement.layouts) == {product.index}, judgement


def test_every_index_and_filter_is_there() -> None:
    """The product covers what it says."""
    assert len({product.id for product in PRODUCTS}) == len(PRODUCTS)
    indexes = Counter(product.index for product in PRODUCTS if product.index)
    assert set(indexes) == {"btree-v1", "single", "implicit", "fixed-array", "extensible-array", "btree-v2"}
    assert min(indexes.values()) >= 12


def _other_offset(x: dict) -> None:
    x["chunks"][1]["byte_offset"] += 4


def _swapped(x: dict) -> None:
    first, second = x["chunks"][:2]
    first["byte_offset"], second["byte_offset"] = second["byte_offset"], first["byte_offset"]


def _lost(x: dict) -> None:
    del x["chunks"][2]


def _moved(x: dict) -> None:
    x["chunks"][0]["offset"] = [5, 4]
    del x["chunks"][5]


def _other_type(x: dict) -> None:
    x["dtype"] = "<i4"


def _other_order(x: dict) -> None:
    x["dtype"] = ">f4"


def _other_shape(x: dict) -> None:
    x["shape"] = [10, 12]


def _other_dimensions(x: dict) -> None:
    x["dimensions"].reverse()


def _other_fill(x: dict) -> None:
    x["fill"] = 76.0


def _no_fill(x: dict) -> None:
    x["fill"] = None
    del x["chunks"][3]


def _other_attribute(x: dict) -> None:
    x["attributes"][0]["value"] = 4


def _lost_attribute(x: dict) -> None:
    x["attributes"].clear()


def _lost_filter(x: dict) -> None:
    x["filters"].pop()


def _mask(x: dict) -> None:
    x["chunks"][0]["filter_mask"] = 1


SPOILT = [_other_offset, _swapped, _lost, _moved, _other_type, _other_order, _other_shape, _other_dimensions, _other_fill, _no_fill]
SPOILT += [_other_attribute, _lost_attribute, _lost_filter, _mask]


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__.strip("_"))
@pytest.mark.parametrize("filters", ["shuffle", "shuffle-deflate"])
def test_a_wrong_answer_is_found(spoil, filters: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    """Every other answer rests on this comparison."""
    path = tmp_path / "file.h5"
    array = products.ARRAYS["extensible"]
    creation = products.creation_of(array, filters)
    products.set_fill(creation, "chosen", "<f4")
    with products.h5py.File(path, "w") as file:
        x = products.create(file, "x", array, "<f4", creation)
        products.fill_in(x, "full")
        x.attrs["answer"] = 42
    told = vzarr_publish.inspect(path)
    assert witness.judge_told(told, path).outcome == witness.RIGHT
    spoil(told["variables"][0])
    assert witness.judge_told(told, path).outcome == witness.WRONG
