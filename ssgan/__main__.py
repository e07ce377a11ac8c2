"""`python -m ssgan` is `ssgan`."""

from ssgan.cli import main

main()
