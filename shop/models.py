"""A small shop: departments, categories, products, orders."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Department(models.Model):
    name = models.CharField(_("name"), max_length=80, unique=True)
    slug = models.SlugField(unique=True, max_length=80)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:department", args=[self.slug])


class Category(models.Model):
    department = models.ForeignKey(Department, models.CASCADE, related_name="categories")
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(max_length=160, unique=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:category", args=[self.slug])


class Product(models.Model):
    """What the shop sells; the plugin learns of it through `recommendations.py` only."""

    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    category = models.ForeignKey(Category, models.PROTECT, related_name="products")
    brand = models.CharField(_("brand"), max_length=60, blank=True)
    manufacturer = models.CharField(_("manufacturer"), max_length=20, blank=True)
    product_type = models.CharField(_("type"), max_length=120, blank=True)
    size = models.CharField(_("size"), max_length=30, blank=True)
    price_cents = models.PositiveIntegerField(_("price in cents"))
    stock = models.PositiveIntegerField(_("stock"), default=100)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        ordering = ["name", "pk"]
        indexes = [models.Index(fields=["category", "name"], name="shop_product_listing")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:product", args=[self.pk])


class Order(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="orders")
    placed_at = models.DateTimeField(_("placed at"))
    total_cents = models.PositiveIntegerField(_("total in cents"))

    class Meta:
        ordering = ["-placed_at"]
        indexes = [models.Index(fields=["user", "-placed_at"], name="shop_order_history")]


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(_("quantity"))
    value_cents = models.PositiveIntegerField(_("value in cents"))
