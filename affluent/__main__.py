"""How does a person start the project? `affluent`, or `python -m affluent` from the project's folder."""

from affluent.cli import main

if __name__ == "__main__":
    main()
