"""A small shop: departments, categories, products, households, orders."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from shop.pictures import FALLBACK

SEARCH_CONFIG = "english"  # the catalogue's language; the shop's own texts are translated


class Department(models.Model):
    name = models.CharField(_("name"), max_length=80, unique=True)
    slug = models.SlugField(unique=True, max_length=80)
    picture = models.CharField(_("picture"), max_length=40, default=FALLBACK)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering = ["position", "name"]
        verbose_name = _("department")
        verbose_name_plural = _("departments")

    def __str__(self) -> str:
        return gettext(self.name)

    def get_absolute_url(self) -> str:
        return reverse("shop:department", args=[self.slug])

    @property
    def image_url(self) -> str:
        return reverse("shop:picture", args=[self.picture])


class Category(models.Model):
    department = models.ForeignKey(Department, models.CASCADE, related_name="categories", verbose_name=_("department"))
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(max_length=200, unique=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("category")
        verbose_name_plural = _("categories")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:category", args=[self.slug])


class ProductQuerySet(models.QuerySet["Product"]):
    def on_shelf(self) -> "ProductQuerySet":
        """What a shopper can see; what is sold out stays visible, what is not sold (any more) does not."""
        return self.filter(is_active=True)

    def available(self) -> "ProductQuerySet":
        """What a shopper can buy right now."""
        return self.on_shelf().filter(stock__gt=0)


class Product(models.Model):
    """What the shop sells; the plugin learns of it through `recommendations.py` only."""

    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    category = models.ForeignKey(Category, models.PROTECT, related_name="products", verbose_name=_("category"))
    brand = models.CharField(_("brand"), max_length=60, blank=True)
    manufacturer = models.CharField(_("manufacturer"), max_length=20, blank=True)
    product_type = models.CharField(_("type"), max_length=120, blank=True)
    size = models.CharField(_("size"), max_length=40, blank=True)
    picture = models.CharField(_("picture"), max_length=40, default=FALLBACK, help_text=_("drawing and hue: apple-2"))
    price_cents = models.PositiveIntegerField(_("price in cents"))
    stock = models.PositiveIntegerField(_("stock"), default=100)
    is_active = models.BooleanField(pgettext_lazy("on the shelf", "active"), default=True)
    times_bought = models.PositiveIntegerField(_("times bought"), default=0, help_text=_("order lines, for sorting"))
    search = models.GeneratedField(
        expression=SearchVector("name", weight="A", config=SEARCH_CONFIG)
        + SearchVector("description", weight="B", config=SEARCH_CONFIG),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("product")
        verbose_name_plural = _("products")
        indexes = [
            models.Index(fields=["category", "name"], name="shop_product_listing"),
            models.Index(fields=["category", "-times_bought"], name="shop_product_popular"),
            GinIndex(fields=["search"], name="shop_product_search"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:product", args=[self.pk])

    @property
    def image_url(self) -> str:
        return reverse("shop:picture", args=[self.picture])

    @property
    def is_available(self) -> bool:
        return self.is_active and self.stock > 0


class Household(models.Model):
    """What the data tells about an account; shown to nobody but the account itself."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="household")
    number = models.PositiveIntegerField(_("number"), unique=True)
    age_band = models.CharField(_("age"), max_length=20, blank=True)
    size = models.CharField(_("people"), max_length=10, blank=True)
    composition = models.CharField(_("composition"), max_length=40, blank=True)
    is_demo_login = models.BooleanField(_("offered on the login page"), default=False)

    class Meta:
        ordering = ["number"]
        verbose_name = _("household")
        verbose_name_plural = _("households")

    def __str__(self) -> str:
        return gettext("Household %(number)s") % {"number": self.number}


class Order(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="orders")
    placed_at = models.DateTimeField(_("placed at"))
    total_cents = models.PositiveIntegerField(_("total in cents"))
    # Made by the checkout page: sent twice, the order is placed once.
    checkout_key = models.UUIDField(_("checkout key"), null=True, blank=True, unique=True, editable=False)

    class Meta:
        ordering = ["-placed_at", "-pk"]
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        indexes = [models.Index(fields=["user", "-placed_at"], name="shop_order_history")]

    def __str__(self) -> str:
        return gettext("Order %(number)s") % {"number": self.pk}

    def get_absolute_url(self) -> str:
        return reverse("shop:order", args=[self.pk])


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(_("quantity"))
    value_cents = models.PositiveIntegerField(_("value in cents"))

    class Meta:
        ordering = ["pk"]
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"


class DataLoad(models.Model):
    """How far `shop_load` came: the same shift of time on every run, and a finished load is not repeated."""

    name = models.CharField(max_length=40, unique=True)
    shift_days = models.IntegerField()  # added to every time of the source; whole weeks
    households = models.PositiveIntegerField(default=0)  # loaded completely
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
