"""The reference descriptors: public numbers of real devices, as tables with their sources.

``python -m schemas.devices`` writes acp/reference/VENDOR/MODEL.json from them; it is part of
`make schemas`. A number belongs here if its source can be named; what nobody published is left out.
"""
