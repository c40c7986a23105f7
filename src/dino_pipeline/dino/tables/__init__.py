"""Read tables that people make: any common dialect, encoding and spelling of the columns."""
