# Sourced: `part NAME COMMAND…` runs one part. Each part's time stands before the next one begins,
# and the last part's own summary ends the output.

part_name=""
part_start=0

part_times() {
    [ -z "$part_name" ] || echo "== $part_name: $((SECONDS - part_start)) s"
}

part() {
    part_times
    part_name=$1
    part_start=$SECONDS
    echo "== $part_name"
    "${@:2}" || {
        echo "== $part_name: failed after $((SECONDS - part_start)) s: ${*:2}" >&2
        exit 1
    }
}
