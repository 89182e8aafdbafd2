#!/bin/sh
# Runs on the board: shows what its daemon, its journal and its disk hold, for `looking`.
# Plain programs, since Python is slow on an emulated board.
state=/var/lib/edgekit/updates
echo "[answers]"
head -n 1 /run/edgekit/pump.jsonl
echo "[restarts]"
systemctl show -P NRestarts edgekitd
for file in "$state/slots/mean.json" "$state/slots/mean.json~"; do
    [ -e "$file" ] || continue
    echo "[slot]"
    base64 -w 0 "$file"
    echo
done
for manifest in "$state"/store/[!.]*/manifest.json; do
    [ -e "$manifest" ] || continue
    echo "[bundle]"
    base64 -w 0 "$manifest"
    echo
    cd "${manifest%/*}" && find . -type f ! -name manifest.json -exec sha256sum {} +
done
echo "[parts]"
ls "$state/downloads" 2>/dev/null
echo "[trouble]"
{ journalctl -b -k -o cat; journalctl -b -u edgekitd -o cat; } |
    grep -E 'Traceback|a bug|is damaged|EXT4-fs error|I/O error'
exit 0
