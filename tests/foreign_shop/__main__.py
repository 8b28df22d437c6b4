"""`python -m tests.foreign_shop` with DATABASE_URL and FOREIGN_ITEM_MODEL."""

import django

django.setup()

from tests.foreign_shop.asking import main  # noqa: E402  models are there after setup

main()
