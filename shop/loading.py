"""The source's tables → rows of the shop. Any step may be repeated: keys are the source's own, conflicts skipped."""

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection, models, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from recommender.capture.tables import PURCHASE
from shop.complete_journey import Source, category_slug
from shop.demo_accounts import PASSWORD, PREFIX, username
from shop.departments import AISLES
from shop.models import Category, DataLoad, Department, Household, Order, OrderLine, Product

ROWS_PER_CHUNK: Final = 50_000
WEEK: Final = timedelta(weeks=1)

Progress = Callable[[int], None]  # rows done since the last call


def whole_weeks_until(newest: datetime, now: datetime) -> timedelta:
    """How far the source's times are moved: `newest` then lies within the last 7 days, on the same weekday."""
    return (now - newest) // WEEK * WEEK


def load_departments(source: Source) -> None:
    Department.objects.bulk_create(
        [
            Department(slug=aisle.slug, name=aisle.name, picture=aisle.picture, position=position)
            for position, aisle in enumerate(AISLES)
            if aisle.slug in set(source.products["aisle"])
        ],
        ignore_conflicts=True,
    )
    departments = dict(Department.objects.values_list("slug", "pk"))
    pairs = source.products[["aisle", "category_name"]].drop_duplicates().itertuples(index=False)
    Category.objects.bulk_create(
        [
            Category(department_id=departments[aisle], name=name, slug=category_slug(aisle, name))
            for aisle, name in pairs
        ],
        ignore_conflicts=True,
    )


def load_products(source: Source, progress: Progress) -> None:
    categories = dict(Category.objects.values_list("slug", "pk"))
    pairs = zip(source.products["aisle"], source.products["category_name"], strict=True)
    table = source.products.assign(category_id=[categories[category_slug(*pair)] for pair in pairs])
    columns = ["id", "name", "description", "category_id", "brand", "manufacturer", "product_type", "size", "picture"]
    columns += ["price_cents", "stock", "is_active", "times_bought"]
    copy_new(Product, table[columns], progress)


def load_households(source: Source, shift: timedelta) -> None:
    """One account a household. The password is hashed once: 2,469 hashes would take minutes."""
    user_model = get_user_model()
    password = make_password(PASSWORD)
    joined = source.lines.groupby("household")["at"].min()
    user_model.objects.bulk_create(
        [
            user_model(
                username=username(number),
                first_name="Household",
                last_name=str(number),
                password=password,
                date_joined=joined[number].replace(tzinfo=UTC) + shift,
            )
            for number in source.households.index
        ],
        ignore_conflicts=True,
    )
    users = users_by_household(source)
    Household.objects.bulk_create(
        [
            Household(
                user_id=users[row.Index],
                number=row.Index,
                age_band=row.age,
                size=row.size,
                composition=row.composition,
                is_demo_login=row.is_demo_login,
            )
            for row in source.households.itertuples()
        ],
        ignore_conflicts=True,
    )


def load_orders(source: Source, shift: timedelta, progress: Progress) -> None:
    users = users_by_household(source)
    lines = source.lines
    orders = lines.groupby("basket", as_index=False).agg(
        household=("household", "first"), placed_at=("at", "min"), total_cents=("value_cents", "sum")
    )
    orders["placed_at"] = (orders["placed_at"] + shift).astype(str) + "+00"
    orders["user_id"] = orders["household"].map(users)
    orders = orders.rename(columns={"basket": "id"})
    copy_new(Order, orders[["id", "user_id", "placed_at", "total_cents"]], progress)
    names = {"line": "id", "basket": "order_id", "product": "product_id"}
    columns = ["id", "order_id", "product_id", "quantity", "value_cents"]
    copy_new(OrderLine, lines.rename(columns=names)[columns], progress)


def users_by_household(source: Source) -> dict[int, int]:
    """Household number → user key."""
    names = {username(number): number for number in source.households.index}
    rows = get_user_model().objects.filter(username__startswith=PREFIX).values_list("username", "pk")
    return {names[name]: key for name, key in rows if name in names}


def copy_new(model: type[models.Model], table: pd.DataFrame, progress: Progress) -> None:
    """COPY the rows into a temporary table, and from there those whose key is new; all of them or none."""
    name, staging = sql.Identifier(model._meta.db_table), sql.Identifier(f"load_{model._meta.db_table}")
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                staging, columns, name
            )
        )
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(staging, columns)) as copy:
            for start in range(0, len(table), ROWS_PER_CHUNK):
                chunk = table.iloc[start : start + ROWS_PER_CHUNK]
                copy.write(chunk.to_csv(header=False, index=False, quoting=csv.QUOTE_NONNUMERIC))  # "" is no NULL
                progress(len(chunk))
        cursor.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT DO NOTHING").format(
                name, columns, columns, staging
            )
        )
        cursor.execute(sql.SQL("DROP TABLE {}").format(staging))  # the caller's transaction may load more
        _continue_after(cursor, model)


def _continue_after(cursor: CursorWrapper, model: type[models.Model]) -> None:
    """The next key that the database gives out is above the source's own."""
    statement = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {} HAVING max(id) > 0").format(
        sql.Literal(model._meta.db_table), sql.Identifier(model._meta.db_table)
    )
    cursor.execute(statement)


def analyze(tables: Sequence[type[models.Model]]) -> None:
    """Fresh statistics: without them the first pages plan as if the tables were empty."""
    with connection.cursor() as cursor:
        for model in tables:
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(model._meta.db_table)))


def load_state(name: str, newest: datetime) -> DataLoad:
    """What was loaded before under this name; the shift of time is decided once."""
    shift = whole_weeks_until(newest, datetime.now(UTC))
    return DataLoad.objects.get_or_create(name=name, defaults={"shift_days": shift.days})[0]


def load_purchase_events(source: Source, shift: timedelta, progress: Progress) -> None:
    """Every purchase line as an event of its household, through the plugin's bulk path."""
    from recommender.capture.accounts import account_visitors
    from recommender.capture.bulk import EventColumns, event_ids, load_events

    users = users_by_household(source)
    visitors = account_visitors(users.values())
    lines = source.lines
    at = (lines["at"] + shift).astype("datetime64[s]").astype("int64").to_numpy()
    load_events(
        EventColumns(
            id=event_ids(at, [f"complete-journey-{line}" for line in lines["line"]]),
            visitor=lines["household"].map({number: visitors[user] for number, user in users.items()}).to_numpy(),
            item=lines["product"].to_numpy(),
            kind=np.full(len(lines), PURCHASE, dtype=np.int8),
            at=at,
            quantity=lines["quantity"].to_numpy(),
            value_cents=lines["value_cents"].to_numpy(),
        ),
        progress=progress,
    )
