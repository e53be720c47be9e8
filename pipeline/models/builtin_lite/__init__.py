"""Files of builtin:lite (a package, so that they are installed); read by `builtin_files`."""
