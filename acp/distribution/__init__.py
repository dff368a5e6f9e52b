"""The registry: documents as a TUF repository of static files, and the client that reads it.

* `acp.distribution.names`: references, and how targets and roles are called.
* `acp.distribution.signing`: the keys of `acp.keys` as keys of TUF.
* `acp.distribution.repository`, `operating` and `publication`: the operator's folder, its drafts,
  and the step that publishes them; `inspection`: how it stands.
* `acp.distribution.publishing`: what issuers do: publish documents, revoke them.
* `acp.distribution.transport`: bounded downloads over HTTP, and out of a folder.
* `acp.distribution.state`: what a client remembers, changed as a whole or not at all.
* `acp.distribution.client` and `acp.distribution.offline`: from a reference to a document; a
  `visiting` client verifies metadata, `judging` is about documents.
* `acp.distribution.simulator`: a registry that is attacked in every known way.

Normative text: spec/registry.md. Needs ``acp-cep[registry]``; nothing outside of this package and
of its commands imports it.
"""
