"""`python -m chords_cli`."""

from chords_cli.cli.app import main

if __name__ == "__main__":
    main()
