"""The `dino-pipeline` command, one file a subcommand.

Kedro takes the package's `cli` for its own extensions and refuses one without a group of that name: this one is empty.
"""

import click

cli = click.Group()
