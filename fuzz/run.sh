#!/bin/sh
# Builds a fuzz target with coverage by plain cargo and runs it for so many seconds: fuzz/run.sh TARGET SECONDS [libFuzzer's flags].
# The flags are those of cargo-fuzz, without its sanitizers; any toolchain has them.
set -eu
cd "$(dirname "$0")"
target=$1 seconds=$2
shift 2
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
cargo build --target "$host" --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
exec "target/$host/debug/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="artifacts/$target/" \
    "$@" "corpus/$target" "seeds/$target"
