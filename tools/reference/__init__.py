"""One module per generated page or file; each has `files(root)`, which gives paths and texts."""

NOTE = "<!-- Written by `make docs` from the code. Changes here are lost. -->\n\n"
