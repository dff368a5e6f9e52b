"""What commands that run a plan find beside it, where their options don't say otherwise."""

from __future__ import annotations

from pathlib import Path

import click

from acp.cli.options import FILE

descriptors_option = click.option(
    "--descriptors",
    "descriptor_paths",
    type=FILE,
    multiple=True,
    help="Signed descriptors, files or folders. [default: descriptors/ beside PLAN, or its folder]",
)
store_option = click.option(
    "--store",
    "store_folder",
    type=FILE,
    help="Folder of weights and artifacts. [default: store/ beside PLAN]",
)
policy_option = click.option(
    "--policy",
    "policy_file",
    type=FILE,
    envvar="CEP_POLICY",
    help="Trust policy. [default: $CEP_POLICY, or policy.json beside PLAN]",
)


def default_policy(beside: Path) -> Path:
    """Return the policy beside a plan.

    Raises:
        UsageError: There is none.
    """
    path = beside / "policy.json"
    if not path.exists():
        raise click.UsageError(
            f"no trust policy: give --policy, set CEP_POLICY, or put one at {path}"
        )
    return path


def default_descriptors(beside: Path) -> tuple[Path, ...]:
    """Return the folder of descriptors beside a plan, or the files beside it."""
    folder = beside / "descriptors"
    return (folder,) if folder.is_dir() else tuple(sorted(beside.glob("*.json"))) or (folder,)
