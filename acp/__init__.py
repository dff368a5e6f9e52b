"""ACP, the AI Capability Protocol: signed documents that say what a device can do.

This package is the lowest layer of the repository: it imports no tensor library, no adapter and
none of the layers above it, so that a vendor can validate and sign a descriptor, and an auditor
can verify one, with a light installation.
"""
