"""The demo shop: a small, ordinary Django shop that uses the plugin through its public interface only."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
