"""The commands, one file each, imported when called; `cli.main` names them."""
