"""One file per kind of source; `registry` lists the kinds."""
