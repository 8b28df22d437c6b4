from recommender.catalog import Catalog, register


@register
class ItemCatalog(Catalog):
    title = "name"
    text = ("name",)
