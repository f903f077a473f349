"""One module per generated page; each has `files(root)`, paths and texts, or `part(root)`, a PART of a PAGE."""

NOTE = "<!-- Written by `make docs` from the code. Changes here are lost. -->\n\n"
