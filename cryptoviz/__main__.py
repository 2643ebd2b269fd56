"""`python -m cryptoviz`: the same as the `cryptoviz` command."""

from cryptoviz.cli import main

if __name__ == "__main__":
    main()
