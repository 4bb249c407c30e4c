#!/bin/sh
# usage: sh restore-by-hand.sh REPOSITORY MANIFEST FOLDER
# Restores the backup of a manifest into a new folder. Needs sha256sum, od, awk, sort, dd, head, tail, jq, and for the codecs in use
# gzip, brotli or zstd. Only FOLDER is written.
set -eu
export LC_ALL=C
fail() { echo "error: $*" >&2; exit 1; }
[ $# -eq 3 ] || fail "usage: sh restore-by-hand.sh REPOSITORY MANIFEST FOLDER"
repository=$1 manifest=$2 to=$3
command -v jq >/dev/null || fail "jq is missing"
[ -f "$manifest" ] || fail "there is no file '$manifest'"
[ ! -e "$to" ] || fail "'$to' exists; name a new folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tab=$(printf '\t')

# the last property of the manifest is the SHA-256 of every byte before the comma that begins it: 78 bytes before the end
size=$(wc -c <"$manifest")
sum=$(head -c $((size - 78)) "$manifest" | sha256sum | cut -c 1-64)
[ "$(jq -r .sha256 "$manifest")" = "$sum" ] || fail "'$manifest' is not what was written"

# packs: the name is the SHA-256; the trailer says where each blob is: id, offset, stored length, length, unit, codec
jq -r '.packs[]' "$manifest" | while read -r pack; do
    file=$repository/packs/$(printf %.2s "$pack")/$pack.pack
    [ -f "$file" ] || fail "'$file' is missing"
    echo "checking $file"
    [ "$(sha256sum <"$file" | cut -c 1-64)" = "$pack" ] || fail "'$file' is damaged"
    length=$(tail -c 16 "$file" | od -An -v -tu1 -N 4 | awk '{ print $1 + 256 * $2 + 65536 * $3 + 16777216 * $4 }')
    tail -c $((48 + length)) "$file" 2>/dev/null | head -c "$length" | tail -c +5 | od -An -v -tu1 | awk -v pack="$pack" '
        function number(at) { return b[at] + 256 * b[at + 1] + 65536 * b[at + 2] + 16777216 * b[at + 3] }
        { for (i = 1; i <= NF; i++) { b[n++] = $i; if (n == 56) {
            id = ""; for (j = 0; j < 32; j++) id = id sprintf("%02x", b[j])
            print pack, id, number(32), number(36), number(40), b[48]; n = 0 } } }' >>"$work/blobs"
done
touch "$work/blobs"

# paths: number, type, size, mode, path, link target
mkdir -p "$to"
jq -r '.entries | to_entries[] | [.key, .value.entry.type, .value.size, (.value.entry.mode // -1), .value.entry.path, (.value.entry.linkTarget // "-")] | @tsv' "$manifest" >"$work/entries"
while IFS=$tab read -r number type size mode path target; do
    path=$(printf %b "$path")
    case "/$path/" in *"/../"* | //*) fail "the path '$path' leaves its folder" ;; esac
    case $type in
        Directory) mkdir -p "$to/$path" ;;
        File) mkdir -p "$(dirname "$to/$path")"; : >"$to/.part-$number" ;;
    esac
done <"$work/entries"

# runs: pack, blob, file, unit, first page in the file, pages, first page in the blob
jq -r '
    .packs as $packs | .blobs as $blobs | .entries | to_entries[] | select(.value.entry.type == "File") | .key as $file | .value as $e
    | foreach range(0; $e.runs | length; 3) as $i ({at: 0, next: 0}; {at: .next, next: (.next + $e.runs[$i])};
        $blobs[$e.runs[$i + 1]] as $blob | [$packs[$blob[0]], $blob[1], $file, $e.hashUnit, .at, $e.runs[$i], $e.runs[$i + 2]])
    | @tsv' "$manifest" | awk 'NR == FNR { place[$1 " " $2] = $3 " " $4 " " $5 " " $6; next } { print $0, place[$1 " " $2] }' "$work/blobs" - | sort >"$work/runs"
last=
while read -r pack id file unit first pages from offset stored length codec; do
    [ -n "${codec:-}" ] || fail "the pack $pack does not hold the blob $id"
    if [ "$pack $id" != "$last" ]; then
        tail -c +$((offset + 1)) "$repository/packs/$(printf %.2s "$pack")/$pack.pack" 2>/dev/null | head -c "$stored" >"$work/stored"
        case $codec in
            0) cp "$work/stored" "$work/blob" ;;
            1) gzip -dc <"$work/stored" >"$work/blob" || fail "the blob $id cannot be unpacked" ;;
            2) brotli -dc <"$work/stored" >"$work/blob" || fail "the blob $id cannot be unpacked (is brotli there?)" ;;
            3) zstd -dcq <"$work/stored" >"$work/blob" || fail "the blob $id cannot be unpacked (is zstd there?)" ;;
            *) fail "the blob $id has the unknown codec $codec" ;;
        esac
        [ "$(wc -c <"$work/blob")" -eq "$length" ] || fail "the blob $id does not have $length bytes"
        last="$pack $id"
    fi
    dd if="$work/blob" of="$to/.part-$file" bs="$unit" skip="$from" seek="$first" count="$pages" conv=notrunc 2>/dev/null
done <"$work/runs"

while IFS=$tab read -r number type size mode path target; do
    path=$(printf %b "$path")
    case $type in
        File)
            dd if=/dev/null of="$to/.part-$number" bs=1 seek="$size" count=0 2>/dev/null
            mv "$to/.part-$number" "$to/$path"
            [ "$mode" -lt 0 ] || chmod "$(printf %o "$mode")" "$to/$path" ;;
        SymbolicLink) mkdir -p "$(dirname "$to/$path")"; ln -s "$(printf %b "$target")" "$to/$path" ;;
    esac
done <"$work/entries"
echo "restored into $to"
