"""Which commands are there? Each says what it takes and hands on to the module that does it, imported when it runs."""

from typer import Typer

app = Typer(no_args_is_help=True)


def main() -> None:
    """Run the command line."""
    app()
