#!/bin/sh
# Sourced. Homebrew keeps curl and OpenSSL out of pkg-config's way, since macOS has its own, which
# lack the files that pkg-config reads.
if command -v brew >/dev/null 2>&1; then
    for keg in curl openssl@3; do
        keg=$(brew --prefix "$keg" 2>/dev/null)/lib/pkgconfig
        if [ -d "$keg" ]; then
            PKG_CONFIG_PATH=$keg${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
            export PKG_CONFIG_PATH
        fi
    done
fi
