"""The demo shop's production settings, with the two plain views of benchmarks/serving_urls.py beside the shop."""

from shop.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.serving_urls"
