"""The registry: documents as a TUF repository of static files, and the client that reads it.

* `acp.distribution.names`: references, and how targets and roles are called.
* `acp.distribution.signing`: the keys of `acp.keys` as keys of TUF.
* `acp.distribution.repository`: the operator's folder: drafts, signatures, publication.
* `acp.distribution.publishing`: what issuers do: publish documents, revoke them.
* `acp.distribution.transport`: bounded downloads over HTTP, and out of a folder.
* `acp.distribution.state`: what a client remembers, changed as a whole or not at all.
* `acp.distribution.client` and `acp.distribution.offline`: from a reference to a document.
* `acp.distribution.simulator`: a registry that is attacked in every known way.

Normative text: spec/registry.md. Needs ``acp-cep[registry]``; nothing outside of this package and
of its commands imports it.
"""
