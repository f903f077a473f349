"""The control process: configuration, keys, facts, findings and the admin API.

It never sees a client's request. What it decides reaches the gate as a signed
bundle and as facts, over the link (`lockgate.admin.link`).
"""
