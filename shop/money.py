"""Money as shoppers read it. The data is in US dollars, in every language of the shop."""

from django.utils.formats import number_format


def price(cents: int) -> str:
    """ "$1,234.50" for 123450, with the separators of the active language."""
    return f"${number_format(cents / 100, decimal_pos=2, use_l10n=True, force_grouping=True)}"
