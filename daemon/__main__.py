"""`python -m daemon` is `lipdrop`."""

from daemon.cli.main import main

if __name__ == "__main__":
    main()
