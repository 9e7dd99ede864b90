#!/bin/sh
# tools/fuzz.sh BUILD SECONDS: every fuzzer in turn over its kept corpus; new inputs that reach new code are
# merged into tests/fuzz/corpus. A crash ends it with the input's path.
set -eu
build=$1 seconds=$2
for program in "$build"/tests/fuzz/fuzz_*; do
	[ -x "$program" ] && [ -f "$program" ] || continue
	subject=${program##*/fuzz_}
	corpus=tests/fuzz/corpus/$subject
	dict=tests/fuzz/$subject.dict
	found=$(mktemp -d)
	mkdir -p "$corpus" "$build/crashes"
	echo "fuzz_$subject: $seconds s"
	"$program" -max_total_time="$seconds" -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="$build/crashes/$subject-" ${dict:+$([ -f "$dict" ] && echo "-dict=$dict")} \
		"$found" "$corpus"
	# A new input is kept if it reaches code that no kept one does, not for its counters: the corpus stays small.
	"$program" -set_cover_merge=1 -use_counters=0 -verbosity=0 "$corpus" "$found"
	rm -rf "$found"
done
