from django.db import models


class Shelf(models.Model):
    """What the app began with."""

    name = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.name


class Article(models.Model):
    shelf = models.ForeignKey(Shelf, models.CASCADE)
    title = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.title
