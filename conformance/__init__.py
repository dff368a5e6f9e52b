"""The conformance suite: vectors, the runner that puts them to an implementation, and its report.

The runner knows implementations only by the messages of `conformance.protocol`. It imports neither
`acp` nor `cep`, so that a mistake in our library cannot hide in the suite that judges it.
"""
