"""The control process's certificates: those that listeners want are had, kept, renewed and handed to gates.

box.py       what gates are to have: all of it, numbered, in the form that goes over the link
orders.py    from what the configuration says to what `lockgate.certificates` wants
keeper.py    a task for each certificate; challenges brought to gates
rows.py      how each certificate is, for people
"""
