"""Lets `python -m app` be the command line `seatline`; nothing else belongs here."""

from app.cli import main

if __name__ == "__main__":
    main()
