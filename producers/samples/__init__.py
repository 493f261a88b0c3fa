"""Which real data comes with the project? Small compressed files under free licences; README.md has source and licence of
each.
"""

from pathlib import Path

_HERE = Path(__file__).parent

FILES = {
    "flights": ("nyc_flights_2013q1.csv.gz", "nyc_weather_2013q1.csv.gz"),
    "restaurant": ("restaurant_deliveries.csv.gz",),
}
"""File names by the source they belong to: what `affluent train` and `affluent produce` take where no file is given."""


def files(source: str) -> tuple[Path, ...]:
    """Return the sample files of a source. Raises KeyError if there are none.

    >>> [path.name for path in files("restaurant")]
    ['restaurant_deliveries.csv.gz']
    """
    return tuple(_HERE / name for name in FILES[source])
