"""One file per kind of source; `registry` says which kinds there are."""
