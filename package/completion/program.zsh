#compdef @P@httpd @P@wget
# The options, as --help lists them.
_gnu_generic
