"""Installs requirements.txt for a command, in sight of who gave it. Shell (pip)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from xyfleet.supervisor.common.i18n import Text, _, said
from xyfleet.supervisor.config.load import load
from xyfleet.supervisor.config.reading.problems import BadFile
from xyfleet.supervisor.handler_trials import requirements
from xyfleet.supervisor.settings import Settings


def install(settings: Settings, env: Mapping[str, str]) -> None:
    """Install what is not there yet; what goes wrong is a warning: what was there before goes on being used."""
    if (trouble := requirements.ensure(settings, env, _tell)) is not None:
        click.echo(_("warning: %(text)s") % {"text": said(trouble)}, err=True)


def install_of(file: Path, env: Mapping[str, str]) -> None:
    """Do so for an accounts file; whoever reads it next says what is wrong with it."""
    if not (file.parent / requirements.FILE).is_file():
        return
    try:
        settings = load(file, env)
    except BadFile:
        return
    install(settings, env)


def _tell(text: Text) -> None:
    click.echo(f"xyfleet: {said(text)}", err=True)
