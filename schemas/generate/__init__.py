"""Everything that is generated from schemas/proto, spec/registries and cep/opset.

One description is read from the compiled protos; one emitter writes each kind of output. Run
``python -m schemas.generate`` at the root of the repository, with ``--check`` to compare only.
"""
