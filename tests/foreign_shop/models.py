import uuid

from django.db import models


class Book(models.Model):
    """Keyed by UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100)
    in_print = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.title


class Record(models.Model):
    """Keyed by text that needs quoting in SQL, in addresses and in HTML."""

    code = models.CharField(primary_key=True, max_length=60)
    title = models.CharField(max_length=100)
    in_print = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.title


class Thing(models.Model):
    title = models.CharField(max_length=100)
    in_print = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.title


class Poster(Thing):
    """Keyed by a link to its parent."""

    def __str__(self) -> str:
        return self.title
