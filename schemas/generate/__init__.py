"""Everything that is generated from schemas/proto and spec/registries.

One description is read from the compiled protos; one emitter writes each kind of output. Run
``python -m schemas.generate`` at the root of the repository, with ``--check`` to compare only.
"""
