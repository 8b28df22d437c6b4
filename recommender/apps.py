from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RecommenderConfig(AppConfig):
    name = "recommender"
    verbose_name = _("Recommendations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from recommender import catalog_checks, checks, item_changes, signals  # noqa: F401  registration by import
        from recommender.capture import receivers  # noqa: F401  registration by import
        from recommender.catalog import autodiscover
        from recommender.privacy import receivers as privacy_receivers  # noqa: F401  registration by import

        autodiscover()
