"""Compile schemas/proto with the pinned protoc: descriptors with comments, and Python modules."""

from __future__ import annotations

import contextlib
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc


class CompileError(Exception):
    """protoc refuses the sources; it has said why on standard error."""


def compile_protos(proto_root: Path) -> tuple[descriptor_pb2.FileDescriptorSet, dict[str, bytes]]:
    """Compile every .proto below `proto_root`.

    Returns:
        The descriptors of all files and their imports, with source information, and the Python
        modules by path relative to the root of the packages (``acp/v1/status_pb2.py``).

    Raises:
        CompileError: protoc refuses the sources.
    """
    sources = sorted(
        path.relative_to(proto_root).as_posix() for path in proto_root.rglob("*.proto")
    )
    well_known = resources.files("grpc_tools") / "_proto"
    with contextlib.ExitStack() as stack:
        include = stack.enter_context(resources.as_file(well_known))
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={proto_root}",
                f"--proto_path={include}",
                f"--descriptor_set_out={work / 'set.binpb'}",
                "--include_imports",
                "--include_source_info",
                f"--python_out={work}",
                *sources,
            ]
        )
        if status != 0:
            raise CompileError(f"protoc ended with status {status}")
        described = descriptor_pb2.FileDescriptorSet.FromString((work / "set.binpb").read_bytes())
        modules = {
            path.relative_to(work).as_posix(): path.read_bytes()
            for path in sorted(work.rglob("*_pb2.py"))
        }
    return described, modules
