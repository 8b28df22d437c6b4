"""The shop's own rows in Django admin: change a price, take a product off the shelf, look at an order."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from shop.models import Category, Department, Order, OrderLine, Product

admin.site.site_header = admin.site.site_title = _("Corner Market")


@admin.register(Department)
class DepartmentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    list_display = ["name", "slug", "picture", "position"]


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "department"]
    list_filter = ["department"]
    list_select_related = ["department"]
    search_fields = ["name"]


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "category", "price_cents", "stock", "is_active", "times_bought"]
    list_editable = ["price_cents", "stock", "is_active"]
    list_filter = ["is_active", "category__department"]
    list_select_related = ["category"]
    search_fields = ["name"]
    autocomplete_fields = ["category"]
    exclude = ["search"]
    show_full_result_count = False


class OrderLineInline(admin.TabularInline):  # type: ignore[type-arg]
    model = OrderLine
    fields = ["product", "quantity", "value_cents"]
    readonly_fields = ["product", "quantity", "value_cents"]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["pk", "user", "placed_at", "total_cents"]
    list_select_related = ["user"]
    readonly_fields = ["user", "placed_at", "total_cents"]
    inlines = [OrderLineInline]
    show_full_result_count = False
    search_fields = ["=pk", "user__username"]
